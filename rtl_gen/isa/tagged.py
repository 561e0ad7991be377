"""Descriptors of arrays whose words come on tagged buses.

What differs from :mod:`rtl_gen.isa.descriptors`: the computing engine is told how a layer lies on
the array, the input's feeder gives every request the tags of its elements.
"""

from .descriptors import ADDITION, records, region_fields
from .fields import Field, Record, nest_fields
from .widths import Widths

__all__ = ["ADDRESS_FORMS", "LAYER", "PASS_MASKS", "ROW_BITS", "TAG_BITS", "tagged_records"]

TAG_BITS = 10
"""Of a column tag: which row of the input's tile an element belongs to."""

ROW_BITS = 8
"""Of a row tag (which channels), and of other small numbers."""

PASS_MASKS = ("reduce", "pass", "parameters", "edge")
"""Sets of levels of the nest of output columns: over which a sum is taken; of a pass; over which
the parameters of a block are used; which say whether the tile is the last along the columns."""

ADDRESS_FORMS = {"at": TAG_BITS, "group": ROW_BITS, "channel": ROW_BITS}
"""Forms of the input's feeder that go with a request: column tag of the first element, row tag,
place among a PE's channels."""

LAYER = (
    *(
        Field(name, ROW_BITS)
        for name in (
            "chain",
            "chains",
            "taps",
            "tap_move",
            "column_move",
            "filters",
            "period",
            "macs",
            "channels",
            "jump",
            "window",
            "advance",
            "ring",
            "advance_words",
            "window_words",
            "held_columns",
            "last_group",
            "rows",
            "groups",
            "columns",
            "columns_last",
            "column_groups",
        )
    ),
    Field("last_at", TAG_BITS),
)
"""How a layer lies on the array; the components that use them say what each is:
:mod:`rtl_gen.hw.array.tagged_array`, :mod:`rtl_gen.hw.noc.tagged_bus`,
:mod:`rtl_gen.hw.control.periods`, :mod:`rtl_gen.hw.noc.column_sums`,
:mod:`rtl_gen.hw.noc.word_gather`."""


def tagged_records(widths: Widths) -> dict[str, Record]:
    """The record of each engine of such a design."""
    found = records(widths)
    old = {field.name: field for field in found["compute"].fields}
    head = [*region_fields(widths), *(ADDITION if widths.adds else ()), old["tile_words"]]
    nest = nest_fields(
        levels=widths.levels,
        forms={"out": old["out_base"].bits, "accumulator": old["accumulator_base"].bits},
        events={"commit": old["commit_end"].bits},
        masks=PASS_MASKS,
    )
    pitch = Field("pitch", old["out_base"].bits, signed=True)
    found["compute"] = Record("compute", (*head, *LAYER, pitch, *nest))
    feed = found["feed_input"].fields
    first = next(n for n, field in enumerate(feed) if field.name == "index_base")
    strides = [field for field in feed[:first] if field.name.endswith("_word0")]
    byte_bits = (widths.block - 1).bit_length()
    head = [field for field in feed[:first] if field not in strides]
    head += [
        Field(f.name, f.bits + byte_bits * f.name.startswith("index"), f.signed) for f in strides
    ]
    forms = {"index": next(f.bits for f in strides if f.name == "index_word0") + byte_bits}
    forms |= {f.name[:2]: f.bits for f in strides if f.name.startswith("y")}
    nest = nest_fields(
        levels=widths.levels,
        forms=forms | ADDRESS_FORMS,
        events={"shrink": old["commit_end"].bits},
    )
    found["feed_input"] = Record("feed_input", (*head, *nest))
    return found
