"""Random nests on the array alone: five layers each, one behind the other, exact."""

import random
from collections import Counter

import pytest
from array_bench import ArrayBench
from nest_features import features
from nest_layer import NestLayer
from random_nests import OPERATIONS, draw_layer, draw_nest, draw_operation

from rtl_gen.reuse import Placement, Reuse, analyse

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
