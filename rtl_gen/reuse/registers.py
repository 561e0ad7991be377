"""What the links of an array cost in registers, class by class, and how far its wires reach."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..spec.pace import Pace
from .placement import Coordinate
from .result import HeldOperand, Reuse
from .wires import wires

__all__ = [
    "CONTROL",
    "Chains",
    "Forward",
    "Way",
    "border_bits",
    "chains",
    "control_bits",
    "forwards",
    "link_bits",
    "reaches",
]

CONTROL = "control"
"""What every PE is told, in the place of a tensor's name."""

Way = tuple[int, int, int, int]
"""From a PE to another: steps within groups and borders, along the rows and along the columns.

Its product with ``step`` and ``border`` of both axes is the delay.
"""


@dataclass(frozen=True)
class Forward:
    """A class of links: all of a tensor that go the same way, of so many bits."""

    name: str
    kind: str
    way: Way
    bits: int


@dataclass(frozen=True)
class Chains:
    """Registers at the border for one word: from the first PE to all the lanes that carry it.

    Of exits, backwards: each sum waits for the last one.
    """

    name: str
    bits: int
    ends: tuple[Way, ...]
    inward: bool


def forwards(reuse: Reuse) -> Counter[Forward]:
    """How many links between PEs there are of each class."""
    found: Counter[Forward] = Counter()
    ways = _Ways(reuse.paces)
    for wire in wires(reuse):
        bits = _bits(reuse, wire.tensor)
        found[Forward(wire.tensor, wire.kind, ways.between(wire.source, wire.target), bits)] += 1
    for source, target in _control_links(reuse):
        way = ways.between(source, target)
        found[Forward(CONTROL, "control", way, control_bits(reuse))] += 1
    return found


def chains(reuse: Reuse) -> list[Chains]:
    """The registers at the border: one chain for each element, however many lanes take from it."""
    first, ways, found = _first(reuse), _Ways(reuse.paces), []
    for operand in reuse.operands:
        lanes: dict = {}
        for pe, key in zip(operand.lanes, operand.keys):
            lanes.setdefault(key, []).append(ways.between(first, pe))
        for ends in lanes.values():
            found.append(Chains(operand.name, _bits(reuse, operand.name), _distinct(ends), True))
    if control_bits(reuse):
        ends = [ways.between(first, pe) for pe in _control_lanes(reuse)]
        found.append(Chains(CONTROL, control_bits(reuse), _distinct(ends), True))
    exits = [ways.between(first, pe) for pe in reuse.output.exits]
    found.append(Chains(reuse.output.name, reuse.psum_bits, tuple(exits), False))
    return found


def link_bits(reuse: Reuse) -> int:
    """Bits of the registers that delays need between PEs; not those of ticks."""
    times = _times(reuse)
    return sum(count * link.bits * _dot(link.way, times) for link, count in forwards(reuse).items())


def border_bits(reuse: Reuse) -> int:
    """Bits of the registers in front of the array and behind it."""
    times, total = _times(reuse), 0
    for chain in chains(reuse):
        late = [_dot(end, times) for end in chain.ends]
        waits = [max(late)] if chain.inward else [max(late) - time for time in late]
        total += chain.bits * sum(waits)
    return total


def control_bits(reuse: Reuse) -> int:
    """Bits that every PE is told in a step; without those for words outside an input that moves."""
    bits, moves = 0, False
    for operand in reuse.operands:
        if isinstance(operand, HeldOperand):
            bits += 2 + 2 * (operand.depth - 1).bit_length()
        else:
            bits += operand.moves
            moves = moves or operand.moves
    depth = reuse.output.depth
    if depth:
        bits += 1 + moves + (depth - 1).bit_length()
    return bits + (reuse.output.drain is not None)


