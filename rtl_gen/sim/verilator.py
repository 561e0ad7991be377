"""Building simulations: Verilog and a bench become an executable, once.

A build is kept in ``build/sim/<name>-<hash>/``, the hash being of everything that goes into it, and
is made elsewhere and renamed, so that what stands there is complete.
"""

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import cocotb
import cocotb_tools.config

from . import system
from .compiler import BenchRunner, BuildError, Toolchain, find_toolchain

__all__ = ["BUILD_ROOT", "BenchKind", "Build", "build"]

PROJECT = Path(__file__).resolve().parents[2]
TESTBENCH = PROJECT / "testbench"
BUILD_ROOT = PROJECT / "build" / "sim"
EXECUTABLE = "simulation"


@dataclass(frozen=True)
class BenchKind:
    """A bench around the accelerator: its top module, its files and the module cocotb runs."""

    top: str
    sources: tuple[str, ...]
    test_module: str


BENCHES = {
    "memory": BenchKind(
        top="bench",
        sources=(
            "bench.vlt",
            "generated.vlt",
            "bench.sv",
            "host.sv",
            "memory.sv",
            "watched.sv",
            "axi_check.sv",
            "axi_counters.sv",
            "engine_counters.sv",
            "activity.sv",
            "storage.cpp",
            "main.cpp",
        ),
        test_module="run_jobs",
    ),
    "protocol": BenchKind(
        top="watched",
        sources=(
            "watched.vlt",
            "generated.vlt",
            "watched.sv",
            "axi_check.sv",
            "axi_counters.sv",
            "engine_counters.sv",
        ),
        test_module="run_protocol",
    ),
}


@dataclass(frozen=True)
class Build:
    """A simulation that is ready to run.

    Attributes
    ----------
    directory
        Where it stands: the executable, ``accelerator.v``, ``build.log``.
    top
        Module name of the accelerator.
    data_width
        Bits of its memory port.
    bench
        ``memory`` (fast) or ``protocol`` (cocotbext-axi as peers).
    waves
        Whether it can write a waveform.
    new
        Whether it was built just now.
    """

    directory: Path
    top: str
    data_width: int
    bench: str
    waves: bool
    new: bool

    @property
    def executable(self) -> Path:
        return self.directory / EXECUTABLE

    @property
    def kind(self) -> BenchKind:
        return BENCHES[self.bench]


def build(
    top: str,
    verilog: str,
    *,
    data_width: int = 128,
    name: str | None = None,
    bench: str = "memory",
    engines: tuple[str, ...] = (),
    links: str = "",
    link_counts: int = 0,
    waves: bool = False,
    root: Path = BUILD_ROOT,
    jobs: int = 2,
) -> Build:
    """Build a bench around a module, or find it built.

    Parameters
    ----------
    top
        Name of the module.
    verilog
        Its Verilog, with all that it instantiates.
    data_width
        Bits of its ``m_axi`` port: 64, 128 or 256.
    name
        Of the folder, before the hash; ``top`` by default.
    bench
        ``memory``: memory and host in HDL, for speed. ``protocol``: cocotbext-axi, for conformance.
    engines
        Of an accelerator, and ``tagged_buses`` where it has these: what they do is counted inside
        it. None where the module is no other.
    links, link_counts
        A module ``link_counters`` that counts what moves inside, and the words of its output.
    waves
        Build it so that it can write a waveform (slower).
    root
        Folder of all builds.
    jobs
        Compilers side by side.

    Raises
    ------
    ValueError
        An argument is out of range.
    MissingPartError
        A system part, Verilator or the bench is missing.
    BuildError
        Verilator or the compiler refuses the sources: with their first message and where the
        others are.
    """
    if data_width not in (64, 128, 256):
        raise ValueError(f"data_width must be 64, 128 or 256 bits, not {data_width!r}")
    if bench not in BENCHES:
        raise ValueError(f"bench must be one of {', '.join(BENCHES)}, not {bench!r}")
    if " " in str(root):
        raise ValueError(f"make cannot build in a folder with spaces in its name, as {str(root)!r}")
    if not TESTBENCH.is_dir():
        raise system.MissingPartError(
            f"simulating needs the sources of the bench in {TESTBENCH}, which are not installed: "
            f"work in a clone of the project (pip install --editable .)"
        )
    toolchain = find_toolchain()
    recipe = Recipe(top, verilog, data_width, bench, engines, waves, links, link_counts)
    stem = f"{name or top}-{recipe.digest(toolchain)}"
    directory = root / stem
    if not directory.is_dir():
        system.require()
        root.mkdir(parents=True, exist_ok=True)
        with _locked(root / f".{stem}.lock"):
            new = not directory.is_dir()  # another process may have built it meanwhile
            if new:
                recipe.make(directory, toolchain, jobs)
    else:
        new = False
    return Build(directory, top, data_width, bench, waves, new)


