"""Tagged buses: what comes in the order of its use goes to the PEs whose tags it has.

After the X and Y buses of Eyeriss (Chen, Krishna, Emer and Sze, JSSC 2017, section V-B), but with
counts instead of ready wires: PEs work in lockstep and take words in the order of the bus, so the
words sent and the words that the last rows have given back say whether all targets have room.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...isa.tagged import ADDRESS_FORMS, ROW_BITS, TAG_BITS
from ..array.scratchpad_pe import ELEMENTS, GROUP, ScratchpadParams
from ..array.tagged_row import bus_layout, filter_layout

__all__ = ["AHEAD_BITS", "FilterBus", "InputBus", "address_layout", "filter_sets", "input_sets"]

AHEAD_BITS = 12
"""Of a signed count of what was sent beyond where the first rows are."""


def address_layout() -> data.StructLayout:
    """Where the elements of a request belong: column tag of the first, row tag, place in a PE's
    run of channels; whether they are the layer's last.
    """
    return data.StructLayout(ADDRESS_FORMS | {"end": 1})


def input_sets() -> data.StructLayout:
    """What a layer asks of the input bus.

    held_columns
        Input columns that a PE holds.
    ring
        Words of these.
    channels
        Words of a column in a PE.
    last_at, last_group
        Tags of the last request of a column, whose channel is the last too.
    """
    return data.StructLayout(
        {
            "held_columns": ROW_BITS,
            "ring": ROW_BITS,
            "channels": ROW_BITS,
            "last_at": TAG_BITS,
            "last_group": ROW_BITS,
        }
    )


class InputBus(wiring.Component):
    """Sends inputs, ``ELEMENTS`` a cycle: the same channel of neighbouring rows.

    Column follows column; a column goes once all targets have room for it. A count of columns says
    how far ahead of the first rows of the chains it is.

    Members
    -------
    layer : ``In(input_sets())``, start : ``In(1)``
        ``start``: the words of a new layer begin.
    valid : ``In(1)``, words : ``In(ELEMENTS * width)``, byte, address : ``In``, done : ``Out(1)``
        Words; which byte of each; what the request said of them.
    led, freed : ``In(ROW_BITS)``
        Columns that the first, the last rows of the chains are done with in this cycle.
    bus : ``Out``
        A cycle later.
    ahead : ``Out(signed)``
        Whole columns sent beyond where the first rows are.
    """

    def __init__(self, pe: ScratchpadParams, width: int):
        self._pe, self._width = pe, width
        self.module_name = "input_bus"
        super().__init__(
            {
                "layer": In(input_sets()),
                "start": In(1),
                "valid": In(1),
                "words": In(ELEMENTS * width),
                "byte": In(range(width // pe.operand_bits)),
                "address": In(address_layout()),
                "done": Out(1),
                "led": In(ROW_BITS),
                "freed": In(ROW_BITS),
                "bus": Out(bus_layout(pe)),
                "ahead": Out(signed(AHEAD_BITS)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        layer, address, bits = self.layer, self.address, self._pe.operand_bits
        active, base = Signal(), Signal(self._pe.slot_bits + 1)
        # Below 0 where outputs lie farther apart than a filter reaches: what is given back between
        # them may not have come yet.
        held = Signal(signed(AHEAD_BITS))
        following = Signal.like(base)
        column = Signal()  # the last request of a column
        words = [self.words[n * self._width :][: self._width] for n in range(ELEMENTS)]
        m.d.comb += [
            self.done.eq(self.valid & active & (held < layer.held_columns)),
            following.eq(base + layer.channels),
            column.eq(
                self.done
                & (address.at == layer.last_at)
                & (address.group == layer.last_group)
                & (address.channel == layer.channels - 1)
            ),
        ]
        m.d.sync += [
            self.bus.valid.eq(self.done),
            self.bus.elements.eq(Cat(word.word_select(self.byte, bits) for word in words)),
            self.bus.group.eq(address.group),
            self.bus.at.eq(address.at),
            self.bus.slot.eq(base + address.channel),
            held.eq(held + column - self.freed),
            self.ahead.eq(self.ahead + column - self.led),
        ]
        with m.If(column):
            m.d.sync += base.eq(Mux(following == layer.ring, 0, following))
        with m.If(self.done & address.end):
            m.d.sync += active.eq(0)
        with m.If(self.start):
            m.d.sync += [active.eq(1), held.eq(0), base.eq(0), self.ahead.eq(0)]
        return m


def filter_sets() -> data.StructLayout:
    """What a layer asks of the filter bus: rows that take weights; groups of each in a pass."""
    return data.StructLayout({"rows": ROW_BITS, "groups": ROW_BITS})


class FilterBus(wiring.Component):
    """Sends weights, a group a cycle to a row of PEs: a group to each row, then the next group.

    The weights of a pass begin with a word. Its last word may hold less; the rest is dropped.

    Members
    -------
    layer : ``In(filter_sets())``, start : ``In(1)``
    valid : ``In(1)``, word : ``In(width)``, end : ``In(1)``, done : ``Out(1)``
        A word; whether it is the layer's last; it is used up.
    led, freed : ``In(ROW_BITS)``
        Groups of a row that the first, the last rows of the chains are done with in this cycle.
    send : ``Out(1)``, row : ``Out(ROW_BITS)``, filters : ``Out``
        A cycle later.
    ahead : ``Out(signed)``
        Groups that every row has been sent beyond where the first rows are.
    """

    def __init__(self, pe: ScratchpadParams, width: int):
        self._pe, self._width = pe, width
        self.module_name = "filter_bus"
        super().__init__(
            {
                "layer": In(filter_sets()),
                "start": In(1),
                "valid": In(1),
                "word": In(width),
                "end": In(1),
                "done": Out(1),
                "led": In(ROW_BITS),
                "freed": In(ROW_BITS),
                "send": Out(1),
                "row": Out(ROW_BITS),
                "filters": Out(filter_layout(pe)),
                "ahead": Out(signed(AHEAD_BITS)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        group_bits = GROUP * self._pe.operand_bits
        parts = self._width // group_bits
        size = self._pe.weights // GROUP
        active, held = Signal(), Signal(range(size + 1))
        part, row, count = Signal(range(parts)), Signal(ROW_BITS), Signal(ROW_BITS)
        at = Signal(self._pe.group_bits)
        goes, whole, complete = Signal(), Signal(), Signal()
        m.d.comb += [
            goes.eq(self.valid & active & (held < size)),
            whole.eq(goes & (row == self.layer.rows - 1)),
            complete.eq(whole & (count == self.layer.groups - 1)),
            self.done.eq(complete | (goes & (part == parts - 1))),
        ]
        m.d.sync += [
            self.send.eq(goes),
            self.row.eq(row),
            self.filters.group.eq(at),
            self.filters.weights.eq(self.word.word_select(part, group_bits)),
            held.eq(held + whole - self.freed),
            self.ahead.eq(self.ahead + whole - self.led),
        ]
        with m.If(goes):
            m.d.sync += [part.eq(Mux(self.done, 0, part + 1)), row.eq(Mux(whole, 0, row + 1))]
        with m.If(whole):
            m.d.sync += [
                at.eq(Mux(at == size - 1, 0, at + 1)),
                count.eq(Mux(complete, 0, count + 1)),
            ]
        with m.If(self.done & self.end):
            m.d.sync += active.eq(0)
        with m.If(self.start):
            m.d.sync += [signal.eq(0) for signal in (held, part, row, count, at, self.ahead)]
            m.d.sync += active.eq(1)
        return m
