"""What computes in designs with tagged buses: buses, PEs with scratchpads, sums that leave."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .array.scratchpad_pe import ELEMENTS
from .array.tagged_array import TaggedArray
from .buffer.fifo import Fifo
from .control.configure import fields_of
from .control.periods import Periods
from .layouts import layout_of
from .noc.column_sums import ColumnSums
from .noc.tagged_bus import FilterBus, InputBus, address_layout
from .place import place
from .tagged_compute_params import TaggedComputeParams

__all__ = ["TaggedCore", "tell"]


def tell(m, layer, config):
    """Give a part the fields of the descriptor that it asks for."""
    for name, _ in layer.shape():
        m.d.comb += layer[name].eq(config[name])


class TaggedCore(wiring.Component):
    """From words to sums.

    Members
    -------
    config, start
        Of the computing engine's descriptor; a layer starts when the one before is done.
    input_valid, input_words, input_byte, input_address, input_done
        As of :class:`~rtl_gen.hw.noc.tagged_bus.InputBus`.
    weight_valid, weight_word, weight_end, weight_done
        As of :class:`~rtl_gen.hw.noc.tagged_bus.FilterBus`.
    may_emit, asks, begun, info
        As of :class:`~rtl_gen.hw.control.periods.Periods`; all infos are taken.
    step : ``Out(1)``
        A MAC in the first rows of the chains.
    idle : ``Out(1)``
        All sums have left.
    valid, first, address, tag : ``Out``, a cycle ahead of sums : ``Out``
        As of :class:`~rtl_gen.hw.noc.column_sums.ColumnSums`.
    """

    def __init__(self, params: TaggedComputeParams):
        self._params = params
        self.module_name = "tagged_core"
        width, sums = 8 * params.machine.block, params.column_sums
        super().__init__(
            {
                "config": In(layout_of(params.machine.records["compute"].fields)),
                "start": In(1),
                "input_valid": In(1),
                "input_words": In(ELEMENTS * width),
                "input_byte": In(params.byte_bits),
                "input_address": In(address_layout()),
                "input_done": Out(1),
                "weight_valid": In(1),
                "weight_word": In(width),
                "weight_end": In(1),
                "weight_done": Out(1),
                "may_emit": In(1),
                "asks": Out(1),
                "begun": Out(1),
                "info": Out(stream.Signature(params.periods.info)),
                "step": Out(1),
                "idle": Out(1),
                "valid": Out(1),
                "first": Out(1),
                "address": Out(sums.address_bits),
                "tag": Out(sums.tag),
                "sums": Out(params.pe.sum_bits * sums.lanes),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params, config = self._params, self.config
        nest = fields_of(config, params.periods.nest.config)
        array = place(m, platform, "array", TaggedArray, params.array)
        periods = place(m, platform, "periods", Periods, params.periods, tied={"config": nest})
        sums = place(m, platform, "column_sums", ColumnSums, params.column_sums)
        width = 8 * params.machine.block
        inputs = place(m, platform, "input_bus", InputBus, params.pe, width)
        weights = place(m, platform, "filter_bus", FilterBus, params.pe, width)
        for part in (periods, sums, inputs, weights):
            tell(m, part.layer, config)
            m.d.comb += part.start.eq(self.start)
        self._elaborate_buses(m, array, inputs, weights)
        self._elaborate_sums(m, platform, array, periods, sums)
        leads = Signal()
        with m.If(periods.tick.next):
            m.d.sync += leads.eq(periods.lead.valid)
        m.d.comb += [
            array.tick.eq(periods.tick),
            array.lead.eq(periods.lead),
            periods.enable.eq(array.ready),
            periods.inputs.eq(inputs.ahead),
            periods.weights.eq(weights.ahead),
            inputs.led.eq(periods.led_columns),
            weights.led.eq(periods.led_groups),
            inputs.freed.eq(sums.freed_columns),
            weights.freed.eq(sums.freed_groups),
            periods.may_emit.eq(self.may_emit),
            self.asks.eq(periods.asks),
            self.begun.eq(periods.begun),
            self.step.eq(periods.tick.mac & leads),
        ]
        return m

    def _elaborate_buses(self, m, array, inputs, weights):
        """Words to buses, inputs once PEs have their tags; buses to the array."""
        tell(m, array.folding, self.config)
        m.d.comb += [
            inputs.valid.eq(self.input_valid & array.ready),
            inputs.words.eq(self.input_words),
            inputs.byte.eq(self.input_byte),
            inputs.address.eq(self.input_address),
            self.input_done.eq(inputs.done),
            weights.valid.eq(self.weight_valid),
            weights.word.eq(self.weight_word),
            weights.end.eq(self.weight_end),
            self.weight_done.eq(weights.done),
            array.start.eq(self.start),
            array.ring.eq(self.config.ring),
            array.bus.eq(inputs.bus),
            array.filter_valid.eq(weights.send),
            array.filter_row.eq(weights.row),
            array.filters.eq(weights.filters),
        ]

    def _elaborate_sums(self, m, platform, array, periods, sums):
        """Periods, in the order in which they begin and end, and the sums that they leave."""
        info = periods.info.payload
        due = place(m, platform, "infos", Fifo, len(info.as_value()), self._params.array.rows + 4)
        m.d.comb += [
            due.i.valid.eq(periods.info.valid),
            due.i.payload.eq(info),
            sums.info.valid.eq(due.o.valid),
            sums.info.payload.eq(due.o.payload),
            due.o.ready.eq(sums.info.ready),
            sums.last.eq(periods.tick.last),
            sums.tail.eq(array.tail),
            array.row.eq(sums.row),
            sums.row_sums.eq(array.sums),
            self.info.valid.eq(periods.info.valid),
            self.info.payload.eq(info),
            self.idle.eq(~periods.busy & sums.idle),
        ]
        for name in ("valid", "first", "address", "tag", "sums"):
            m.d.comb += getattr(self, name).eq(getattr(sums, name))
