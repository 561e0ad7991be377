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

from ..reuse.machine import Machine
from ..spec.operation import SpecError
from ..spec.parse import load_design, place
from ..spec.yaml_lines import SpecFileError
from . import system
from .environment import cocotb_environment
from .programs import build_machine
from .verilator import PROJECT, TESTBENCH, Build

__all__ = ["main", "run_module"]


def run_module(design_build: Build, module: str, directory: Path, variables: dict[str, str]) -> int:
    """Run a cocotb test module on a build; returns how many of its tests failed.

    Parameters
    ----------
    module
        A module on ``PYTHONPATH`` or in ``testbench/``.
    directory
        Where the simulator runs and writes ``results.xml``.
    variables
        Environment variables for the module.

    Raises
    ------
    RuntimeError
        If a system part is missing, there is no such module, or it has no test that ran.
    """
    system.require()
    own = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    _find_module(module, [*filter(None, own), str(TESTBENCH), *sys.path])
    directory.mkdir(parents=True, exist_ok=True)
    results = directory / "results.xml"
    results.unlink(missing_ok=True)
    environment = cocotb_environment(design_build.kind, module, results, own) | variables
    subprocess.run([str(design_build.executable.resolve())], cwd=directory, env=environment)
    cases = _cases(results)
    if not cases:
        raise RuntimeError(f"{module} ran no cocotb test; what it printed is above")
    return sum(any(x.tag in ("failure", "error") for x in case) for case in cases)


def _find_module(module: str, folders: list[str]) -> None:
    """Raise RuntimeError unless a module, or its package, lies in a folder."""
    if importlib.machinery.PathFinder.find_spec(module.partition(".")[0], folders) is None:
        raise RuntimeError(
            f"no module {module!r} in testbench/ or on PYTHONPATH: COCOTB_TEST_MODULES names one"
        )


def _cases(results: Path) -> list[ElementTree.Element]:
    """The tests of a results file; none if the simulator wrote no such file."""
    if not results.is_file():
        return []
    return list(ElementTree.parse(results).iter("testcase"))


def main() -> int:
    """Build the bench of a dataflow file and run a cocotb module on it."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("dataflow", help="dataflow or design file")
    parser.add_argument("--module", default="layer_test", help="cocotb test module")
    arguments = parser.parse_args()
    path = Path(arguments.dataflow)
    if not path.exists() and (PROJECT / path).exists():
        path = PROJECT / path
    try:
        return _run(path, arguments.module)
    except SpecFileError as error:
        print(error, file=sys.stderr)
    except SpecError as error:
        print(place(error, path), file=sys.stderr)
    except (OSError, RuntimeError, ValueError) as error:
        print(error, file=sys.stderr)
    return 2


def _run(path: Path, module: str) -> int:
    """1 if a test of the module failed on the design of a file."""
    machine = Machine(load_design(path))
    made = build_machine(machine, bench="protocol")
    directory = PROJECT / "build" / "cocotb" / machine.design.name
    failed = run_module(made, module, directory, {"RTL_GEN_DATAFLOW": str(path.resolve())})
    print(f"results: {directory / 'results.xml'}")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
