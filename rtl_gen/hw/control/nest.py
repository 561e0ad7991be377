"""Hardware loop nests: counters with run-time bounds and strides."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...isa.fields import nest_fields
from ..layouts import layout_of

__all__ = ["Nest", "NestParams"]


@dataclass(frozen=True, kw_only=True)
class NestParams:
    """What a nest counts and gives out.

    Parameters
    ----------
    levels
        Loops, at least 1. Level 0 is the innermost.
    forms
        (name, bits) of each linear form of the counters: an address, a coordinate.
    events
        (name, bits) of each amount given out when a level advances.
    masks
        Names of sets of levels whose first and last trips are reported.
    run
        Whether level 0 is handed out as a length instead of being walked.
    bound_bits
        Bits of a trip count.
    """

    levels: int
    forms: tuple[tuple[str, int], ...]
    events: tuple[tuple[str, int], ...] = ()
    masks: tuple[str, ...] = ()
    run: bool = False
    bound_bits: int = 16

    def __post_init__(self):
        if self.levels not in range(1, 33):
            raise ValueError(f"levels must be 1..32 loops, not {self.levels!r}")

    @property
    def fields(self):
        """The descriptor fields that configure the nest."""
        return nest_fields(
            levels=self.levels,
            forms=dict(self.forms),
            events=dict(self.events),
            masks=self.masks,
            bound_bits=self.bound_bits,
        )

    @property
    def config(self) -> data.StructLayout:
        return layout_of(self.fields)

    @property
    def item(self) -> data.StructLayout:
        """One trip of the innermost loop.

        Each form's value; each event's amount; for each mask whether all its levels are on their
        first, and on their last, trip; ``run``, the length less one of level 0; ``end``.
        """
        members = {name: signed(bits) for name, bits in self.forms}
        members |= {name: unsigned(bits) for name, bits in self.events}
        for name in self.masks:
            members |= {f"{name}_first": 1, f"{name}_last": 1}
        if self.run:
            members["run"] = unsigned(self.bound_bits)
        return data.StructLayout(members | {"end": 1})


class Nest(wiring.Component):
    """Walks up to ``levels`` loops, one trip of the innermost a cycle.

    Every level has a bound and a last bound; the last bound is taken when the level's parent, an
    outer level over the same dimension, and its parents in turn, are on their last trips. So
    ragged tiles need neither padding nor a descriptor of their own.

    Every form keeps its value at the start of the current trip of each level, so that a step
    costs one addition whatever the order of the loops.

    Latency: the first item is valid in the cycle after ``start``; one item a cycle.

    Members
    -------
    config : ``In(params.config)``
        Must not change from ``start`` until the item with ``end`` is taken.
    start : ``In(1)``
        Begins a walk; allowed only when ``busy`` is low.
    busy : ``Out(1)``
    item : ``Out(stream.Signature(params.item))``
    """

    def __init__(self, params: NestParams):
        self._params = params
        forms = "_".join(f"{name}{bits}" for name, bits in (*params.forms, *params.events))
        masks = "_".join(params.masks)
        run = "run" if params.run else ""
        self.module_name = "_".join(filter(None, ["nest", str(params.levels), forms, masks, run]))
        super().__init__(
            {
                "config": In(params.config),
                "start": In(1),
                "busy": Out(1),
                "item": Out(stream.Signature(params.item)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params, levels = self._params, range(self._params.levels)

        at_first = Signal(len(levels))
        at_last = Signal(len(levels))
        inner = Signal(len(levels) + 1)  # bit j: all levels inside level j are on their last trip
        advance = Signal()
        done = Signal()  # no level is left to advance

        m.d.comb += [
            self.item.valid.eq(self.busy),
            advance.eq(self.busy & self.item.ready),
            inner.eq(Cat(at_last[:j].all() for j in range(len(levels) + 1))),
            done.eq(inner[-1]),
            self.item.payload.end.eq(done),
        ]
        with m.If(self.start):
            m.d.sync += self.busy.eq(1)
        with m.Elif(advance & done):
            m.d.sync += self.busy.eq(0)

        moves = [self.start | (advance & inner[j]) for j in levels]
        self._elaborate_counters(m, at_first, at_last, inner, advance, moves)
        self._elaborate_forms(m, at_last, done, moves)
        for name in params.masks:
            outside = ~self.config[f"{name}_levels"]
            m.d.comb += [
                self.item.payload[f"{name}_first"].eq((at_first | outside).all()),
                self.item.payload[f"{name}_last"].eq((at_last | outside).all()),
            ]
        return m

    def _elaborate_counters(self, m, at_first, at_last, inner, advance, moves):
        """Count down; a level that begins anew asks its parent whether this is the last tile."""
        config, levels = self.config, range(self._params.levels)
        bits = self._params.bound_bits
        # After this advance: the level is on its last trip, and all its parents too.
        whole = [Signal(name=f"whole{j}") for j in levels]
        for j in reversed(levels):
            parent = config[f"parent{j}"]
            remaining = Signal(bits, name=f"remaining{j}")
            anew = Signal(name=f"anew{j}")
            outer = Signal(name=f"outer{j}")  # the parent will be on its last trip
            trips = Signal(bits, name=f"trips{j}")
            after = Signal(name=f"after{j}")  # the level itself will be
            m.d.comb += [
                anew.eq(self.start | inner[j + 1]),
                outer.eq(Cat(Const(0, j + 1), whole[j + 1 :]).bit_select(parent, 1)),
                trips.eq(Mux(outer, config[f"last{j}"], config[f"bound{j}"])),
                whole[j].eq(after & ((parent == 0) | outer)),
            ]
            with m.If(anew):
                m.d.comb += after.eq(trips == 0)
            with m.Elif(inner[j]):
                m.d.comb += after.eq(remaining == 1)
            with m.Else():
                m.d.comb += after.eq(at_last[j])
            with m.If(moves[j]):
                m.d.sync += [remaining.eq(Mux(anew, trips, remaining - 1)), at_first[j].eq(anew)]
            if j == 0 and self._params.run:
                m.d.comb += [at_last[0].eq(1), self.item.payload.run.eq(remaining)]
            else:
                with m.If(self.start | advance):
                    m.d.sync += at_last[j].eq(after)

    def _elaborate_forms(self, m, at_last, done, moves):
        """Values of the forms, and the amounts of the level that advances.

        The forms lie side by side, in their order, in the configuration's bases, in the strides of
        each level, where the amounts stand before them, and in the item, where these stand behind.
        """
        params, levels = self._params, range(self._params.levels)
        width = sum(bits for _, bits in params.forms)
        amounts = sum(bits for _, bits in params.events)
        # The forms' values when the present trip of each level began.
        begin = [Signal(width, name=f"begin{j}") for j in levels]
        carry = Signal(range(max(2, len(levels))))  # the level that advances
        origin = Signal(width)  # where its trip began
        row = Signal(amounts + width)  # its amounts and strides
        stepped = Signal(width)
        for j in reversed(levels):
            with m.If(~at_last[j]):
                m.d.comb += carry.eq(j)
        names = [name for name, _ in (*params.events, *params.forms)]
        with m.Switch(carry):
            for j in levels:
                with m.Case(j):
                    fields = self._fields([f"{name}{j}" for name in names])
                    m.d.comb += [origin.eq(begin[j]), row.eq(fields)]
        sums, low = [], 0
        for _, bits in params.forms:
            old, stride = origin[low : low + bits], row[amounts + low : amounts + low + bits]
            sums.append((old + stride)[:bits])
            low += bits
        bases = self._fields([f"{name}_base" for name, _ in params.forms])
        ends = self._fields([f"{name}_end" for name, _ in params.events])
        item = Value.cast(self.item.payload)
        m.d.comb += [
            stepped.eq(Mux(self.start, bases, Cat(sums))),
            item[:width].eq(begin[0]),
            item[width : width + amounts].eq(Mux(done, ends, row[:amounts])),
        ]
        for j in levels:
            with m.If(moves[j]):
                m.d.sync += begin[j].eq(stepped)

    def _fields(self, names):
        """Fields of the configuration that lie side by side, as bits."""
        if not names:
            return Const(0, 0)
        layout = self.config.shape()
        last = layout[names[-1]]
        return Value.cast(self.config)[layout[names[0]].offset : last.offset + last.width]
