"""Windows folded into channels: the same sums, whatever the operation is called, and refusals."""

import dataclasses
import random
from pathlib import Path

import numpy as np
import pytest

from rtl_gen.mapping.cost import estimate
from rtl_gen.mapping.encode import encode_layer
from rtl_gen.mapping.input_engines import InputEngines
from rtl_gen.mapping.mapper import choose_mapping
from rtl_gen.mapping.mapping import Mapping, MappingError
from rtl_gen.mapping.packed_image import packed_image
from rtl_gen.mapping.placing import OWN_INPUT, Placing
from rtl_gen.mapping.program import Program
from rtl_gen.reuse.machine import Machine
from rtl_gen.sim.layers import golden_output, random_data
from rtl_gen.spec.dataflow import SpatialLoop
from rtl_gen.spec.layer import Layer, Quantization, conv2d
from rtl_gen.spec.operation import SpecError, parse_einsum
from rtl_gen.spec.parse import load_design

DATAFLOWS = Path(__file__).resolve().parents[2] / "dataflows"


def machine_with(dataflow: str = "weight_stationary", image: int = 4096, **others) -> Machine:
    design = load_design(DATAFLOWS / f"{dataflow}.yaml")
    buffers = dataclasses.replace(design.buffers, image=image)
    return Machine(dataclasses.replace(design, buffers=buffers, **others))


def with_operation(einsum: str, symbols: tuple[str, ...], batch: tuple[str, ...]) -> Machine:
    """Weight stationary for another operation: f by m, the last output dimension innermost."""
    operation = parse_einsum(einsum, name="other", symbols=symbols, weights="W", batch=batch)
    design = load_design(DATAFLOWS / "weight_stationary.yaml")
    kept = [d for d in operation.dimensions if d not in operation.weight.dimensions]
    flow = dataclasses.replace(
        design.dataflow,
        operation=operation,
        temporal=(*operation.weight.dimensions, *kept),
        spatial=(SpatialLoop("f", 0), SpatialLoop("m", 1)),
    )
    buffers = dataclasses.replace(design.buffers, image=4096)
    return Machine(dataclasses.replace(design, dataflow=flow, buffers=buffers))


def same_sums(machine: Machine, layer: Layer, seed: int):
    image = packed_image(machine, layer)
    source, data = random_data(machine.operation, layer, seed)
    windows, folded = image.unfold(source), image.fold(data)
    assert folded.weights.size == data.weights.size
    np.testing.assert_array_equal(
        golden_output(machine.operation, image.folded, windows, folded),
        golden_output(machine.operation, layer, source, data),
    )


def test_folded_convolutions_give_the_same_sums():
    machine, rng = machine_with(), random.Random(5)
    for seed in range(40):
        reach = rng.randint(1, 6), rng.randint(1, 6)
        layer = conv2d(
            name=f"seed {seed}",
            n=rng.randint(1, 2),
            k=rng.randint(1, 5),
            c=rng.choice((1, 3, 20)),
            h=rng.randint(6, 9) * 2,
            w=rng.randint(6, 9) * 2,
            r=reach[0],
            s=reach[1],
            stride=(rng.randint(1, 3), rng.randint(1, 3)),
            dilation=(rng.randint(1, 2), rng.randint(1, 2)),
            pad=tuple(rng.randint(0, 2) for _ in range(4)),
            quantization=Quantization(input_zero=rng.randint(-128, 127)),
        )
        same_sums(machine, layer, seed)


