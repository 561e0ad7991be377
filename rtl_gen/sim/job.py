"""One run of an accelerator in the bench: what memory holds, what the host does, how memory acts.

Jobs and results are plain data: they travel between the process that asks and the simulator's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .script import Entry

__all__ = ["ErrorRange", "Job", "MemoryTiming"]

SLVERR, DECERR = 2, 3
MAX_WINDOWS = 512
MAX_STALL = 990  # per mille; at 1000 nothing would ever move


@dataclass(frozen=True)
class ErrorRange:
    """Addresses ``first`` to ``last`` (bytes, inclusive) whose beats answer ``response``."""

    first: int
    last: int
    response: int = SLVERR

    def __post_init__(self):
        if self.response not in (SLVERR, DECERR):
            raise ValueError(
                f"response must be {SLVERR} (SLVERR) or {DECERR} (DECERR), not {self.response!r}"
            )
        if not 0 <= self.first <= self.last < 1 << 64:
            raise ValueError(
                f"error range must be 0 <= first <= last < 2**64, "
                f"not {self.first:#x}..{self.last:#x}"
            )


@dataclass(frozen=True, kw_only=True)
class MemoryTiming:
    """How the bench's memory behaves.

    Parameters
    ----------
    latency
        Cycles from a read address' transfer to its first beat's (at least 2), and from the last
        written beat's transfer to its response's (at least 3).
    bandwidth
        Beats (full bus width) a cycle, reads and writes together: 1/256 to 2.
    stall_ar, stall_r, stall_aw, stall_w, stall_b
        Cycles in 1000 in which a channel stalls at random, 0 to 990.
    error
        Addresses that answer with an error.
    """

    latency: int = 100
    bandwidth: float = 1.0
    stall_ar: int = 0
    stall_r: int = 0
    stall_aw: int = 0
    stall_w: int = 0
    stall_b: int = 0
    error: ErrorRange | None = None

    def __post_init__(self):
        if not 2 <= self.latency < 1 << 32:
            raise ValueError(f"latency must be at least 2 cycles, not {self.latency!r}")
        if not 1 / 256 <= self.bandwidth <= 2:
            raise ValueError(f"bandwidth must be 1/256..2 beats a cycle, not {self.bandwidth!r}")
        for name, value in self.stalls.items():
            if not 0 <= value <= MAX_STALL:
                raise ValueError(f"stall_{name} must be 0..{MAX_STALL} per mille, not {value!r}")

    @classmethod
    def stalling(cls, per_mille: int, **others) -> "MemoryTiming":
        """Timing with the same rate of stalls on all five channels."""
        names = ("stall_ar", "stall_r", "stall_aw", "stall_w", "stall_b")
        return cls(**{name: per_mille for name in names}, **others)

    @property
    def stalls(self) -> dict[str, int]:
        """Per mille by channel: ar, r, aw, w, b."""
        return {name: getattr(self, f"stall_{name}") for name in ("ar", "r", "aw", "w", "b")}


@dataclass(frozen=True, kw_only=True)
class Job:
    """A script with the memory it runs on.

    Parameters
    ----------
    name
        For messages.
    script
        What the host does; the job ends when the script does.
    cycle_limit
        Cycles after which the job counts as timed out.
    images
        Bytes to put into memory before the script starts, by address: ``bytes`` or an array
        (its bytes, in C order).
    regions
        What to read back at the end, by name: (address, bytes).
    windows
        (address, bytes) that the accelerator may write; a byte written elsewhere is a problem.
        Empty: all of memory.
    readable
        (address, bytes) that the accelerator may read; the same.
    timing
        Of the memory.
    host_stall
        Cycles in 1000 in which the host's side of the control port stalls, 0 to 990.
    reset
        Reset the accelerator first. The first job, and one after a time-out, always do.
    seed
        Of the stalls; by default the simulation's seed and the job's number make one.
    sample_every
        Cycles from one note of what the engines have done to the next; 0: none.

    Raises
    ------
    ValueError
        With the parameter, the value given and what is allowed.
    """

    name: str
    script: Sequence[Entry]
    cycle_limit: int
    images: Mapping[int, bytes | np.ndarray] = field(default_factory=dict)
    regions: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    windows: Sequence[tuple[int, int]] = ()
    readable: Sequence[tuple[int, int]] = ()
    timing: MemoryTiming = MemoryTiming()
    host_stall: int = 0
    reset: bool = False
    seed: int | None = None
    sample_every: int = 0

    def __post_init__(self):
        if not 1 <= self.cycle_limit < 1 << 63:
            raise ValueError(f"cycle_limit must be at least 1 cycle, not {self.cycle_limit!r}")
        if not 0 <= self.host_stall <= MAX_STALL:
            raise ValueError(f"host_stall must be 0..{MAX_STALL} per mille, not {self.host_stall}")
        if not 0 <= self.sample_every < 1 << 32:
            raise ValueError(f"sample_every must be 0..2**32 - 1 cycles, not {self.sample_every!r}")
        if self.seed is not None and not 0 <= self.seed < 1 << 64:
            raise ValueError(f"seed must be an unsigned 64-bit value, not {self.seed!r}")
        for name in ("windows", "readable"):
            count = len(getattr(self, name))
            if count > MAX_WINDOWS:
                raise ValueError(f"{name} must be at most {MAX_WINDOWS}, not {count}")
