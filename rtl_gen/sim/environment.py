"""The environment of a simulator process in which cocotb runs a test module."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import cocotb_tools.config

from . import system
from .verilator import PROJECT, TESTBENCH, BenchKind

__all__ = ["cocotb_environment"]


def cocotb_environment(
    kind: BenchKind, module: str, results: Path | str, python_path: Iterable[str] = ()
) -> dict[str, str]:
    """Variables of cocotb 2's GPI.

    Parameters
    ----------
    kind
        The bench: its top module.
    module
        The test module to run, found in ``python_path``, in testbench/ or where Python looks.
    results
        File for cocotb's results.
    """
    path = [*python_path, str(TESTBENCH), str(PROJECT), *sys.path]
    return os.environ | {
        "PATH": os.pathsep.join([os.environ["PATH"], str(cocotb_tools.config.libs_dir)]),
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
        "PYGPI_PYTHON_BIN": sys.executable,
        "GPI_USERS": f"{system.find_libpython()};{cocotb_tools.config.pygpi_entry_point()}",
        "COCOTB_TOPLEVEL": kind.top,
        "COCOTB_TEST_MODULES": module,
        "COCOTB_RESULTS_FILE": str(results),
        "TOPLEVEL_LANG": "verilog",
    }
