"""Dataflows that have a name, on the array alone: exact, with the lanes that they are known for."""

import random

import pytest
from array_bench import ArrayBench
from named_nests import NAMED, SHAPE, flow
from nest_layer import NestLayer
from random_nests import MATMUL, draw_layer

from rtl_gen.reuse import HeldOperand, Placement, analyse


@pytest.mark.parametrize("name", NAMED)
def test_named_nest(name):
    dataflow, lanes = NAMED[name]
    placement = Placement(dataflow, SHAPE.get(name, (3, 4)))
    reuse = analyse(placement)
    found = {operand.name: len(operand.elements) for operand in reuse.operands}
    assert found | {reuse.output.name: len(reuse.output.elements)} == lanes
    rng = random.Random(name)
    layers = [NestLayer(placement, draw_layer(rng, dataflow), f"{name} {n}") for n in range(3)]
    results = ArrayBench(reuse, multiplier_registers=rng.randint(0, 2)).run(layers, name)
    for layer, got in zip(layers, results, strict=True):
        assert (got == layer.golden()).all(), layer.shape


@pytest.mark.parametrize("shape", [(6, 9), (17, 2), (1, 7)])
@pytest.mark.parametrize("kind", ["weight", "output", "input"])
def test_arrays_cut_into_blocks_of_unequal_size(shape, kind):
    orders = {
        "weight": ("n k m", "k", "n", {"skew": (1, 0)}),
        "output": ("m n k", "m", "n", {"skew": (0, 1)}),
        "input": ("m k n", "k", "m", {"skew": (1, 1)}),
    }
    order, rows, columns, links = orders[kind]
    placement = Placement(flow(MATMUL, order, rows, columns, **links), shape)
    reuse = analyse(placement)
    held = {"weight": "B", "input": "A"}.get(kind)
    for operand in reuse.operands:
        assert isinstance(operand, HeldOperand) == (operand.name == held)
    rng = random.Random(f"{shape} {kind}")
    shapes = [draw_layer(rng, placement.dataflow) for _ in range(2)]
    sizes = [shape[0] + 1, shape[1] + 2, 5]
    for one in shapes:
        rng.shuffle(sizes)
        one.sizes.update(zip("mnk", sizes))
    layers = [NestLayer(placement, one, f"{shape} {kind}") for one in shapes]
    for layer, got in zip(layers, ArrayBench(reuse, 1).run(layers, kind), strict=True):
        assert (got == layer.golden()).all(), layer.shape
