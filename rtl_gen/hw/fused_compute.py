"""The computing engine of several dataflows: each layer's descriptor says which it takes."""

from amaranth.hdl import Const, Mux, Signal

from .array.modes import by_mode
from .compute import Compute
from .compute_buffers import PAD_BITS
from .noc.lanes import VectorLanes
from .noc.mode_parts import ModeByteLanes, ModeLoadTicks, ModeWordSet
from .place import place
from .vector.beside import tell_word

__all__ = ["FusedCompute"]


class FusedCompute(Compute):
    """As :class:`~rtl_gen.hw.compute.Compute`; the mode of steps is that of the descriptor.

    Words say themselves for which mode they are, since they come while the layer before still
    works. Weights of a mode that holds them are loaded under the steps of a mode that holds them
    too; behind a mode that streams them they wait for its last step, for they take the same wires.
    Where some modes sum in the PEs and others behind the array, sums of the former pass the
    accumulators.
    """

    def _place_array(self, m, platform):
        """The array, told the mode with every step."""
        array = super()._place_array(m, platform)
        m.d.sync += [
            array.control.mode.eq(self.config.mode),
            array.control.sum_mode.eq(self.config.mode),
        ]
        return array

    def _elaborate_input(self, m, platform, issue, array, vector):
        params, machine = self._params, self._params.machine
        modes = machine.modes
        words = place(
            m,
            platform,
            "input_words",
            ModeWordSet,
            params.input_buffet,
            tuple(mode.input_words for mode in modes),
            PAD_BITS,
            PAD_BITS,
            "input_words",
            machine.widths.vector,
            tied={"response": self.input},
        )
        lanes = place(
            m,
            platform,
            "input_lanes",
            ModeByteLanes,
            tuple(tuple((lane.word, lane.byte) for lane in mode.input_lanes) for mode in modes),
            machine.block,
            tuple(mode.input_byte_moves for mode in modes),
            tied={"words": words.words, "mode": words.tag[PAD_BITS:][: params.mode_bits]},
        )
        number = modes[0].input_number
        if machine.moving:
            moves = by_mode(self.config.mode, tuple(bool(mode.moving) for mode in modes), Const)
            used = issue.go & issue.step.input_done
            m.d.comb += [
                lanes.byte.eq(words.tag[PAD_BITS + params.mode_bits :]),
                # Only where inputs move every tick takes new words, be it a step or not.
                words.done.eq(Mux(moves, issue.tick, used)),
            ]
            self._stream(m, array, number, lanes.o, issue.tick)
            tell_word(m, vector, machine.block, words, words.tag[PAD_BITS + params.mode_bits :])
            return words.valid
        if not machine.input_held:
            m.d.comb += [
                lanes.byte.eq(issue.step.byte),
                words.done.eq(issue.go & issue.step.input_done),
            ]
            self._stream(m, array, number, lanes.o, issue.go)
            tell_word(m, vector, machine.block, words, issue.step.byte)
            return words.valid
        m.d.comb += lanes.byte.eq(words.tag[PAD_BITS + params.mode_bits :])
        of_words = words.tag[PAD_BITS:][: params.mode_bits]
        counts = tuple(mode.load_ticks(mode.input_operand) for mode in modes)
        ticks = self._load_of_mode(m, platform, array, number, counts, of_words)
        m.d.comb += [
            ticks.available.eq(words.valid),
            words.done.eq(ticks.tick),
            ticks.done.eq(issue.go & issue.step.input_done),
        ]
        m.d.sync += getattr(array, f"a{number}").eq(lanes.o)
        return ticks.ready

    def _marks_of_step(self):
        """The mode, if not every mode uses all exits."""
        counts = {len(mode.output_lanes) for mode in self._params.machine.modes}
        return self.config.mode if len(counts) > 1 else super()._marks_of_step()

    def _sums_of_step(self, sums, marks):
        """What leaves where a mode has no exit is nobody's sum, and must not count as overflow."""
        if not len(marks):
            return sums
        width = self._params.array.pe.psum_bits
        used = [width * len(mode.output_lanes) for mode in self._params.machine.modes]
        return by_mode(marks, tuple(used), lambda bits: sums[:bits])

    def _elaborate_weights(self, m, platform, issue, array, source):
        params, machine, modes = self._params, self._params.machine, self._params.machine.modes
        words = place(
            m,
            platform,
            "weight_words",
            ModeWordSet,
            params.weight_buffet,
            tuple(mode.weight_words for mode in modes),
            0,
            0,
            "weight_words",
            tied={"response": source},
        )
        number, of_words, mode = (
            modes[0].weight_number,
            words.tag[: params.mode_bits],
            self.config.mode,
        )
        held = tuple(own.weights_held for own in modes)
        holds, for_load = Signal(), Signal()  # the steps' mode; that of the words at hand
        m.d.comb += [
            holds.eq(by_mode(mode, held, Const)),
            for_load.eq(by_mode(of_words, held, Const)),
        ]
        advance, align, done = Signal(), Signal(), Signal()
        lanes = self._weight_lanes(m, platform, words, advance, align, done)
        m.d.comb += words.done.eq(done)
        step = issue.go & issue.step.weights_done
        streams = words.valid & ~for_load & (of_words == mode)
        tick, tick_last, ready = Const(0), Const(0), streams
        if any(held):
            counts = tuple(
                own.load_ticks(own.weight_operand) if own.weights_held else None for own in modes
            )
            ticks = self._load_of_mode(m, platform, array, number, counts, of_words)
            m.d.comb += [
                # Words for loads come behind the last step of a mode that streams; under its
                # drain they do no harm where the inputs, which stream too, are 0.
                ticks.available.eq(
                    words.valid & for_load & (holds if machine.input_held else Const(1))
                ),
                ticks.done.eq(step & holds),
            ]
            tick, tick_last, ready = ticks.tick, ticks.last, Mux(holds, ticks.ready, streams)
        m.d.comb += [
            advance.eq(tick | (step & ~holds)),
            align.eq(Mux(tick, tick_last, issue.step.weight_align)),
        ]
        self._stream(m, array, number, lanes, issue.go | tick)
        return ready

    def _weight_lanes(self, m, platform, words, advance, align, done):
        """The weights of a step or load tick, as the mode of the words has them."""
        block, kinds = self._params.machine.block, []
        for mode in self._params.machine.modes:
            count = len(mode.weight_operand.elements)
            kinds.append((count, mode.weight_vectors, mode.weight_words))
        widest, placed = max(count for count, _, _ in kinds), {}
        of_words = words.tag[: self._params.mode_bits]
        for kind in kinds:
            if kind in placed:
                continue
            count, vectors, taken = kind
            used = words.words[: 8 * block * taken]
            name = f"weight_lanes{len(placed)}"
            lanes = place(
                m,
                platform,
                name,
                VectorLanes,
                count,
                vectors,
                block,
                taken,
                name,
                tied={"words": used},
            )
            here = by_mode(
                words.tag[: self._params.mode_bits], tuple(other == kind for other in kinds), Const
            )
            m.d.comb += [lanes.advance.eq(advance & here), lanes.align.eq(align)]
            placed[kind] = lanes
        m.d.comb += done.eq(by_mode(of_words, kinds, lambda kind: placed[kind].done))
        chosen = Signal(8 * widest, name="weights_of_mode")
        m.d.comb += chosen.eq(by_mode(of_words, kinds, lambda kind: placed[kind].o))
        return chosen

    def _load_of_mode(self, m, platform, array, number, counts, mode):
        """Load ticks of an operand that some modes hold; the mode of what is on its lanes."""
        ticks = place(m, platform, f"ticks{number}", ModeLoadTicks, counts)
        m.d.comb += ticks.mode.eq(mode)
        m.d.sync += [
            array.control[f"load{number}"].eq(ticks.tick),
            array.control[f"swap{number}"].eq(ticks.swap),
            array.control[f"mode{number}"].eq(Mux(ticks.tick, mode, self.config.mode)),
        ]
        return ticks
