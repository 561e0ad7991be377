"""What the descriptor of each engine says.

A descriptor is a header word, then the words of the engine's record; trailing words that are 0 may
be left out. One descriptor an engine a layer. In a program in memory each has a checksum besides:
:mod:`rtl_gen.isa.packets`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from .fields import Field, Record, nest_fields

__all__ = ["COMPUTE_MASKS", "ENGINES", "HEADER", "POST", "VERSION", "Widths", "header", "records"]

VERSION = 2
"""Version of the descriptor format, in every header."""

ENGINES = (
    "load_input",
    "load_weights",
    "load_parameters",
    "feed_input",
    "feed_weights",
    "feed_parameters",
    "compute",
    "store",
)
"""The engines in the order of their queues."""

HEADER = Record("header", (Field("words", 16), Field("engine", 8), Field("version", 8)))
"""First word of a descriptor: how many words of the record follow, the engine's number in
:data:`ENGINES`, and the version."""

COORDINATE_BITS = 18
"""A tensor coordinate, signed: images to 65,535 pixels with their padding."""

OFFSET_BITS = 32
"""A byte offset into a tensor, signed."""


@dataclass(frozen=True, kw_only=True)
class Widths:
    """The sizes of a design that the records depend on.

    Parameters
    ----------
    levels, dma_levels
        Loop levels of the feeding and computing engines, and of those on the memory port.
    load_checks, feed_checks
        Ranks of the activation whose coordinate is compared with the tensor's extent where it is
        loaded (the contiguous one apart) and where it is read.
    input_held
        Whether input words are loaded into the PEs; then the byte goes with the read.
    groups
        Spatial loops over which the words of one output step or drain are spread.
    input_words, weight_words, parameter_words, output_words
        Capacity of the buffers in words.
    accumulators
        Entries behind each exit; 0 where the PEs accumulate.
    block
        Elements of a word.
    """

    levels: int
    dma_levels: int
    load_checks: int
    feed_checks: int
    input_held: bool
    groups: int
    input_words: int
    weight_words: int
    parameter_words: int
    output_words: int
    accumulators: int
    block: int


def _index_bits(words: int) -> int:
    """Bits of a signed index into so many words."""
    return words.bit_length() + 1


def _amount_bits(words: int) -> int:
    return words.bit_length()


def header(engine: str, words: int) -> int:
    """The header of an engine's descriptor with so many words behind it."""
    fields = {"words": words, "engine": ENGINES.index(engine), "version": VERSION}
    return HEADER.pack(fields)[0]


def _load(name: str, widths: Widths, checks: int, contiguous: bool) -> Record:
    forms: dict[str, int] = {"offset": OFFSET_BITS}
    limits: list[Field] = []
    if contiguous:
        forms["x"] = COORDINATE_BITS
        limits.append(Field("x_limit", COORDINATE_BITS - 1))
    for n in range(checks):
        forms[f"y{n}"] = COORDINATE_BITS
        limits.append(Field(f"y{n}_limit", COORDINATE_BITS - 1))
    head = (Field("base", 64), Field("fence", 16), Field("fenced", 1), *limits)
    return Record(name, (*head, *nest_fields(levels=widths.dma_levels, forms=forms, events={})))


def _feed(name: str, widths: Widths, words: int, forms: Mapping[str, int], head=()) -> Record:
    nest = nest_fields(
        levels=widths.levels,
        forms={"index": _index_bits(words), **forms},
        events={"shrink": _amount_bits(words)},
    )
    return Record(name, (*head, *nest))


def _compute(widths: Widths) -> Record:
    out, byte = _index_bits(widths.output_words), widths.block.bit_length() + 1
    forms = {"out": out, "channel": byte}
    if not widths.input_held:
        forms["byte"] = byte
    if widths.accumulators:
        forms["accumulator"] = _index_bits(widths.accumulators)
    head = [
        Field("tile_words", _amount_bits(widths.output_words)),
        Field("start", out, signed=True),
    ]
    head += [Field(f"stride{n}", out, signed=True) for n in range(widths.groups)]
    nest = nest_fields(
        levels=widths.levels,
        forms=forms,
        events={"commit": _amount_bits(widths.output_words)},
        masks=COMPUTE_MASKS,
    )
    return Record("compute", (*head, *nest))


COMPUTE_MASKS = ("reduce", "input", "weights", "weight_run", "parameters", "word")
"""Sets of levels of the computing nest: over which a sum is taken; a set of input words is used; a
vector of weights is used; weights follow each other without a gap in their words; the parameters
of a channel block are used; an output word is gathered."""

POST = (
    Field("output_zero", 8, signed=True),
    Field("act_min", 8, signed=True),
    Field("act_max", 8, signed=True),
    Field("single_rounding", 1),
)
"""How sums become outputs; sent with the parameters, so that it changes with them."""


def records(widths: Widths) -> dict[str, Record]:
    """The record of each engine of a design."""
    feed = {f"y{n}": COORDINATE_BITS for n in range(widths.feed_checks)}
    if widths.input_held:
        feed["byte"] = widths.block.bit_length() + 1
    limits = [Field(f"y{n}_limit", COORDINATE_BITS - 1) for n in range(widths.feed_checks)]
    store = nest_fields(
        levels=widths.dma_levels,
        forms={"offset": OFFSET_BITS, "index": _index_bits(widths.output_words)},
        events={"shrink": _amount_bits(widths.output_words)},
    )
    pad = Field("pad_value", 8, signed=True)
    return {
        "load_input": _load("load_input", widths, widths.load_checks, True),
        "load_weights": _load("load_weights", widths, 0, False),
        "load_parameters": _load("load_parameters", widths, 0, False),
        "feed_input": _feed("feed_input", widths, widths.input_words, feed, (pad, *limits)),
        "feed_weights": _feed("feed_weights", widths, widths.weight_words, {}),
        "feed_parameters": _feed("feed_parameters", widths, widths.parameter_words, {}, POST),
        "compute": _compute(widths),
        "store": Record("store", (Field("base", 64), Field("interrupt", 1), *store)),
    }
