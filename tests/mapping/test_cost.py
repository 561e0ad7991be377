"""The estimated words against those that the descriptors really load, trip by trip."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from mapped_layers import machine_of

from rtl_gen.mapping.cost import estimate, input_words, linear_words
from rtl_gen.mapping.encode import encode_layer
from rtl_gen.mapping.input_engines import InputEngines
from rtl_gen.mapping.linear_engines import parameter_engines, weight_engines
from rtl_gen.mapping.mapper import choose_mapping
from rtl_gen.mapping.mapping import Mapping, MappingError
from rtl_gen.reuse.machine import Machine
from rtl_gen.spec.layer import conv2d, matmul
from rtl_gen.spec.parse import load_design

FLOWS = Path(__file__).parents[2] / "dataflows"


def loaded(record, words, levels) -> int:
    """The words that a loading engine asks for when it walks its descriptor."""
    values = record.unpack(words[1:])
    limits = [name.removesuffix("_limit") for name in values if name.endswith("_limit")]
    count = 0

    def walk(level, at, ended):
        """``ended``: the levels that are, with all their parents, on their last trips."""
        nonlocal count
        if level < 0:
            count += all(0 <= at[name] < values[f"{name}_limit"] for name in limits)
            return
        parent = values[f"parent{level}"]
        follows = parent > level
        last = ended[parent] if follows else True
        trips = values[f"last{level}" if last else f"bound{level}"] + 1
        for trip in range(trips):
            here = {name: at[name] + trip * values.get(f"{name}{level}", 0) for name in limits}
            if level == 0 and "x" in here:
                here["x"] = at["x"] + trip
            walk(level - 1, here, ended | {level: last and trip == trips - 1})

    walk(levels - 1, {name: values[f"{name}_base"] for name in limits}, {})
    return count


def draw_layer(rng, operation):
    if operation.name == "matmul":
        return matmul(m=rng.randint(1, 40), k=rng.randint(1, 60), n=rng.randint(1, 40))
    groups = rng.choice([1, 1, 2])
    return conv2d(
        n=rng.choice([1, 2]),
        groups=groups,
        k=groups * rng.randint(1, 40),
        c=groups * rng.randint(1, 40),
        h=rng.randint(7, 14),
        w=rng.randint(7, 14),
        r=rng.randint(1, 4),
        s=rng.randint(1, 4),
        stride=(rng.randint(1, 3), rng.randint(1, 3)),
        dilation=(rng.randint(1, 2), rng.randint(1, 2)),
        pad=tuple(rng.randint(0, 3) for _ in range(4)),
    )


def draw_mappings(machine, rng, count):
    while count:
        layer = draw_layer(rng, machine.operation)
        tiles = {}
        for dimension, size in layer.sizes.items():
            step = max(16, machine.spatial_size(dimension))
            step = step if dimension in "kc" else machine.spatial_size(dimension)
            tiles[dimension] = rng.choice([size, *range(step, size, step)])
        order = tuple(rng.sample(sorted(layer.sizes), len(layer.sizes)))
        try:
            mapping = Mapping(machine, layer, tiles, order)
            yield mapping, encode_layer(mapping)
        except MappingError:
            continue
        count -= 1


@pytest.mark.parametrize(
    "dataflow",
    ["weight_stationary", "output_stationary", "input_stationary", "matmul_weight_stationary"],
)
def test_estimated_words_are_those_of_the_descriptors(dataflow):
    check_words(machine_of(dataflow, 4, 4), 40)


@pytest.mark.parametrize("idiom", ["fifo", "double_buffer", "scratchpad"])
@pytest.mark.parametrize("dataflow", ["weight_stationary", "output_stationary"])
def test_estimated_words_of_other_idioms(dataflow, idiom):
    sizes = {"input": 2048, "weights": 1024, "input_idiom": idiom, "weights_idiom": idiom}
    check_words(machine_of(dataflow, 4, 4, buffers=sizes), 20)


def check_words(machine, count):
    for mapping, words in draw_mappings(machine, random.Random(5), count):
        records, levels = machine.records, machine.dma_levels
        estimated = {
            "load_input": input_words(InputEngines(mapping))[0],
            "load_weights": linear_words(weight_engines(mapping)),
            "load_parameters": linear_words(parameter_engines(mapping)),
        }
        for name, count in estimated.items():
            assert count == loaded(records[name], words[name], levels), (name, mapping)


@pytest.mark.parametrize("lanes", [1, 4])
@pytest.mark.parametrize("dataflow", ["weight_stationary", "output_stationary", "input_stationary"])
def test_no_estimate_is_below_what_post_processing_takes(dataflow, lanes):
    """A 1x1 convolution of few channels: each step, or drain tick, completes a vector of sums."""
    machine = Machine(replace(load_design(FLOWS / f"{dataflow}.yaml"), post_lanes=lanes))
    layer = conv2d(name="one", k=16, c=16, h=32, w=32, r=1, s=1)
    assert estimate(choose_mapping(machine, layer)).cycles >= 16 * 32 * 32 // lanes
