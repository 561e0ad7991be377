"""What the descriptor of each engine says.

A descriptor is a header word, then the words of the engine's record; trailing words that are 0 may
be left out. One descriptor an engine a layer.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from .fields import Field, Record, nest_fields

__all__ = [
    "BY_TILES",
    "COMPUTE_MASKS",
    "ENGINES",
    "HEADER",
    "IDIOMS",
    "POST",
    "VERSION",
    "Widths",
    "header",
    "records",
]

VERSION = 1
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

IDIOMS = ("buffet", "fifo", "double_buffer", "scratchpad")
"""Storage idioms of the input and the weight buffer, in the order of their numbers."""

BY_TILES = ("double_buffer", "scratchpad")
"""Those that hand over whole tiles: their load engine is told how many words a tile has."""

HEADER = Record("header", (Field("words", 10), Field("reserved", 14), Field("version", 8)))
"""First word of a descriptor: how many words follow, and the version."""

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
    input_idiom, weight_idiom
        Of :data:`IDIOMS`.
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
    input_idiom: str = "buffet"
    weight_idiom: str = "buffet"

    def __post_init__(self):
        for name in (self.input_idiom, self.weight_idiom):
            if name not in IDIOMS:
                raise ValueError(f"idiom must be one of {', '.join(IDIOMS)}, not {name!r}")


def _index_bits(words: int) -> int:
    """Bits of a signed index into so many words."""
    return words.bit_length() + 1


def _amount_bits(words: int) -> int:
    return words.bit_length()


def header(words: int) -> int:
    """The header of a descriptor with so many words behind it."""
    return HEADER.pack({"words": words, "version": VERSION})[0]


def _load(name: str, widths: Widths, checks: int, contiguous: bool, tile=()) -> Record:
    forms: dict[str, int] = {"offset": OFFSET_BITS}
    limits: list[Field] = []
    if contiguous:
        forms["x"] = COORDINATE_BITS
        limits.append(Field("x_limit", COORDINATE_BITS - 1))
    for n in range(checks):
        forms[f"y{n}"] = COORDINATE_BITS
        limits.append(Field(f"y{n}_limit", COORDINATE_BITS - 1))
    head = (Field("base", 64), Field("fence", 16), Field("fenced", 1), *tile, *limits)
    return Record(name, (*head, *nest_fields(levels=widths.dma_levels, forms=forms, events={})))


def _tile(idiom: str, words: int) -> tuple[Field, ...]:
    """The words of a tile, where whole tiles are handed over."""
    return (Field("tile_words", _amount_bits(words)),) if idiom in BY_TILES else ()


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
    input_tile = _tile(widths.input_idiom, widths.input_words)
    weight_tile = _tile(widths.weight_idiom, widths.weight_words)
    return {
        "load_input": _load("load_input", widths, widths.load_checks, True, input_tile),
        "load_weights": _load("load_weights", widths, 0, False, weight_tile),
        "load_parameters": _load("load_parameters", widths, 0, False),
        "feed_input": _feed("feed_input", widths, widths.input_words, feed, (pad, *limits)),
        "feed_weights": _feed("feed_weights", widths, widths.weight_words, {}),
        "feed_parameters": _feed("feed_parameters", widths, widths.parameter_words, {}, POST),
        "compute": _compute(widths),
        "store": Record("store", (Field("base", 64), Field("interrupt", 1), *store)),
    }
