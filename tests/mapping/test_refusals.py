"""What a design cannot run is refused in one line that says what would have to fit."""

import re

import numpy as np
import pytest
from mapped_layers import machine_of

from rtl_gen.mapping.encode import encode_layer
from rtl_gen.mapping.mapper import choose_mapping
from rtl_gen.mapping.mapping import Mapping, MappingError
from rtl_gen.mapping.nest import Loop
from rtl_gen.mapping.output_engines import OutputEngines
from rtl_gen.mapping.program import LayerData, Program
from rtl_gen.spec.design import Formats
from rtl_gen.spec.layer import Layer, conv2d, matmul

LAYER = {"name": "one", "k": 32, "c": 32, "h": 12, "w": 12, "r": 3, "s": 3}


def weight_stationary(**buffers):
    return machine_of("weight_stationary", 4, 4, buffers=buffers)


def encode(mapping):
    return encode_layer(mapping)


def refused(message, machine, tiles=None, order=(), **layer):
    with pytest.raises(MappingError) as caught:
        encode(Mapping(machine, conv2d(**{**LAYER, **layer}), tiles or {}, tuple(order)))
    assert str(caught.value) == message


def test_another_operation():
    with pytest.raises(MappingError, match=r"^fc: the design computes conv2d, not matmul$"):
        Mapping(weight_stationary(), matmul(name="fc", m=1, k=2, n=3))


def test_a_size_that_is_missing():
    layer = Layer(name="odd", operation="matmul", sizes={"m": 1, "k": 2})
    with pytest.raises(MappingError, match=r"^odd: the size of dimension 'n' is not given$"):
        Mapping(machine_of("matmul_weight_stationary", 4, 4), layer)


@pytest.mark.parametrize(
    ("tiles", "message"),
    [
        ({"k": 8}, "one: a tile of k must be a multiple of 16 or all 32, not 8"),
        ({"c": 0}, "one: a tile of c must be a multiple of 16 or all 32, not 0"),
        ({"c": 20}, "one: a tile of c must be a multiple of 16 or all 32, not 20"),
        ({"p": -1}, "one: a tile of p must be a multiple of 1 or all 10, not -1"),
    ],
)
def test_tiles_that_cut_words(tiles, message):
    refused(message, weight_stationary(), tiles)


def test_tiles_that_cut_what_the_array_takes():
    refused(
        "one: a tile of q must be a multiple of 3 or all 10, not 4",
        machine_of("output_stationary", 3, 5),
        {"q": 4},
    )


@pytest.mark.parametrize(
    ("tiles", "order", "message"),
    [
        ({"z": 1}, "", "one: tiles must name dimensions of conv2d, n g p q k r s c, not 'z'"),
        ({}, "px", "one: order must name dimensions of conv2d, n g p q k r s c, not 'x'"),
        ({"p": 2, "k": 16}, "pkp", "one: order must name 'p' once"),
    ],
)
def test_names_that_are_not_the_operations(tiles, order, message):
    refused(message, weight_stationary(), tiles, order)


@pytest.mark.parametrize(("bound", "last"), [(0, None), (3, 0), (3, 4)])
def test_loops_without_trips(bound, last):
    with pytest.raises(MappingError, match=r"^a loop must have 1 <= last <= bound, not last "):
        Loop(bound, last)


def test_a_last_bound_is_the_bound_unless_it_is_given():
    assert (Loop(3).last, Loop(3, 1).last) == (3, 1)


def test_offsets_that_would_wrap():
    """130 images of 2^24 bytes: their offsets need 32 bits and a sign."""
    layer = {"n": 130, "h": 1024, "w": 1024, "c": 1, "k": 1, "r": 1, "s": 1}
    machine = machine_of("weight_stationary", 16, 16)
    message = (
        "one: load_input would need offset from 0 to 2181021696, the design has -2147483648 to "
        "2147483647"
    )
    refused(message, machine, {"n": 1, "p": 8}, **layer)
    with pytest.raises(MappingError, match=r"^one: \w+ would need offset from 0 to 21\d{8}, "):
        choose_mapping(machine, conv2d(**{**LAYER, **layer}))
    encode(choose_mapping(machine, conv2d(**{**LAYER, **layer, "n": 120})))


