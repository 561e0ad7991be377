"""Builds that several files share: kept in build/sim, so that only the first run makes them."""

import pytest
from copier_jobs import COPIER, FAULTY, NOTHING

from rtl_gen.sim.run import Simulation
from rtl_gen.sim.verilator import build


@pytest.fixture(scope="session")
def copier():
    return Simulation(build("copier", COPIER), seed=1)


@pytest.fixture(scope="session")
def faulty():
    return Simulation(build("faulty", FAULTY), seed=1)


@pytest.fixture(scope="session")
def nothing():
    return Simulation(build("nothing", NOTHING), seed=1)
