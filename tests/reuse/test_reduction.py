"""Sums that meet in one cycle: added once each, by trees as deep as their lines have bits."""

import random

import pytest

from rtl_gen.hw.array.blocks import cut
from rtl_gen.hw.array.netlist import netlist
from rtl_gen.reuse import Placement, analyse, successors
from rtl_gen.spec.dataflow import Dataflow, SpatialLoop
from rtl_gen.spec.operation import parse_einsum

MATMUL = parse_einsum("O[m,n] += A[m,k] * B[k,n]", name="matmul")


def reduced(rows: int, columns: int = 2, skew=(0, 0), **reach):
    """An array on whose rows products are added."""
    flow = Dataflow(
        name="reduced",
        operation=MATMUL,
        temporal=("n", "k", "m"),
        spatial=(SpatialLoop("k", 0), SpatialLoop("n", 1)),
        skew=skew,
        reach=reach,
    )
    return analyse(Placement(flow, (rows, columns)))


def adders(reuse) -> int:
    """Adders in one cycle on the longest way, as the netlist's PEs add: the product, then the
    sums of neighbours in their order."""
    net = netlist(reuse)

    def behind(pe):
        late = 0
        for k in range(net.kinds[pe].psum_inputs):
            driver = net.sources[pe, f"psum{k}"]
            if driver[0] == "pe":
                registered = reuse.grid.between(driver[1], pe)
                late = 1 + max(late, 0 if registered else behind(driver[1]))
        return late

    return max(map(behind, reuse.placement.pes))


@pytest.mark.parametrize("rows", [*range(2, 20), 33, 64])
def test_a_line_is_added_by_a_tree(rows):
    reuse = reduced(rows)
    after = successors(reuse)
    assert set(reuse.placement.pes) - set(after) == set(reuse.output.exits)
    for pe in reuse.placement.pes:  # each sum comes out, at the end of its own line
        way = pe
        while way in after:
            assert after[way][0] > way[0] and after[way][1] == way[1]
            way = after[way]
        assert way == (rows - 1, pe[1])
    assert adders(reuse) == (rows - 1).bit_length()


@pytest.mark.parametrize(("rows", "reach", "deepest"), [(16, 4, 3), (16, 8, 4), (13, 5, 4)])
def test_trees_end_with_their_groups(rows, reach, deepest):
    """A group's tree, and the sum of the group before, which its first PE adds."""
    reuse = reduced(rows, O=reach)
    assert adders(reuse) <= deepest
    for pe, target in successors(reuse).items():
        assert target[0] - pe[0] <= reach


def test_with_registers_it_is_a_chain():
    reuse = reduced(7, skew=(1, 0))
    assert all(target == (i + 1, j) for (i, j), target in successors(reuse).items())


@pytest.mark.parametrize("seed", range(10))
def test_each_sum_leaves_once_on_folded_rows(seed):
    """Lines that end where a fold does, and go on elsewhere."""
    rng = random.Random(seed)
    dims = rng.sample("mnk", 3)
    spatial = tuple(SpatialLoop(d, 0, rng.randint(1, 4)) for d in dims)
    flow = Dataflow(
        name="folded", operation=MATMUL, temporal=("n", "k", "m"), spatial=spatial, skew=(0, 0)
    )
    reuse = analyse(Placement(flow, (64, 1)))
    placement, after = reuse.placement, successors(reuse)
    for pe in placement.pes:
        way = pe
        while way in after:
            before, way = way, after[way]
            tensor = MATMUL.output
            assert placement.element(tensor, before) == placement.element(tensor, way)
        assert way in reuse.output.exits


def test_blocks_of_a_tree_are_few():
    """Of a block of rows only the last PE differs, by how far up the tree it stands."""
    plan, _, _ = cut(netlist(reduced(64, 16)))
    modules = set()

    def collect(part):
        for cell in part.cells:
            modules.add(cell.module)
            if hasattr(cell.part, "cells"):
                collect(cell.part)

    collect(plan)
    assert len(modules) <= 20
