"""Registers placed by the linear program: as few as any placement has, and all paths agree."""

import itertools
import random
from dataclasses import replace

import pytest

from rtl_gen.reuse import Placement, analyse, wires
from rtl_gen.reuse.grid import Grid
from rtl_gen.reuse.registers import border_bits, link_bits, reaches
from rtl_gen.spec.dataflow import Dataflow, SpatialLoop
from rtl_gen.spec.operation import SpecError, parse_einsum
from rtl_gen.spec.pace import Pace

MATMUL = parse_einsum("O[m,n] += A[m,k] * B[k,n]", name="matmul")
DIAGONAL = parse_einsum("O[q,k] += I[w=q+s,k] * W[s]", name="diagonal")
CASES = {
    "weights stay": (MATMUL, "nkm", "k", "n"),
    "sums stay": (MATMUL, "mnk", "m", "n"),
    "inputs stay": (MATMUL, "mkn", "k", "m"),
    "taps by pixels": (DIAGONAL, "qsk", "s", "q"),
    "pixels by taps": (DIAGONAL, "kqs", "q", "s"),
    "one axis": (MATMUL, "nkm", "", "n"),
}


def placement(case, shape, skew=None, **reach):
    operation, order, rows, columns = CASES[case]
    spatial = [SpatialLoop(d, 0) for d in rows] + [SpatialLoop(d, 1) for d in columns]
    flow = Dataflow(
        name="case",
        operation=operation,
        temporal=tuple(order),
        spatial=tuple(spatial),
        skew=skew,
        reach=reach,
    )
    return Placement(flow, shape)


def bits(reuse) -> int:
    return link_bits(reuse) + border_bits(reuse)


def paced(where: Placement, paces):
    """The reuse at some paces, or None if they cannot be."""
    try:
        return analyse(replace(where, dataflow=replace(where.dataflow, paces=paces)))
    except SpecError:
        return None


def every_pace(extent: int, step: int | None):
    """Every step, or the one that is given, with every group and border up to two cycles."""
    for s in (-1, 0, 1) if step is None else (step,):
        yield Pace(s)
        if step in (None, 0):
            for group, border in itertools.product(range(1, extent), (-2, -1, 1, 2)):
                for lacking in range(group):
                    yield Pace(s, border, group, lacking) if group > 1 else Pace(border)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", range(2))
def test_as_few_registers_as_any_steps_and_groups_have(case, seed):
    """Against all paces of a small array, groups of every size, analysed one by one."""
    rng = random.Random(f"{case} {seed}")
    shape = (rng.randint(2, 4), rng.randint(2, 5))
    tensors = [tensor.name for tensor in CASES[case][0].tensors]
    reach = {name: rng.randint(1, 3) for name in rng.sample(tensors, rng.randint(1, 3))}
    where = placement(case, shape, (0, 0), **reach)
    least = None
    for paces in itertools.product(*(every_pace(n, 0) for n in where.extent)):
        found = paced(where, paces)
        if found is None or any(reaches(found)[name] > g for name, g in reach.items()):
            continue
        if least is None or bits(found) < least:
            least = bits(found)
    if least is None:
        with pytest.raises(SpecError, match="no registers between groups"):
            analyse(where)
    else:
        found = analyse(where)
        assert bits(found) == least, (case, seed, shape, reach, found.paces)


@pytest.mark.parametrize("reach", [1, 2, 3, 4])
def test_as_few_as_any_times_on_a_line(reach):
    """A line of seven PEs, of which each may see a step as late as it likes."""
    where = placement("one axis", (1, 7), (0, 0), A=reach)
    found = analyse(where)
    best = None
    for steps in itertools.product((0, 1, 2), repeat=6):
        times = [0, *itertools.accumulate(steps)]
        runs = [len([*run]) for _, run in itertools.groupby(times)]
        # What is handed from PE to PE waits for the difference, each sum for the last one.
        late = times[-1] * _line_bits(found) + sum(times[-1] - t for t in times) * found.psum_bits
        if max(runs) <= reach and (best is None or late < best):
            best = late
    assert bits(found) == best