OTHERS = {
    "two batches": (
        "Y[a,b,x,m] += X[a,b, i = u*x + j, f] * W[j,f,m]",
        ("u",),
        {"a": 2, "b": 3, "x": 5, "m": 3, "j": 3, "f": 3},
        {"u": 1},
        {"i": 7},
    ),
    "one rank": (
        "Y[b,x,m] += X[b, i = a*x + e*j - t, f] * W[j,f,m]",
        ("a", "e", "t"),
        {"b": 2, "x": 7, "m": 3, "j": 4, "f": 3},
        {"a": 2, "e": 1, "t": 1},
        {"i": 15},
    ),
    "three ranks": (
        "Y[b,x,y,z,m] += X[b, h = a*x + i - t, v = y + j, w = z + l - t, f] * W[i,j,l,f,m]",
        ("a", "t"),
        {"b": 1, "x": 3, "y": 4, "z": 5, "m": 3, "i": 3, "j": 2, "l": 3, "f": 2},
        {"a": 2, "t": 1},
        {"h": 6, "v": 5, "w": 5},
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_windows_of_any_number_of_ranks_are_folded(name):
    einsum, symbols, sizes, values, extents = OTHERS[name]
    batch = ("a", "b") if name == "two batches" else ("b",)
    machine = with_operation(einsum, symbols, batch)
    layer = Layer(name=name, operation="other", sizes=sizes, symbols=values, extents=extents)
    same_sums(machine, layer, 3)
    mapping = choose_mapping(machine, layer, OWN_INPUT)
    assert mapping.placing.image
    assert loaded_images(machine, mapping) == list(range(packed_image(machine, layer).batch))


def loaded_images(machine, mapping) -> list[int]:
    """The images that the load engine walks, by number; k whole, so each goes by once."""
    image = mapping.placing.image
    fields = machine.records["load_input"].unpack(encode_layer(mapping)["load_input"][1:])
    assert fields["bound0"] + 1 == image.words
    found = [0]
    for level in range(1, machine.dma_levels):
        trips, step = fields[f"bound{level}"] + 1, fields[f"offset{level}"]
        found = [at + n * step for n in range(trips) for at in found]
    return [at // (image.words * machine.block) for at in found]


def test_the_cheaper_of_both_is_taken():
    machine = machine_with()
    few = conv2d(name="few", k=16, c=3, h=32, w=32, r=3, s=3, pad=(1, 1, 1, 1))
    many = conv2d(name="many", k=16, c=64, h=32, w=32, r=1, s=1)
    folded, plain = choose_mapping(machine, few, OWN_INPUT), choose_mapping(machine, few)
    assert folded.placing.image and not plain.placing.image
    assert 3 * estimate(folded).cycles < estimate(plain).cycles
    assert not choose_mapping(machine, many, OWN_INPUT).placing.image
    none = choose_mapping(machine_with(image=0), few, OWN_INPUT)
    assert not none.placing.image


def test_an_image_lies_in_memory_as_it_is():
    machine = machine_with()
    layer = conv2d(name="image", n=2, k=4, c=3, h=5, w=7, r=3, s=3)
    source, data = random_data(machine.operation, layer, 1)
    program = Program()
    program.add(choose_mapping(machine, layer, OWN_INPUT), data, source=source)
    (packed,) = program.inputs.values()
    size, pitch = 5 * 7 * 3, 128  # a multiple of two words
    assert len(packed) == 2 * pitch
    for n in range(2):
        assert packed[n * pitch :][:size] == source[n].tobytes()


def test_layers_whose_windows_cannot_be_folded():
    machine = machine_with()
    grouped = conv2d(name="grouped", k=8, c=4, h=8, w=8, r=3, s=3, groups=2)
    assert packed_image(machine, grouped) is None
    assert packed_image(machine_with(image=0), conv2d(k=4, c=3, h=8, w=8, r=3, s=3)) is None


def refusal(machine, layer, tiles, order=(), **placing) -> str:
    image = packed_image(machine, layer)
    with pytest.raises(MappingError) as caught:
        encode_layer(Mapping(machine, image.folded, tiles, order, Placing(image=image, **placing)))
    return str(caught.value)


def test_refused_tiles():
    machine = machine_with(image=512)
    layer = conv2d(name="cut", n=2, k=32, c=3, h=12, w=12, r=3, s=3)
    whole = "goes by row by row; tiles of it must be whole rows of one image"
    assert whole in refusal(machine, layer, {"n": 1, "q": 2})
    assert whole in refusal(machine, layer, {"n": 1, "c": 16})
    assert whole in refusal(machine, layer, {})
    wide = conv2d(name="wide", k=4, c=3, h=50, w=50, r=3, s=3)
    told = refusal(machine, wide, {"p": 1})
    assert told == "wide: 880 bytes of image rows do not fit the 512 of buffers.image"


def test_refused_designs():
    with pytest.raises(SpecError, match=r"^buffers.image: .*idiom must be buffet, not fifo"):
        design = load_design(DATAFLOWS / "weight_stationary.yaml")
        dataclasses.replace(design.buffers, image=4096, input_idiom="fifo")
    with pytest.raises(SpecError, match=r"^buffers.image: matmul has no windows"):
        machine_with("matmul_weight_stationary")
    with pytest.raises(SpecError, match=r"^buffers.image: must be 256 bytes to 1 MiB"):
        machine_with(image=100)


def folded(tiles=None) -> Mapping:
    """DS-CNN's first layer with folded windows: 25 x 5 pixels of 3 words, 5 slices a pixel."""
    machine = machine_with()
    layer = conv2d(name="dscnn", k=64, c=1, h=49, w=10, r=10, s=4, stride=(2, 2), pad=(4, 1, 5, 1))
    image = packed_image(machine, layer)
    return Mapping(machine, image.folded, tiles or {}, placing=Placing(image=image))


def test_the_array_waits_for_the_first_tile_and_for_it_once():
    """Its pixels are made in 5 cycles each, and read in one; later tiles are made meanwhile."""
    whole = InputEngines(folded()).loader
    assert (whole.cycles, whole.exposed_cycles) == (25 * 5 * 5, 25 * 5 * 5 - 25 * 5)
    rows = InputEngines(folded({"p": 5})).loader
    assert (rows.cycles, rows.exposed_cycles) == (25 * 5 * 5, 25 * 5 - 25)


def test_the_array_never_waits_longer_than_windows_are_made():
    """Whatever the tiles, and however little room is left beside one."""
    tight = 0
    for room in (2, 4, 8, 64):
        machine = machine_with(image=8192)
        buffers = dataclasses.replace(machine.design.buffers, input=room * 1024)
        machine = Machine(dataclasses.replace(machine.design, buffers=buffers))
        for c, size, r, stride in ((3, 32, 3, 1), (3, 64, 7, 2), (1, 40, 5, 1), (4, 24, 4, 3)):
            layer = conv2d(name="l", k=20, c=c, h=size, w=size, r=r, s=r, stride=(stride, stride))
            image = packed_image(machine, layer)
            for p in range(1, image.folded.sizes["p"] + 1):
                mapping = Mapping(machine, image.folded, {"p": p}, placing=Placing(image=image))
                engines = InputEngines(mapping)
                try:
                    engines.check()
                except MappingError:
                    continue
                loader = engines.loader
                assert 0 <= loader.exposed_cycles <= loader.cycles
                tight += loader.exposed_cycles > loader.cycles // 2
    assert tight > 3
