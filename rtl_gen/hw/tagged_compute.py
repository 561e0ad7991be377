"""The computing engine of designs with tagged buses: PEs with scratchpads between the two."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring

from .compute_buffers import PAD_BITS
from .delayed import delayed
from .memory.streams import join
from .noc.tagged_bus import address_layout
from .noc.word_gather import WordGather
from .noc.word_set import WordSet
from .place import place
from .post.accumulators import Accumulators
from .post.post import Post
from .tagged_compute_params import TaggedComputeParams
from .tagged_core import TaggedCore, tell

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
        super().__init__(params.ports)

    def elaborate(self, platform):
        m = Module()
        core = place(m, platform, "core", TaggedCore, self._params, tied={"config": self.config})
        self._elaborate_input(m, platform, core)
        self._elaborate_weights(m, platform, core)
        results_idle = self._elaborate_results(m, platform, core)
        running = Signal()  # from the start of a layer until all of it is written
        with m.If(self.start):
            m.d.sync += running.eq(1)
        with m.Elif(core.idle & results_idle):
            m.d.sync += running.eq(0)
        m.d.comb += [
            core.start.eq(self.start),
            self.busy.eq(running),
            self.working.eq(running),
            self.step.eq(core.step),
            self.moved.eq(core.step | self.write.valid),
        ]
        return m

    def _elaborate_input(self, m, platform, core):
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
        layout = data.StructLayout(
            {"pad": PAD_BITS, "byte": params.byte_bits, "address": address_layout()}
        )
        tag = layout(words.tag)
        m.d.comb += [
            core.input_valid.eq(words.valid),
            core.input_words.eq(words.words),
            core.input_byte.eq(tag.byte),
            core.input_address.eq(tag.address),
            words.done.eq(core.input_done),
        ]

    def _elaborate_weights(self, m, platform, core):
        words = place(
            m,
            platform,
            "weight_words",
            WordSet,
            self._params.weight_buffet,
            1,
            name="weight_words",
            tied={"response": self.weights},
        )
        m.d.comb += [
            core.weight_valid.eq(words.valid),
            core.weight_word.eq(words.words),
            core.weight_end.eq(words.tag),
            words.done.eq(core.weight_done),
        ]

    def _elaborate_results(self, m, platform, core):
        """Sums to output words; returns whether none is on its way."""
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
        tag = delayed(m, core.tag.as_value(), 2, name="tag")
        valid = delayed(m, core.valid & core.tag.emit, 2, name="total_valid")
        late = params.column_sums.tag(tag)
        tell(m, gather.layer, self.config)
        join(m, gather.write, self.write)
        join(m, gather.commit, self.commit)
        m.d.comb += [
            accumulators.valid.eq(core.valid),
            accumulators.first.eq(core.first),
            accumulators.emit.eq(core.tag.emit),
            accumulators.address.eq(core.address),
            accumulators.sums.eq(core.sums),
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
        return self._elaborate_promises(m, core, gather, parameters, post)

    def _elaborate_promises(self, m, core, gather, parameters, post):
        """What the outputs of a column need: room to gather, room for their tile, parameters.

        Returns whether nothing is promised.
        """
        halves = Signal(range(HALVES + 1))
        promised = Signal.like(self.space)  # words whose commit is on its way
        owed = Signal(range(4))  # parameter sets whose end is on its way
        info = core.info.payload
        sets, supplied = Signal(range(3), name="parameter_sets"), Signal()
        leaves = core.info.valid & info.ends & info.emit
        committed = Mux(self.commit.valid, self.commit.payload.count, 0)
        m.d.comb += core.may_emit.eq(
            (halves != HALVES) & (self.space >= self.config.tile_words + promised) & supplied
        )
        m.d.comb += [
            sets.eq(parameters.valid + parameters.waiting),
            supplied.eq(sets > owed),
            self.waits_room.eq(core.asks & ~core.may_emit & supplied),
        ]
        m.d.sync += [
            halves.eq(halves + core.begun - gather.written),
            promised.eq(promised + Mux(leaves, info.commit, 0) - committed),
            owed.eq(owed + (leaves & info.parameters) - post.used),
        ]
        return (halves == 0) & gather.idle & (promised == 0)
