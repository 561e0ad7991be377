"""Random nests on the array alone: five layers each, one behind the other, exact."""

import random
from collections import Counter

import pytest
from array_bench import ArrayBench
from nest_layer import NestLayer
from random_nests import OPERATIONS, draw_layer, draw_nest, draw_operation

from rtl_gen.hw.array.array import ArrayParams
from rtl_gen.reuse import HeldOperand, Placement, Reuse, analyse

LAYERS = 5


def first_difference(layer, got):
    """Where a result is wrong, in words; empty if it is exact."""
    want = layer.golden()
    if (got == want).all():
        return ""
    at = next(zip(*(got != want).nonzero()))
    place = tuple(map(int, at))
    return f"{layer.operation.output.name}{list(place)} is {got[place]}, not {want[place]}"


def run_nest(seed, affine=False) -> Reuse:
    """A nest drawn from a seed, and its layers; fails with the seed and what was drawn."""
    rng = random.Random(seed)
    operations = (draw_operation(rng),) if affine else OPERATIONS
    dataflow, shape = draw_nest(rng, operations, side=8 if affine else 4)
    placement = Placement(dataflow, shape)
    reuse = analyse(placement)
    shapes = [draw_layer(rng, dataflow) for _ in range(LAYERS)]
    layers = [NestLayer(placement, one, f"{seed} {n}") for n, one in enumerate(shapes)]
    bench = ArrayBench(reuse, multiplier_registers=rng.choice([0, 0, 1, 2]))
    results = bench.run(layers, seed, bubbles=rng.choice([0, 0.1, 0.5]))
    for n, (layer, got) in enumerate(zip(layers, results, strict=True)):
        wrong = first_difference(layer, got)
        assert not wrong, f"seed {seed}, layer {n}: {wrong}\n{dataflow}\n{shape} PEs\n{layer.shape}"
    return reuse


def features(reuse: Reuse) -> set[str]:
    """What a nest exercises."""
    flow, output = reuse.placement.dataflow, reuse.output
    held = [operand for operand in reuse.operands if isinstance(operand, HeldOperand)]
    dims = [loop.dimension for loop in flow.spatial]
    tags = {
        "loops in the PE": bool(flow.pe),
        "folded": any(len(flow.on_axis(axis)) > 1 for axis in (0, 1)),
        "one dimension on both axes": len(set(dims)) < len(dims),
        "held": bool(held),
        "held by shifting": any(o.shift is not None for o in held),
        "several words held": any(o.depth > 1 for o in held),
        "forward": any(link.delay for o in reuse.operands for link in o.links),
        "multicast": any(not link.delay for o in reuse.operands for link in o.links),
        "diagonal": any(all(link.vector) for o in reuse.operands for link in o.links),
        "chain": any(link.delay for link in output.links),
        "tree": any(not link.delay for link in output.links),
        "added at the edge": len(output.elements) < len(output.exits),
        "moving": any(link.ticks for o in reuse.operands for link in o.links),
        "in phases": bool(reuse.phases),
        "sums told which steps to take": ArrayParams(reuse).pe.gated,
        "drained": output.drain is not None,
        "several sums kept": output.depth > 1,
        "skew -1": -1 in reuse.skew,
        "skew on both axes": all(reuse.skew),
    }
    return {flow.operation.name} | {tag for tag, there in tags.items() if there}


FEATURES = (
    "conv2d",
    "depthwise",
    "matmul",
    "conv1d",
    "loops in the PE",
    "folded",
    "one dimension on both axes",
    "held",
    "held by shifting",
    "several words held",
    "forward",
    "multicast",
    "chain",
    "tree",
    "moving",
    "in phases",
    "sums told which steps to take",
    "drained",
    "several sums kept",
    "skew -1",
    "skew on both axes",
)


@pytest.mark.parametrize("seed", range(10))
def test_random_nest(seed):
    run_nest(seed)


# 412: two exits of one output, added at the edge; 55: a diagonal
@pytest.mark.parametrize("seed", [0, 1, 55, 412])
def test_random_operation(seed):
    run_nest(seed, affine=True)


def report(seen, tell) -> None:
    for tag, count in sorted(seen.items()):
        tell(f"{count:4} nests: {tag}")


@pytest.mark.long
def test_hundred_random_nests(tell):
    seen = Counter()
    for seed in range(1000, 1100):
        seen.update(features(run_nest(seed)))
    report(seen, tell)
    assert set(FEATURES) <= set(seen)


@pytest.mark.long
def test_hundred_random_operations(tell):
    seen = Counter()
    for seed in (*range(1000, 1095), 412, 655, 737, 766, 830):
        seen.update(features(run_nest(seed, affine=True)))
    report(seen, tell)
    assert {"added at the edge", "diagonal"} <= set(seen)