def _line_bits(reuse) -> int:
    """Bits that go from PE to PE of a line: of all tensors, and control."""
    per_tensor = {}
    for wire in wires(reuse):
        per_tensor[wire.tensor] = 8
    return sum(per_tensor.values()) + 2  # the weights' load and swap


def test_an_open_skew_puts_a_register_behind_each_adder():
    """As without a limit; and takes fewer where the sums have one of their own."""
    plain = analyse(placement("weights stay", (6, 6)))
    limited = analyse(placement("weights stay", (6, 6), A=3))
    grouped = analyse(placement("weights stay", (6, 6), A=3, O=3))
    assert plain.skew == (1, 0)
    assert limited.paces == (Pace(1), Pace(0, 1, 3))
    assert grouped.paces == (Pace(0, 1, 3), Pace(0, 1, 3))
    assert bits(grouped) < bits(limited)


def test_a_limit_that_holds_anyway_changes_nothing():
    plain = analyse(placement("sums stay", (3, 4), (0, 0)))
    for limits in ({"A": 4, "B": 3}, {"O": 1}, {"A": 256}):
        limited = analyse(placement("sums stay", (3, 4), (0, 0), **limits))
        assert limited.paces == plain.paces and limited.operands == plain.operands


def test_time_goes_against_the_places_where_something_moves_so():
    """A depthwise row: the input comes from the next tap, so time must not go the other way."""
    row = parse_einsum("O[q,c] += I[w=q+s,c] * W[s,c]", name="row")
    flow = Dataflow(
        name="row",
        operation=row,
        temporal=("c", "s", "q"),
        spatial=(SpatialLoop("s", 0), SpatialLoop("c", 1)),
        moving=("I",),
        reach={"O": 2},
    )
    found = analyse(Placement(flow, (5, 3)))
    assert found.paces[0] == Pace(0, -1, 2, lacking=1)
    assert found.output.exits == ((0, 0), (0, 1), (0, 2))


@pytest.mark.parametrize("seed", range(20))
def test_links_know_their_delays(seed):
    """The least and most of a vector, and what a link has behind each PE, by looking at all."""
    rng = random.Random(seed)
    extent = (rng.randint(1, 9), rng.randint(1, 9))
    paces = [
        rng.choice(
            [Pace(rng.choice([-1, 0, 1])), Pace(0, s * rng.randint(1, 2), rng.randint(2, 5))]
        )
        for s in (rng.choice([-1, 1]), rng.choice([-1, 1]))
    ]
    grid = Grid(extent, tuple(paces))
    assert min(map(grid.delay, grid.pes)) == 0
    for vector in itertools.product(range(-3, 4), repeat=2):
        ends = [(pe, (pe[0] + vector[0], pe[1] + vector[1])) for pe in grid.pes]
        late = {pe: grid.delay(end) - grid.delay(pe) for pe, end in ends if grid.holds(end)}
        link = grid.link(vector)
        if late:
            assert (link.delay, link.delay + link.crossing) == (
                min(late.values()),
                max(late.values()),
            )
        for pe, delay in late.items():
            assert grid.at(link, pe).delay == delay


def test_words_that_go_to_all_pes_are_cut_along_both_axes():
    """Between PEs along one; at the border, where each line has a lane of the same, along both."""
    stencil = parse_einsum("O[p,q] += I[h=p+r,w=q+s] * W[r,s]", name="stencil")
    flow = Dataflow(
        name="stencil",
        operation=stencil,
        temporal=("p", "q", "r", "s"),
        spatial=(SpatialLoop("p", 0), SpatialLoop("q", 1)),
        skew=(0, 0),
        reach={"W": 2},
    )
    found = analyse(Placement(flow, (4, 4)))
    assert [pace.group for pace in found.paces] == [2, 2]
    assert len(found.operands[1].lanes) == 4
