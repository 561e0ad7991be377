"""What is predicted to move, against the engines' nests walked item by item, and the array's."""

import random
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from mapped_layers import machine_of, walk
from nest_walk import walk_feed, walk_load

from rtl_gen.mapping.mapper import choose_mapping
from rtl_gen.mapping.mapping import MappingError
from rtl_gen.mapping.traffic import link_classes, traffic
from rtl_gen.reuse import fused_machine
from rtl_gen.reuse.machine import Machine
from rtl_gen.spec.layer import conv2d
from rtl_gen.spec.parse import load_design

sys.path.insert(0, str(Path(__file__).parents[1] / "accelerator"))

from random_layers import Limits, draw_case

SHIPPED = sorted(path.stem for path in (Path(__file__).parents[2] / "dataflows").glob("*.yaml"))
DATAFLOW_FILES = Path(__file__).parents[2] / "dataflows"
UNKNOWN = ("adaptive", "depthwise", "weight_and_output_stationary")  # what moves is not predicted
SHIPPED = [name for name in SHIPPED if name not in UNKNOWN]
SMALL = {"input": 2048, "weights": 2048, "output": 2048, "parameters": 1024, "accumulators": 128}
LIMITS = Limits(pixels=9, channels=40, macs=100_000)
IDIOMS = ("fifo", "double_buffer", "scratchpad")


def cases(name, idiom=""):
    rng = random.Random(name)
    shape = rng.choice([(3, 4), (2, 5), (4, 3)])
    machine = machine_of(name, *shape, buffers=SMALL)
    if idiom:
        design = machine.design
        kinds = {"weights_idiom": idiom}
        if idiom != "fifo":
            kinds["input_idiom"] = idiom
        machine = Machine(replace(design, buffers=replace(design.buffers, **kinds)))
    return [draw_case(machine, seed, tiled=seed % 2 == 0, limits=LIMITS) for seed in range(4)]


def asked(mapping, name) -> int:
    """Words that a feeder reads: the requests whose coordinates lie in the tensor."""
    machine, count = mapping.machine, 0
    limits = {}
    if name == "input":
        names = machine.checked_ranks
        limits = {f"y{n}": mapping.layer.extents[rank] for n, rank in enumerate(names)}
    for item in walk_feed(mapping, name):
        count += all(0 <= item[form] < limit for form, limit in limits.items())
    return count


@pytest.mark.parametrize("idiom", ["", *IDIOMS])
@pytest.mark.parametrize("name", SHIPPED)
def test_reads_and_steps_are_those_of_the_nests(name, idiom):
    for case in cases(name, idiom):
        mapping = case.mapping
        found = traffic(mapping)
        assert found.steps == sum(1 for _ in walk(mapping.levels)), case
        for buffer in ("input", "weights", "parameters"):
            assert found.buffers[f"feed_{buffer}"] == asked(mapping, buffer), (buffer, case)
        for buffer in ("weights", "parameters"):
            loaded = sum(item["words"] for item in walk_load(mapping, buffer))
            assert found.buffers[f"load_{buffer}"] == loaded, (buffer, case)


@pytest.mark.parametrize("name", SHIPPED)
def test_each_link_carries_a_word_a_step_or_tick(name):
    """Links are as many as the nest asks for: each PE but those of the lanes has one source."""
    for case in cases(name):
        mapping, found = case.mapping, traffic(case.mapping)
        reuse = mapping.machine.reuse
        members = Counter({key: len(some) for key, some in link_classes(reuse).items()})
        pes = len(reuse.placement.pes)
        for operand in reuse.operands:
            ways = [key for key in members if key.tensor == operand.name]
            assert sum(members[key] for key in ways) == pes
            times = found.load_ticks.get(operand.name, found.steps)
            assert sum(found.links[key] for key in ways) == pes * times
        for name, ticks in found.load_ticks.items():
            operand, machine = reuse.operand(name), mapping.machine
            lines = reuse.placement.extent[operand.shift]
            if name == machine.operation.weights:  # each load reads whole words
                words = -(-lines // machine.weight_vectors) * machine.weight_words
                assert ticks * words == found.buffers["feed_weights"] * lines
            elif not mapping.layer.symbols.get("t") and not mapping.layer.symbols.get("l"):
                assert ticks >= found.buffers["feed_input"] // machine.input_words
        output = reuse.output
        chains = [k for k in members if k.tensor == output.name and k.kind != "shift"]
        if output.drain is None:
            assert sum(members[key] for key in chains) == pes
            assert sum(found.links[key] for key in chains) == pes * found.steps
        else:
            shifts = [k for k in members if k.tensor == output.name]
            assert sum(found.links[key] for key in shifts) == pes * found.drain_ticks


def test_what_is_not_predicted_is_said():
    machine = fused_machine.machine_of(load_design(DATAFLOW_FILES / "adaptive.yaml"))
    layer = conv2d(name="layer", k=16, c=16, h=8, w=8, r=1, s=1)
    with pytest.raises(MappingError, match="layer: what moves is not predicted where a step reads"):
        traffic(choose_mapping(machine, layer))
