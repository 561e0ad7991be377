"""Error codes: why a run ended before its last layer.

The first error ends the run; STATUS holds its code, the engine it came from and the number of the
descriptor until reset.
"""

__all__ = [
    "ABORTED",
    "BAD_CHECKSUM",
    "BAD_ENGINE",
    "BAD_VERSION",
    "DESCRIPTOR_TOO_LONG",
    "ERROR_BITS",
    "EXPLANATIONS",
    "NONE",
    "OUTSIDE_MEMORY",
    "OUTSIDE_WINDOWS",
    "READ_RESPONSE",
    "TRUNCATED_PROGRAM",
    "UNALIGNED",
    "WATCHDOG",
    "WRITE_RESPONSE",
    "explain",
]

NONE = 0
BAD_VERSION = 1
DESCRIPTOR_TOO_LONG = 2
READ_RESPONSE = 3
WRITE_RESPONSE = 4
WATCHDOG = 5
UNALIGNED = 6
OUTSIDE_WINDOWS = 7
ABORTED = 8
BAD_CHECKSUM = 9
BAD_ENGINE = 10
TRUNCATED_PROGRAM = 11
OUTSIDE_MEMORY = 12

ERROR_BITS = 4
"""Bits of an error code in hardware."""

EXPLANATIONS = {
    NONE: "no error",
    BAD_VERSION: "a descriptor's header names a version that this design does not read",
    DESCRIPTOR_TOO_LONG: "a descriptor has more words than its engine's record",
    READ_RESPONSE: "memory answered a read with an error",
    WRITE_RESPONSE: "memory answered a write with an error",
    WATCHDOG: "no engine made progress for as many cycles as WATCHDOG says",
    UNALIGNED: "a load or store would begin at an address that is not a multiple of a word, or a "
    "program not at one of the bus width",
    OUTSIDE_WINDOWS: "a burst would lie outside the windows that the host opened",
    OUTSIDE_MEMORY: "a region would not lie within its activation memory",
    ABORTED: "the host asked for it",
    BAD_CHECKSUM: "a descriptor in memory differs from its checksum",
    BAD_ENGINE: "a descriptor's header names an engine that is not there, or not the queue's",
    TRUNCATED_PROGRAM: "the program in memory ends within a descriptor",
}


def explain(code: int) -> str:
    """One line that says what a code from STATUS means."""
    return EXPLANATIONS.get(code, f"unknown error code {code}")
