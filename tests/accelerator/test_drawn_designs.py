"""Whole accelerators for nests that no file ships, drawn by hypothesis: layers bit by bit.

What is drawn is a design; it is left out only where the design's own check refuses it, and the
reasons are counted.
"""

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest
from designs import run_cases
from hypothesis import HealthCheck, Phase, given, reject, seed, settings
from hypothesis import strategies as st
from random_designs import draw_design, features, message
from random_layers import Case, Limits, draw_case

from rtl_gen.reuse.fused_machine import machine_of
from rtl_gen.spec.operation import SpecError

SEED = 20200818
LIMITS = Limits(pixels=7, channels=20, macs=40_000)


@dataclass
class Seen:
    """What the examples of a run were."""

    features: Counter = field(default_factory=Counter)
    refused: Counter = field(default_factory=Counter)
    built: int = 0

    def lines(self):
        """The table that is printed."""
        yield f"hypothesis seed {SEED}: {self.built} designs built"
        for name, count in sorted(self.features.items()):
            yield f"{count:4} designs: {name}"
        yield f"{sum(self.refused.values()):4} refused:"
        for text, count in self.refused.most_common():
            yield f"{count:4} {text}"


def draw_cases(machine, layers: int) -> list[Case]:
    """Layers with drawn tiles and orders."""
    return [draw_case(machine, n, tiled=False, limits=LIMITS) for n in range(layers)]


def examine_many(count: int, examine) -> Seen:
    """So many designs that can be built; the same ones each time."""
    seen = Seen()

    @seed(SEED)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.randoms(use_true_random=False))
    def each(rng: random.Random):
        design = draw_design(rng)
        try:
            machine = machine_of(design)
        except SpecError as error:
            seen.refused[message(error)] += 1
            reject()
        seen.built += 1
        seen.features.update(features(design))
        examine(machine)

    each()
    return seen


def test_layers_find_a_mapping_on_drawn_designs(tell):
    """Drawn, checked and mapped; not simulated."""
    seen = examine_many(20, lambda machine: draw_cases(machine, 2))
    for line in seen.lines():
        tell(line)
    assert seen.built >= 20


@pytest.mark.long
def test_thirty_drawn_designs(tell):
    seen = examine_many(
        30, lambda machine: run_cases(machine, draw_cases(machine, 10), tell, seed=1)
    )
    for line in seen.lines():
        tell(line)
    assert seen.built >= 30
    needed = {"loops in the PE", "folded", "input held", "weights held", "sums stay in the PEs"}
    needed |= {"sums leave in pieces", "drained", "skew -1", "skew 0", "skew 1"}
    assert needed <= set(seen.features)
