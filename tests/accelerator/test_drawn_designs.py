"""Whole accelerators for nests that no file ships, drawn by hypothesis: layers bit by bit.

What is drawn is a design; it is left out only where the design's own check refuses it, and the
reasons are counted. Of three hundred that can be built thirty are simulated, chosen so that each
operation and each feature stands in two of them or more.
"""

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest
from designs import run_cases
from hypothesis import HealthCheck, Phase, given, reject, seed, settings
from hypothesis import strategies as st
from random_designs import FEATURES, OPERATIONS, draw_design, features, message
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
    @given(st.randoms(use_true_random=True))
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


def choose(machines, count: int, each: int) -> list:
    """So many machines, in order: those of features that few before them have, then the first."""
    found, chosen = Counter(), []
    for machine in machines:
        if any(found[name] < each for name in features(machine.design)):
            found.update(features(machine.design))
            chosen.append(machine)
    others = [machine for machine in machines if machine not in chosen]
    return (chosen + others)[:count]


@pytest.mark.long
def test_thirty_drawn_designs(tell):
    drawn = []
    seen = examine_many(300, drawn.append)
    for line in seen.lines():
        tell(line)
    chosen = choose(drawn, 30, each=2)
    counts = Counter(name for machine in chosen for name in features(machine.design))
    for name, count in sorted(counts.items()):
        tell(f"{count:4} of {len(chosen)} simulated: {name}")
    wanted = {*FEATURES, *(operation.name for operation in OPERATIONS)}
    assert min(counts[name] for name in wanted) >= 2 and len(chosen) == 30
    for n, machine in enumerate(chosen):
        tell(f"{n}: {machine.design.dataflow.operation.name}, {features(machine.design)}")
        run_cases(machine, draw_cases(machine, 10), tell, seed=1)
