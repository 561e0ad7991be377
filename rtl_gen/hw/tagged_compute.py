"""The computing engine of designs with tagged buses: PEs with scratchpads between the two."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .array.tagged_array import TaggedArray
from .buffer.fifo import Fifo
from .compute_params import PAD_BITS
from .control.configure import fields_of
from .control.periods import Periods
from .delayed import delayed
from .layouts import layout_of
from .memory.streams import join
from .noc.column_sums import ColumnSums
from .noc.tagged_bus import FilterBus, InputBus, address_layout
from .noc.word_gather import WordGather
from .noc.word_set import WordSet
from .place import place
from .post.accumulators import Accumulators
from .post.post import Post
from .tagged_compute_params import TaggedComputeParams

__all__ = ["TaggedCompute"]

HALVES = 2
"""Columns of outputs that gather, or are written, at a time."""


class TaggedCompute(wiring.Component):
    """Everything between the operands' buffers and the output buffer.

    Members
    -------
    As of :class:`~rtl_gen.hw.compute.Compute`; an input's tag says where its elements belong, a
    weight's whether it is a layer's last. ``step`` is a MAC in the first row. ``busy`` lasts until
    all outputs of a layer are handed over, for all parts are told of one layer at a time.
    """

    def __init__(self, params: TaggedComputeParams):
        self._params = params
        self.module_name = "compute"
        record = params.machine.records["compute"]
        super().__init__(
            {
                "config": In(layout_of(record.fields)),
                "start": In(1),
                "busy": Out(1),
                "working": Out(1),
                "input": In(stream.Signature(params.input_buffet.response)),
                "weights": In(stream.Signature(params.weight_buffet.response)),
                "parameters": In(stream.Signature(params.parameter_buffet.response)),
                "write": Out(stream.Signature(params.output_buffet.write)),
                "commit": Out(stream.Signature(params.output_buffet.commit)),
                "space": In(params.output_buffet.amount),
                "step": Out(1),
                "moved": Out(1),
                "waits_room": Out(1),
                "overflow": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self._params
        array = place(m, platform, "array", TaggedArray, params.array)
        nest = fields_of(self.config, params.periods.nest.config)
        periods = place(m, platform, "periods", Periods, params.periods, tied={"config": nest})
        sums = place(m, platform, "column_sums", ColumnSums, params.column_sums)
        inputs = self._elaborate_input(m, platform, array.ready)
        weights = self._elaborate_weights(m, platform)
        for part in (periods, sums, inputs, weights):
            self._tell(m, part.layer)
            m.d.comb += part.start.eq(self.start)
        self._tell(m, array.folding)
        info = place(m, platform, "infos", Fifo, params.periods.info.size, params.array.rows + 4)
        m.d.comb += [
            array.start.eq(self.start),
            array.ring.eq(self.config.ring),
            array.bus.eq(inputs.bus),
            array.filter_valid.eq(weights.send),
            array.filter_row.eq(weights.row),
            array.filters.eq(weights.filters),
            array.tick.eq(periods.tick),
            array.lead.eq(periods.lead),
            array.row.eq(sums.row),
            periods.enable.eq(array.ready),
            periods.inputs.eq(inputs.ahead),
            periods.weights.eq(weights.ahead),
            inputs.led.eq(periods.led_columns),
            weights.led.eq(periods.led_groups),
            inputs.freed.eq(sums.freed_columns),
            weights.freed.eq(sums.freed_groups),
            info.i.valid.eq(periods.info.valid),
            info.i.payload.eq(periods.info.payload),
            sums.info.valid.eq(info.o.valid),
            sums.info.payload.eq(info.o.payload),
            info.o.ready.eq(sums.info.ready),
            sums.last.eq(periods.tick.last),
            sums.tail.eq(array.tail),
            sums.row_sums.eq(array.sums),
        ]
        results_idle, written = self._elaborate_results(m, platform, periods, sums)
        running = Signal()  # from the start of a layer until all of it is written
        with m.If(self.start):
            m.d.sync += running.eq(1)
        with m.Elif(~periods.busy & ~info.o.valid & sums.idle & results_idle):
            m.d.sync += running.eq(0)
        m.d.comb += [
            self.busy.eq(running),
            self.working.eq(running),
            self.step.eq(periods.tick.mac & self._leads(m, periods)),
            self.moved.eq(self.step | written),
        ]
        return m

    def _tell(self, m, layer):
        """The fields of the descriptor that a part asks for."""
        for name, _ in layer.shape():
            m.d.comb += layer[name].eq(self.config[name])

    def _leads(self, m, periods):
        """Whether the first rows of the chains have a period that is not empty."""
        leads = Signal()
        with m.If(periods.tick.next):
            m.d.sync += leads.eq(periods.lead.valid)
        return leads

    def _elaborate_input(self, m, platform, tagged):
        """Words to the input bus, once PEs have their tags."""
        params, machine = self._params, self._params.machine
        words = place(
            m,
            platform,
            "input_words",
            WordSet,
            params.input_buffet,
            machine.input_words,
            fill_bits=PAD_BITS,
            name="input_words",
            tied={"response": self.input},
        )
        bus = place(m, platform, "input_bus", InputBus, params.pe, 8 * machine.block)
        layout = data.StructLayout(
            {"pad": PAD_BITS, "byte": params.byte_bits, "address": address_layout()}
        )
        tag = layout(words.tag)
        m.d.comb += [
            bus.valid.eq(words.valid & tagged),
            bus.words.eq(words.words),
            bus.byte.eq(tag.byte),
            bus.address.eq(tag.address),
            words.done.eq(bus.done),
        ]
        return bus

    def _elaborate_weights(self, m, platform):
        params = self._params
        words = place(
            m,
            platform,
            "weight_words",
            WordSet,
            params.weight_buffet,
            1,
            name="weight_words",
            tied={"response": self.weights},
        )
        bus = place(m, platform, "filter_bus", FilterBus, params.pe, 8 * params.machine.block)
        m.d.comb += [
            bus.valid.eq(words.valid),
            bus.word.eq(words.words),
            bus.end.eq(words.tag),
            words.done.eq(bus.done),
        ]
        return bus

    def _elaborate_results(self, m, platform, periods, sums):
        """Sums to output words; returns whether none is on its way, and whether one is written."""
        params, machine = self._params, self._params.machine
        accumulators = place(
            m,
            platform,
            "accumulators",
            Accumulators,
            machine.post_lanes,
            params.pe.sum_bits,
            machine.sum_bits,
            machine.accumulators,
        )
        parameters = place(
            m,
            platform,
            "parameter_words",
            WordSet,
            params.parameter_buffet,
            machine.parameter_words,
            name="parameter_words",
            tied={"response": self.parameters},
        )
        post = place(
            m,
            platform,
            "post",
            Post,
            params.post,
            tied={
                "sums": accumulators.totals,
                "parameters": parameters.words,
                "layer": parameters.tag,
            },
        )
        gather = place(m, platform, "gather", WordGather, params.gather)
        tag = delayed(m, sums.tag.as_value(), 2, name="tag")
        valid = delayed(m, sums.valid & sums.tag.emit, 2, name="total_valid")
        late = params.column_sums.tag(tag)
        self._tell(m, gather.layer)
        join(m, gather.write, self.write)
        join(m, gather.commit, self.commit)
        m.d.comb += [
            accumulators.valid.eq(sums.valid),
            accumulators.first.eq(sums.first),
            accumulators.emit.eq(sums.tag.emit),
            accumulators.address.eq(sums.address),
            accumulators.sums.eq(sums.sums),
            post.valid.eq(valid),
            post.channel.eq(late.channel),
            post.last.eq(late.parameters),
            post.tag.eq(tag),
            parameters.done.eq(post.used),
            gather.valid.eq(post.out_valid),
            gather.outputs.eq(post.outputs),
            gather.tag.eq(post.out_tag),
            self.overflow.eq(accumulators.overflow | post.overflow),
        ]
        return self._elaborate_promises(m, periods, gather, parameters, post), self.write.valid

    def _elaborate_promises(self, m, periods, gather, parameters, post):
        """What the outputs of a column need: room to gather, room for their tile, parameters.

        Returns whether nothing is promised.
        """
        halves = Signal(range(HALVES + 1))
        promised = Signal.like(self.space)  # words whose commit is on its way
        owed = Signal(range(4))  # parameter sets whose end is on its way
        info = periods.info.payload
        sets, supplied = Signal(range(3), name="parameter_sets"), Signal()
        leaves = periods.info.valid & info.ends & info.emit
        committed = Mux(self.commit.valid, self.commit.payload.count, 0)
        m.d.comb += periods.may_emit.eq(
            (halves != HALVES) & (self.space >= self.config.tile_words + promised) & supplied
        )
        m.d.comb += [
            sets.eq(parameters.valid + parameters.waiting),
            supplied.eq(sets > owed),
            self.waits_room.eq(periods.asks & ~periods.begun & supplied),
        ]
        m.d.sync += [
            halves.eq(halves + periods.begun - gather.written),
            promised.eq(promised + Mux(leaves, info.commit, 0) - committed),
            owed.eq(owed + (leaves & info.parameters) - post.used),
        ]
        return (halves == 0) & gather.idle & (promised == 0)
