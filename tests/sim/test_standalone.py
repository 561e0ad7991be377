"""The bench for people who know cocotb: `make -C testbench`, and what it says of mistakes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rtl_gen.sim import verilator
from rtl_gen.sim.verilator import build

PROJECT = Path(__file__).resolve().parents[2]
TINY = "tests/designs/tiny.yaml"


def standalone(*arguments, **variables):
    return subprocess.run(
        [sys.executable, "-m", "rtl_gen.sim.standalone", *arguments],
        cwd=PROJECT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_make_runs_a_layer():
    """As from the command line, but with the Python that runs this."""
    made = subprocess.run(
        ["make", "-C", "testbench", f"DATAFLOW={TINY}", f"PYTHON={sys.executable}", "READY="],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    assert re.search(r"\d+ MACs in \d+ cycles, 0 outputs of 500 wrong", made.stdout)
    assert "results: " in made.stdout


MODULES = {
    "no_tests": "",
    "broken": "import cocotb\nraise RuntimeError('this module is broken')\n",
    "failing": "import cocotb\n@cocotb.test()\nasync def wrong(dut):\n    assert False\n",
}


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    folder = tmp_path_factory.mktemp("modules")
    for name, text in MODULES.items():
        (folder / f"{name}.py").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("module", "code", "message"),
    [
        ("missing", 2, r"no module 'missing' in testbench/ or on PYTHONPATH: .*"),
        ("no_tests", 2, r"no_tests ran no cocotb test; what it printed is above"),
        ("broken", 2, r"broken ran no cocotb test; what it printed is above"),
        ("failing", 1, ""),
    ],
)
def test_modules_that_do_not_serve(module, code, message, modules):
    path = os.pathsep.join([str(modules), str(PROJECT), os.environ.get("PYTHONPATH", "")])
    done = standalone(TINY, "--module", module, PYTHONPATH=path)
    assert done.returncode == code, done.stdout + done.stderr
    last = done.stderr.splitlines()[-1] if message else ""
    assert re.fullmatch(message, last), done.stderr


@pytest.mark.parametrize(
    ("dataflow", "variables", "message"),
    [
        ("nowhere.yaml", {}, r"nowhere\.yaml.*"),
        (TINY, {"VERILATOR": "/nowhere"}, r"VERILATOR=/nowhere is not an executable"),
    ],
)
def test_mistakes_are_one_line(dataflow, variables, message):
    path = os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])
    done = standalone(dataflow, PYTHONPATH=path, **variables)
    assert done.returncode == 2
    assert re.fullmatch(message + "\n", done.stderr)


def test_a_package_without_its_bench_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(verilator, "TESTBENCH", tmp_path / "testbench")
    message = r"^simulating needs the sources of the bench in .*: work in a clone of the project"
    with pytest.raises(RuntimeError, match=message):
        build("nothing", "")
