"""What is predicted to move, against the engines' nests walked item by item, and the array's."""

import itertools
import random
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from mapped_layers import walk
from nest_walk import walk_feed, walk_load, walk_unfold

from rtl_gen.mapping.encode import encode_layer
from rtl_gen.mapping.mapper import choose_mapping
from rtl_gen.mapping.placing import OWN_INPUT
from rtl_gen.mapping.traffic import link_classes, traffic
from rtl_gen.reuse.fused_machine import machine_of
from rtl_gen.spec.design import Buffers
from rtl_gen.spec.layer import conv2d
from rtl_gen.spec.operation import SpecError
from rtl_gen.spec.parse import load_design

sys.path.insert(0, str(Path(__file__).parents[1] / "accelerator"))

from random_layers import Limits, draw_case
from tagged_layers import draw_tagged, tagged_machine

DATAFLOWS = sorted((Path(__file__).parents[2] / "dataflows").glob("*.yaml"), key=lambda x: x.stem)
SHIPPED = [file for file in DATAFLOWS if not load_design(file).dataflow.tagged]
SMALL = Buffers(input=4096, weights=2048, output=4096, parameters=1024, accumulators=128)
LIMITS = Limits(pixels=9, channels=40, macs=100_000)
IDIOMS = ("fifo", "double_buffer", "scratchpad")
SHAPES = ((3, 4), (2, 5), (4, 3), (9, 4))


def machine(file: Path, idiom: str = "", image: int = 0, shapes=SHAPES):
    """A shipped design on the first of some small arrays that can be built."""
    design = load_design(file)
    kinds = {"image": image}
    if idiom:
        kinds["weights_idiom"] = idiom
        if idiom != "fifo":
            kinds["input_idiom"] = idiom
    for rows, columns in shapes:
        buffers = replace(SMALL, **kinds)
        try:
            return machine_of(replace(design, rows=rows, columns=columns, buffers=buffers))
        except SpecError as error:
            refused = error
    raise refused


def cases(file: Path, idiom: str = ""):
    """Four random layers of each dataflow of a file."""
    shapes = random.Random(file.stem).sample(SHAPES[:3], 3) + list(SHAPES[3:])
    for mode in machine(file, idiom, shapes=shapes).alone:
        for seed in range(4):
            yield draw_case(mode, seed, tiled=seed % 2 == 0, limits=LIMITS)


def asked(mapping, name) -> int:
    """Words that a feeder reads: those asked for whose coordinates lie in the tensor."""
    machine, count = mapping.machine, 0
    if name != "input":
        return sum(1 for _ in walk_feed(mapping, name))
    values = machine.records["feed_input"].unpack(encode_layer(mapping)["feed_input"][1:])
    limits = [mapping.layer.extents[rank] for rank in machine.checked_ranks]
    words = list(itertools.product(*map(range, machine.reader.input_read_sizes)))
    for item in walk_feed(mapping, name):
        for word in words if machine.widths.input_reads > 1 else [()]:
            at = [
                item[f"y{n}"] + sum(t * values[f"y{n}_word{k}"] for k, t in enumerate(word))
                for n in range(len(limits))
            ]
            count += all(0 <= y < limit for y, limit in zip(at, limits))
    return count


@pytest.mark.parametrize("idiom", ["", *IDIOMS])
@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_reads_and_steps_are_those_of_the_nests(file, idiom):
    for case in cases(file, idiom):
        mapping = case.mapping
        found = traffic(mapping)
        assert found.steps == sum(1 for _ in walk(mapping.levels)), case
        for buffer in ("input", "weights", "parameters"):
            assert found.buffers[f"feed_{buffer}"] == asked(mapping, buffer), (buffer, case)
        for buffer in ("weights", "parameters"):
            loaded = sum(item["words"] for item in walk_load(mapping, buffer))
            assert found.buffers[f"load_{buffer}"] == loaded, (buffer, case)
        if mapping.machine.moving:
            fields = mapping.machine.records["feed_input"]
            flush = fields.unpack(encode_layer(mapping)["feed_input"][1:])["flush"]
            assert found.input_ticks == sum(1 for _ in walk_feed(mapping, "input")) + flush, case


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_each_link_carries_a_word_a_step_or_tick(file):
    """Links are as many as the nest asks for: each PE but those of the lanes has one source."""
    for case in cases(file):
        mapping, found = case.mapping, traffic(case.mapping)
        reuse, moved = mapping.machine.reuse, ()
        if mapping.machine.moving:
            moved = (mapping.machine.operation.activation.name,)
            assert found.input_ticks >= found.steps
        members = Counter({key: len(some) for key, some in link_classes(reuse).items()})
        pes = len(reuse.placement.pes)
        for operand in reuse.operands:
            ways = [key for key in members if key.tensor == operand.name]
            assert sum(members[key] for key in ways) == pes
            streamed = found.input_ticks if operand.name in moved else found.steps
            times = found.load_ticks.get(operand.name, streamed)
            assert sum(found.links[key] for key in ways) == pes * times
        for name, ticks in found.load_ticks.items():
            operand, machine = reuse.operand(name), mapping.machine
            lines = 1 if operand.shift is None else reuse.placement.extent[operand.shift]
            if name != machine.operation.activation.name:  # each load reads whole words
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


@pytest.mark.parametrize("stem", ["adaptive", "output_stationary"])
def test_windows_of_an_image(stem):
    """Words of folded windows: those that the unfold engine's nest completes, read as any other."""
    [file] = (x for x in SHIPPED if x.stem == stem)
    design = machine(file, image=1024)
    layer = conv2d(name="first", k=5, c=3, h=9, w=11, r=3, s=3, n=2, pad=(1, 0, 1, 1))
    mapping = choose_mapping(design, layer, OWN_INPUT)
    image, found = mapping.placing.image, traffic(mapping)
    assert found.buffers["feed_input"] == asked(mapping, "input")
    assert found.buffers["load_input"] % image.words == 0
    pixels, rest = divmod(sum(1 for _ in walk_unfold(mapping)), image.slices)
    assert rest == 0 and pixels >= 2 * mapping.layer.sizes["p"] * mapping.layer.sizes["q"]
    assert found.buffers["unfold_input"] == pixels * -(-len(image.order) // design.block)
    plain = traffic(choose_mapping(design, layer))
    assert plain.buffers["unfold_input"] == 0


def test_reads_of_tagged_buses():
    """Requests, and words read of them, are those of the feeder's nest; weights those of theirs."""
    design = tagged_machine(rows=3, columns=5, inputs=13, weights=52)
    for case in draw_tagged(design, 20, LIMITS):
        mapping, found = case.mapping, traffic(case.mapping)
        items = list(walk_feed(mapping, "input"))
        [bus] = (n for name, n in found.links.items() if str(name) == "I on its bus")
        assert bus == design.input_reads * len(items), case
        for buffer in ("input", "weights", "parameters"):
            assert found.buffers[f"feed_{buffer}"] == asked(mapping, buffer), (buffer, case)
        for buffer in ("weights", "parameters"):
            loaded = sum(item["words"] for item in walk_load(mapping, buffer))
            assert found.buffers[f"load_{buffer}"] == loaded, (buffer, case)
