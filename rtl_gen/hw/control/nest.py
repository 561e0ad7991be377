"""Hardware loop nests: counters with run-time bounds and strides."""

from dataclasses import dataclass

from amaranth.hdl import Array, Cat, Module, Mux, Signal, signed, unsigned
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
        levels, config = range(self._params.levels), self.config

        remaining = [Signal(self._params.bound_bits, name=f"remaining{j}") for j in levels]
        at_first = Signal(len(levels))
        at_last = Signal(len(levels))
        advance = Signal()
        carry = Signal(range(max(2, len(levels))))  # the level that advances after this item
        done = Signal()                             # no level is left to advance
        moving = Signal(len(levels))                # levels that begin anew

        m.d.comb += [
            self.item.valid.eq(self.busy),
            advance.eq(self.busy & self.item.ready),
            at_last.eq(_bits(remaining[j] == 0 for j in levels)),
            done.eq(at_last.all()),
            self.item.payload.end.eq(done),
        ]
        if self._params.run:
            m.d.comb += [
                at_last[0].eq(1),
                self.item.payload.run.eq(remaining[0]),
            ]
        for j in reversed(levels):
            with m.If(~at_last[j]):
                m.d.comb += carry.eq(j)
        for j in levels:
            m.d.comb += moving[j].eq(self.start | at_last[: j + 1].all())
        with m.If(self.start):
            m.d.sync += self.busy.eq(1)
        with m.Elif(advance & done):
            m.d.sync += self.busy.eq(0)

        self._elaborate_counters(m, remaining, at_first, at_last, moving, advance, carry)
        for name, bits in self._params.forms:
            self._elaborate_form(m, name, bits, moving, advance, carry)
        for name, bits in self._params.events:
            amounts = Array(config[f"{name}{j}"] for j in levels)
            m.d.comb += self.item.payload[name].eq(
                Mux(done, config[f"{name}_end"], amounts[carry])
            )
        for name in self._params.masks:
            outside = ~config[f"{name}_levels"]
            m.d.comb += [
                self.item.payload[f"{name}_first"].eq((at_first | outside).all()),
                self.item.payload[f"{name}_last"].eq((at_last | outside).all()),
            ]
        return m

    def _elaborate_counters(self, m, remaining, at_first, at_last, moving, advance, carry):
        """Count down; a level that begins anew asks its parent whether this is the last tile."""
        config, levels = self.config, range(len(remaining))
        chain = Signal(len(levels))  # after this advance: on the last trip, and all parents too
        for j in reversed(levels):
            parent = config[f"parent{j}"]
            outer = Signal(name=f"outer{j}")
            if j + 1 < len(levels):
                with m.Switch(parent):
                    for k in levels[j + 1 :]:
                        with m.Case(k):
                            m.d.comb += outer.eq(chain[k])
            trips = Signal(self._params.bound_bits, name=f"trips{j}")
            m.d.comb += trips.eq(Mux(outer, config[f"last{j}"], config[f"bound{j}"]))
            after = Signal(name=f"after{j}")  # on its last trip after this advance
            with m.If(moving[j]):
                m.d.comb += after.eq(trips == 0)
            with m.Elif(carry == j):
                m.d.comb += after.eq(remaining[j] == 1)
            with m.Else():
                m.d.comb += after.eq(at_last[j])
            m.d.comb += chain[j].eq(after & ((parent == 0) | outer))
            with m.If(self.start | (advance & moving[j])):
                m.d.sync += [remaining[j].eq(trips), at_first[j].eq(1)]
            with m.Elif(advance & (carry == j)):
                m.d.sync += [remaining[j].eq(remaining[j] - 1), at_first[j].eq(0)]

    def _elaborate_form(self, m, name, bits, moving, advance, carry):
        """Value of a linear form; ``begin[j]`` is its value when level j's trip began."""
        config, levels = self.config, range(self._params.levels)
        begin = [Signal(signed(bits), name=f"{name}_begin{j}") for j in levels]
        stride, origin = Signal(signed(bits), name=f"{name}_stride"), Signal(signed(bits))
        stepped = Signal(signed(bits), name=f"{name}_next")
        m.d.comb += [
            self.item.payload[name].eq(begin[0]),
            origin.eq(Array(begin)[carry]),
            stride.eq(Array(config[f"{name}{j}"] for j in levels)[carry]),
            stepped.eq(Mux(self.start, config[f"{name}_base"], origin + stride)),
        ]
        for j in levels:
            with m.If(self.start | (advance & (moving[j] | (carry == j)))):
                m.d.sync += begin[j].eq(stepped)


def _bits(conditions):
    """A value with a bit for each condition, the first lowest."""
    return Cat(*conditions)
