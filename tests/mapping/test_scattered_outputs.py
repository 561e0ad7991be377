"""Outputs at q = w - e*s: which steps begin and complete a sum, and what is refused."""

import itertools
import random
from collections import defaultdict

import numpy as np
import pytest
from mapped_layers import machine_of, walk

from rtl_gen.mapping.images import fold_input_zero
from rtl_gen.mapping.mapping import Mapping, MappingError
from rtl_gen.mapping.output_engines import OutputEngines
from rtl_gen.spec.layer import Layer, Quantization

BUFFERS = {"accumulators": 64}


def by_tap(machine, *, q, s, e=1, w=None, k=20, c=20, n=1):
    sizes = {"n": n, "w": w or q + e * (s - 1), "s": s, "k": k, "c": c}
    symbols, extents = {"e": e, "l": 0}, {"q": q, "x": sizes["w"]}
    return Layer(
        name="row", operation=machine.operation.name, sizes=sizes, symbols=symbols, extents=extents
    )


@pytest.mark.parametrize("name", ["conv1d_s_w", "conv1d_w_s"])
def test_each_sum_begins_once_and_is_complete_once(name):
    machine, rng = machine_of(name, 4, 4, buffers=BUFFERS), random.Random(name)
    for _ in range(6):
        sizes = {"q": rng.randint(1, 6), "s": rng.randint(1, 4), "c": rng.choice((5, 20))}
        layer = by_tap(machine, e=rng.randint(1, 2), **sizes)
        tiles = {"c": 16} if layer.sizes["c"] > 16 else {}
        order = rng.sample(["k", "c", "s"], 3)
        mapping = Mapping(machine, layer, tiles | {"k": 16}, tuple(order))
        seen = defaultdict(list)  # of each sum: whether a step begins it, whether it completes it
        for counters in walk(mapping.levels):
            at = dict.fromkeys(layer.sizes, 0)
            for level, counter in zip(mapping.levels, counters):
                at[level.dimension] += counter * level.unit
            reduce = [n for n, level in enumerate(mapping.levels) if mapping.reduces(level)]
            first = all(counters[n] == 0 for n in reduce)
            last = all(counters[n] == _trips(mapping, counters, n) - 1 for n in reduce)
            q = at["w"] - layer.symbols["e"] * at["s"]
            seen[at["k"], q].append((first, last))
        inside = {key: steps for key, steps in seen.items() if 0 <= key[1] < layer.extents["q"]}
        channels = {k for k, _ in seen}
        assert inside.keys() == set(itertools.product(channels, range(layer.extents["q"])))
        for steps in inside.values():
            assert [first for first, _ in steps] == [True] + [False] * (len(steps) - 1)
            assert [last for _, last in steps] == [False] * (len(steps) - 1) + [True]


def _trips(mapping, counters, n) -> int:
    """Trips of a level, where those around it stand so."""
    level = mapping.levels[n]
    outer = [k for k in range(n) if mapping.levels[k].dimension == level.dimension]
    ends = all(counters[k] == mapping.levels[k].last - 1 for k in outer)
    return level.last if ends else level.bound


def test_sums_under_way_together_take_an_accumulator_each():
    machine = machine_of("conv1d_w_s", 4, 4, buffers=BUFFERS)
    OutputEngines(Mapping(machine, by_tap(machine, q=62, s=3, k=4))).check()
    with pytest.raises(MappingError, match="65 sums behind an exit do not fit 64 accumulators"):
        OutputEngines(Mapping(machine, by_tap(machine, q=63, s=3, k=4))).check()


@pytest.mark.parametrize(
    ("tiles", "w", "message"),
    [
        (
            {"w": 4},
            None,
            "row: tiles of w would share outputs of q=w-e*s; it must be all 10, not 4",
        ),
        ({}, 11, "row: 8 outputs of q=w-e*s take 10 trips of w, not 11"),
        ({}, 9, "row: 8 outputs of q=w-e*s take 10 trips of w, not 9"),
    ],
)
def test_what_is_refused(tiles, w, message):
    machine = machine_of("conv1d_s_w", 4, 4, buffers=BUFFERS)
    with pytest.raises(MappingError) as caught:
        Mapping(machine, by_tap(machine, q=8, s=3, w=w), tiles)
    assert str(caught.value) == message


def test_a_zero_point_needs_all_taps_at_each_output():
    """Of weights at s = w - q: where a tap is missing at an end, no bias suits all outputs."""
    machine = machine_of("conv1d_q_w", 4, 4)
    weights = np.arange(3 * 5 * 6).reshape(3, 5, 6) - 40
    for w, zero, fits in ((6, 7, True), (5, 0, True), (5, 7, False)):
        layer = Layer(
            name="row",
            operation=machine.operation.name,
            sizes={"n": 1, "q": 4, "k": 6, "w": w, "c": 5},
            symbols={"l": 0},
            extents={"s": 3, "x": w},
            quantization=Quantization(input_zero=zero),
        )
        mapping = Mapping(machine, layer)
        if not fits:
            with pytest.raises(MappingError, match="it must be 0, not 7"):
                fold_input_zero(mapping, weights, np.zeros(6))
            continue
        folded = fold_input_zero(mapping, weights, np.zeros(6))
        np.testing.assert_array_equal(folded, -zero * weights.sum(axis=(0, 1)))
