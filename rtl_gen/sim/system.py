"""Is everything here that a simulation needs and pip cannot install?

Only the standard library is used, so that this runs before anything is installed::

    python3 rtl_gen/sim/system.py
"""

import ctypes
import ctypes.util
import importlib.util
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Missing", "MissingPartError", "main", "missing_parts", "require"]

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


class MissingPartError(RuntimeError):
    """System parts are missing; a line for each, with the command that installs it."""


@dataclass(frozen=True)
class Missing:
    """A system part that is not here.

    Parameters
    ----------
    part
        Its name.
    purpose
        What needs it.
    install
        The command that installs it on Debian and Ubuntu.
    """

    part: str
    purpose: str
    install: str

    def __str__(self) -> str:
        return f"{self.part} is missing ({self.purpose}): {self.install}"


def find_libpython() -> str | None:
    """Path or name of a libpython of this version that can be loaded, else None."""
    candidates = []
    if importlib.util.find_spec("find_libpython") is not None:
        import find_libpython as finder

        candidates.append(finder.find_libpython())
    directory, name = (sysconfig.get_config_var(key) for key in ("LIBDIR", "INSTSONAME"))
    if directory and name:
        candidates.append(str(Path(directory) / name))
    candidates.append(ctypes.util.find_library(f"python{PYTHON}"))
    return next((path for path in candidates if path and _loads(path)), None)


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def missing_parts() -> list[Missing]:
    """What is not here, in the order in which one would install it."""
    missing = []
    project = Path(__file__).resolve().parents[2]
    if " " in str(project):
        purpose = f"make cannot build in {str(project)!r}"
        missing.append(Missing("a folder without spaces", purpose, "move the project"))

    def need(found: object, part: str, purpose: str, package: str) -> None:
        if not found:
            missing.append(Missing(part, purpose, f"sudo apt install {package}"))

    compiler = shutil.which("g++") or shutil.which("c++")
    need(compiler, "g++", "compiles the simulation", "g++")
    need(shutil.which("make"), "make", "compiles the simulation", "make")
    need(shutil.which("perl"), "perl", "starts Verilator", "perl")
    venv = all(importlib.util.find_spec(name) for name in ("venv", "ensurepip"))
    # inside a virtual environment the question is settled
    need(
        venv or sys.prefix != sys.base_prefix,
        "python3-venv",
        "holds the Python packages",
        f"python{PYTHON}-venv",
    )
    need(
        find_libpython(),
        f"a shared libpython{PYTHON}",
        "cocotb runs Python inside the simulator",
        f"libpython{PYTHON}",
    )
    return missing


def require() -> None:
    """Raise MissingPartError, a line for each missing part, if there is one."""
    missing = missing_parts()
    if missing:
        raise MissingPartError("\n".join(map(str, missing)))


def main() -> int:
    """Print a line for each missing part; 0 if there is none, else 1."""
    missing = missing_parts()
    for part in missing:
        print(part, file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
