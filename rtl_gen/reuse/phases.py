"""Phases: the parts of stride 1 into which a strided or dilated window can be split.

The rank u*p + d*r joins p and r only for u = d. With u = g u', d = g d' (g their greatest common
divisor), p = d' p' + b and r = u' r' + a it is g u' d' (p' + r') + (u b + d a): a window of stride
1 over a thinned tensor, once for each phase (a, b) of u' x d'. What holds for stride 1 then holds
for all of a phase, whatever u and d.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd

from ..spec.operation import Operation, Tensor

__all__ = ["Stretch", "phases", "split_ranks", "why_not_split"]


@dataclass(frozen=True)
class Stretch:
    """How a dimension runs in a phase: over ``scale * trip + start``, for ``size`` trips."""

    scale: int
    start: int
    size: int


def split_ranks(tensor: Tensor) -> tuple[str, ...]:
    """Names of the ranks that join dimensions by different run-time factors."""
    return tuple(
        rank.name
        for rank in tensor.ranks
        if len({term.symbols for term in rank.terms if term.dimension}) > 1
    )


def why_not_split(operation: Operation, tensor: Tensor) -> str:
    """What keeps the ranks of a tensor from being split into phases; empty if nothing does."""
    ranks = [tensor.rank(name) for name in split_ranks(tensor)]
    if not ranks:
        return f"no rank of {tensor.name} has a stride or a dilation"
    split = [dimension for rank in ranks for dimension in rank.dimensions]
    for rank in ranks:
        if len(rank.dimensions) != 2:
            return f"rank {rank} of {tensor.name} joins {len(rank.dimensions)} dimensions, not two"
    for dimension in split:
        if split.count(dimension) > 1:
            return f"{dimension} indexes more than one rank of {tensor.name} that has a stride"
    for other in operation.tensors:
        for rank in other.ranks:
            if other is tensor and rank in ranks:
                continue
            for term in rank.terms:
                same = [t for t in rank.terms if t.dimension and t.symbols == term.symbols]
                if term.dimension in split and len(same) > 1:
                    return (
                        f"rank {rank} of {other.name} joins {term.dimension} to another dimension"
                    )
    return ""


def phases(
    tensor: Tensor, sizes: dict[str, int], symbols: dict[str, int]
) -> Iterator[dict[str, Stretch]]:
    """Every phase of a layer that has work, as the dimensions that run otherwise in it.

    Parameters
    ----------
    tensor
        One whose ranks can be split; see :func:`why_not_split`.
    sizes, symbols
        Of each dimension, and the value of each run-time factor.
    """
    choices = []
    for name in split_ranks(tensor):
        terms = [term for term in tensor.rank(name).terms if term.dimension]
        factors = []
        for term in terms:
            factor = 1
            for symbol in term.symbols:
                factor *= symbols[symbol]
            factors.append(factor)
        common = gcd(*factors)
        # each dimension is thinned by the factor of the other
        for term, factor in zip(terms, reversed(factors)):
            scale, size = factor // common, sizes[term.dimension]
            choices.append(
                [
                    (term.dimension, Stretch(scale, start, -(-(size - start) // scale)))
                    for start in range(min(scale, size))
                ]
            )
    for chosen in itertools.product(*choices):
        yield dict(chosen)