@pytest.mark.parametrize("batch", [{"n": 3}, {"groups": 3, "k": 96, "c": 96}])
def test_tiles_of_what_is_not_compared_at_the_load(batch):
    """Of images and groups no coordinate is compared: a last tile may not reach beyond them."""
    name = "n" if "n" in batch else "g"
    message = f"one: tiles of {name} must divide all 3, for the input is loaded 2 at a time"
    refused(message, weight_stationary(), {name: 2, "p": 1, "k": 16}, **batch)


def test_an_input_tile_that_does_not_fit():
    refused(
        "one: an input tile of 288 words does not fit the buffer of 64",
        weight_stationary(input=1024),
    )


def test_an_output_tile_that_does_not_fit():
    refused(
        "one: an output tile of 100 words does not fit the buffer of 64",
        weight_stationary(output=1024),
    )


def test_sums_that_do_not_fit():
    """The sums of a tile of all channels, walked inside the reduction, have accumulators each."""
    refused(
        "one: 100 sums behind an exit do not fit 64 accumulators",
        weight_stationary(accumulators=64),
    )


def test_products_that_could_overflow():
    machine = machine_of("weight_stationary", 4, 4, formats=Formats(max_reduction=100))
    refused("one: a sum of 288 products can overflow; the design's formats hold 100", machine)


def test_too_many_loops():
    machine = machine_of("weight_stationary", 4, 4, levels=6)
    tiles = {"k": 16, "c": 16, "p": 2, "q": 3}
    refused("one: 10 loop levels, the design has 6", machine, tiles)


def test_too_many_loops_for_a_load():
    refused(
        "one: load_input would need 10 loop levels, the design has 8",
        weight_stationary(),
        {"n": 1, "g": 1, "k": 16, "c": 16, "p": 2, "q": 3, "r": 1, "s": 1},
        "ngkcpqrs",
        n=2,
        groups=2,
        k=64,
        c=64,
    )


def test_too_many_loops_for_a_store():
    machine = machine_of("weight_stationary", 4, 4, levels=20)
    tiles = {"n": 2, "g": 2, "k": 16, "p": 2, "q": 3}
    layer = conv2d(**{**LAYER, "n": 4, "groups": 4, "k": 128})
    message = r"^one: store would need 9 loop levels, the design has 8$"
    with pytest.raises(MappingError, match=message):
        OutputEngines(Mapping(machine, layer, tiles, tuple("ngkpq"))).check()


def test_the_mapper_finds_smaller_tiles_or_says_what_does_not_fit():
    machine = weight_stationary(input=1024, output=1024, weights=1024, accumulators=64)
    encode(choose_mapping(machine, conv2d(**LAYER)))
    encode(choose_mapping(weight_stationary(input=256, output=256), conv2d(**LAYER, stride=(3, 3))))
    machine = machine_of("output_stationary", 16, 16, buffers={"input": 256})
    wide = conv2d(**{**LAYER, "w": 400}, stride=(1, 2))
    message = (
        r"^one: .* do(es)? not fit .* "
        r"\(the smallest tiles tried: n=1 g=1 p=1 q=16 k=16 r=1 s=1 c=16\)$"
    )
    with pytest.raises(MappingError, match=message):
        choose_mapping(machine, wide)


def test_the_mapper_cuts_filter_rows_and_columns_where_nothing_else_fits():
    buffers = {"input": 1024, "output": 1024, "weights": 1024}
    machine = machine_of("output_stationary", 16, 16, buffers=buffers)
    layer = conv2d(k=64, c=64, h=40, w=40, r=5, s=7, stride=(1, 3))
    mapping = choose_mapping(machine, layer)
    encode(mapping)
    assert mapping.tile("r") < 5 or mapping.tile("s") < 7


# Chained layers


