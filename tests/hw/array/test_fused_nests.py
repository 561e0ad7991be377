"""Several dataflows on one array: layers of different modes one behind the other, all exact."""

import dataclasses
import random
from math import prod
from pathlib import Path

import pytest
from array_bench import ArrayBench
from fused_bench import FusedBench
from named_nests import NAMED, flow
from nest_layer import NestLayer
from random_nests import CONV2D, DEPTHWISE, MATMUL, draw_layer, draw_nest

from rtl_gen.hw.array.array import ArrayParams
from rtl_gen.hw.array.fused_pe import FusedPEParams
from rtl_gen.reuse import Fusion, HeldOperand, Placement, fuse
from rtl_gen.spec.parse import load_design

DATAFLOWS = Path(__file__).resolve().parents[3] / "dataflows"
SHIPPED = {path.stem: load_design(path) for path in sorted(DATAFLOWS.glob("*.yaml"))}

LAYERS = 5

WEIGHT = flow(CONV2D, "n g k c r s p q", "c", "k", shift={"W": 1})
TAPS = flow(DEPTHWISE, "n c p q", "r2 s2", "c", shift={"W": 1}, moving=("I",))
OUTPUT = flow(CONV2D, "n g p q k r s c", "k", "q", shift={"O": 1})


def named(dataflow, name):
    return dataclasses.replace(dataflow, name=name)


def run(fusion: Fusion, rng: random.Random, seed) -> FusedBench:
    """Random layers of random modes, all modes among them; fails with what was drawn."""
    count = len(fusion.modes)
    modes = rng.sample(range(count), count) + [rng.randrange(count) for _ in range(LAYERS - count)]
    layers = []
    for n, mode in enumerate(modes):
        placement = fusion.modes[mode].reuse.placement
        shape = draw_layer(rng, placement.dataflow)
        layers.append((mode, NestLayer(placement, shape, f"{seed} {n}")))
    bench = FusedBench(fusion, multiplier_registers=rng.choice([0, 0, 1, 2]))
    results = bench.run(layers, seed, bubbles=rng.choice([0, 0.1, 0.5]))
    for n, ((mode, layer), got) in enumerate(zip(layers, results, strict=True)):
        said = f"seed {seed}, layer {n} of modes {modes}\n"
        said += "\n".join(str(mode.reuse.placement.dataflow) for mode in fusion.modes)
        assert (got == layer.golden()).all(), said
    return bench


def run_random(seed) -> Fusion:
    """Two or three random nests, of which each may use less of the array than another."""
    rng = random.Random(seed)
    drawn = [draw_nest(rng) for _ in range(rng.choice([2, 2, 3]))]
    placements = [
        Placement(dataclasses.replace(nest, skew=None, name=f"nest {n}"), shape)
        for n, (nest, shape) in enumerate(drawn)
    ]
    return run(fuse(placements), rng, seed).fusion


def run_shipped(seed) -> Fusion:
    """Two or three of the dataflows that ship, or have a name."""
    rng = random.Random(seed)
    known = {name: design.dataflow for name, design in SHIPPED.items() if not design.others}
    known |= {name: dataflow for name, (dataflow, _) in NAMED.items()}
    # one PE multiplies two operands, or three
    known = {name: nest for name, nest in known.items() if len(nest.operation.operands) == 2}
    nests = [
        dataclasses.replace(known[name], skew=None, name=name)
        for name in rng.sample(sorted(known), rng.choice([2, 2, 3]))
    ]
    # 4 x 4 PEs, or as many as loops of a fixed size take
    shape = [
        max(4, *(prod(loop.size or 1 for loop in nest.on_axis(axis)) for nest in nests))
        for axis in (0, 1)
    ]
    placements = [Placement(nest, tuple(shape)) for nest in nests]
    return run(fuse(placements), rng, seed).fusion


# 33: a tree of sums beside a sum that stays
@pytest.mark.parametrize("seed", [*range(5), 33])
def test_random_nests_fused(seed):
    run_random(seed)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.long), 2])
def test_named_nests_fused(seed):
    run_shipped(seed)


