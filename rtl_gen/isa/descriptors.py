"""What the descriptor of each engine says.

A descriptor is a header word, then the words of the engine's record; trailing words that are 0 may
be left out. One descriptor an engine a layer. In a program in memory each has a checksum besides:
:mod:`rtl_gen.isa.packets`.
"""

from collections.abc import Mapping

from .fields import Field, Record, nest_fields
from .vector import VECTOR
from .widths import Widths

__all__ = [
    "ADDITION",
    "BY_TILES",
    "COMPUTE_MASKS",
    "ENGINES",
    "HEADER",
    "POST",
    "PROGRAM_ORDER",
    "TICK_BITS",
    "UNFOLD_MASKS",
    "VERSION",
    "compute_masks",
    "header",
    "records",
    "region_fields",
]

VERSION = 3
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
    "load_residual",
    "unfold_input",
)
"""The engines in the order of their queues."""

PROGRAM_ORDER = (
    "load_input",
    "unfold_input",
    "load_weights",
    "load_parameters",
    "feed_input",
    "feed_weights",
    "compute",
    "feed_parameters",
    "load_residual",
    "store",
)
"""The engines in the order in which a layer's descriptors lie in a program: as they begin, as
the fetch shares the memory port with the loads that it has started."""

BY_TILES = ("double_buffer", "scratchpad")
"""Those that hand over whole tiles: their load engine is told how many words a tile has."""

HEADER = Record("header", (Field("words", 16), Field("engine", 8), Field("version", 8)))
"""First word of a descriptor: how many words of the record follow, the engine's number in
:data:`ENGINES`, and the version."""

COORDINATE_BITS = 18
"""A tensor coordinate, signed: images to 65,535 pixels with their padding."""

ROW_BITS = 22
"""A byte's place in a row of a packed image, signed."""

RAW_BYTES = 4
"""Of a result that leaves as the sum that it is."""

OFFSET_BITS = 32
"""A byte offset into a tensor, signed."""


def _index_bits(words: int) -> int:
    """Bits of a signed index into so many words."""
    return words.bit_length() + 1


def _amount_bits(words: int) -> int:
    return words.bit_length()


def header(engine: str, words: int) -> int:
    """The header of an engine's descriptor with so many words behind it."""
    fields = {"words": words, "engine": ENGINES.index(engine), "version": VERSION}
    return HEADER.pack(fields)[0]


def region_fields(widths: Widths) -> tuple[Field, ...]:
    """Where a region of an activation memory lies: 0 is the input's memory, 1 the output's.

    A region that is where the layer before had it goes on behind that layer's words. With
    ``region_anew`` it begins at its first word, for who reads by address what lies there.
    """
    return (
        Field("region_memory", 1),
        Field("region_first", max(1, (widths.activation_words - 1).bit_length())),
        Field("region_size", _amount_bits(widths.activation_words)),
        Field("region_anew", 1),
    )


def _load(name: str, widths: Widths, checks: int, *, region: bool, tile=()) -> Record:
    forms: dict[str, int] = {"offset": OFFSET_BITS}
    limits: list[Field] = []
    if region:
        forms["x"] = COORDINATE_BITS
        limits.append(Field("x_limit", COORDINATE_BITS - 1))
    for n in range(checks):
        forms[f"y{n}"] = COORDINATE_BITS
        limits.append(Field(f"y{n}_limit", COORDINATE_BITS - 1))
    head = [Field("base", 64), *FENCE, *tile, *limits]
    if region:
        head += region_fields(widths)
    return Record(name, (*head, *nest_fields(levels=widths.dma_levels, forms=forms, events={})))


def _tile(idiom: str, words: int) -> tuple[Field, ...]:
    """The words of a tile, where whole tiles are handed over."""
    return (Field("tile_words", _amount_bits(words)),) if idiom in BY_TILES else ()


def _mode(widths: Widths) -> tuple[Field, ...]:
    """Which dataflow the words of a feeder are for, or the computing engine takes."""
    bits = (widths.modes - 1).bit_length()
    return (Field("mode", bits),) if bits else ()


FENCE = (Field("fence", 16), Field("fenced", 1))
"""How many layers must be complete before an engine starts, modulo 2^16, and whether it waits."""


