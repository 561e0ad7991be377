"""What a job of the bench brought back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..isa.descriptors import ENGINES
from .activity import Activity
from .files import MemoryFile
from .job import Job
from .script import describe, sort_results

__all__ = ["COUNTERS", "ENGINE_COUNTERS", "RULES", "Observation", "Result", "engine_counts"]

COUNTERS = {  # outputs memory_* of testbench/watched.sv, since the job began
    "read_bursts": "read addresses taken",
    "read_beats": "read beats moved, which is also the cycles in which one moved",
    "write_bursts": "write addresses taken",
    "write_beats": "write beats moved",
    "write_bytes": "bytes written (strobes that were high)",
    "both_beats": "cycles in which a read and a write beat moved",
    "ar_held": "cycles in which a read address waited for the memory",
    "r_held": "cycles in which a read beat waited for the accelerator",
    "aw_held": "cycles in which a write address waited for the memory",
    "w_held": "cycles in which a write beat waited for the memory",
    "b_held": "cycles in which a write response waited for the accelerator",
    "error_beats": "read beats and write responses with an error",
    "reads_open": "read bursts not complete at the job's end",
    "writes_open": "write bursts without a response as the interrupt rose, or else at the end",
}

ENGINE_COUNTERS = tuple(  # memory_engines of testbench/watched.sv, the first lowest
    f"{kind}_{engine.upper()}"
    for engine in ENGINES
    for kind in ("BUSY", "WAIT_DATA", "WAIT_ROOM", "WAIT_BUS", "BYTES")
)

RULES = (  # bits of memory_violations, see testbench/axi_check.sv
    "a read address changed or went away before it was taken",
    "a write address changed or went away before it was taken",
    "a write beat changed or went away before it was taken",
    "a read burst is not INCR of the bus' full width",
    "a write burst is not INCR of the bus' full width",
    "a read burst crosses a 4 KiB boundary",
    "a write burst crosses a 4 KiB boundary",
    "WLAST is not on a write burst's last beat",
    "a register's write response changed or went away before it was taken",
    "a register's read value changed or went away before it was taken",
    "a register's write response came without a write",
    "a register's read value came without a read",
    "a valid was high in reset",
)

COUNT_BITS = 32
NO_CYCLE = (1 << 64) - 1  # of the HDL's cycle registers: it never happened


def engine_counts(word: int) -> dict[str, int]:
    """The counts of engines in ``memory_engines``, by name."""
    counts = (word >> COUNT_BITS * n & ((1 << COUNT_BITS) - 1) for n in range(len(ENGINE_COUNTERS)))
    return dict(zip(ENGINE_COUNTERS, counts, strict=True))


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a job went.

    Attributes
    ----------
    name
        The job's.
    index
        The job's number in this simulator process, from 0.
    seed
        Of the stalls: a job with this seed stalls alike.
    timed_out
        The script had not ended at the cycle limit.
    reached
        Where the script stood, in words.
    cycles
        From the script's first cycle to its end.
    interrupt_cycle
        The first cycle in which the interrupt rose; None if it did not.
    reads, stamps
        What the script's ``Read`` and ``Stamp`` entries noted, in order.
    regions
        Bytes read back, uint8, by name.
    counters
        See ``COUNTERS``.
    engines
        Of each engine, by the names of the accelerator's counters, what the bench counted; of BYTES
        the beats or words. All 0 where the module is no accelerator.
    problems
        One line for each thing that must not happen: a time-out, a broken rule of AXI, bytes moved
        outside the windows, an error of the memory that the job did not ask for, an interrupt
        before all is written, a register access answered with an error.
    seconds
        Of real time, from start to end of the script.
    links
        The output of ``link_counters``, where the build has it.
    activity
        What the engines had done every so many cycles, where the job asked for it.
    """

    name: str
    index: int
    seed: int
    timed_out: bool
    reached: str
    cycles: int
    interrupt_cycle: int | None
    reads: list[int]
    stamps: list[int]
    regions: Mapping[str, np.ndarray]
    counters: Mapping[str, int]
    engines: Mapping[str, int]
    problems: tuple[str, ...]
    seconds: float
    links: int = 0
    activity: Activity | None = None

    def __str__(self) -> str:
        how = "; ".join(self.problems) if self.problems else "done"
        return f"{self.name}: {how} ({self.cycles} cycles, seed {self.seed})"


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What a bench saw of a job, in the HDL's terms; :meth:`result` puts it into the user's.

    Attributes
    ----------
    index, seed, timed_out, cycles, counters, engines, seconds, links, activity
        As in :class:`Result`.
    position
        Word of the script that was being played at the end.
    noted
        What the host noted, in the script's order.
    interrupt_cycle, violation_cycle
        Of the first; ``NO_CYCLE`` if there was none.
    violations
        A bit for each of ``RULES``.
    strays, stray_reads
        Bytes written (read) outside the windows, and the address of the first.
    errors
        Register accesses answered with an error, and the script's position at the first.
    """

    index: int
    seed: int
    timed_out: bool
    position: int
    noted: Sequence[int]
    cycles: int
    interrupt_cycle: int
    counters: Mapping[str, int]
    engines: Mapping[str, int]
    violations: int
    violation_cycle: int
    strays: tuple[int, int]
    stray_reads: tuple[int, int]
    errors: tuple[int, int]
    seconds: float
    links: int = 0
    activity: Activity | None = None

    def result(self, job: Job, memory: MemoryFile) -> Result:
        """The job's result, with its regions read from ``memory``."""
        reads, stamps = sort_results(job.script, self.noted)
        happened = self.interrupt_cycle != NO_CYCLE
        return Result(
            name=job.name,
            index=self.index,
            seed=self.seed,
            timed_out=self.timed_out,
            reached=describe(job.script, self.position),
            cycles=self.cycles,
            interrupt_cycle=self.interrupt_cycle if happened else None,
            reads=reads,
            stamps=stamps,
            regions={name: memory.read(*region) for name, region in job.regions.items()},
            counters=self.counters,
            engines=self.engines,
            problems=tuple(self._problems(job)),
            seconds=self.seconds,
            links=self.links,
            activity=self.activity,
        )

    def _problems(self, job: Job) -> list[str]:
        found = []
        if self.timed_out:
            reached = describe(job.script, self.position)
            found.append(f"timed out after {job.cycle_limit} cycles at {reached}")
        broken = [rule for bit, rule in enumerate(RULES) if self.violations >> bit & 1]
        if broken:
            broken[0] += f" (the first at cycle {self.violation_cycle})"
        found += broken
        for what, (count, first) in (("written", self.strays), ("read", self.stray_reads)):
            if count:
                found.append(f"{count} bytes {what} outside the windows, the first at {first:#x}")
        failed = self.counters["error_beats"]
        if failed and job.timing.error is None:
            found.append(f"{failed} beats or write responses of the memory were errors")
        waiting = self.counters["writes_open"]
        if waiting and self.interrupt_cycle != NO_CYCLE:
            found.append(f"the interrupt rose while {waiting} write bursts had no response")
        count, position = self.errors
        if count:
            first = describe(job.script, position)
            found.append(f"{count} register accesses answered with an error, the first {first}")
        return found
