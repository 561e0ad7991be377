"""How an array lies in memory, as axes that a driver walks without knowing anything of layers."""

import math

import numpy as np

from ..isa.program_file import Axis

__all__ = ["LayoutError", "axes_of", "gather", "positions_of", "scatter"]


FLIPPED = {"int8": np.uint8(0), "uint8": np.uint8(0x80), "int32": np.uint8(0)}
"""What differs between a byte of an array's element and that of memory, which has int8."""


class LayoutError(ValueError):
    """An array lies in memory as axes do not say."""


def axes_of(positions: np.ndarray) -> tuple[int, tuple[Axis, ...]]:
    """The byte of an array's first element, and axes that lead from it to all others.

    Parameters
    ----------
    positions
        Of an array's shape: the byte in which each element lies.

    Raises
    ------
    LayoutError
        If no such axes exist: the place of an element must be a sum of terms, one for each rank.
    """
    positions = np.asarray(positions, dtype=np.int64)
    if not positions.size:
        raise LayoutError("it has no elements")
    first = int(positions.flat[0])
    axes: list[Axis] = []
    for rank, size in enumerate(positions.shape):
        along = positions[tuple(slice(None) if r == rank else 0 for r in range(positions.ndim))]
        if size > 1:
            axes += _split(along - first)
    axes = axes or [Axis(1, 1, 0)]
    if not np.array_equal(positions_of(axes, positions.shape) + first, positions):
        raise LayoutError("the ranks of the array do not lie in memory independently of each other")
    if any(axis.inner < 0 or axis.outer < 0 for axis in axes):
        raise LayoutError("an axis of it leads backwards")
    return first, tuple(axes)


def positions_of(axes, shape: tuple[int, ...]) -> np.ndarray:
    """The byte of each element, counted from that of the first; of an array's shape."""
    total = np.zeros(1, dtype=np.int64)
    for axis in axes:
        index = np.arange(axis.size)
        along = index // axis.split * axis.outer + index % axis.split * axis.inner
        total = (total[:, None] + along).reshape(-1)
    return total.reshape(shape)


def scatter(array: np.ndarray, axes, size: int, element: str = "int8") -> bytes:
    """An array of a type of ELEMENTS as ``size`` bytes of memory; those of no element are 0."""
    kind = np.dtype(element).newbyteorder("<")
    parts = np.ascontiguousarray(array, kind)[..., None].view(np.uint8)
    memory = np.zeros(size, dtype=np.uint8)
    places = positions_of(axes, array.shape)[..., None] + np.arange(kind.itemsize)
    memory[places] = parts ^ FLIPPED[element]
    return memory.tobytes()


def gather(memory: bytes, axes, shape: tuple[int, ...], element: str = "int8") -> np.ndarray:
    """The array of a type of ELEMENTS in bytes of memory."""
    kind = np.dtype(element).newbyteorder("<")
    places = positions_of(axes, shape)[..., None] + np.arange(kind.itemsize)
    parts = np.ascontiguousarray(np.frombuffer(memory, dtype=np.uint8)[places])
    return (parts ^ FLIPPED[element]).view(kind)[..., 0].astype(element, copy=False)


def _split(places: np.ndarray) -> list[Axis]:
    """Axes, the slowest first, for the places of the elements along one rank."""
    whole = _axis(places)
    if whole:
        return [whole]
    count = len(places)
    for size in sorted(_divisors(count), reverse=True):
        inner = _axis(places[:size])
        rows = places.reshape(-1, size)
        if inner and np.array_equal(rows, rows[:, :1] + places[:size]):
            return [*_split(rows[:, 0]), inner]
    raise LayoutError("the elements along a rank of it lie in memory without a rule")


def _axis(places: np.ndarray) -> Axis | None:
    """One axis for these places, if there is one."""
    steps = np.diff(places)
    inner = int(steps[0])
    breaks = np.flatnonzero(steps != inner)
    split = int(breaks[0]) + 1 if len(breaks) else len(places)
    outer = int(places[split]) if split < len(places) else 0
    axis = Axis(len(places), split, inner, outer)
    return axis if np.array_equal(positions_of([axis], places.shape), places) else None


def _divisors(count: int) -> list[int]:
    """Of a number, but for 1 and itself."""
    small = [n for n in range(2, math.isqrt(count) + 1) if count % n == 0]
    return sorted({*small, *(count // n for n in small)})
