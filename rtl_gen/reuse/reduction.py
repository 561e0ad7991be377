"""Where the partial sum of each PE goes on to: from register to register, between them by trees."""

from .links import sources_of
from .placement import Coordinate
from .result import Reuse

__all__ = ["successors"]


def successors(reuse: Reuse) -> dict[Coordinate, Coordinate]:
    """The PE that adds the sum of each PE to its own; none for exits.

    Where sums go on by links without a register, PEs in a line add them as a tree: of the PEs that
    stand before the line's last one, number n (from 1) hands its sum to number n + (the lowest bit
    of n), as Fenwick, "A New Data Structure for Cumulative Frequency Tables", 1994. So the last one
    has the sum of the line behind as many adders as its length has bits, where a chain takes one a
    PE; there are no more adders than in the chain, and blocks of PEs stay alike.
    """
    tensor = reuse.placement.dataflow.operation.output
    backward = tuple(link.backward for link in reuse.output.links)
    found = sources_of(reuse.placement, tensor, backward)
    after = {pe: target for pe, (target, _) in found.items()}
    # The next PE of a line: the same link without a register.
    following = {
        pe: target for pe, (target, _) in found.items() if not reuse.grid.between(pe, target)
    }
    vectors = {pe: found[pe][1].vector for pe in following}
    inner = {target for pe, target in following.items() if vectors.get(target) == vectors[pe]}
    for first in following:
        if first not in inner:
            _as_tree(_line(first, following, vectors), after)
    return after


def _line(first: Coordinate, following, vectors) -> list[Coordinate]:
    """The PEs from the first one along one link."""
    line, vector = [first], vectors[first]
    while vectors.get(line[-1]) == vector:
        line.append(following[line[-1]])
    return line


def _as_tree(line: list[Coordinate], after: dict[Coordinate, Coordinate]) -> None:
    last = len(line)
    for n in range(1, last):
        after[line[n - 1]] = line[min(n + (n & -n), last) - 1]
