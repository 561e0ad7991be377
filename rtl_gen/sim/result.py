"""What a job of the bench brought back."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

__all__ = ["COUNTERS", "RULES", "Result"]

COUNTERS = {  # outputs memory_* of testbench/bench.sv, since the job began
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
    "writes_open": "write bursts without a response at the job's end",
}

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
)


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
    problems
        One line for each thing that must not happen: a time-out, a broken rule of AXI, a write
        outside the windows, a register access answered with an error.
    seconds
        Of real time, from start to end of the script.
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
    problems: tuple[str, ...]
    seconds: float

    def __str__(self) -> str:
        how = "; ".join(self.problems) if self.problems else "done"
        return f"{self.name}: {how} ({self.cycles} cycles, seed {self.seed})"


def broken_rules(violations: int, cycle: int) -> list[str]:
    """A line for each bit of ``memory_violations``; ``cycle`` is of the first."""
    broken = [rule for bit, rule in enumerate(RULES) if violations >> bit & 1]
    if broken:
        broken[0] += f" (the first at cycle {cycle})"
    return broken
