"""The tables that come with layers of the vector unit: int32 (256,)."""

import numpy as np

from ..golden.layer_norm import root_seeds
from ..golden.quantize import requantize
from ..golden.softmax import exponential
from ..isa.vector import TABLE_ENTRIES

__all__ = [
    "MOST_TAPS",
    "average_table",
    "exponential_table",
    "root_table",
    "value_table",
]

MOST_TAPS = 255


def exponential_table(*, multiplier: int, left_shift: int, diff_min: int) -> np.ndarray:
    """exp of each difference from a row's maximum, 0 to -255, as Q0.31; parameters of softmax."""
    difference = -np.arange(256, dtype=np.int64)
    counts = difference >= diff_min
    scaled = requantize(np.where(counts, difference, 0), multiplier, left_shift)
    return np.where(counts, exponential(scaled), 0).astype(np.int32)


def average_table(taps: int) -> np.ndarray:
    """By how many elements a window has in the image: 2^31 over it, a little more, so that ties go
    away from zero; bit 31 is a shift to the left. As for pools on the array (nn/pooling.py).

    Raises
    ------
    ValueError
        If windows have more than 255 taps.
    """
    if not 1 <= taps <= MOST_TAPS:
        raise ValueError(f"a window must have 1 to {MOST_TAPS} taps, not {taps}")
    found = np.zeros(TABLE_ENTRIES, np.int64)
    counts = np.arange(2, taps + 1)
    found[2 : taps + 1] = (1 << 31) // counts + 1
    found[1] = (1 << 30) | (1 << 31)
    return found.astype(np.uint32).view(np.int32)


def value_table(table: np.ndarray) -> np.ndarray:
    """A function's int8 table, by value + 128."""
    return np.asarray(table, np.int32)


def root_table() -> np.ndarray:
    """What reciprocal roots start from."""
    return root_seeds()
