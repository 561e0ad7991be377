"""Nests that no file ships, drawn by hypothesis: exact on arrays of their own, and on others'.

Each example is a nest with an array built for it, and a second nest of the same operation, which
has most of its loops where the first has them, or lies anywhere. The first must be exact on ten
layers. If the legality check allows the second on the first one's array, it must be exact there
too; of those that the check refuses nearly all must be wrong when they run there by force, else it
would refuse too much.
"""

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest
from array_bench import ArrayBench, by_force
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from nest_features import features
from nest_layer import NestLayer
from random_nests import (
    MTTKRP,
    OPERATIONS,
    draw_change,
    draw_layer,
    draw_nest,
    draw_operation,
    draw_sliding,
    draw_telling_layer,
)

from rtl_gen.reuse import Placement, Reuse, analyse, check_links
from rtl_gen.spec.dataflow import Dataflow

SEED = 20200817
"""Of hypothesis: the examples are the same in every run, and a failure is repeated as it is."""


@dataclass
class Seen:
    """What the examples of a run were."""

    features: Counter = field(default_factory=Counter)
    verdicts: Counter = field(default_factory=Counter)
    """By whether the second nest was allowed, and what came of it."""

    refused_exact: list[str] = field(default_factory=list)

    def lines(self):
        """The table that is printed."""
        yield f"hypothesis seed {SEED}"
        for name, count in sorted(self.features.items()):
            yield f"{count:4} nests: {name}"
        wrong, right = self.verdicts[False, "wrong"], self.verdicts[False, "exact"]
        yield f"{self.verdicts[True, 'exact']:4} second nests allowed, all exact"
        yield f"{wrong + right:4} refused; by force {wrong} of them are wrong, {right} are exact"
        yield from (f"     exact though refused: {reason}" for reason in self.refused_exact)


def draw(rng: random.Random):
    """A nest and its array's shape: of an operation with a name, with a window that slides over the
    array or anyhow; of three operands; of an operation without a name.
    """
    kind = rng.choice(["named"] * 5 + ["sliding", "three", "affine"])
    if kind == "named":
        return draw_nest(rng, OPERATIONS)
    if kind == "sliding":
        return draw_sliding(rng)
    if kind == "three":
        return draw_nest(rng, (MTTKRP,))
    return draw_nest(rng, (draw_operation(rng),))


def draw_second(rng: random.Random, dataflow: Dataflow, shape) -> Dataflow:
    """Another nest of the same operation: with most loops where the first has them, or anywhere."""
    if rng.random() < 0.7:
        return draw_change(rng, dataflow)
    return draw_nest(rng, (dataflow.operation,), shape=shape)[0]


def run(reuse: Reuse, layers: list[NestLayer], rng: random.Random, number: int) -> None:
    """Layers one behind the other on an array; fails at the first that is wrong."""
    bench = ArrayBench(reuse, multiplier_registers=rng.choice([0, 0, 1, 2]))
    results = bench.run(layers, number, bubbles=rng.choice([0, 0.1, 0.5]))
    for n, (layer, got) in enumerate(zip(layers, results, strict=True)):
        assert (got == layer.golden()).all(), (
            f"numbers {number}, layer {n}: {layer.dataflow}\n{layer.shape}\non the array of "
            f"{reuse.placement.dataflow}, {reuse.placement.shape} PEs"
        )


def draw_telling(rng: random.Random, nest: Placement, number: int) -> list[NestLayer]:
    """Two layers that run every loop of the array more than once; none if all results are 0, for
    then a wrong array may give them too.
    """
    layers = []
    for n in range(10):
        shape = draw_telling_layer(rng, nest)
        layers.append(NestLayer(nest, shape, f"{number} second {n}", kind="any"))
    return [layer for layer in layers if layer.golden().any()][:2]


def examine(rng: random.Random, seen: Seen, layers: int) -> None:
    """One example."""
    dataflow, shape = draw(rng)
    number = rng.randrange(1 << 16)
    numbers = random.Random(number)  # what is not worth shrinking
    placement = Placement(dataflow, shape)
    reuse = analyse(placement)
    own = [
        NestLayer(placement, draw_layer(numbers, dataflow), f"{number} {n}") for n in range(layers)
    ]
    run(reuse, own, numbers, number)
    seen.features.update(features(reuse))
    second = draw_second(rng, dataflow, shape)
    nest = Placement(second, shape)
    reasons = check_links(reuse, nest)
    telling = draw_telling(numbers, nest, number)
    if not telling:
        return
    verdict = by_force(reuse, telling, number)
    assert verdict == "exact" or reasons, (
        f"numbers {number}: allowed but {verdict}\n{dataflow}\n{shape}\n{second}"
    )
    seen.verdicts[not reasons, verdict] += 1
    if verdict == "exact" and reasons:
        seen.refused_exact.append(reasons[0])


def examine_many(count: int, layers: int) -> Seen:
    """So many examples; the same ones each time."""
    seen = Seen()

    @seed(SEED)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    @given(st.randoms(use_true_random=False))
    def each(rng):
        examine(rng, seen, layers)

    each()
    return seen


def test_drawn_nests(tell):
    seen = examine_many(8, layers=3)
    for line in seen.lines():
        tell(line)
    assert sum(seen.verdicts.values()) >= 8


RARE = {"moving": 20, "in phases": 5, "folded": 40, "three operands": 20, "loops in the PE": 100}
"""How many of 300 nests at least."""


@pytest.mark.long
def test_three_hundred_drawn_nests(tell):
    seen = examine_many(300, layers=10)
    for line in seen.lines():
        tell(line)
    for name, least in RARE.items():
        assert seen.features[name] >= least, name
    assert {"skew -1", "skew 0", "skew 1"} <= set(seen.features)
    wrong, right = seen.verdicts[False, "wrong"], seen.verdicts[False, "exact"]
    assert seen.verdicts[True, "exact"] >= 50
    assert wrong >= 9 * right and wrong >= 50