def reaches(reuse: Reuse) -> dict[str, int]:
    """For each tensor, and control, how many PEs in a line its longest wire spans.

    PEs are joined by links without a register, and where lanes in a line carry one element at the
    same time. Of the result: by links over which sums are added in one cycle.
    """
    found = {}
    joined: dict[str, list] = {CONTROL: [*_control_links(reuse), *_control_rim(reuse)]}
    for tensor in reuse.placement.dataflow.operation.tensors:
        joined[tensor.name] = []
    for wire in wires(reuse):
        if wire.kind != "shift" and not wire.ticks:
            joined[wire.tensor].append((wire.source, wire.target))
    for operand in reuse.operands:
        pairs = zip(operand.lanes, operand.keys)
        joined[operand.name] += _in_lines([(pe, key) for pe, key in pairs])
    for name, pairs in joined.items():
        still = [pair for pair in pairs if not reuse.grid.between(*pair)]
        found[name] = _longest(still)
    return found


def _control_links(reuse: Reuse) -> Iterator[tuple[Coordinate, Coordinate]]:
    link = reuse.grid.control_link
    if link is None or not control_bits(reuse):
        return
    for pe in reuse.placement.pes:
        target = (pe[0] + link.vector[0], pe[1] + link.vector[1])
        if reuse.grid.holds(target):
            yield pe, target


def _control_lanes(reuse: Reuse) -> list[Coordinate]:
    """The PEs that are told from the border."""
    targets = {target for _, target in _control_links(reuse)}
    return [pe for pe in reuse.placement.pes if pe not in targets]


def _control_rim(reuse: Reuse) -> list[tuple[Coordinate, Coordinate]]:
    if not control_bits(reuse):
        return []
    return _in_lines([(pe, 0) for pe in _control_lanes(reuse)])


def _in_lines(lanes: list[tuple[Coordinate, object]]) -> list[tuple[Coordinate, Coordinate]]:
    """Neighbours among the lanes of one row or column that carry the same."""
    pairs, last = [], {}
    for pe, key in lanes:
        for line in ((0, pe[0], key), (1, pe[1], key)):
            if line in last:
                pairs.append((last[line], pe))
            last[line] = pe
    return pairs


def _longest(pairs: Iterable[tuple[Coordinate, Coordinate]]) -> int:
    """PEs in a line that the widest set of joined PEs spans; 1 if none are joined."""
    parents: dict[Coordinate, Coordinate] = {}

    def root(pe):
        while (above := parents.get(pe, pe)) != pe:
            parents[pe] = parents.get(above, above)
            pe = above
        return pe

    for one, other in pairs:
        parents[root(one)] = root(other)
        parents.setdefault(other, other)
    sets: dict[Coordinate, list[Coordinate]] = {}
    for pe in parents:
        sets.setdefault(root(pe), []).append(pe)
    spans = [max(a) - min(a) + 1 for pes in sets.values() for a in zip(*pes)]
    return max(spans, default=1)


def _first(reuse: Reuse) -> Coordinate:
    """The PE that sees a step first."""
    rows, columns = (
        0 if pace.direction > 0 else n - 1 for pace, n in zip(reuse.paces, reuse.placement.extent)
    )
    return rows, columns


def _bits(reuse: Reuse, name: str) -> int:
    return reuse.psum_bits if name == reuse.output.name else reuse.formats.operand_bits


def _times(reuse: Reuse) -> Way:
    """What a way is multiplied by to give its cycles."""
    rows, columns = reuse.paces
    return rows.step, rows.border, columns.step, columns.border


def _dot(way: Way, times: Way) -> int:
    return sum(k * time for k, time in zip(way, times))


def _distinct(ways: list[Way]) -> tuple[Way, ...]:
    return tuple(dict.fromkeys(ways))


@dataclass(frozen=True)
class _Ways:
    """How to get from PE to PE at some paces."""

    paces: tuple[Pace, Pace]

    def between(self, source: Coordinate, target: Coordinate) -> Way:
        way = []
        for pace, here, there in zip(self.paces, source, target):
            crossed = pace.crossings(there) - pace.crossings(here)
            way += [there - here - crossed, crossed]
        return way[0], way[1], way[2], way[3]
