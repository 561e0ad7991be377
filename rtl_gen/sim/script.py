"""What a host does to an accelerator: a list of register accesses that the bench plays alone.

The bench's host (``testbench/host.sv``) reads the encoded script from a mapped file and plays it
over AXI4-Lite without Python, so that a program of thousands of writes costs no Python time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = [
    "Entry",
    "Idle",
    "Poll",
    "Read",
    "Stamp",
    "WaitInterrupt",
    "Write",
    "describe",
    "encode",
    "sort_results",
]

# Operation codes of host.sv.
END, WRITE, READ, POLL, WAIT_INTERRUPT, IDLE, STAMP, POLL_AT_LEAST = range(8)

ADDRESS_BITS = 12
RESPONSE_SHIFT = 32  # a read's result is {response, data}


def _check_register(address: int) -> None:
    if address not in range(0, 1 << ADDRESS_BITS, 4):
        raise ValueError(
            f"register address must be a multiple of 4 below {1 << ADDRESS_BITS:#x}, "
            f"not {address!r}"
        )


def _check_word(name: str, value: int) -> None:
    if not 0 <= value < 1 << 32:
        raise ValueError(f"{name} must be an unsigned 32-bit value, not {value!r}")


@dataclass(frozen=True)
class Write:
    """Write ``data`` (32 bits) to the register at ``address`` (bytes)."""

    address: int
    data: int

    def __post_init__(self):
        _check_register(self.address)
        _check_word("data", self.data)

    def words(self) -> tuple[int, ...]:
        return (WRITE << 56 | self.address << 32 | self.data,)


@dataclass(frozen=True)
class Read:
    """Read the register at ``address`` (bytes); the value goes to the result's ``reads``."""

    address: int

    def __post_init__(self):
        _check_register(self.address)

    def words(self) -> tuple[int, ...]:
        return (READ << 56 | self.address << 32,)


@dataclass(frozen=True)
class Poll:
    """Read the register at ``address`` until ``value & mask == expected``; or, ``at_least``, until
    it is no less: of a counter, which may go past a value between two reads.
    """

    address: int
    mask: int
    expected: int
    at_least: bool = False

    def __post_init__(self):
        _check_register(self.address)
        _check_word("mask", self.mask)
        _check_word("expected", self.expected)
        if self.expected & ~self.mask:
            raise ValueError(
                f"expected must have no bit outside mask {self.mask:#x}, not {self.expected:#x}"
            )

    def words(self) -> tuple[int, ...]:
        operation = POLL_AT_LEAST if self.at_least else POLL
        return (operation << 56 | self.address << 32, self.mask << 32 | self.expected)


@dataclass(frozen=True)
class WaitInterrupt:
    """Wait until the interrupt is high."""

    def words(self) -> tuple[int, ...]:
        return (WAIT_INTERRUPT << 56,)


@dataclass(frozen=True)
class Idle:
    """Do nothing for ``cycles`` clock cycles (1 to 2**32 - 1)."""

    cycles: int

    def __post_init__(self):
        if not 1 <= self.cycles < 1 << 32:
            raise ValueError(f"cycles must be 1..{(1 << 32) - 1}, not {self.cycles!r}")

    def words(self) -> tuple[int, ...]:
        return (IDLE << 56 | self.cycles,)


@dataclass(frozen=True)
class Stamp:
    """Note the cycle, counted from the job's start; it goes to the result's ``stamps``."""

    def words(self) -> tuple[int, ...]:
        return (STAMP << 56,)


Entry = Write | Read | Poll | WaitInterrupt | Idle | Stamp


def encode(script: Sequence[Entry]) -> np.ndarray:
    """The script as the words of ``host.sv``, uint64, with its end."""
    words = [word for entry in script for word in entry.words()]
    return np.array([*words, END << 56], np.uint64)


def describe(script: Sequence[Entry], position: int) -> str:
    """Which entry has its first word at ``position``, for messages."""
    word = 0
    for index, entry in enumerate(script):
        if word >= position:
            return f"entry {index}: {entry}"
        word += len(entry.words())
    return "the script's end"


def sort_results(script: Sequence[Entry], values: Sequence[int]) -> tuple[list[int], list[int]]:
    """Split what the host noted, in the script's order, into register values and cycles."""
    reads, stamps = [], []
    noting = (entry for entry in script if isinstance(entry, Read | Stamp))
    for entry, value in zip(noting, values, strict=False):  # a job that timed out noted fewer
        if isinstance(entry, Stamp):
            stamps.append(int(value))
        else:
            reads.append(int(value) & 0xFFFF_FFFF)
    return reads, stamps
