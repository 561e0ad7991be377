"""A plain cocotb run: a design's bench, built by the same step as everywhere, and a test module.

For people who know cocotb and nothing of this project: ``make -C testbench DATAFLOW=...`` calls
``python -m rtl_gen.sim.standalone``. The top is ``watched`` (testbench/watched.sv): the
accelerator's own ports, free for cocotbext-axi or any other bus model.
"""

import argparse
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import cocotb_tools.config

from ..flow.design import accelerator_verilog
from ..reuse.machine import Machine
from ..spec.operation import SpecError
from ..spec.parse import load_design, place
from . import system
from .verilator import PROJECT, TESTBENCH, Build, build

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
        If a system part is missing, or the simulator ends without results.
    """
    system.require()
    directory.mkdir(parents=True, exist_ok=True)
    results = directory / "results.xml"
    results.unlink(missing_ok=True)
    libraries = str(cocotb_tools.config.libs_dir)
    python_path = [str(TESTBENCH), str(PROJECT), *filter(None, sys.path)]
    environment = os.environ | {
        "PATH": os.pathsep.join([os.environ["PATH"], libraries]),
        "PYTHONPATH": os.pathsep.join([*os.environ.get("PYTHONPATH", "").split(":"), *python_path]),
        "PYGPI_PYTHON_BIN": sys.executable,
        "GPI_USERS": f"{system.find_libpython()};{cocotb_tools.config.pygpi_entry_point()}",
        "COCOTB_TOPLEVEL": design_build.kind.top,
        "COCOTB_TEST_MODULES": module,
        "COCOTB_RESULTS_FILE": str(results),
        "TOPLEVEL_LANG": "verilog",
        **variables,
    }
    subprocess.run([str(design_build.executable.resolve())], cwd=directory, env=environment)
    if not results.is_file():
        raise RuntimeError(f"the simulator ended without {results}")
    cases = ElementTree.parse(results).iter("testcase")
    return sum(any(x.tag in ("failure", "error") for x in case) for case in cases)


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
        machine = Machine(load_design(path))
    except SpecError as error:
        print(place(error, path), file=sys.stderr)
        return 2
    verilog = accelerator_verilog(machine)
    made = build(
        verilog.top,
        verilog.text,
        data_width=machine.design.bus_bits,
        name=machine.design.name,
        bench="protocol",
    )
    directory = PROJECT / "build" / "cocotb" / machine.design.name
    variables = {"RTL_GEN_DATAFLOW": str(path.resolve())}
    failed = run_module(made, arguments.module, directory, variables)
    print(f"results: {directory / 'results.xml'}")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
