"""Running jobs: many of them, in one simulator process.

The simulator is a child process in which cocotb runs ``testbench/run_jobs.py``. Jobs and results
travel through a pipe; memory and scripts lie in files that both map. While the child runs a job,
the caller can look at the result of the one before.
"""

import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from . import system
from .environment import cocotb_environment
from .files import HostFile, MemoryFile
from .job import Job
from .result import Result
from .script import encode
from .verilator import PROJECT, Build

__all__ = ["Session", "Simulation", "SimulationError"]

RUN_ROOT = PROJECT / "build" / "run"
SCRIPT_WORDS = 1 << 20
PATIENCE = 0.2  # seconds between two looks at the progress


class SimulationError(RuntimeError):
    """The simulator ended by itself."""


class Simulation:
    """Runs jobs on a build.

    Parameters
    ----------
    build
        What :func:`rtl_gen.sim.verilator.build` made.
    memory_bytes
        Size of the memory, a multiple of 4096; only what is written takes space.
    memory_base
        Address of the memory's first byte, a multiple of its size.
    seed
        Of all random stalls; random by default. Print ``.seed``: it repeats the run.
    waves
        File for the waveform (VCD); needs a build with waves.
    root
        Folder for the run's files.

    Raises
    ------
    ValueError
        An argument does not fit.
    RuntimeError
        A system part is missing.
    """

    def __init__(
        self,
        build: Build,
        *,
        memory_bytes: int = 1 << 28,
        memory_base: int = 0,
        seed: int | None = None,
        waves: Path | None = None,
        root: Path = RUN_ROOT,
    ):
        if memory_bytes <= 0 or memory_bytes % 4096:
            raise ValueError(
                f"memory_bytes must be a positive multiple of 4096, not {memory_bytes!r}"
            )
        if memory_base % memory_bytes or memory_base + memory_bytes > 1 << 64:
            raise ValueError(
                f"memory_base must be a multiple of memory_bytes below 2**64, not {memory_base!r}"
            )
        if waves and not build.waves:
            raise ValueError(f"{build.directory.name} was not built with waves")
        system.require()
        self.build = build
        self.memory_bytes = memory_bytes
        self.memory_base = memory_base
        self.seed = random.SystemRandom().randrange(1, 1 << 32) if seed is None else seed
        self.waves = waves
        self.root = root

    def run(
        self,
        jobs: Iterable[Job],
        *,
        on_result: Callable[[Result], None] | None = None,
        on_progress: Callable[[str, int], None] | None = None,
    ) -> list[Result]:
        """Run all jobs, in order; the results, in order.

        ``on_result`` is called with each as it comes, ``on_progress`` with the running job's name
        and cycles a few times a second. Raises as :meth:`stream` does.
        """
        results = []
        for result in self.stream(jobs, on_progress=on_progress):
            results.append(result)
            if on_result:
                on_result(result)
        return results

    def stream(
        self, jobs: Iterable[Job], *, on_progress: Callable[[str, int], None] | None = None
    ) -> Iterator[Result]:
        """Run jobs as they come; yield each result while the next job runs.

        A job that times out says so in its result, and the next begins with a reset.

        Raises
        ------
        ValueError
            A job does not fit: an image or a region outside the memory, a script too long.
        SimulationError
            The simulator ended by itself; with the end of its log.
        """
        with self._process() as process:
            yield from process.stream(jobs, on_progress)

    @contextmanager
    def session(self) -> Iterator["Session"]:
        """A simulator for jobs that depend on what those before them gave.

        Between jobs the clock stands still, and so does the accelerator, whatever it is at. Raises
        as :meth:`stream` does.
        """
        with self._process() as process:
            yield Session(process)
            process.end()

    @contextmanager
    def _process(self) -> Iterator["_Process"]:
        self.root.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(self.root)
        directory = Path(tempfile.mkdtemp(prefix=f"run-{os.getpid()}-", dir=self.root))
        try:
            with _Process(self, directory) as process:
                yield process
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def job_seed(self, job: Job, index: int) -> int:
        """Seed of the job's stalls: its own, or one of the simulation's seed and its number."""
        if job.seed is not None:
            return job.seed
        return random.Random(f"{self.seed}/{index}").randrange(1, 1 << 64)