@pytest.mark.long
def test_hundred_fused(tell):
    for seed in range(1000, 1100):
        run_random(seed)
    for seed in range(1000, 1040):
        run_shipped(seed)
    tell("100 fusions of random nests, 40 of named ones: all exact")


@pytest.mark.long
def test_six_modes(tell):
    nests = [flow(MATMUL, *words) for words in (
        ("m n k", "m", "n"), ("n k m", "k", "n"), ("m k n", "k", "m"),
        ("m n k", "n", "m"), ("k m n", "m", "k"), ("n m k", "m2 n2", "k"),
    )]  # fmt: skip
    placements = [Placement(named(nest, f"nest {n}"), (4, 4)) for n, nest in enumerate(nests)]
    for seed in range(10):
        run(fuse(placements), random.Random(seed), seed)


def test_one_multiplier_and_one_adder():
    placements = [Placement(named(f, n), (4, 4)) for f, n in ((WEIGHT, "ws"), (OUTPUT, "os"))]
    fusion = fuse(placements)
    bench = run(fusion, random.Random(5), 5)
    kinds = set(bench.params.net.kinds.values())
    assert all(len(kind.addends) == 1 and kind.shares_register for kind in kinds)
    # the sum that stays has 32 bits, that handed on what four products of 16 bits take
    assert {(kind.psum_bits, kind.chain_bits) for kind in kinds} == {(32, 18)}


def test_weights_come_where_weights_come():
    """Whatever the operands are called, and in which order they stand."""
    swapped = dataclasses.replace(
        MATMUL, operands=(MATMUL.operands[1], MATMUL.operands[0]), weights="B"
    )
    fusion = fuse(
        [
            Placement(named(WEIGHT, "conv"), (3, 4)),
            Placement(named(flow(swapped, "n k m", "k", "n"), "matmul"), (3, 4)),
        ]
    )
    assert [mode.operands for mode in fusion.modes] == [(0, 1), (1, 0)]
    bench = run(fusion, random.Random(1), 1)
    # both hold weights and stream activations along the same wires: nothing to choose
    for kind in bench.params.net.kinds.values():
        assert [operand.sources for operand in kind.operands] == [1, 1]


def test_loads_on_other_wires_under_the_steps_of_another_mode():
    """One shifts its weights in along the columns, the other along the rows."""
    rows = dataclasses.replace(WEIGHT, shift={"W": 0})
    fusion = fuse(
        [
            Placement(named(WEIGHT, "along columns"), (4, 4)),
            Placement(named(rows, "along rows"), (4, 4)),
        ]
    )
    bench = run(fusion, random.Random(3), 3)
    assert max(kind.operands[1].sources for kind in bench.params.net.kinds.values()) == 2


def test_a_dataflow_twice_has_no_multiplexer():
    fusion = fuse([Placement(named(WEIGHT, name), (4, 4)) for name in ("one", "two")])
    net = ArrayParams(fusion).net
    alone = ArrayParams(fusion.modes[0].reuse).net
    for kind in net.kinds.values():
        assert all(operand.sources == 1 for operand in kind.operands)
        assert all(len(set(route)) == 1 for route in kind.addends)
    for n in range(2):
        assert all(len(set(modes)) == 1 for modes in net.elements[f"a{n}"])
    assert net.lanes == alone.lanes


@pytest.mark.parametrize("rows", [4, 6, 9])
def test_sums_of_few_rows_leave_by_the_rows_of_others(rows):
    """Depthwise takes 4 rows; its sums go on down the chain of weight stationary."""
    fusion = fuse(
        [Placement(named(WEIGHT, "ws"), (rows, 4)), Placement(named(TAPS, "dw"), (rows, 4))]
    )
    bench = run(fusion, random.Random(rows), rows)
    assert all(len(set(modes)) == 1 for modes in bench.params.net.outputs)
    assert bench.params.latency == ArrayBench(fusion.modes[0].reuse).params.latency + (
        bench.params.multiplier_registers
    )
    assert isinstance(bench.params.pe, FusedPEParams)
    assert isinstance(fusion.modes[1].reuse.operands[1], HeldOperand)
