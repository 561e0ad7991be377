"""A plain cocotb run: a design's bench, built by the same step as everywhere, and a test module.

For people who know cocotb and nothing of this project: ``make -C testbench DATAFLOW=...`` calls
``python -m rtl_gen.sim.standalone``. The top is ``watched`` (testbench/watched.sv): the
accelerator's own ports, free for cocotbext-axi or any other bus model.
"""

import argparse
import importlib.machinery
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from ..report.user_errors import BAD_INPUT, FAILED, explain_error
from ..reuse.fused_machine import machine_of
from ..spec.operation import SpecError
from ..spec.parse import load_design, place
from . import system
from .environment import cocotb_environment
from .programs import build_machine
from .verilator import PROJECT, TESTBENCH, Build

__all__ = ["BenchModuleError", "find_module", "main", "run_module"]


class BenchModuleError(ValueError):
    """A cocotb test module that is not there, or has no test that ran."""


def run_module(design_build: Build, module: str, directory: Path, variables: dict[str, str]) -> int:
    """Run a cocotb test module on a build; returns how many of its tests failed.

    Parameters
    ----------
    module
        A module on ``PYTHONPATH`` or in ``testbench/``; see :func:`find_module`.
    directory
        Where the simulator runs and writes ``results.xml``.
    variables
        Environment variables for the module.

    Raises
    ------
    BenchModuleError
        If no test of the module ran.
    """
    directory.mkdir(parents=True, exist_ok=True)
    results = directory / "results.xml"
    results.unlink(missing_ok=True)
    environment = cocotb_environment(design_build.kind, module, results, _own_path()) | variables
    subprocess.run([str(design_build.executable.resolve())], cwd=directory, env=environment)
    cases = _cases(results)
    if not cases:
        raise BenchModuleError(f"{module} ran no cocotb test; what it printed is above")
    return sum(any(x.tag in ("failure", "error") for x in case) for case in cases)


def find_module(module: str) -> None:
    """Look for a test module where the simulator will, without running any of it.

    Raises
    ------
    BenchModuleError
        If it, or a package that it lies in, is not there.
    """
    folders = [*_own_path(), str(TESTBENCH), *sys.path]
    for name in module.split("."):
        found = importlib.machinery.PathFinder.find_spec(name, folders)
        if found is None:
            raise BenchModuleError(
                f"no module {module!r} in testbench/ or on PYTHONPATH: COCOTB_TEST_MODULES names "
                f"one"
            )
        folders = list(found.submodule_search_locations or ())


def _own_path() -> list[str]:
    """The folders of the variable PYTHONPATH."""
    return [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]


def _cases(results: Path) -> list[ElementTree.Element]:
    """The tests of a results file; none if the simulator wrote no such file."""
    if not results.is_file():
        return []
    return list(ElementTree.parse(results).iter("testcase"))


def main() -> int:
    """Build the bench of a dataflow file and run a cocotb module on it.

    Exit codes: 0, all its tests passed; 1, one did not, or the build failed; 2, bad input.
    """
    parser = argparse.ArgumentParser(description=main.__doc__.splitlines()[0])
    parser.add_argument("dataflow", help="dataflow or design file")
    parser.add_argument("--module", default="layer_test", help="cocotb test module")
    arguments = parser.parse_args()
    path = Path(arguments.dataflow)
    if not path.exists() and (PROJECT / path).exists():
        path = PROJECT / path
    try:
        return _run(path, arguments.module)
    except BenchModuleError as error:
        message, code = str(error), BAD_INPUT
    except Exception as error:
        found = explain_error(error)
        if found is None:
            raise
        message, code = found
    print(message, file=sys.stderr)
    return code


def _run(path: Path, module: str) -> int:
    """1 if a test of the module failed on the design of a file.

    What can be wrong is looked at before the build, which takes minutes.
    """
    design = load_design(path)
    try:
        machine = machine_of(design)
    except SpecError as error:
        raise place(error, path) from None
    find_module(module)
    system.require()
    made = build_machine(machine, bench="protocol")
    directory = PROJECT / "build" / "cocotb" / machine.design.name
    failed = run_module(made, module, directory, {"RTL_GEN_DATAFLOW": str(path.resolve())})
    print(f"results: {directory / 'results.xml'}")
    return FAILED if failed else 0


if __name__ == "__main__":
    sys.exit(main())