class Session:
    """A simulator that takes one job at a time; :meth:`Simulation.session` opens it.

    Attributes
    ----------
    memory
        The accelerator's DRAM, which may be read and written between jobs.
    """

    def __init__(self, process: "_Process"):
        self._process = process
        self._jobs = 0
        self.memory = process.memory

    def run(self, job: Job) -> Result:
        """Run a job and wait for its result."""
        process, index = self._process, self._jobs
        process.check(job)
        process.send((job, index, process.simulation.job_seed(job, index)), job)
        self._jobs += 1
        return process.receive(job, None)


class _Process:
    """The simulator's process, with its files."""

    def __init__(self, simulation: Simulation, directory: Path):
        self.simulation = simulation
        self.log = directory / "simulation.log"
        self.memory = MemoryFile.create(
            directory / "memory.bin", simulation.memory_bytes, simulation.memory_base
        )
        self.host = HostFile.create(directory / "host.bin", SCRIPT_WORDS)
        self.channel, far_end = Pipe()
        with open(self.log, "w") as log:
            self.child = subprocess.Popen(
                self._command(directory),
                cwd=directory,
                env=self._environment(far_end),
                pass_fds=[far_end.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        far_end.close()

    def __enter__(self) -> "_Process":
        return self

    def __exit__(self, *_) -> None:
        self.channel.close()
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()

    def _command(self, directory: Path) -> list[str]:
        simulation = self.simulation
        command = [
            str(simulation.build.executable.resolve()),
            f"+memory={directory / 'memory.bin'}",
            f"+host={directory / 'host.bin'}",
            f"+memory_base={simulation.memory_base:x}",
        ]
        if simulation.waves:
            simulation.waves.parent.mkdir(parents=True, exist_ok=True)
            command += ["--trace", "--trace-file", str(simulation.waves.resolve())]
        return command

    def _environment(self, channel: Connection) -> dict[str, str]:
        """cocotb's, and where the jobs come from."""
        kind = self.simulation.build.kind
        return cocotb_environment(kind, kind.test_module, "results.xml") | {
            "COCOTB_RANDOM_SEED": str(self.simulation.seed),
            "COCOTB_TRUST_INERTIAL_WRITES": "1",
            "COCOTB_REWRITE_ASSERTION_FILES": "",  # else cocotb imports pytest, a tenth of a second
            "RTL_GEN_CHANNEL": str(channel.fileno()),
            "RTL_GEN_MEMORY_BASE": str(self.simulation.memory_base),
        }

    def stream(
        self, jobs: Iterable[Job], on_progress: Callable[[str, int], None] | None
    ) -> Iterator[Result]:
        # A job is sent when the one before is done, never while the simulator may be sending too:
        # a pipe holds 64 KiB, and two that both send would wait for each other.
        running: Job | None = None
        for index, job in enumerate(jobs):
            self.check(job)
            result = self.receive(running, on_progress) if running else None
            self.send((job, index, self.simulation.job_seed(job, index)), job)
            running = job
            if result:
                yield result
        if running:
            yield self.receive(running, on_progress)
        self.end()

    def end(self) -> None:
        """Let the simulator come to its end."""
        self.send(None, None)
        self.child.wait()

    def check(self, job: Job) -> None:
        """Raise ValueError if the job's memory or script does not fit."""
        for address, data in job.images.items():
            self.memory.check(f"{job.name}: image", address, memoryview(data).nbytes)
        for name, (address, size) in job.regions.items():
            self.memory.check(f"{job.name}: region {name}", address, size)
        words = len(encode(job.script))
        if words > self.host.capacity:
            raise ValueError(
                f"{job.name}: script must be at most {self.host.capacity} words, not {words}"
            )

    def send(self, message: object, job: Job | None) -> None:
        try:
            self.channel.send(message)
        except ConnectionError:
            raise SimulationError(self._obituary(job)) from None

    def receive(self, job: Job, on_progress: Callable[[str, int], None] | None) -> Result:
        try:
            while not self.channel.poll(PATIENCE):
                if on_progress:
                    on_progress(job.name, self.host.progress()[0])
            return self.channel.recv()
        except (EOFError, ConnectionError):
            raise SimulationError(self._obituary(job)) from None

    def _obituary(self, job: Job | None) -> str:
        code = self.child.wait()
        where = f"in job {job.name!r}" if job else "at its end"
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])
        return f"the simulator ended {where} (exit code {code}); its last words:\n{tail}"


def _remove_abandoned(root: Path) -> None:
    """Remove the files of runs whose process was killed."""
    for directory in root.glob("run-*-*"):
        try:
            os.kill(int(directory.name.split("-")[1]), 0)
        except ProcessLookupError:
            shutil.rmtree(directory, ignore_errors=True)
        except PermissionError:
            continue  # another user's process: it lives
