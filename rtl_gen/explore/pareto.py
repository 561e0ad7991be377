"""Pareto sets: what nothing else beats."""

from collections.abc import Sequence

__all__ = ["pareto"]


def pareto(costs: Sequence[tuple[float, ...]]) -> tuple[int, ...]:
    """Indices of the costs that no other dominates, in order of the first cost, then the second.

    One dominates another if it is nowhere larger and somewhere smaller; so equal ones stay, all of
    them.

    Parameters
    ----------
    costs
        Tuples of equal length; smaller is better.
    """
    best = [n for n, cost in enumerate(costs) if not any(_dominates(x, cost) for x in costs)]
    return tuple(sorted(best, key=lambda n: costs[n]))


def _dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))
