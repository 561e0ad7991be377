"""Builds that several files share: kept in build/sim, so that only the first run makes them."""

import shutil
import time

import pytest
from copier_jobs import FAULTY, NOTHING

from rtl_gen.sim.run import Simulation
from rtl_gen.sim.verilator import build


@pytest.fixture(scope="session")
def copier():
    """The copier, inside the wrapper that breaks rules only when told to."""
    return Simulation(build("faulty", FAULTY, name="copier"), seed=1)


@pytest.fixture(scope="session")
def nothing_text():
    """The device that does nothing, as nobody has built it before."""
    return f"{NOTHING}// {time.time_ns()}\n"


@pytest.fixture(scope="session")
def nothing(nothing_text):
    built = build("nothing", nothing_text)
    assert built.new
    yield Simulation(built, seed=1)
    shutil.rmtree(built.directory)