def _feed(name: str, widths: Widths, words: int, forms: Mapping[str, int], head=()) -> Record:
    nest = nest_fields(
        levels=widths.levels,
        forms={"index": _index_bits(words), **forms},
        events={"shrink": _amount_bits(words)},
    )
    return Record(name, (*head, *nest))


UNFOLD_MASKS = ("pixel", "image")
"""Sets of levels of the unfolding nest: over the slices of a pixel's window; of an image."""


def _unfold(widths: Widths) -> Record:
    """Slices of image rows: bytes from ``at`` on, up to ``left``; ``x`` bytes behind the start of
    the row, whose other coordinates are ``y0``, ...; ``tap`` is the row's number in the window.
    What lies before ``keep`` is not needed any more. See :mod:`rtl_gen.hw.unfold`."""
    rows = [f"y{n}" for n in range(widths.row_checks)]
    head = [
        Field("pad_value", 8, signed=True),
        Field("words", 8),
        Field("taps", 8),
        Field("pair_offset", OFFSET_BITS, signed=True),
        Field("pair_move", COORDINATE_BITS, signed=True),
        Field("pairs", OFFSET_BITS - 1 - widths.block.bit_length()),
        Field("x_limit", ROW_BITS - 1),
        *(Field(f"{name}_limit", COORDINATE_BITS - 1) for name in rows),
    ]
    forms = {"at": OFFSET_BITS, "keep": OFFSET_BITS, "x": ROW_BITS, "left": ROW_BITS, "tap": 9}
    forms |= dict.fromkeys(rows, COORDINATE_BITS)
    nest = nest_fields(levels=widths.levels, forms=forms, events={}, masks=UNFOLD_MASKS)
    return Record("unfold_input", (*head, *nest))


def _word_strides(widths: Widths) -> tuple[Field, ...]:
    """What each loop over the words of a step adds to their index and coordinates."""
    bits = {"index": _index_bits(widths.activation_words)}
    bits |= {f"y{n}": COORDINATE_BITS for n in range(widths.feed_checks)}
    return tuple(
        Field(f"{form}_word{loop}", bits[form], signed=True)
        for loop in range(widths.input_loops)
        for form in bits
    )


def _compute(widths: Widths) -> Record:
    words = widths.activation_words
    out, byte = _index_bits(words), widths.block.bit_length() + 1
    forms = {"out": out, "channel": byte}
    if not widths.byte_with_word:
        forms["byte"] = byte
    if widths.accumulators:
        forms["accumulator"] = _index_bits(widths.accumulators)
    if widths.input_taps:
        forms["x"] = COORDINATE_BITS
    for form, places in (
        ("input_register", widths.input_depth),
        ("weight_register", widths.weight_depth),
        ("sum", widths.sums_kept),
    ):
        if places > 1:
            forms[form] = _index_bits(places)
    forms |= {f"z{n}": COORDINATE_BITS for n in range(widths.output_checks)}
    head = [
        *region_fields(widths),
        *(Field(f"z{n}_limit", COORDINATE_BITS - 1) for n in range(widths.output_checks)),
        *(ADDITION if widths.adds else ()),
        *(TICKS if widths.input_taps else ()),
        *_mode(widths),
        *((Field("raw", 1), Field("raw_stride", out)) if widths.raw else ()),
        *(VECTOR if widths.vector else ()),
        Field("tile_words", _amount_bits(words)),
        Field("start", out, signed=True),
    ]
    head += [Field(f"stride{n}", out, signed=True) for n in range(widths.groups)]
    nest = nest_fields(
        levels=widths.levels,
        forms=forms,
        events={"commit": _amount_bits(words)},
        masks=compute_masks(
            widths.input_taps > 0, widths.sums_pieces, widths.tick_steps, widths.vector
        ),
    )
    return Record("compute", (*head, *nest))


COMPUTE_MASKS = ("reduce", "input", "weights", "weight_run", "parameters", "word")
"""Sets of levels of the computing nest: over which a sum is taken; a set of input words is used; a
vector of weights is used; weights follow each other without a gap in their words; the parameters
of a channel block are used; an output word is gathered."""

TICK_BITS = 16
"""Of a number of ticks without a step."""

TICKS = (
    *(Field(f"ticks_{when}", TICK_BITS) for when in ("begin", "run", "step")),
    Field("pad_value", 8, signed=True),
    Field("x_tap", COORDINATE_BITS, signed=True),
    Field("x_limit", COORDINATE_BITS - 1),
)
"""Of inputs that move: ticks without a step before the first step, before the first of every other
run of the inner loop, before any other; what stands in for a tap outside the tensor, where tap n
of a step lies at ``x + n x_tap`` and the tensor from 0 to below ``x_limit``."""


