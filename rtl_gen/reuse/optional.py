"""Links that the algebra offers and a dataflow may take or decline.

A moving link (v, t) hands a PE the element that its neighbour at -v used t ticks ago: the sliding
window of a convolution. Where a stride or dilation stands between the loops, a link holds only
within a phase of the layer (``phases.py``).
"""

from dataclasses import dataclass

from ..spec.operation import Tensor
from .lattice import null_basis
from .phases import split_ranks, why_not_split
from .placement import Placement, projection

__all__ = ["OptionalLink", "moving_vector", "optional_links"]


@dataclass(frozen=True)
class OptionalLink:
    """A link that could be built.

    Parameters
    ----------
    vector
        From the PE that used the element to the one that uses it next: one entry a spatial loop.
    ticks
        How many ticks of the tensor later; 0: in the same step.
    loop
        The hardware loop whose trips are the ticks.
    phases
        Ranks that must be split into parts of stride 1 for the link to hold; none: always holds.
    """

    vector: tuple[int, ...]
    ticks: int
    loop: str
    phases: tuple[str, ...]


def optional_links(placement: Placement, tensor: Tensor) -> tuple[OptionalLink, ...]:
    """Links of a tensor beyond those that hold in every step of every layer.

    Exact: the integer null lattice of the tensor's projection over the spatial loops and its own
    innermost hardware loop, with every product of symbols a row of its own; then once more with
    the symbols of each rank taken as 1.
    """
    tick = placement.tick(tensor)
    if tick is None:
        return ()
    found: dict[tuple, OptionalLink] = {}
    strict = _lattice(placement, tensor, split=False)
    for vector, ticks in strict:
        if ticks and _fits(placement, vector):
            found[vector, ticks] = OptionalLink(vector, ticks, tick, ())
    if not why_not_split(placement.dataflow.operation, tensor):
        for vector, ticks in _lattice(placement, tensor, split=True):
            if (vector, ticks) not in strict and any(vector) and _fits(placement, vector):
                moved = {loop.dimension for loop, a in zip(placement.dataflow.spatial, vector) if a}
                phases = tuple(
                    name
                    for name in split_ranks(tensor)
                    if moved & set(tensor.rank(name).dimensions)
                )
                found.setdefault((vector, ticks), OptionalLink(vector, ticks, tick, phases))
    return tuple(found.values())


def moving_vector(
    placement: Placement, tensor: Tensor, *, split: bool
) -> tuple[tuple[int, ...], int] | None:
    """(v, t): PE x + v uses t ticks later what PE x uses now; None if no two PEs are joined so.

    ``v`` has an entry for each spatial loop. ``split``: within a phase.
    """
    for vector, ticks in _lattice(placement, tensor, split=split):
        if ticks and any(vector) and _fits(placement, vector):
            return vector, ticks
    return None


def _fits(placement: Placement, vector: tuple[int, ...]) -> bool:
    """Whether a vector joins any two PEs."""
    return all(abs(a) < size for a, size in zip(vector, placement.sizes))


def _lattice(placement, tensor, *, split) -> list[tuple[tuple[int, ...], int]]:
    """A basis of the null lattice as (vector, ticks), with at most one of nonzero ticks."""
    tick = placement.tick(tensor)
    columns = [
        (loop.dimension, unit) for loop, unit in zip(placement.dataflow.spatial, placement.units)
    ]
    columns.append((tick, placement.trip_unit(tick)))
    rows = [
        [a * unit for a, (_, unit) in zip(row, columns)]
        for row in projection(tensor, [dimension for dimension, _ in columns], split=split)
    ]
    basis = [list(vector) for vector in null_basis(rows, len(columns))]
    return [_oriented(vector) for vector in _one_moving(basis)]


def _one_moving(basis: list[list[int]]) -> list[list[int]]:
    """The same lattice with at most one vector whose last entry is not 0 (Euclid's algorithm).

    That one is made short with the others.
    """
    while sum(bool(vector[-1]) for vector in basis) > 1:
        moving = [vector for vector in basis if vector[-1]]
        least = min(moving, key=lambda vector: abs(vector[-1]))
        for vector in moving:
            if vector is not least:
                factor = vector[-1] // least[-1]
                vector[:] = [a - factor * b for a, b in zip(vector, least)]
    for moving in [vector for vector in basis if vector[-1]]:
        ways = [[s * a for a in vector] for vector in basis if not vector[-1] for s in (1, -1)]
        while shorter := [
            tried
            for way in ways
            if _length(tried := [a + b for a, b in zip(moving, way)]) < _length(moving)
        ]:
            moving[:] = min(shorter, key=_length)
    return basis


def _length(vector: list[int]) -> int:
    return sum(map(abs, vector))


def _oriented(vector: list[int]) -> tuple[tuple[int, ...], int]:
    """(v, t) with t >= 0, such that PE x + v uses t ticks later what PE x uses now.

    The element at (x, loop) is that at (x + v, loop + t) if (v, t) is a null vector.
    """
    sign = -1 if vector[-1] < 0 else 1
    return tuple(sign * entry for entry in vector[:-1]), abs(vector[-1])
