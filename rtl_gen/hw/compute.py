"""The computing engine: operands in step, the array, accumulators, post-processing, collector."""

from functools import reduce
from operator import and_

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..isa.descriptors import ADDITION, VECTOR
from .array.array import PEArray
from .compute_buffers import PAD_BITS
from .compute_params import ComputeParams
from .control.configure import fields_of
from .control.delay_line import DelayLine
from .control.issue import Issue
from .delayed import delayed
from .layouts import layout_of
from .memory.streams import join
from .noc.collector import Collector
from .noc.drain_gather import DrainGather
from .noc.lanes import ByteLanes, VectorLanes
from .noc.load_ticks import LoadTicks
from .noc.word_set import WordSet
from .place import place
from .post.accumulators import Accumulators
from .post.post import Post
from .post.residual_add import ResidualAdd
from .raw_results import either, place_raw
from .vector.part import VectorPart
from .vector.unit import STEP

__all__ = ["Compute"]


class Compute(wiring.Component):
    """Everything between the operands' buffers and the output buffer.

    Members
    -------
    config, start, busy
        Of the computing engine's descriptor.
    working : ``Out(1)``
        As ``busy``, and until the last output word is handed to the buffer.
    input, weights, parameters : ``In(stream)``
        Words, in the order of their use.
    write, commit : ``Out(stream)``, space : ``In``
        The output buffer.
    addition, residual, residual_request, residual_response
        Of designs that add residuals: how they are added; the words of them that are there, all if
        they are resident; their buffer.
    step : ``Out(1)``
        A step went.
    moved : ``Out(1)``
        A step or a drain tick went, or outputs were written.
    waits_room : ``Out(1)``
        A step or a drain tick has its operands and parameters and does not go.
    overflow : ``Out(1)``
    """

    def __init__(self, params: ComputeParams):
        self._params = params
        self.module_name = "compute"
        residual = {}
        if params.machine.residual_checks:
            residual = {
                "addition": In(layout_of(ADDITION)),
                "residual": In(params.output_buffet.amount),
                "residual_request": Out(stream.Signature(params.residual_buffet.request)),
                "residual_response": In(stream.Signature(params.residual_buffet.response)),
            }
        super().__init__(residual | params.ports)

    def elaborate(self, platform):
        m = Module()
        params = self._params
        issue = place(m, platform, "issue", Issue, params.issue, tied={"config": self.config})
        array = self._place_array(m, platform)
        vector = self._place_vector(m, platform, issue)
        m.d.comb += [
            issue.start.eq(self.start),
            self.busy.eq(issue.busy | vector.busy if vector else issue.busy),
            self.working.eq(issue.busy | issue.pending),
            issue.space.eq(self.space),
            self.step.eq(issue.go),
            self.waits_room.eq(issue.waits_room),
        ]
        weights = vector.others if vector else self.weights
        ready = [
            self._elaborate_input(m, platform, issue, array, vector),
            self._elaborate_weights(m, platform, issue, array, weights),
        ]
        if vector:
            ready[1] = Mux(vector.chosen, vector.ready, ready[1])
        if params.machine.moving:
            ready.append(issue.due)
            m.d.comb += issue.input_ready.eq(ready[0])
            self._elaborate_moving(m, issue, array)
        m.d.comb += issue.operands_ready.eq(reduce(and_, ready))
        if params.array.pe.accumulators:
            m.d.sync += array.control.first.eq(issue.go & issue.step.first)
        if params.array.pe.accumulators > 1:
            m.d.sync += array.control.sum_address.eq(issue.step.sum)
        if "drain" in params.array.control.members:
            m.d.sync += array.control.drain.eq(issue.drain)
        given = issue.tag_valid & ~vector.chosen if vector else issue.tag_valid
        sums_valid, sums, tag = self._elaborate_sums(m, platform, issue, array, given)
        if vector:
            sums_valid, sums, tag = self._join_vector(vector, sums_valid, sums, tag)
        self._elaborate_results(m, platform, issue, sums_valid, sums, tag, vector)
        return m

    def _place_vector(self, m, platform, issue):
        """The vector unit, if there is one: the input's words are still to come to it."""
        params = self._params
        if not params.machine.widths.vector:
            return None
        vector = place(
            m,
            platform,
            "vector",
            VectorPart,
            params.vector,
            tied={"words": self.weights, "config": fields_of(self.config, layout_of(VECTOR))},
        )
        m.d.comb += [
            vector.start.eq(self.start),
            vector.issuing.eq(issue.busy),
            vector.pending.eq(issue.pending),
            *(vector.step[name].eq(issue.step[name]) for name in STEP.members),
            vector.channel.eq(issue.tag.channel),
            vector.go.eq(issue.go),
            vector.tag_valid.eq(issue.tag_valid),
            vector.tag.eq(issue.tag),
        ]
        return vector

    def _to_vector(self, m, vector, words, byte):
        """The first word of the next step to the vector unit."""
        if vector:
            m.d.comb += [
                vector.word.eq(words.words[: 8 * self._params.machine.block]),
                vector.byte.eq(byte),
                vector.inside.eq(words.inside),
            ]

    def _join_vector(self, vector, valid, sums, tag):
        """Sums of the array or of the vector unit, which never come together."""
        bits, own = self._params.post_sum_bits, len(sums) // len(self._params.post.channels)
        parts = [sums[n : n + own].as_signed() for n in range(0, len(sums), own)]
        wide = [Cat(part, part[-1].replicate(bits - own)) for part in parts]
        layout = self._params.issue.tag
        return (
            valid | vector.valid,
            Mux(vector.valid, vector.sums, Cat(wide)),
            layout(Mux(vector.valid, vector.sums_tag, tag.as_value())),
        )

    def _place_array(self, m, platform):
        return place(m, platform, "array", PEArray, self._params.array)

    def _elaborate_input(self, m, platform, issue, array, vector):
        """Words to input lanes; returns whether the next step's input is there."""
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
            tells_inside=machine.widths.vector,
            tied={"response": self.input},
        )
        lanes = place(
            m,
            platform,
            "input_lanes",
            ByteLanes,
            tuple((lane.word, lane.byte) for lane in machine.input_lanes),
            machine.block,
            machine.input_byte_moves,
            tied={"words": words.words},
        )
        number = machine.input_number
        if machine.moving:
            m.d.comb += [lanes.byte.eq(words.tag[PAD_BITS:]), words.done.eq(issue.tick)]
            self._stream(m, array, number, lanes.o, issue.tick | issue.go)
            return words.valid
        if not machine.input_held:
            m.d.comb += [
                lanes.byte.eq(issue.step.byte),
                words.done.eq(issue.go & issue.step.input_done),
            ]
            self._stream(m, array, number, lanes.o, issue.go)
            self._to_vector(m, vector, words, issue.step.byte)
            return words.valid
        byte_bits = dict(params.forms("feed_input"))["byte"]
        m.d.comb += lanes.byte.eq(words.tag[PAD_BITS:][:byte_bits])
        ticks = self._load(m, platform, array, number, machine.input_operand, words.valid, lanes.o)
        if machine.input_depth > 1:
            self._address(m, array, number, ticks, issue.step.input_register)
            m.d.comb += ticks.words.eq(words.tag[PAD_BITS + byte_bits :])
        m.d.comb += [
            words.done.eq(ticks.tick),
            ticks.done.eq(issue.go & issue.step.input_done),
        ]
        return ticks.ready

    def _elaborate_moving(self, m, issue, array):
        """What PEs through which inputs move are told beside their operands."""
        n, control = self._params.machine.input_number, array.control
        m.d.sync += [
            control[f"tick{n}"].eq(issue.tick),
            control[f"outside{n}"].eq(issue.step.outside),
            control[f"pad{n}"].eq(self.config.pad_value),
        ]
        if self._params.array.pe.gated:
            m.d.sync += control.step.eq(issue.go)

    def _elaborate_weights(self, m, platform, issue, array, source):
        """Words to weight lanes; returns whether the next step's weights are there."""
        params, machine = self._params, self._params.machine
        words = place(
            m,
            platform,
            "weight_words",
            WordSet,
            params.weight_buffet,
            machine.weight_words,
            name="weight_words",
            tied={"response": source},
        )
        lanes = place(
            m,
            platform,
            "weight_lanes",
            VectorLanes,
            sum(machine.weight_parts),
            machine.weight_vectors,
            machine.block,
            machine.weight_words,
            tied={"words": words.words},
        )
        m.d.comb += words.done.eq(lanes.done)
        (number, own), *others = self._weight_parts(lanes.o)
        if not machine.weights_held:
            m.d.comb += [
                lanes.advance.eq(issue.go & issue.step.weights_done),
                lanes.align.eq(issue.step.weight_align),
            ]
            for n, part in ((number, own), *others):
                self._stream(m, array, n, part, issue.go)
            return words.valid
        ticks = self._load(m, platform, array, number, machine.weight_operand, words.valid, own)
        for n, part in others:
            m.d.sync += [
                getattr(array, f"a{n}").eq(part),
                array.control[f"load{n}"].eq(ticks.tick),
                array.control[f"swap{n}"].eq(ticks.swap),
            ]
        if machine.weight_depth > 1:
            for n in machine.weight_numbers:
                self._address(m, array, n, ticks, issue.step.weight_register)
            m.d.comb += ticks.words.eq(words.tag)
        m.d.comb += [
            lanes.advance.eq(ticks.tick),
            lanes.align.eq(ticks.last),
            ticks.done.eq(issue.go & issue.step.weights_done),
        ]
        return ticks.ready

    def _weight_parts(self, lanes):
        """The lanes of each operand that comes from the weight buffer, with its number."""
        machine, first, found = self._params.machine, 0, []
        for number, count in zip(machine.weight_numbers, machine.weight_parts):
            found.append((number, lanes[8 * first : 8 * (first + count)]))
            first += count
        return found

    def _stream(self, m, array, number, lanes, go):
        """Lanes of a step; nothing where no step goes, if the PEs would add it."""
        if self._params.array.pe.accumulators:
            lanes = Mux(go, lanes, 0)
        m.d.sync += getattr(array, f"a{number}").eq(lanes)

    def _load(self, m, platform, array, number, operand, available, lanes):
        """Lanes of a load tick, and the tile's swap."""
        count = self._params.machine.load_ticks(operand)
        ticks = place(m, platform, f"ticks{number}", LoadTicks, count, None, operand.depth)
        m.d.comb += ticks.available.eq(available)
        m.d.sync += [
            getattr(array, f"a{number}").eq(lanes),
            array.control[f"load{number}"].eq(ticks.tick),
            array.control[f"swap{number}"].eq(ticks.swap),
        ]
        return ticks

    def _address(self, m, array, number, ticks, register):
        """Which of several words that PEs hold is loaded, and which a step takes."""
        m.d.sync += [
            array.control[f"load_address{number}"].eq(ticks.address),
            array.control[f"read_address{number}"].eq(register),
        ]

    def _elaborate_sums(self, m, platform, issue, array, given):
        """Complete sums, with the tag of their step, which is ``given`` with it."""
        params, machine = self._params, self._params.machine
        layout = params.issue.tag
        width = params.array.pe.psum_bits
        marks = self._marks_of_step()
        size = layout.size + len(marks)
        delay = place(m, platform, "tags", DelayLine, size, params.array.latency)
        sums = Signal(array.sums.shape(), name="sums")
        tag_valid, tag_bits = Signal(), Signal(size)
        early = layout(delay.late_payload[: layout.size])
        # One register in front of the array, as for the operands, and one behind it.
        m.d.sync += [
            tag_valid.eq(given),
            tag_bits.eq(Cat(issue.tag, marks)),
            sums.eq(array.sums),
        ]
        m.d.comb += [delay.valid.eq(tag_valid), delay.payload.eq(tag_bits)]
        if not machine.accumulators:
            valid = delayed(m, delay.late_valid, 1, name="sums_valid")
            tag = delayed(m, delay.late_payload[: layout.size], 1, name="sums_tag")
            return valid & layout(tag).emit, sums, layout(tag)
        accumulators = place(
            m,
            platform,
            "accumulators",
            Accumulators,
            len(machine.output_lanes),
            width,
            params.machine.sum_bits,
            machine.accumulators,
        )
        m.d.comb += [
            accumulators.valid.eq(delay.late_valid),
            accumulators.first.eq(early.first),
            accumulators.emit.eq(early.emit),
            accumulators.address.eq(early.accumulator),
            accumulators.sums.eq(self._sums_of_step(sums, delay.late_payload[layout.size :])),
        ]
        valid = delayed(m, delay.late_valid & early.emit, 2, name="totals_valid")
        tag = delayed(m, delay.late_payload[: layout.size], 2, name="totals_tag")
        with m.If(accumulators.overflow):
            m.d.comb += self.overflow.eq(1)
        return valid, accumulators.totals, layout(tag)

    def _marks_of_step(self):
        """What else goes along with a step to its sums."""
        return Const(0, 0)

    def _sums_of_step(self, sums, marks):
        """The sums, those of the exits that the step does not use 0."""
        return sums

    def _elaborate_results(self, m, platform, issue, valid, sums, tag, vector):
        """Sums to output words."""
        params, machine = self._params, self._params.machine
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
            tied={"sums": sums, "parameters": parameters.words, "layer": parameters.tag},
        )
        collector = place(
            m,
            platform,
            "collector",
            DrainGather if params.collector.ticks else Collector,
            params.collector,
            tied={"outputs": post.outputs},
        )
        written = collector
        if params.raw:
            words = place_raw(m, platform, params, valid, sums, tag, parameters.words)
            written = either(m, params.output_buffet, words, collector)
        self._elaborate_residual(m, platform, issue, written)
        out_tag = Signal(params.collector.tag, name="collector_tag")
        m.d.comb += [
            out_tag.out.eq(tag.out),
            out_tag.channel.eq(tag.channel),
            out_tag.word_done.eq(tag.word_done),
            out_tag.commit.eq(tag.commit),
            post.valid.eq(valid),
            post.channel.eq(tag.channel),
            post.last.eq(tag.parameters_done),
            post.tag.eq(Cat(out_tag, tag.raw) if params.raw else out_tag),
            parameters.done.eq(post.used),
            issue.parameters_used.eq(post.used),
            issue.parameter_sets.eq(parameters.valid + parameters.waiting),
            # Of results that leave as sums nothing comes this way.
            collector.valid.eq(
                post.out_valid & ~post.out_tag[-1] if params.raw else post.out_valid
            ),
            collector.phase.eq(post.phase),
            collector.tag.eq(post.out_tag),
            issue.committed.eq(Mux(self.commit.valid, self.commit.payload.count, 0)),
            self.moved.eq(issue.go | issue.drain | self.write.valid),
        ]
        for name in ("scaled", "multiplier", "shift") if vector else ():
            m.d.comb += getattr(post, name).eq(getattr(vector, name))
        with m.If(post.overflow):
            m.d.comb += self.overflow.eq(1)
        if params.collector.words > 1:
            m.d.comb += out_tag.strides.eq(tag.strides)

    def _elaborate_residual(self, m, platform, issue, collector):
        """Output words to their buffer, past what is added to them."""
        if not self._params.machine.residual_checks:
            join(m, collector.write, self.write)
            join(m, collector.commit, self.commit)
            return
        add = place(
            m,
            platform,
            "residual_add",
            ResidualAdd,
            self._params.output_buffet,
            self._params.residual_buffet,
            tied={"layer": self.addition},
        )
        join(m, collector.write, add.i_write)
        join(m, collector.commit, add.i_commit)
        join(m, add.write, self.write)
        join(m, add.commit, self.commit)
        join(m, add.request, self.residual_request)
        join(m, self.residual_response, add.response)
        m.d.comb += issue.residual.eq(self.residual)
