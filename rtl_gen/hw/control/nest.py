"""Hardware loop nests: counters with run-time bounds and strides."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...isa.fields import nest_fields
from ..layouts import layout_of
from ..place import place
from .nest_level import NestLevel

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
        count = self._params.levels
        at_first, at_last = Signal(count), Signal(count)
        inner = Signal(count + 1)  # bit j: all levels inside level j are on their last trip
        advance = Signal()
        done = Signal()  # no level is left to advance
        stepped = Signal(self._width)  # the forms behind this item

        m.d.comb += [
            self.item.valid.eq(self.busy),
            advance.eq(self.busy & self.item.ready),
            inner.eq(Cat(at_last[:j].all() for j in range(count + 1))),
            done.eq(inner[-1]),
            self.item.payload.end.eq(done),
        ]
        with m.If(self.start):
            m.d.sync += self.busy.eq(1)
        with m.Elif(advance & done):
            m.d.sync += self.busy.eq(0)

        levels = self._elaborate_levels(m, platform, advance, inner, stepped)
        m.d.comb += [
            at_first.eq(Cat(level.at_first for level in levels)),
            at_last.eq(Cat(level.at_last for level in levels)),
        ]
        if self._params.run:
            m.d.comb += self.item.payload.run.eq(levels[0].remaining)
        self._elaborate_forms(m, [level.begin for level in levels], at_last, done, stepped)
        for name in self._params.masks:
            outside = ~self.config[f"{name}_levels"]
            m.d.comb += [
                self.item.payload[f"{name}_first"].eq((at_first | outside).all()),
                self.item.payload[f"{name}_last"].eq((at_last | outside).all()),
            ]
        return m

    @property
    def _width(self) -> int:
        """Bits of all forms."""
        return sum(bits for _, bits in self._params.forms)

    def _elaborate_levels(self, m, platform, advance, inner, stepped):
        """The levels; one that begins anew asks its parent, further out, for its bound."""
        params, config = self._params, self.config
        levels = []
        for j in reversed(range(params.levels)):
            level = place(
                m,
                platform,
                f"level{j}",
                NestLevel,
                params.levels,
                params.bound_bits,
                self._width,
                params.run and j == 0,
                tied={
                    "bound": config[f"bound{j}"],
                    "last": config[f"last{j}"],
                    "parent": config[f"parent{j}"],
                    "start": self.start,
                    "advance": advance,
                    "inner": inner[j],
                    "wholes": Cat(Const(0, j + 1), [outer.whole for outer in levels]),
                    "stepped": stepped,
                },
            )
            levels.insert(0, level)
        return levels

    def _elaborate_forms(self, m, begin, at_last, done, stepped):
        """Values of the forms, and the amounts of the level that advances.

        The forms lie side by side, in their order, in the configuration's bases, in the strides of
        each level, where the amounts stand before them, and in the item, where these stand behind.
        """
        params = self._params
        amounts = sum(bits for _, bits in params.events)
        carry = Signal(range(max(2, params.levels)))  # the level that advances
        origin = Signal(self._width)  # where its trip began
        row = Signal(amounts + self._width)  # its amounts and strides
        for j in reversed(range(params.levels)):
            with m.If(~at_last[j]):
                m.d.comb += carry.eq(j)
        names = [name for name, _ in (*params.events, *params.forms)]
        with m.Switch(carry):
            for j in range(params.levels):
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
            item[: self._width].eq(begin[0]),
        ]
        if amounts:
            m.d.comb += item[self._width : self._width + amounts].eq(Mux(done, ends, row[:amounts]))

    def _fields(self, names):
        """Fields of the configuration that lie side by side, as bits."""
        if not names:
            return Const(0, 0)
        layout = self.config.shape()
        last = layout[names[-1]]
        return Value.cast(self.config)[layout[names[0]].offset : last.offset + last.width]
