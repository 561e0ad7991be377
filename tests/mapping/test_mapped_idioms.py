"""What a mapping owes each storage idiom: tiles that fit, whole tiles, words read once in order."""

import re

import pytest
from mapped_layers import machine_of
from nest_walk import walk_feed, walk_load

from rtl_gen.mapping.cost import estimate, input_words, linear_words
from rtl_gen.mapping.encode import encode_layer
from rtl_gen.mapping.input_engines import InputEngines
from rtl_gen.mapping.linear_engines import weight_engines
from rtl_gen.mapping.mapper import choose_mapping
from rtl_gen.mapping.mapping import Mapping, MappingError
from rtl_gen.spec.layer import conv2d

LAYER = conv2d(name="conv", k=32, c=32, h=12, w=12, r=3, s=3, pad=(1, 1, 1, 1))
TILED = {"p": 4, "q": 12, "c": 16}


def machine(idiom, **sizes):
    buffers = {"input": 4096, "weights": 4096, "input_idiom": idiom, "weights_idiom": idiom}
    return machine_of("weight_stationary", 16, 16, buffers=buffers | sizes)


def test_a_window_slides_in_a_buffet_only():
    order = ("k", "c", "q", "p")
    loaded = {}
    for idiom in ("buffet", "double_buffer", "scratchpad"):
        source = InputEngines(Mapping(machine(idiom), LAYER, TILED, order))
        assert (source.slides is not None) == (idiom == "buffet")
        loaded[idiom] = input_words(source)[0]
    # Twice 12 rows of 12, for each of two tiles of channels; a tile of 4 rows has two more, which
    # the others load again but for those beyond the image.
    assert loaded["buffet"] == 2 * 12 * 12
    assert loaded["double_buffer"] == loaded["scratchpad"] == 2 * (5 + 6 + 5) * 12


@pytest.mark.parametrize("idiom, room, what", [
    ("buffet", 84, "the buffer of 83"), ("scratchpad", 84, "the buffer of 83"),
    ("double_buffer", 168, "a half of 83"),
])  # fmt: skip
def test_a_tile_must_fit_the_idiom(idiom, room, what):
    """6 rows of 14 words, borders included."""
    order = ("k", "c", "p")
    for words, fits in ((room, True), (room - 1, False)):
        mapping = Mapping(machine(idiom, input=16 * words), LAYER, TILED, order)
        if fits:
            encode_layer(mapping)
            continue
        with pytest.raises(MappingError, match=f"tile of 84 words does not fit {what}$"):
            encode_layer(mapping)


@pytest.mark.parametrize(
    "idiom, tile", [("buffet", 16), ("scratchpad", 144), ("double_buffer", 48)]
)
def test_weights_of_a_tile_fit_the_idiom(idiom, tile):
    """9 taps of 16 x 16 weights, 16 words each, for the tiles of k and c; each is used once. A
    buffet hands over words, so sets will do; whole tiles are as large as fits.
    """
    engines = weight_engines(Mapping(machine(idiom, weights=16 * 160), LAYER, {"k": 16, "c": 16}))
    assert engines.tile_words(engines.boundary) == tile


@pytest.mark.parametrize("idiom", ["double_buffer", "scratchpad"])
def test_descriptors_say_how_many_words_a_tile_has(idiom):
    mapping = Mapping(machine(idiom), LAYER, TILED, ("k", "c", "p"))
    words = encode_layer(mapping)
    records = mapping.machine.records
    for name, engines in (("input", InputEngines(mapping)), ("weights", weight_engines(mapping))):
        load = records[f"load_{name}"].unpack(words[f"load_{name}"][1:])
        tile = engines.tile_words(engines.boundary) if name == "weights" else engines.tile_words
        assert load["tile_words"] == tile
        shrinks = [item["shrink"] for item in walk_feed(mapping, name)]
        assert set(shrinks) == {0, tile}
        given = sum(item["words"] for item in walk_load(mapping, name))
        assert given == sum(shrinks), "all that is loaded is given back, tile by tile"


def test_records_of_other_idioms_have_no_such_field():
    for idiom in ("buffet", "fifo"):
        for record in machine(idiom).records.values():
            assert record.name == "compute" or "tile_words" not in {f.name for f in record.fields}


def test_through_a_fifo_each_word_is_loaded_for_every_read_of_it():
    """Taps and tiles of channels each load the image, or their weights, anew."""
    mapping = Mapping(machine("fifo"), LAYER, {"p": 4}, ("k", "p"))
    source, weights = InputEngines(mapping), weight_engines(mapping)
    steps = [item for item in walk_feed(mapping, "input")]
    assert all((item["index"], item["shrink"]) == (0, 1) for item in steps)
    # Two of k, two of c, nine taps, 12 x 12 pixels; what lies beyond the image is not loaded.
    assert len(steps) == 2 * 2 * 9 * 12 * 12
    inside = (11 + 12 + 11) ** 2 - 9 * 12 * 12 + 9 * 12 * 12
    assert input_words(source)[0] == 2 * 2 * inside
    assert linear_words(weights) == 3 * 2 * 2 * 9 * 16, "for each of three tiles of rows"
    for name in ("input", "weights"):
        given = sum(item["words"] for item in walk_load(mapping, name))
        assert given == sum(item["shrink"] for item in walk_feed(mapping, name))


def test_what_a_fifo_cannot_give_is_refused():
    held = machine_of("input_stationary", 4, 4, buffers={"input_idiom": "fifo"})
    strided = machine_of("output_stationary", 4, 4, buffers={"input_idiom": "fifo"})
    layer = conv2d(name="conv", k=8, c=8, h=9, w=9, r=3, s=3, stride=(2, 2))
    message = (
        "conv: I cannot come through a FIFO (buffers.input.idiom), for a step does not read its "
        "words once and in the order of memory; a buffet, a double_buffer or a scratchpad can"
    )
    for refusing in (held, strided):
        with pytest.raises(MappingError, match=re.escape(message)):
            choose_mapping(refusing, layer)


def test_a_scratchpad_costs_the_time_in_which_it_is_filled():
    mappings = {
        idiom: Mapping(machine(idiom), LAYER, TILED, ("k", "c", "p"))
        for idiom in ("double_buffer", "scratchpad")
    }
    double, coupled = (estimate(mapping) for mapping in mappings.values())
    assert (double.compute, double.bus, double.coupled) == (coupled.compute, coupled.bus, 0)
    mapping = mappings["scratchpad"]
    beats = input_words(InputEngines(mapping))[0] + linear_words(weight_engines(mapping))
    # Three tiles of rows for each of two of c; for each the weights of both blocks of k.
    times = 3 * 2 + 3 * 2 * 2
    assert coupled.coupled == times * 106 + beats
    assert coupled.cycles >= coupled.compute + coupled.coupled
