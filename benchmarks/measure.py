"""What a measure says, and how time is taken."""

import os
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

__all__ = ["Measure", "Times", "repeat"]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A number that was measured, and what was asked of it.

    Parameters
    ----------
    name, value, unit
        What was measured.
    relation, asked
        The mark: ``<=`` or ``>=`` a number; None where nothing was asked.
    command
        Repeats it alone.
    """

    name: str
    value: float
    unit: str
    command: str
    relation: str = "<="
    asked: float | None = None

    def __post_init__(self):
        if self.relation not in ("<=", ">="):
            raise ValueError(f"relation must be <= or >=, not {self.relation!r}")

    @property
    def mark(self) -> str | None:
        return None if self.asked is None else f"{self.relation} {self.asked:g}"

    @property
    def holds(self) -> bool:
        """Whether the mark is met; true where there is none."""
        if self.asked is None:
            return True
        return self.value <= self.asked if self.relation == "<=" else self.value >= self.asked

    def entry(self) -> dict:
        """As it stands in bench.json."""
        facts = asdict(self)
        names = ("name", "value", "unit")
        return {name: facts[name] for name in names} | {
            "mark": self.mark,
            "holds": self.holds,
            "command": self.command,
        }


@dataclass(frozen=True)
class Times:
    """Medians, in seconds.

    Parameters
    ----------
    wall
        As a clock on the wall has it; on a busy machine mostly what others did.
    cpu
        User and system time of the process and its children.
    """

    wall: float
    cpu: float


def repeat(work: Callable[[], object], times: int = 5) -> Times:
    """The median times of some work."""
    walls, cpus = [], []
    for _ in range(times):
        wall, cpu = time.perf_counter(), cpu_seconds()
        work()
        walls.append(time.perf_counter() - wall)
        cpus.append(cpu_seconds() - cpu)
    return Times(statistics.median(walls), statistics.median(cpus))


def cpu_seconds() -> float:
    """Processor time so far, of this process and of its children that have ended."""
    own, children = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def load() -> str:
    """How busy the machine is, in a line."""
    return f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
