"""Wires of a limited reach, on the array alone: exact whatever the limits, and kept."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from array_bench import ArrayBench
from fused_bench import FusedBench
from named_nests import flow
from nest_layer import NestLayer
from random_nests import CONV2D, MATMUL, OPERATIONS, draw_layer, draw_nest, draw_operation

from rtl_gen.hw.array.array import ArrayParams
from rtl_gen.hw.array.blocks import cut
from rtl_gen.reuse import Placement, analyse, check_links, fuse
from rtl_gen.reuse.registers import border_bits, control_bits, link_bits, reaches
from rtl_gen.spec.operation import SpecError
from rtl_gen.spec.parse import load_design

PROJECT = Path(__file__).parents[3]
ALONE = [
    file
    for folder in ("dataflows", "examples/arrays")
    for file in sorted(PROJECT.glob(f"{folder}/*.yaml"))
    if len(load_design(file).dataflows) == 1 and not load_design(file).dataflow.tagged
]
WEIGHT = flow(CONV2D, "n g k c r s p q", "c", "k", skew=(0, 0), shift={"W": 1})
OUTPUT = flow(MATMUL, "m n k", "m", "n", skew=(0, 0), shift={"O": 0})


def limited(dataflow, reach: int, names=None):
    """The dataflow with one limit for some of its tensors, or all."""
    names = names or [tensor.name for tensor in dataflow.operation.tensors]
    return replace(dataflow, reach=dict.fromkeys(names, reach))


def run(placement, seed, layers: int = 1):
    """The reuse of a placement whose layers are exact on the array."""
    rng = random.Random(seed)
    reuse = analyse(placement)
    shapes = [draw_layer(rng, placement.dataflow) for _ in range(layers)]
    drawn = [NestLayer(placement, shape, f"{seed} {n}") for n, shape in enumerate(shapes)]
    results = ArrayBench(reuse, rng.choice([0, 0, 1])).run(drawn, seed)
    for layer, got in zip(drawn, results, strict=True):
        assert (got == layer.golden()).all(), f"{seed}: {placement.dataflow}\n{layer.shape}"
    longest = reaches(reuse)
    for name, limit in placement.dataflow.reach.items():
        assert longest[name] <= limit, (seed, name)
    return reuse


def shape_of(design, sides):
    """The rows and columns that fixed loops ask for, and at most ``sides`` where they leave it."""
    shape = []
    for axis, side in enumerate(sides):
        taken = 1
        for loop in design.dataflow.on_axis(axis):
            taken *= loop.size or 1
        shape.append(max(taken, min(side, design.shape[axis])))
    return tuple(shape)


def reach_of(file, seed: int) -> int:
    return random.Random(f"{file.stem} {seed}").randint(1, 5)


@pytest.mark.parametrize("file", ALONE, ids=lambda file: file.stem)
def test_shipped_dataflows(file):
    """Ten layers on one small array, with one reach of 1 to 5, as drawn."""
    design = load_design(file)
    dataflow = limited(design.dataflow, reach_of(file, 1))
    run(Placement(dataflow, shape_of(design, (5, 3))), file.stem, layers=10)


@pytest.mark.long
@pytest.mark.parametrize("reach", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("file", ALONE, ids=lambda file: file.stem)
def test_every_reach(file, reach):
    design = load_design(file)
    placement = Placement(limited(design.dataflow, reach), shape_of(design, (7, 5)))
    run(placement, f"{file.stem} {reach}", layers=2)


def drawn(seed, affine=False):
    """A random nest with random limits, and whether registers can keep them."""
    rng = random.Random(f"reach {seed}")
    operations = (draw_operation(rng),) if affine else OPERATIONS
    dataflow, shape = draw_nest(rng, operations, side=6)
    names = [tensor.name for tensor in dataflow.operation.tensors]
    reach = {name: rng.randint(1, 4) for name in rng.sample(names, rng.randint(1, 3))}
    return Placement(replace(dataflow, reach=reach), shape)


def run_drawn(seed, affine=False) -> bool:
    """Whether a drawn nest could be built; then it is exact."""
    placement = drawn(seed, affine)
    try:
        run(placement, seed)
    except SpecError as error:
        assert error.key == "links.reach", error
        return False
    return True


@pytest.mark.parametrize("seed", range(6))
def test_random_nests(seed):
    run_drawn(seed)


@pytest.mark.long
@pytest.mark.parametrize("affine", [False, True], ids=["named", "affine"])
def test_hundred_random_nests_with_reach(affine, tell):
    built = sum(run_drawn(seed, affine) for seed in range(100, 200))
    tell(f"{built} of 100 nests built, the others have no registers for their limits")
    assert built >= 80


def test_two_dataflows_share_their_groups():
    """One of them limits a wire; the steps of the other take as long to the same PEs."""
    names = ("one", "two")
    flows = [replace(f, name=name) for f, name in zip((limited(WEIGHT, 2), WEIGHT), names)]
    fusion = fuse([Placement(flows[0], (5, 4)), Placement(flows[1], (3, 4))])
    assert len({mode.reuse.paces for mode in fusion.modes}) == 1
    assert fusion.grid.paces[1].group == 2
    rng = random.Random(1)
    chosen = [rng.randrange(2) for _ in range(4)]
    layers = [
        (m, NestLayer(p, draw_layer(rng, p.dataflow), f"{n}"))
        for n, m in enumerate(chosen)
        for p in [fusion.modes[m].reuse.placement]
    ]
    results = FusedBench(fusion, 1).run(layers, 1)
    for (_, layer), got in zip(layers, results, strict=True):
        assert (got == layer.golden()).all(), layer.shape


def test_another_nest_on_groups():
    """The legality check asks what each PE uses, not when; so groups change nothing."""
    array = analyse(Placement(limited(OUTPUT, 2), (5, 4)))
    nest = Placement(flow(MATMUL, "n m k", "m", "n", skew=(0, 0), shift={"O": 0}), (5, 4))
    assert check_links(array, nest) == []
    wrong = Placement(flow(MATMUL, "m n k", "k", "n", skew=(0, 0)), (5, 4))
    plain = analyse(Placement(OUTPUT, (5, 4)))
    assert check_links(array, wrong) and len(check_links(plain, wrong)) == len(
        check_links(array, wrong)
    )


@pytest.mark.parametrize("file", ALONE, ids=lambda file: file.stem)
def test_control_has_as_many_bits_as_it_is_counted_for(file):
    design = load_design(file)
    reuse = analyse(Placement(design.dataflow, shape_of(design, (4, 3))))
    assert control_bits(reuse) == ArrayParams(reuse).control.size


def test_registers_counted_are_those_of_the_netlist():
    """All that PEs hand on and somebody takes, and the longest way to each word's lanes."""
    for dataflow in (limited(WEIGHT, 2), limited(OUTPUT, 3), WEIGHT, replace(WEIGHT, skew=(1, 0))):
        reuse = analyse(Placement(dataflow, (7, 5)))
        assert link_bits(reuse) + border_bits(reuse) == _registers(ArrayParams(reuse)), dataflow


