"""Where registers go so that all paths into a PE agree, with as few bits of them as can be.

The time at which a step reaches a PE is one number for all that it brings, so the registers of a
link are the difference of two such numbers: the potentials of retiming (Leiserson and Saxe,
"Retiming Synchronous Circuitry", Algorithmica 1991), chosen by a linear program. Here a PE's time
is linear in four whole numbers, the step and the border of each axis, and links that go the same
way are one row (``registers.py``): the program is as small for 128 x 128 PEs as for 4 x 4.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from ..spec.operation import SpecError
from ..spec.pace import Pace
from .links import shared_vectors
from .placement import Placement
from .registers import Way, border_bits, chains, forwards, link_bits, reaches
from .result import Reuse

__all__ = ["fewest_registers", "solve"]

Paces = tuple[Pace, Pace]
Analysed = Callable[[list[Placement]], list[Reuse]]

TIMES = 4
"""Variables of the program that are no lengths of chains."""


def fewest_registers(
    placements: Sequence[Placement], skew: tuple[int, int] | None, analysed: Analysed
) -> list[Reuse]:
    """The reuse of dataflows on one array, with the fewest bits of registers for their reach.

    Parameters
    ----------
    placements
        The dataflows; wires of a tensor of any may be limited.
    skew
        Cycles from PE to PE along each axis; a step of 0 may become one of groups. Without it
        both are free, and where a dataflow does not limit its sums they reach one PE: a register
        behind each adder.
    analysed
        What gives the reuse of the dataflows once they say how a step goes.

    Raises
    ------
    SpecError
        If no placement of registers keeps within the limits.
    """
    best: tuple[int, list[Reuse]] | None = None
    for number, paces in enumerate(_candidates(placements, skew)):
        try:
            found = analysed(_paced(placements, paces))
            if not all(_within(reuse, skew) for reuse in found):
                continue
            # Where links lie depends on which way time goes; the program then says how fast.
            solved = solve(found, skew)
            found = found if solved == paces else analysed(_paced(placements, solved))
        except SpecError:
            if not number:  # without groups: what is wrong is not their fault
                raise
            continue
        bits = sum(link_bits(reuse) + border_bits(reuse) for reuse in found)
        if best is None or bits < best[0]:
            best = bits, found
    if best is not None:
        return best[1]
    limits = {name: g for p in placements for name, g in p.dataflow.reach.items()}
    wanted = " and ".join(f"{name} within {g} PEs" for name, g in limits.items())
    raise SpecError(
        f"no registers between groups of PEs keep wires of {wanted}, as other links would go back "
        f"in time there; a skew of 1 or -1 along an axis leaves no wires along it",
        key="links.reach",
    )


def _paced(placements: Sequence[Placement], paces: Paces) -> list[Placement]:
    return [replace(p, dataflow=replace(p.dataflow, paces=paces)) for p in placements]


def solve(reuses: Sequence[Reuse], skew: tuple[int, int] | None) -> Paces:
    """The paces with the fewest bits of registers, for links where these dataflows have them.

    Groups and the direction of time are those that the dataflows have; no link between PEs has a
    negative delay, and a border takes at least one cycle.

    Raises
    ------
    SpecError
        If links want time to go both ways.
    """
    # Imported where it is used: designs that limit nothing do not wait for it.
    from scipy.optimize import linprog

    program = _program(reuses)
    bounds = []
    for pace in reuses[0].paces:
        step = (0, 1) if skew is None and not pace.step else (abs(pace.step), abs(pace.step))
        border = (1, None) if pace.group else (0, 0)
        bounds += [_turned(step, pace.direction), _turned(border, pace.direction)]
    chains = len(program.costs) - TIMES
    solved = linprog(
        program.costs,
        A_ub=program.rows or None,
        b_ub=[0] * len(program.rows) or None,
        bounds=bounds + [(0, None)] * chains,
        integrality=[1] * TIMES + [0] * chains,
    )
    if not solved.success:
        raise SpecError("links would go back in time", key="links.reach")
    times = [round(x) for x in solved.x[:TIMES]]
    rows, columns = (
        _pace(step, border, pace.group, pace.lacking)
        for step, border, pace in zip(times[::2], times[1::2], reuses[0].paces)
    )
    return rows, columns


@dataclass
class _Program:
    """Costs of the variables, and rows whose products with them are at most 0.

    The first variables are the step and the border of each axis; then comes, for all chains with
    the same ends, their length.
    """

    costs: list[int]
    rows: list[list[int]]


def _program(reuses: Sequence[Reuse]) -> _Program:
    costs = [0] * TIMES
    rows: dict[Way, None] = {}
    shared: Counter[tuple[Way, ...]] = Counter()

    def charge(bits: int, way: Way) -> None:
        costs[:] = [cost + bits * k for cost, k in zip(costs, way)]

    for reuse in reuses:
        for link, count in forwards(reuse).items():
            charge(count * link.bits, link.way)
            rows[tuple(-k for k in link.way)] = None
        for chain in chains(reuse):
            if chain.inward and len(chain.ends) == 1:
                charge(chain.bits, chain.ends[0])
                continue
            shared[tuple(sorted(set(chain.ends)))] += (
                chain.bits if chain.inward else chain.bits * len(chain.ends)
            )
            for end in () if chain.inward else chain.ends:
                charge(-chain.bits, end)
    matrix = [[*row, *[0] * len(shared)] for row in rows]
    for n, ends in enumerate(shared):
        matrix += [[*end, *(-(m == n) for m in range(len(shared)))] for end in ends]
    return _Program([*costs, *shared.values()], matrix)


def _candidates(placements: Sequence[Placement], skew) -> Iterator[Paces]:
    """Groups of each size that a limit names, and the directions of time where they matter."""
    limits = {g for p in placements for g in _limits(p, skew).values()}
    turns = (1, -1) if any(map(_turns, placements)) else (1,)
    ways = []
    for axis in (0, 1):
        if skew and skew[axis]:
            ways.append([Pace(skew[axis])])
            continue
        extent = max(p.extent[axis] for p in placements)
        # What waits on either side of a border is linear in its place: so what is left of the
        # PEs, where groups do not divide them, is the first group or the last.
        groups = [(g, n) for g in limits if g < extent for n in {0, -extent % g}]
        groups = [_pace(0, turn, *group) for group in sorted(groups) for turn in turns]
        ways.append([Pace(0), *groups[::-1]])
    return itertools.product(*ways)


def _limits(placement: Placement, skew) -> dict[str, int]:
    """How far the wires of each tensor may reach."""
    dataflow = placement.dataflow
    alone = {dataflow.operation.output.name: 1} if skew is None else {}
    return alone | dataflow.reach


def _within(reuse: Reuse, skew) -> bool:
    """Whether the wires of a dataflow keep within its limits."""
    longest = reaches(reuse)
    return all(longest[name] <= g for name, g in _limits(reuse.placement, skew).items())


def _turns(placement: Placement) -> bool:
    """Whether it matters which way time goes: something moves, or is shared along both axes."""
    tensors = placement.dataflow.operation.tensors
    vectors = [v for tensor in tensors for v in shared_vectors(placement, tensor)]
    return bool(placement.dataflow.moving) or any(all(vector) for vector in vectors)


def _pace(step: int, border: int, group: int, lacking: int) -> Pace:
    """Groups of one PE are steps."""
    if group == 1:
        return Pace(border)
    return Pace(step) if border == step or not group else Pace(step, border, group, lacking)


def _turned(bounds: tuple[int, int | None], direction: int):
    """Bounds of a number that is negative where time goes against the places."""
    least, most = bounds
    return (least, most) if direction > 0 else (None if most is None else -most, -least)
