"""How far a sweep is, on a terminal."""

import threading

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

__all__ = ["SweepProgress"]


class SweepProgress:
    """A bar over all points, and below it a line for each that runs: what it does, since when.

    A context manager; it leaves nothing on the terminal. Where the console is none, it shows
    nothing. Its methods may be called from any thread.

    Parameters
    ----------
    name
        Of the sweep.
    done, total
        Points.
    """

    def __init__(self, console: Console, name: str, done: int, total: int):
        text = TextColumn("{task.description}", markup=False)
        self._bar = Progress(text, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._lines = Progress(text, TimeElapsedColumn())
        self._whole = self._bar.add_task(name, total=total, completed=done)
        self._tasks = {}
        self._lock = threading.Lock()
        self._live = Live(
            Group(self._bar, self._lines), console=console, transient=True, refresh_per_second=4
        )

    def __enter__(self) -> "SweepProgress":
        self._live.start()
        return self

    def __exit__(self, *_) -> None:
        self._live.stop()

    def show(self, name: str, stage: str) -> None:
        """Say what a point does."""
        with self._lock:
            if name not in self._tasks:
                self._tasks[name] = self._lines.add_task("", total=None)
            self._lines.update(self._tasks[name], description=f"  {name}: {stage}")

    def end(self, name: str) -> None:
        """Count a point as done."""
        with self._lock:
            if name in self._tasks:
                self._lines.remove_task(self._tasks.pop(name))
            self._bar.advance(self._whole)
