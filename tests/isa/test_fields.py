"""Fields in words, and the records of the engines."""

import random
import re
from dataclasses import replace

import pytest

from rtl_gen.isa.descriptors import ENGINES, HEADER, VERSION, header, records
from rtl_gen.isa.fields import Field, Record, nest_fields
from rtl_gen.isa.widths import Widths

WIDTHS = Widths(
    levels=12,
    dma_levels=8,
    load_checks=2,
    feed_checks=2,
    input_held=False,
    groups=2,
    input_words=8192,
    weight_words=4096,
    parameter_words=1024,
    output_words=8192,
    accumulators=1024,
    block=16,
    residual_checks=4,
    image_words=512,
)
MIXED = Record(
    "mixed",
    (
        Field("a", 7),
        Field("b", 25, signed=True),
        Field("c", 3),
        Field("d", 40),
        Field("e", 9, align=True),
        Field("f", 24),
        Field("g", 64, signed=True),
        Field("h", 1),
    ),
)


def test_places():
    places = {place.field.name: (place.word, place.bit) for place in MIXED.places}
    assert places == {
        "a": (0, 0),
        "b": (0, 7),
        "c": (1, 0),
        "d": (2, 0),  # longer than what is left
        "e": (4, 0),
        "f": (5, 0),
        "g": (6, 0),
        "h": (8, 0),
    }
    assert MIXED.words == 9


@pytest.mark.parametrize("record", [MIXED, *records(WIDTHS).values()], ids=lambda r: r.name)
def test_what_is_packed_is_unpacked(record):
    rng = random.Random(record.name)
    for _ in range(20):
        named = rng.sample(record.fields, rng.randint(0, len(record.fields)))
        values = {f.name: f.range.start + rng.getrandbits(f.bits) for f in named}
        words = record.pack(values)
        assert all(0 <= word < 1 << 32 for word in words)
        assert 1 <= len(words) <= record.words
        assert len(words) == 1 or words[-1], "trailing zeros are left out"
        want = {f.name: values.get(f.name, 0) for f in record.fields}
        assert record.unpack(words) == want


def test_no_field_crosses_a_word_and_none_overlap():
    for record in records(WIDTHS).values():
        used = set()
        for place in record.places:
            bits = place.field.bits
            assert place.bit + bits <= 32 or place.bit == 0
            taken = {32 * place.word + place.bit + n for n in range(bits)}
            assert not used & taken
            used |= taken
        assert max(used) < 32 * record.words


@pytest.mark.parametrize(
    "values, message",
    [
        ({"z": 1}, "mixed has no field 'z'"),
        ({"a": 128}, "mixed.a must be 0..127, not 128"),
        ({"b": -(1 << 24) - 1}, f"mixed.b must be {-(1 << 24)}..{(1 << 24) - 1}, not -16777217"),
    ],
)
def test_values_that_do_not_fit(values, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        MIXED.pack(values)


@pytest.mark.parametrize("bits", [0, 65])
def test_fields_that_cannot_be(bits):
    with pytest.raises(ValueError, match=rf"^field a must have 1..64 bits, not {bits}$"):
        Field("a", bits)


def test_every_engine_has_a_record_whose_length_a_header_can_say():
    assert tuple(records(WIDTHS)) == ENGINES
    for left_out, engine in (("residual_checks", "load_residual"), ("image_words", "unfold_input")):
        rest = tuple(name for name in ENGINES if name != engine)
        assert tuple(records(replace(WIDTHS, **{left_out: 0}))) == rest
    for name, record in records(WIDTHS).items():
        assert record.name == name
        assert HEADER.unpack([header(name, record.words)]) == {
            "words": record.words,
            "engine": ENGINES.index(name),
            "version": VERSION,
        }


def test_a_nest_that_names_no_level_runs_once():
    record = Record("nest", nest_fields(levels=3, forms={"x": 8}, events={"shrink": 4}))
    assert record.unpack(record.pack({})) == dict.fromkeys((f.name for f in record.fields), 0)
    starts = [place.bit for place in record.places if place.field.name.startswith("bound")]
    assert starts == [0, 0, 0], "a level starts on a word"