def added(program, machine, source, **layer):
    layer = conv2d(**{**LAYER, **layer})
    s = layer.sizes
    channels = s["g"] * s["k"]
    data = LayerData(
        np.zeros((s["g"], s["r"], s["s"], s["c"], s["k"]), np.int8),
        np.zeros(channels, int),
        np.full(channels, 1 << 30),
        np.zeros(channels, int),
    )
    return program.add(Mapping(machine, layer), data, source=source)


def test_a_layer_reads_only_what_has_its_shape():
    program, machine = Program(), weight_stationary()
    first = added(program, machine, np.zeros((1, 1, 12, 12, 32), np.int8))
    added(program, machine, first, name="two", h=10, w=10)
    with pytest.raises(MappingError) as caught:
        added(program, machine, first, name="three", h=9, w=10)
    assert str(caught.value) == (
        "three: reads the output of one, which is 1x1x10x10x32, not its input of 1x1x9x10x32"
    )


def test_arrays_of_another_shape():
    message = r"^one: input must be 1x1x12x12x32, not 1x12x12x32$"
    with pytest.raises(MappingError, match=message):
        added(Program(), weight_stationary(), np.zeros((1, 12, 12, 32), np.int8))
    machine, layer = weight_stationary(), conv2d(**LAYER)
    data = LayerData(np.zeros((32, 3, 3, 32), np.int8), *np.zeros((3, 32), int))
    source = np.zeros((1, 1, 12, 12, 32), np.int8)
    with pytest.raises(MappingError, match=r"^one: weights must be 1x3x3x32x32, not 32x3x3x32$"):
        Program().add(Mapping(machine, layer), data, source=source)


@pytest.mark.parametrize(("groups", "channels", "fits"), [(2, 32, True), (2, 24, False)])
def test_groups_end_where_their_channels_fill_words(groups, channels, fits):
    """The output of groups of 16 channels is an input of one group of 32; of 12 it is not."""
    program, machine = Program(), weight_stationary()
    source = np.zeros((1, groups, 12, 12, channels // groups), np.int8)
    first = added(program, machine, source, k=channels, c=channels, groups=groups)
    if fits:
        added(program, machine, first, name="two", c=channels, h=10, w=10)
        return
    with pytest.raises(MappingError, match=r"^two: reads the output of one, which is 1x2x10x10x12"):
        added(program, machine, first, name="two", c=channels, h=10, w=10)


# Numbers


def data_of(machine, **others):
    """All numbers of the layer, some replaced."""
    shape = {"weights": (1, 3, 3, 32, 32), "bias": 32, "multiplier": 32, "shift": 32}
    return LayerData(**{name: np.zeros(size, int) for name, size in shape.items()} | others)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("weights", 300, "weights must be -128..127, not 300..300"),
        ("bias", 1 << 31, "bias must be -2147483648..2147483647, not 2147483648..2147483648"),
        ("multiplier", -1, "multiplier must be 0..2147483647, not -1..-1"),
        ("multiplier", 1 << 33, "multiplier must be 0..2147483647, not 8589934592..8589934592"),
        ("shift", 200, "shift must be -31..30, not 200..200"),
        ("shift", 0.5, "shift must be integers, not float64"),
    ],
)
def test_numbers_out_of_range(name, value, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        data_of(weight_stationary(), **{name: np.full(32, value)})


def test_parameters_that_are_not_one_for_each_channel():
    machine = weight_stationary()
    source = np.zeros((1, 1, 12, 12, 32), np.int8)
    for name in ("bias", "multiplier", "shift"):
        data = data_of(machine, **{name: np.zeros(31, int)})
        message = f"^one: {name} must be 32 numbers, one for each output channel, not 31$"
        with pytest.raises(MappingError, match=message):
            Program().add(Mapping(machine, conv2d(**LAYER)), data, source=source)


def test_an_input_out_of_range():
    machine = weight_stationary()
    source = np.full((1, 1, 12, 12, 32), -129)
    with pytest.raises(ValueError, match=r"^input must be -128..127, not -129..-129$"):
        Program().add(Mapping(machine, conv2d(**LAYER)), data_of(machine), source=source)