def compute_masks(
    moves: bool, pieces: bool, tick_steps: bool, vector: bool = False
) -> tuple[str, ...]:
    """The sets of the computing nest.

    Where inputs move also the runs of the loop whose trips are ticks, and the levels inside it;
    where sums leave the PEs in pieces the levels of these, which are not in ``reduce``; where there
    is a vector unit those over the elements of a row.
    """
    asked = (("run", moves), ("piece", pieces), ("tick", tick_steps), ("row", vector))
    return (*COMPUTE_MASKS, *(name for name, there in asked if there))


def _registers(depth: int) -> tuple[Field, ...]:
    """Of a feeder whose words PEs hold: how many words each of them, less one."""
    return (Field("registers", (depth - 1).bit_length()),) if depth > 1 else ()


POST = (
    Field("output_zero", 8, signed=True),
    Field("act_min", 8, signed=True),
    Field("act_max", 8, signed=True),
    Field("single_rounding", 1),
)
"""How sums become outputs; sent with the parameters, so that it changes with them."""


ADDITION = (
    Field("residual", 1),
    Field("residual_resident", 1),
    Field("residual_memory", 1),
    Field("residual_first", 24),
    *(
        field
        for name in ("own", "residual")
        for field in (
            Field(f"{name}_zero", 8, signed=True),
            Field(f"{name}_multiplier", 31),
            Field(f"{name}_right", 5),
        )
    ),
    Field("sum_multiplier", 31),
    Field("sum_shift", 6, signed=True),
    Field("sum_zero", 8, signed=True),
    Field("sum_min", 8, signed=True),
    Field("sum_max", 8, signed=True),
    Field("sum_single_rounding", 1),
)
"""Whether a residual is added to the outputs, where it lies, and how the two are scaled. Resident:
its words are those from ``residual_first`` on of a memory, in the order of the output's. Else it is
loaded tile by tile."""


def records(widths: Widths) -> dict[str, Record]:
    """The record of each engine that a design has."""
    feed = {f"y{n}": COORDINATE_BITS for n in range(widths.feed_checks)}
    if widths.byte_with_word:
        feed["byte"] = widths.block.bit_length() + 1
    limits = [Field(f"y{n}_limit", COORDINATE_BITS - 1) for n in range(widths.feed_checks)]
    store = nest_fields(
        levels=widths.dma_levels,
        forms={"offset": OFFSET_BITS, "index": _index_bits(widths.activation_words)},
        events={"shrink": _amount_bits(widths.activation_words)},
    )
    pad = Field("pad_value", 8, signed=True)
    resident = (Field("resident", 1), Field("resident_memory", 1))
    feed_input = (pad, *FENCE, *resident, *_mode(widths), *limits, *_word_strides(widths))
    if widths.input_taps:
        feed_input += (Field("flush", TICK_BITS),)
    feed_input += _registers(widths.input_depth)
    feed_weights = (*_mode(widths), *_registers(widths.weight_depth))
    if widths.vector:
        feed_weights += (Field("table", 1),)
    checks, input_tile = widths.load_checks, _tile(widths.input_idiom, widths.activation_words)
    if widths.image_words:
        input_tile += (Field("packed", 1),)
    weight_tile = _tile(widths.weight_idiom, widths.weight_words)
    found = {
        "load_input": _load("load_input", widths, checks, region=True, tile=input_tile),
        "load_weights": _load("load_weights", widths, 0, region=False, tile=weight_tile),
        "load_parameters": _load("load_parameters", widths, 0, region=False),
        "feed_input": _feed("feed_input", widths, widths.activation_words, feed, feed_input),
        "feed_weights": _feed("feed_weights", widths, widths.weight_words, {}, feed_weights),
        "feed_parameters": _feed("feed_parameters", widths, widths.parameter_words, {}, POST),
        "compute": _compute(widths),
        "store": Record(
            "store", (Field("base", 64), Field("interrupt", 1), Field("keep", 1), *store)
        ),
    }
    if widths.adds:
        name = "load_residual"
        found[name] = _load(name, widths, widths.residual_checks, region=True)
    if widths.image_words:
        found["unfold_input"] = _unfold(widths)
    return found
