"""Inputs that move: every tap of every step meets the word that it needs, or lies outside."""

from collections import Counter, deque
from dataclasses import replace
from pathlib import Path

import pytest
from mapped_layers import walk as walk_levels
from nest_walk import walk_feed
from random_layers import Limits, draw_case

from rtl_gen.mapping.cost import estimate
from rtl_gen.mapping.encode import encode_layer
from rtl_gen.mapping.input_engines import InputEngines
from rtl_gen.mapping.mapping import Mapping, MappingError
from rtl_gen.mapping.ticks import ticks_of
from rtl_gen.nn.to_program import runs_as
from rtl_gen.reuse.machine import Machine
from rtl_gen.spec.design import KIB, Buffers
from rtl_gen.spec.layer import Layer
from rtl_gen.spec.layer_text import find_layer
from rtl_gen.spec.parse import load_design

TESTS = Path(__file__).resolve().parents[1]
DESIGNS = {
    "depthwise": TESTS.parent / "dataflows" / "depthwise.yaml",
    "moving_pixels": TESTS / "designs" / "moving_pixels.yaml",
    "shidiannao": TESTS.parent / "dataflows" / "shidiannao.yaml",
}


def machine_of(name: str) -> Machine:
    sizes = Buffers(input=4 * KIB, weights=4 * KIB, output=4 * KIB, accumulators=128)
    shape = {"columns": 3} if name != "shidiannao" else {"rows": 3, "columns": 4}
    return Machine(replace(load_design(DESIGNS[name]), **shape, post_lanes=4, buffers=sizes))


def values_of(mapping: Mapping, counters) -> Counter:
    """The first PE's value of each dimension in a step."""
    found = Counter()
    for level, trip in zip(mapping.levels, counters):
        found[level.dimension] += level.unit * trip
    return found


def check_words(mapping: Mapping) -> int:
    """Follow the words through the PEs, as ticks and steps come; returns the ticks."""
    machine, layer, ticks = mapping.machine, mapping.layer, ticks_of(mapping)
    moving, tensor = machine.moving, machine.operation.activation
    values = machine.records["feed_input"].unpack(encode_layer(mapping)["feed_input"][1:])
    items = list(walk_feed(mapping, "input"))
    tile = InputEngines(mapping).tile_words
    sizes = {f"y{n}": layer.extents[name] for n, name in enumerate(machine.checked_ranks)}
    for item in items:  # what is read lies in the tile
        if all(0 <= item[name] < size for name, size in sizes.items()):
            assert 0 <= item["index"] < tile
    words = deque([*items, *[None] * values["flush"]])
    places = deque([None] * moving.size, maxlen=moving.size)
    total = len(words)
    for n, counters in enumerate(walk_levels(mapping.levels)):
        at = values_of(mapping, counters)
        first = ticks.level is None or not counters[ticks.level]
        before = ticks.begin if n == 0 else ticks.run if first else ticks.every - 1
        places.extend(words.popleft() for _ in range(before + 1))
        for tap in range(moving.size):
            here = at + Counter({moving.tap: tap})
            if here[moving.tap] >= layer.sizes[moving.tap]:
                continue  # its weights are 0
            wanted = {}
            for k, name in enumerate(machine.checked_ranks):
                rank = tensor.rank(name)
                form = sum(rank.coefficient(d, layer.symbols) * here[d] for d in rank.dimensions)
                wanted[f"y{k}"] = rank.offset(layer.symbols) + form
            along = wanted[f"y{machine.checked_ranks.index(moving.rank)}"]
            if 0 <= along < layer.extents[moving.rank]:  # else the mask stands in
                assert wanted.items() <= places[tap].items(), f"step {n}, tap {tap}"
    assert not words
    return total


@pytest.mark.parametrize("name", DESIGNS)
def test_every_tap_meets_its_word(name, tell):
    machine, seen = machine_of(name), Counter()
    for seed in range(40):
        limits = Limits(pixels=11, channels=20, macs=20_000)
        tiled = name == "depthwise" and seed % 3 == 0
        mapping = draw_case(machine, seed, tiled=tiled, limits=limits).mapping
        ticks = ticks_of(mapping)
        check_words(mapping)
        seen["left out"] += ticks.skip > 0
        seen["no tick between runs"] += ticks.run == 0
        seen["between runs"] += ticks.run > 0
        seen["every second word or fewer"] += ticks.every > 1
        seen["runs of one step"] += ticks.level is None
        seen["phases"] += any(level.phase for level in mapping.levels)
        seen["a phase of one step less"] += any(
            level.phase and inner.dimension == level.dimension and inner.bound != inner.last
            for level, inner in zip(mapping.levels, mapping.levels[1:])
        )
    tell(f"{name}: {dict(seen)}")
    assert seen["between runs"] > 3
    phased = {"phases", "a phase of one step less"}
    if name == "depthwise":
        assert all(seen[what] > 3 for what in seen.keys() - phased)
    assert all((seen[what] > 1) == (name != "depthwise") for what in phased)


def layer_of(text: str, machine: Machine) -> Layer:
    return runs_as(find_layer(f"depthwise:{text}"), machine.operation)


@pytest.mark.parametrize(
    "text, ticks",
    [
        ("c=3,p=7,q=7,r=3,s=3,pad=1", 7 * 7 + 1),
        ("c=3,p=7,q=7,r=3,s=3", 7 * 9),
        ("c=3,p=7,q=7,r=3,s=3,pad=3", 7 * 7),
        ("c=3,p=7,q=7,r=3,s=3,stride=2,pad=1", 7 * 13 + 1),
        ("c=3,p=7,q=7,r=1,s=1", 7 * 7 + 2),
        ("c=3,p=4,q=4,r=1,s=1,stride=2", 4 * 4 + 2),
        ("c=3,p=5,q=5,r=3,s=3,stride=2,dilation=2", 5 * 7),
    ],
)
def test_padding_takes_no_ticks(text, ticks):
    machine = machine_of("depthwise")
    mapping = Mapping(machine, layer_of(text, machine))
    assert check_words(mapping) == ticks
    assert estimate(mapping).compute == ticks


def test_a_dilation_that_does_not_divide_the_stride_is_refused():
    machine = machine_of("depthwise")
    with pytest.raises(
        MappingError,
        match=r": I moves from PE to PE along 's', a place a tick of 'q', so the factor of 's' in "
        r"w=v\*q\+e\*s-l must divide that of 'q', unless that is summed over, in one tile and "
        r"outside the PE; 2 does not divide 1$",
    ):
        encode_layer(Mapping(machine, layer_of("c=3,p=7,q=7,r=3,s=3,dilation=2", machine)))


@pytest.mark.parametrize("stride, taps", [(2, 3), (2, 4), (2, 7), (3, 3), (3, 5), (3, 8)])
def test_a_tile_is_what_its_phases_read(stride, taps):
    """Where the last phase alone has a step less, or none has, no word beside the filter's."""
    machine = Machine(replace(machine_of("shidiannao").design, rows=1))
    width = stride * 7 + taps
    layer = find_layer(f"conv2d:k=1,c=1,p=1,q=8,r=1,s={taps},stride=1x{stride}")
    mapping = Mapping(machine, layer)
    assert any(level.phase for level in mapping.levels) and layer.extents["w"] == width
    read = [item["index"] for item in walk_feed(mapping, "input")]
    assert max(read) + 1 == InputEngines(mapping).tile_words
    assert width - stride < max(read) + 1 <= width
    check_words(mapping)