@dataclass(frozen=True)
class Recipe:
    """All that determines a build, but for the tools."""

    top: str
    verilog: str
    data_width: int
    bench: str
    engines: tuple[str, ...]
    waves: bool
    links: str = ""
    link_counts: int = 0

    @property
    def kind(self) -> BenchKind:
        return BENCHES[self.bench]

    def digest(self, toolchain: Toolchain) -> str:
        """A hash of everything that goes in: sources, options, versions of the tools."""
        parts = {
            **asdict(self),
            "bench_sources": [(TESTBENCH / file).read_text() for file in self.kind.sources],
            "tools": toolchain.identity(),
            "cocotb": [cocotb.__version__, str(cocotb_tools.config.libs_dir)],
        }
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]

    def make(self, directory: Path, toolchain: Toolchain, jobs: int) -> None:
        """Build into a temporary folder; rename it to ``directory`` when it is complete."""
        work = directory.with_name(f".building-{directory.name}")
        shutil.rmtree(work, ignore_errors=True)  # of a build that was killed; the lock is ours
        work.mkdir()
        failed_log = directory.with_name(directory.name + ".failed.log")
        try:
            failed_log.unlink(missing_ok=True)
            source = work / "accelerator.v"
            source.write_text(self.verilog)
            counters = []
            if self.links:
                counters = [work / "link_counters.sv"]
                counters[0].write_text(self.links)
            log = work / "build.log"
            library = toolchain.library(directory.parent, waves=self.waves)
            runner = BenchRunner(toolchain, library, jobs=jobs, waves=self.waves)
            try:
                runner.build(
                    sources=[*self._files(".vlt"), source, *counters, *self._files(".sv")],
                    hdl_toplevel=self.kind.top,
                    build_dir=work / "objects",
                    build_args=[str(file) for file in self._files(".cpp")],
                    # macros: a parameter of the top would change its name, which bench.vlt needs
                    defines={"DUT": self.top, "DATA_WIDTH": self.data_width}
                    | {"LINK_COUNTS": self.link_counts or 1}
                    | ({"LINKS": 1} if self.links else {})
                    | ({"ENGINES": 1} if self.engines else {})
                    | {
                        name.upper(): 1
                        for name in ("load_residual", "unfold_input", "tagged_buses")
                        if name in self.engines
                    },
                    timescale=("1ns", "1ps"),
                    log_file=log,
                )
            except RuntimeError:
                shutil.copy(log, failed_log)
                raise BuildError(
                    f"{self.top} does not build: {first_error(log)} (all of it: {failed_log})"
                ) from None
            runner.keep_library()
            (work / "objects" / self.kind.top).rename(work / EXECUTABLE)
            shutil.rmtree(work / "objects")
            work.rename(directory)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _files(self, suffix: str) -> list[Path]:
        return [TESTBENCH / file for file in self.kind.sources if file.endswith(suffix)]


def first_error(log: Path) -> str:
    """The line of a build log that says what is wrong."""
    lines = log.read_text(errors="replace").splitlines()
    for mark in ("%Error", "%Warning", "error:", "Error"):
        for line in lines:
            if mark in line and "Exiting due to" not in line:
                return line.strip()
    return lines[-1].strip() if lines else "no output"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock on ``path`` against other processes; remove it when all went well.

    Who waits for it meanwhile finds that the build is there.
    """
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
        path.unlink(missing_ok=True)
