"""Links that the algebra offers and a dataflow may take or decline.

A moving link (v, t) hands a PE the element that its neighbour at -v used t ticks ago: the sliding
window of a convolution. Where a stride or dilation stands between the loops, a link holds only for
the parts of stride 1 into which a layer can be split: with r = u r' + a and p = d p' + b (their
common divisor taken out first) the row u p + d r is u d (p' + r') + (u b + d a), a convolution of
stride 1 on a thinned input, once for each phase (a, b).
"""

from dataclasses import dataclass

from ..spec.operation import Tensor
from .lattice import null_basis
from .placement import Placement

__all__ = ["OptionalLink", "optional_links"]


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
    loops = [d for d in placement.dataflow.hardware_loops if d in tensor.dimensions]
    if not loops:
        return ()
    tick = loops[-1]
    found: dict[tuple, OptionalLink] = {}
    strict = _lattice(placement, tensor, tick, split=False)
    for vector, ticks in strict:
        if ticks and _fits(placement, vector):
            found[vector, ticks] = OptionalLink(vector, ticks, tick, ())
    split = tuple(
        rank.name
        for rank in tensor.ranks
        if len(rank.dimensions) > 1 and any(term.symbols for term in rank.terms)
    )
    if split:
        for vector, ticks in _lattice(placement, tensor, tick, split=True):
            if (vector, ticks) not in strict and any(vector) and _fits(placement, vector):
                moved = {loop.dimension for loop, a in zip(placement.dataflow.spatial, vector) if a}
                phases = tuple(n for n in split if moved & set(tensor.rank(n).dimensions))
                found.setdefault((vector, ticks), OptionalLink(vector, ticks, tick, phases))
    return tuple(found.values())


def _fits(placement: Placement, vector: tuple[int, ...]) -> bool:
    """Whether a vector joins any two PEs."""
    return all(abs(a) < size for a, size in zip(vector, placement.sizes))


def _lattice(placement, tensor, tick, *, split) -> list[tuple[tuple[int, ...], int]]:
    """A basis of the null lattice as (vector, ticks), with at most one of nonzero ticks."""
    spatial = placement.dataflow.spatial
    unit = 1
    for loop, size in zip(spatial, placement.sizes):
        unit *= size if loop.dimension == tick else 1
    columns = [(loop.dimension, weight) for loop, weight in zip(spatial, placement.units)]
    columns.append((tick, unit))
    rows = []
    for rank in tensor.ranks:
        kinds = {()} if split else {term.symbols for term in rank.terms if term.dimension}
        for symbols in sorted(kinds):
            terms = [t for t in rank.terms if split or t.symbols == symbols]
            rows.append(
                [
                    sum(t.coefficient for t in terms if t.dimension == dimension) * weight
                    for dimension, weight in columns
                ]
            )
    basis = [list(vector) for vector in null_basis(rows, len(columns))]
    return [_oriented(vector) for vector in _one_moving(basis)]


def _one_moving(basis: list[list[int]]) -> list[list[int]]:
    """The same lattice with at most one vector whose last entry is not 0 (Euclid's algorithm)."""
    while sum(bool(vector[-1]) for vector in basis) > 1:
        moving = [vector for vector in basis if vector[-1]]
        least = min(moving, key=lambda vector: abs(vector[-1]))
        for vector in moving:
            if vector is not least:
                factor = vector[-1] // least[-1]
                vector[:] = [a - factor * b for a, b in zip(vector, least)]
    return basis


def _oriented(vector: list[int]) -> tuple[tuple[int, ...], int]:
    """(v, t) with t >= 0, such that PE x + v uses t ticks later what PE x uses now.

    The element at (x, loop) is that at (x + v, loop + t) if (v, t) is a null vector.
    """
    sign = -1 if vector[-1] < 0 else 1
    return tuple(sign * entry for entry in vector[:-1]), abs(vector[-1])
