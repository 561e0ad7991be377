"""The vector unit in a computing engine: what stands between it and the array's way."""

from dataclasses import dataclass

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...isa.vector import VECTOR, VECTOR_FUNCTIONS
from ..buffer.buffet import BuffetParams
from ..control.delay_line import DelayLine
from ..layouts import layout_of
from ..memory.streams import join
from ..noc.lanes import ByteLanes
from ..place import place
from .functions import function_is
from .params import SUM_BITS, VectorParams
from .table_words import TableWords
from .unit import STEP, VectorUnit

__all__ = ["VectorPart", "VectorPartParams"]


@dataclass(frozen=True, kw_only=True)
class VectorPartParams:
    """A vector unit and its surroundings.

    Parameters
    ----------
    unit
        The unit.
    weights
        The weight buffer, whose words tables come with.
    tag
        What travels beside a step.
    """

    unit: VectorParams
    weights: BuffetParams
    tag: data.StructLayout


class VectorPart(wiring.Component):
    """The unit with its table, its lanes, and the tags of its steps.

    A layer's first step waits until all outputs of the layers before are handed over, so that sums
    of the array are never under way beside the unit's. The table is free for the next layer when
    the layer's last sums have left.

    Members
    -------
    config : ``In(layout_of(VECTOR))``, start : ``In(1)``
        Of the layer, as for the issue of steps.
    issuing, pending : ``In(1)``
        Steps are issued; outputs are not yet handed over.
    step : ``In(STEP)``, channel, byte : ``In``, word : ``In(8 * block)``, inside : ``In(1)``
        The next step: the place of its first element among the outputs and in its word; the word;
        whether it lies in the image.
    go : ``In(1)``, tag_valid : ``In(1)``, tag : ``In``
        The step is taken; with its tag.
    chosen : ``Out(1)``, ready : ``Out(1)``
        The layer is one of the unit's; its next step may be taken.
    busy : ``Out(1)``
        Sums of the layer are on their way.
    words : ``In(stream)``, others : ``Out(stream)``
        Words of the weight buffer: all; those that are no table's.
    valid, sums, sums_tag, scaled, multiplier, shift : ``Out``
        As of :class:`~rtl_gen.hw.vector.unit.VectorUnit`, with the tag.
    """

    def __init__(self, params: VectorPartParams):
        self._params = params
        self.module_name = "vector_part"
        place_bits = range(max(2, params.unit.block))
        super().__init__(
            {
                "config": In(layout_of(VECTOR)),
                "start": In(1),
                "issuing": In(1),
                "pending": In(1),
                "step": In(STEP),
                "channel": In(place_bits),
                "byte": In(place_bits),
                "word": In(8 * params.unit.block),
                "inside": In(1),
                "go": In(1),
                "tag_valid": In(1),
                "tag": In(params.tag.size),
                "chosen": Out(1),
                "ready": Out(1),
                "busy": Out(1),
                "words": In(stream.Signature(params.weights.response)),
                "others": Out(stream.Signature(params.weights.response)),
                "valid": Out(1),
                "sums": Out(SUM_BITS * params.unit.width),
                "sums_tag": Out(params.tag.size),
                "scaled": Out(1),
                "multiplier": Out(31),
                "shift": Out(signed(6)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params, own = self._params, self._params.unit
        table = place(m, platform, "table_words", TableWords, params.weights)
        unit = place(m, platform, "unit", VectorUnit, own)
        places = tuple((0, n) for n in range(own.width))
        lanes = place(m, platform, "lanes", ByteLanes, places, own.block, own.moves, "vector_lanes")
        tags = place(m, platform, "tags", DelayLine, params.tag.size, own.latency)
        join(m, self.words, table.words)
        join(m, table.others, self.others)
        entered, active = Signal(), Signal()
        m.d.comb += [
            self.chosen.eq(~function_is(self.config, VECTOR_FUNCTIONS[0])),
            self.ready.eq(unit.ready & entered),
            self.busy.eq(active),
            lanes.words.eq(self.word),
            lanes.byte.eq(self.byte),
            unit.config.eq(self.config),
            unit.step.eq(self.step),
            unit.channel.eq(self.channel),
            unit.elements.eq(lanes.o),
            unit.inside.eq(self.inside),
            unit.go.eq(self.go & self.chosen),
            unit.table_write.eq(table.write),
            unit.table_address.eq(table.address),
            unit.table_word.eq(table.word),
            unit.table_loaded.eq(table.loaded),
            tags.valid.eq(self.tag_valid & self.chosen & self.step.last),
            tags.payload.eq(self.tag),
            self.valid.eq(unit.valid),
            self.sums.eq(unit.sums),
            self.sums_tag.eq(tags.late_payload),
            self.scaled.eq(unit.scaled),
            self.multiplier.eq(unit.multiplier),
            self.shift.eq(unit.shift),
        ]
        with m.If(self.start):
            m.d.sync += entered.eq(0)
        with m.Elif(~self.pending):
            m.d.sync += entered.eq(1)
        ends = active & ~self.issuing & ~unit.busy
        with m.If(self.issuing & self.chosen):
            m.d.sync += active.eq(1)
        with m.Elif(ends):
            m.d.sync += active.eq(0)
        m.d.comb += table.done.eq(ends & ~function_is(self.config, "max_pool"))
        return m
