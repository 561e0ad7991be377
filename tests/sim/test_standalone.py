"""The bench for people who know cocotb: `make -C testbench`, and what it says of mistakes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rtl_gen.sim import standalone as sim_standalone
from rtl_gen.sim import verilator
from rtl_gen.sim.standalone import find_module
from rtl_gen.sim.system import MissingPartError
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
        ("no_tests", 2, r"no_tests ran no cocotb test; what it printed is above"),
        ("broken", 2, r"broken ran no cocotb test; what it printed is above"),
        ("failing", 1, ""),
    ],
)
def test_modules_that_fail(module, code, message, modules):
    path = os.pathsep.join([str(modules), str(PROJECT), os.environ.get("PYTHONPATH", "")])
    done = standalone(TINY, "--module", module, PYTHONPATH=path)
    assert done.returncode == code, done.stdout + done.stderr
    last = done.stderr.splitlines()[-1] if message else ""
    assert re.fullmatch(message, last), done.stderr


@pytest.mark.parametrize("module", ["missing", "layer_test.missing", "modules.missing"])
def test_a_mistyped_module_is_found_before_anything_is_built(module, tmp_path):
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "there.py").write_text("")
    path = os.pathsep.join([str(tmp_path), str(PROJECT), os.environ.get("PYTHONPATH", "")])
    done = standalone(TINY, "--module", module, PYTHONPATH=path, VERILATOR="/nowhere")
    assert done.returncode == 2
    assert done.stderr == (
        f"no module {module!r} in testbench/ or on PYTHONPATH: COCOTB_TEST_MODULES names one\n"
    )


def test_a_module_in_a_package_is_found(tmp_path, monkeypatch):
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "there.py").write_text("raise RuntimeError('it was run')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    find_module("modules.there")


def test_a_build_that_fails_is_no_bad_input(tmp_path):
    """Of a Verilator that refuses everything."""
    verilator = tmp_path / "verilator"
    verilator.write_text(
        "#!/bin/sh\n"
        'test "$1" = --version && echo "Verilator 5.040" && exit\n'
        "echo '%Error: no' >&2; exit 1\n"
    )
    verilator.chmod(0o755)
    path = os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])
    done = standalone(TINY, PYTHONPATH=path, VERILATOR=str(verilator))
    assert done.returncode == 1
    assert re.fullmatch(r"tiny_accelerator does not build: %Error: no \(.*\)\n", done.stderr)


def test_a_bug_keeps_its_traceback(monkeypatch):
    def wrong(_):
        raise ValueError("a bug")

    monkeypatch.setattr(sim_standalone, "machine_of", wrong)
    monkeypatch.setattr(sys, "argv", ["standalone", str(PROJECT / TINY)])
    with pytest.raises(ValueError, match=r"^a bug$"):
        sim_standalone.main()


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
    with pytest.raises(MissingPartError, match=message):
        build("nothing", "")