def _registers(params) -> int:
    net, bits, found = params.net, params.pe.bits, 0
    control, psum = params.control.size, params.pe.psum_bits
    for driver in {d for d in net.sources.values() if d[0] == "pe"}:
        kind, port = net.kinds[driver[1]], driver[2]
        if port == "psum":
            found += psum * kind.psum_delay
        elif port == "drain_out":
            found += psum * kind.drain
        elif port == "control_out":
            found += control * kind.control_delay
        else:
            operand = kind.operands[int(port[1])]
            late = operand.shift if port.endswith("shift") else operand.forwards[int(port[-1])][1]
            found += bits * late
    for n in range(len(params.pe.operands)):
        longest = {}
        for edge, (element,) in zip(net.lanes[f"a{n}"], net.elements[f"a{n}"]):
            longest[element] = max(longest.get(element, 0), edge.delay)
        found += bits * sum(longest.values())
    found += control * max(edge.delay for edge in net.lanes["control"])
    last = max(edge.delay for edge in params.exits)
    return found + psum * sum(last - edge.delay for edge in params.exits)


def test_groups_of_a_block_are_few_modules():
    """Where groups are as wide as blocks, inner blocks are one module as without groups."""
    names = set()

    def collect(plan):
        for cell in plan.cells:
            names.add(cell.module)
            if hasattr(cell.part, "cells"):
                collect(cell.part)

    chain = limited(replace(WEIGHT, skew=(1, 0)), 4, ["I"])
    collect(cut(ArrayParams(analyse(Placement(chain, (16, 16)))).net)[0])
    assert sum(name.startswith("pe") for name in names) == 2
    assert sum(name.startswith("block") for name in names) <= 2
