"""The issue of steps: a step goes when its operands are there and its result has room."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..array.modes import by_mode
from ..layouts import layout_of
from ..place import place
from ..post.accumulators import RETURN_CYCLES
from .configure import fields_of
from .index_walk import IndexWalk
from .issue_params import IN_PE, IssueParams
from .nest import Nest

__all__ = ["Issue"]

HAZARD_CYCLES = RETURN_CYCLES - 1
"""Steps after one of an accumulator that may not be of the same."""


class Issue(wiring.Component):
    """Walks the nest and says when a step goes.

    A step that completes a sum waits until the output buffer has room for its whole tile, until
    post-processing can take it, and for the parameters of its channels; so nothing behind the
    array ever has to wait. Coming back to an accumulator that is not yet written back is held up
    here. Where sums are shifted out, the step that completes them is followed by drain ticks, and
    no step goes meanwhile; of several sums that a PE keeps each leaves behind its own last step.

    With ``checks``, a step whose products lie outside the output has no tag: it goes through the
    array, and its sums are dropped behind it.

    Where inputs move from PE to PE, every step is a tick (or the last of several, where a tick has
    several), and there are ticks without a step: so many before the first step, before each other
    first step of a run of the loop whose trips are ticks, and before the first step of any other
    tick, as the configuration says. They ask for nothing but input words.

    Members
    -------
    config, start, busy
        As for a nest.
    pending : ``Out(1)``
        Output words of steps that went are not yet handed to the buffer.
    operands_ready : ``In(1)``
        The operands of the next step are there.
    input_ready : ``In(1)``, tick : ``Out(1)``, due : ``Out(1)``
        Only with ``taps``: the next input words are there; a tick goes, of a step or without;
        a step is next.
    parameter_sets : ``In(range(3))``
        Sets of parameters there.
    parameters_used : ``In(1)``
        A set was used up behind the array.
    space : ``In(amount)``
        Free words of the output buffer; ``committed``: ``In(amount)``, words handed to it now.
    residual : ``In(amount)``
        Only with ``adds``: words of the residual that are there.
    go : ``Out(1)``
        A step goes in this cycle; ``step`` describes it.
    drain : ``Out(1)``
        A drain tick goes.
    waits_room : ``Out(1)``
        A step or a drain tick has its operands and parameters and does not go.
    tag_valid, tag : ``Out``
        The tag of what goes.
    """

    def __init__(self, params: IssueParams):
        self._params = params
        self.module_name = "issue"
        amount = unsigned(params.amount_bits)
        residual = {"residual": In(amount)} if params.adds else {}
        ticks = {"input_ready": In(1), "tick": Out(1), "due": Out(1)} if params.taps else {}
        super().__init__(
            residual
            | ticks
            | {
                "config": In(layout_of(params.record.fields)),
                "start": In(1),
                "busy": Out(1),
                "pending": Out(1),
                "operands_ready": In(1),
                "parameter_sets": In(range(3)),
                "parameters_used": In(1),
                "space": In(amount),
                "committed": In(amount),
                "go": Out(1),
                "step": Out(params.step),
                "drain": Out(1),
                "waits_room": Out(1),
                "tag_valid": Out(1),
                "tag": Out(params.tag),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self._params
        fields = fields_of(self.config, params.nest.config)
        nest = place(m, platform, "nest", Nest, params.nest, tied={"config": fields})
        item = nest.item.payload
        draining = Signal()
        may_emit, hazard, parameters = Signal(), Signal(), Signal()
        supplied = Signal()  # a step or a drain tick lacks neither operands nor parameters
        completes = Signal()  # the step completes a sum that leaves at once
        m.d.comb += [
            nest.start.eq(self.start),
            self.busy.eq(nest.busy | draining),
            completes.eq(self._leaving(item)),
            self.go.eq(
                nest.item.valid
                & self.operands_ready
                & ~draining
                & ~hazard
                & (~completes | may_emit)
            ),
            supplied.eq(
                Mux(
                    draining,
                    parameters,
                    nest.item.valid & self.operands_ready & (parameters | ~completes),
                )
            ),
            self.waits_room.eq(supplied & ~self.go & ~self.drain),
            nest.item.ready.eq(self.go),
            self.step.first.eq(item.piece_first if params.pieces else item.reduce_first),
            self.step.input_done.eq(item.input_last),
            self.step.weights_done.eq(self._of_array(item.weights_last)),
            self.step.weight_align.eq(item.weight_run_last),
        ]
        for name in ("byte", *IN_PE):
            if name in dict(params.forms):
                m.d.comb += self.step[name].eq(item[name])
        if params.vector:
            m.d.comb += [
                self.step.last.eq(item.reduce_last),
                self.step.row_first.eq(item.row_first),
                self.step.row_last.eq(item.row_last),
            ]
        if params.taps:
            self._elaborate_ticks(m, nest.item, draining)
        self._elaborate_tag(m, item)
        if params.drain_sizes:
            self._elaborate_drain(m, platform, item, draining, may_emit)
        else:
            given = self.go & self._inside(item)
            m.d.comb += self.tag_valid.eq(given & item.piece_last if params.pieces else given)
        self._elaborate_room(m, may_emit, parameters)
        if params.accumulators:
            self._elaborate_hazard(m, item, hazard)
        return m

    def _elaborate_ticks(self, m, item, draining):
        """Ticks without a step; and which taps of the next step lie outside the tensor.

        Whoever drives ``operands_ready`` waits for ``due``.
        """
        config, x, steps = self.config, item.payload.x, self._params.tick_steps
        begun, gone, wanted = (
            Signal(),
            Signal.like(config.ticks_step),
            Signal.like(config.ticks_step),
        )
        idle = Signal()
        m.d.comb += [
            wanted.eq(Mux(item.payload.run_first, config.ticks_run, config.ticks_step)),
            self.due.eq(gone == wanted),
            idle.eq(item.valid & ~self.due & self.input_ready & ~draining),
            self.tick.eq(idle | (self.go & (item.payload.tick_last if steps else 1))),
        ]
        with m.If(~begun):
            m.d.comb += wanted.eq(config.ticks_begin)
        if steps:
            with m.If(~item.payload.tick_first):
                m.d.comb += wanted.eq(0)
        with m.If(self.go):
            m.d.sync += [gone.eq(0), begun.eq(1)]
        with m.Elif(idle):
            m.d.sync += gone.eq(gone + 1)
        with m.If(self.start):
            m.d.sync += begun.eq(0)
        for tap in range(self._params.taps):
            at = x + config.x_tap * tap
            m.d.comb += self.step.outside[tap].eq((at < 0) | (at >= config.x_limit))

    def _of_array(self, value):
        """A bit of steps of the array; low in those of a vector unit."""
        return value & (self.config.function == 0) if self._params.vector else value

    @property
    def _shifts(self):
        """Whether sums of the present dataflow are shifted out; only where others' are not."""
        return by_mode(self.config.mode, self._params.drain_modes, Const)

    def _leaving(self, item):
        """Whether a step completes sums that leave with it."""
        if self._params.pieces:
            return item.piece_last & item.reduce_last & self._inside(item)
        if not self._params.drain_sizes:
            return item.reduce_last & self._inside(item)
        return item.reduce_last & ~self._shifts if self._params.drain_modes else 0

    def _inside(self, item):
        """Whether the products of a step belong to an output."""
        inside = Const(1)
        for n in range(self._params.checks):
            at = item[f"z{n}"]
            inside = inside & (at >= 0) & (at < self.config[f"z{n}_limit"])
        return inside

    def _elaborate_tag(self, m, item):
        """The tag of a step."""
        m.d.comb += [
            self.tag.first.eq(item.reduce_first),
            self.tag.emit.eq(item.reduce_last),
            self.tag.out.eq(item.out),
            self.tag.channel.eq(item.channel),
            self.tag.word_done.eq(item.word_last),
            self.tag.parameters_done.eq(item.reduce_last & item.parameters_last),
            self.tag.commit.eq(Mux(item.reduce_last, item.commit, 0)),
        ]
        if self._params.accumulators:
            m.d.comb += self.tag.accumulator.eq(item.accumulator)
        if self._params.raw_cycles:
            m.d.comb += [
                self.tag.raw.eq(self.config.raw),
                self.tag.raw_stride.eq(self.config.raw_stride),
            ]
        if self._params.gather_loops:
            strides = Cat(self.config[f"stride{n}"] for n in range(self._params.groups))
            m.d.comb += self.tag.strides.eq(strides)

    def _elaborate_drain(self, m, platform, item, draining, may_emit):
        """Ticks that shift complete sums out, each with the tag of the step that completed them."""
        bits = dict(self._params.forms)["out"]
        count = len(self._params.drain_sizes)
        walk = place(m, platform, "walk", IndexWalk, self._params.drain_sizes, bits)
        kept = Signal(self._params.tag)
        kept_sum = Signal(dict(self._params.forms).get("sum", 1))  # which of those that a PE keeps
        strides = [self.config[f"stride{n}"] for n in range(count)]
        for n, stride in enumerate(strides):
            m.d.comb += walk.strides[n * bits : (n + 1) * bits].eq(stride)
        ends, valid = self.go & item.reduce_last, self.drain
        if self._params.drain_modes:
            ends, valid = ends & self._shifts, self.drain | (self.go & ~self._shifts)
        m.d.comb += [
            walk.load.eq(ends),
            walk.origin.eq(item.out + self.config.start),
            self.drain.eq(draining & may_emit),
            walk.advance.eq(self.drain),
            self.tag_valid.eq(valid),
        ]
        with m.If(walk.load):
            m.d.sync += [draining.eq(1), kept.eq(self.tag)]
            if "sum" in dict(self._params.forms):
                m.d.sync += kept_sum.eq(item.sum)
        with m.Elif(self.drain & walk.last):
            m.d.sync += draining.eq(0)
        with m.If(draining):
            m.d.comb += [
                self.tag.eq(kept),
                self.tag.out.eq(walk.index),
                self.tag.word_done.eq(kept.word_done & walk.last),
                self.tag.parameters_done.eq(kept.parameters_done & walk.last),
                self.tag.commit.eq(Mux(walk.last, kept.commit, 0)),
            ]
            if "sum" in dict(self._params.forms):
                m.d.comb += self.step.sum.eq(kept_sum)
            if self._params.accumulators:  # these sums pass, those of other dataflows are kept
                m.d.comb += self.tag.first.eq(1)

    def _elaborate_room(self, m, may_emit, parameters):
        """Count what is promised: output words, parameter sets, cycles of post-processing."""
        params = self._params
        emitted = Signal()
        promised = Signal(params.amount_bits)  # words whose commit is on its way
        owed = Signal(range(4))  # parameter sets whose end is on its way
        m.d.comb += [
            emitted.eq(self.tag_valid & self.tag.emit),
            self.pending.eq(promised != 0),
            parameters.eq(self.parameter_sets > owed),
        ]
        m.d.sync += [
            promised.eq(promised + Mux(emitted, self.tag.commit, 0) - self.committed),
            owed.eq(owed + (emitted & self.tag.parameters_done) - self.parameters_used),
        ]
        conditions = [
            self.space >= self.config.tile_words + promised,
            parameters,
        ]
        if params.adds:
            # A tile of the residual is given back before the outputs' tile is handed over.
            conditions.append(self.residual >= self.config.tile_words + promised)
        for name, cycles, starts in (
            ("post", params.post_phases, emitted),
            ("gather", params.gathered_words, emitted & self.tag.word_done),
        ):
            if cycles > 1:
                timer = Signal(range(cycles), name=f"{name}_timer")
                with m.If(starts):
                    m.d.sync += timer.eq(cycles - 1)
                with m.Elif(timer != 0):
                    m.d.sync += timer.eq(timer - 1)
                idle = timer == 0
                conditions.append(idle if name == "post" else idle | ~self.tag.word_done)
        if params.raw_cycles:
            conditions.append(self._sums_may_leave(m, emitted))
        result = 1
        for condition in conditions:
            result = condition & result
        m.d.comb += may_emit.eq(result)

    def _sums_may_leave(self, m, emitted):
        """Whether results that leave as sums, or others behind them, have the way alone."""
        params, raw = self._params, self.config.raw
        leaving = Signal(range(params.raw_cycles), name="raw_timer")
        settling = Signal(range(params.settle_cycles), name="settle_timer")
        for timer, cycles, starts in (
            (leaving, params.raw_cycles, emitted & raw),
            (settling, params.settle_cycles, emitted & ~raw),
        ):
            with m.If(starts):
                m.d.sync += timer.eq(cycles - 1)
            with m.Elif(timer != 0):
                m.d.sync += timer.eq(timer - 1)
        return (leaving == 0) & (~raw | (settling == 0))

    def _elaborate_hazard(self, m, item, hazard):
        """Hold a step whose accumulator one of the last steps has not yet written back."""
        shape = signed(dict(self._params.forms)["accumulator"])
        clash = 0
        given = self.go & item.piece_last if self._params.pieces else self.go
        previous, address = given & ~item.reduce_last, item.accumulator
        for n in range(HAZARD_CYCLES):
            recent = Signal(name=f"recent{n}")
            recent_address = Signal(shape, name=f"recent_address{n}")
            m.d.sync += [recent.eq(previous), recent_address.eq(address)]
            clash = clash | (recent & (recent_address == item.accumulator))
            previous, address = recent, recent_address
        if self._params.drain_modes:
            clash = clash & ~self._shifts
        if self._params.pieces:
            clash = clash & item.piece_last
        m.d.comb += hazard.eq(self._of_array(clash & ~item.reduce_first))
