"""How an element of a tensor is written: ``W[c=2,k=1]``, with strides as symbols: ``h=2u+d``."""

from collections.abc import Iterable
from itertools import pairwise

from ..spec.operation import Rank, Tensor
from .placement import Placement

__all__ = ["element_label"]


def element_label(
    placement: Placement,
    tensor: Tensor,
    pes: Iterable[tuple[int, int]],
    loops: tuple[tuple[str, int], ...] = (),
) -> str:
    """The element that a PE uses, in the ranks that tell PEs apart, all other loops at 0.

    Parameters
    ----------
    pes
        The PE, or a line of PEs of which all elements are meant: ``k=0..15``.
    loops
        Loops in the PE, with their maxima, over whose trips the PE keeps elements: ``s=0..2``.
    """
    values: dict[str, list[int]] = {}
    for pe in pes:
        index = dict.fromkeys((loop.dimension for loop in placement.dataflow.spatial), 0)
        for loop, unit, n in zip(
            placement.dataflow.spatial, placement.units, placement.indices(pe)
        ):
            index[loop.dimension] += n * unit
        for dimension, value in index.items():
            values.setdefault(dimension, []).append(value)
    values = {dimension: sorted(set(found)) for dimension, found in values.items()}
    for dimension, trips in loops:
        unit = placement.trip_unit(dimension)
        before = values.get(dimension, [0])
        values[dimension] = [a + unit * trip for a in before for trip in range(trips)]
    split = tensor.name in placement.split
    shown = [
        _rank_label(rank, values, split)
        for rank in tensor.ranks
        if any(dimension in values for dimension in rank.dimensions)
    ]
    return f"{tensor.name}[{','.join(shown)}]" if shown else tensor.name


def _rank_label(rank: Rank, values: dict[str, list[int]], split: bool) -> str:
    """One rank; in a phase, where ``split``, all its symbols are one factor that is left out."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for term in rank.terms:
        if term.dimension in values:
            symbols = () if split else term.symbols
            before = groups.get(symbols, [0])
            more = [term.coefficient * value for value in values[term.dimension]]
            groups[symbols] = sorted({a + b for a in before for b in more})
    alone = sum(found != [0] for found in groups.values()) == 1
    parts = [_part(found, symbols, alone) for symbols, found in groups.items() if found != [0]]
    return f"{rank.name}={'+'.join(parts).replace('+-', '-') or '0'}"


def _part(values: list[int], symbols: tuple[str, ...], alone: bool) -> str:
    """Some values of one product of symbols, ``alone`` or one of several addends."""
    text, factor = _values(values), "*".join(symbols)
    if len(values) > 1:
        return text if alone and not symbols else f"({text}){factor}"
    if symbols and abs(values[0]) == 1:
        return factor if values[0] > 0 else f"-{factor}"
    return f"{text}{factor}"


def _values(values: list[int]) -> str:
    """Sorted numbers, briefly."""
    if len(values) == 1:
        return str(values[0])
    steps = {b - a for a, b in pairwise(values)}
    if steps == {1}:
        return f"{values[0]}..{values[-1]}"
    if len(values) > 3 and len(steps) == 1:
        return f"{values[0]},{values[1]}..{values[-1]}"
    return ",".join(map(str, values))
