"""Points side by side, each in a process of its own that can be ended with all it started."""

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from ..spec.sweep import SweepPoint
from .point import PointResult

__all__ = ["FailedPoint", "run_points"]

PROJECT = Path(__file__).resolve().parents[2]
WORKER = "rtl_gen.explore.worker"


@dataclass(frozen=True)
class FailedPoint:
    """A point without a result, and on one line why."""

    name: str
    message: str

    def __str__(self) -> str:
        return f"{self.name}: {self.message}"


def run_points(
    points: Iterable[SweepPoint],
    *,
    seed: int,
    jobs: int,
    logs: Path,
    on_stage: Callable[[str, str], None],
    on_end: Callable[[PointResult | FailedPoint], None],
) -> None:
    """Run points, ``jobs`` at a time.

    An exception, such as KeyboardInterrupt, ends the running ones before it goes on.

    Parameters
    ----------
    seed
        Of the data.
    logs
        Folder for what each process prints, ``<name>.log``; only those of failed points stay.
    on_stage
        Called with a point's name and what it does, from several threads.
    on_end
        Called with each outcome, from this thread.
    """
    running = _Running()
    executor = ThreadPoolExecutor(jobs)
    try:
        futures = [
            executor.submit(_run_point, point, seed, logs / f"{point.name}.log", running, on_stage)
            for point in points
        ]
        for future in as_completed(futures):
            on_end(future.result())
    finally:
        running.end()
        executor.shutdown(cancel_futures=True)


class _Running:
    """The processes that run now; once ended, none is started any more."""

    def __init__(self):
        self._lock = threading.Lock()
        self._processes: set[subprocess.Popen] = set()
        self._ended = False

    def start(self, command: list[str], **options) -> subprocess.Popen:
        with self._lock:
            if self._ended:
                raise RuntimeError("the sweep was ended")
            process = subprocess.Popen(command, start_new_session=True, **options)
            self._processes.add(process)
            return process

    def finished(self, process: subprocess.Popen) -> None:
        with self._lock:
            self._processes.discard(process)

    def end(self) -> None:
        """Kill all, each with the compilers and simulators it started."""
        with self._lock:
            self._ended = True
            for process in self._processes:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)


def _run_point(
    point: SweepPoint,
    seed: int,
    log: Path,
    running: _Running,
    on_stage: Callable[[str, str], None],
) -> PointResult | FailedPoint:
    far_end, lifeline = os.pipe()  # see worker.py
    try:
        with open(log, "w") as file:
            process = running.start(
                [sys.executable, "-m", WORKER, str(far_end)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                pass_fds=[far_end],
                env=os.environ | {"PYTHONPATH": os.pathsep.join([str(PROJECT), *sys.path])},
            )
        with process:
            process.stdin.write(pickle.dumps((point, seed)))
            process.stdin.close()
            outcome = _listen(process, point.name, on_stage)
        running.finished(process)
    finally:
        os.close(far_end)
        os.close(lifeline)
    if isinstance(outcome, PointResult):
        log.unlink()
        return outcome
    if outcome is None:
        outcome = f"its process ended with exit code {process.returncode}; see {log}"
    return FailedPoint(point.name, outcome)


def _listen(
    process: subprocess.Popen, name: str, on_stage: Callable[[str, str], None]
) -> PointResult | str | None:
    """Read a process' messages to the end: its result, its error, or None if it gave neither."""
    outcome = None
    for line in process.stdout:
        message = json.loads(line)
        if "stage" in message:
            on_stage(name, message["stage"])
        elif "error" in message:
            outcome = message["error"]
        else:
            outcome = PointResult.from_plain(message["result"])
    return outcome
