"""The vector unit: what is no sum of products, from the words of the input to post-processing."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...isa.vector import VECTOR
from ..delayed import delayed
from ..layouts import layout_of
from ..place import place
from .functions import function_is
from .lookup import Lookup
from .params import ELEMENT_BITS, SUM_BITS, VectorParams
from .row_scale import RowScale

__all__ = ["STEP", "VectorUnit"]

STEP = data.StructLayout({"first": 1, "last": 1, "row_first": 1, "row_last": 1})
"""Of a step: whether a window, or the passes over a row, begin and end; whether a pass over a row
begins and ends."""


class VectorUnit(wiring.Component):
    """Takes elements of a word, a step at a time, and gives sums of those that end a window or row.

    A step that only joins a window, or looks for a row's maximum, goes every cycle. Any other
    keeps the lookup for ``params.phases`` cycles: the last of a window, and those of a row whose
    elements are summed, or give results. The latter wait for their row's scale.

    Members
    -------
    config : ``In(layout_of(VECTOR))``
        Stays until ``busy`` has fallen behind the last step.
    step : ``In(STEP)``, channel : ``In(range(block))``
        The next step, and the place of its first element in its word.
    elements : ``In(8 * width)``, inside : ``In(1)``
        Its elements; whether they lie in the image.
    ready : ``Out(1)``, go : ``In(1)``
        It may be taken, and is.
    table_write : ``In(1)``, table_address, table_word, table_loaded : ``In``
        The table, which a function that has one waits for.
    busy : ``Out(1)``
        Sums are on their way, or post-processing is not done with them.
    valid : ``Out(1)``, sums : ``Out(32 * width)``
        The sums of a last step, ``params.latency`` cycles behind it.
    scaled : ``Out(1)``, multiplier : ``Out(31)``, shift : ``Out(signed(6))``
        With the sums, and until the next: the factor that takes the place of the channels' own.
    """

    def __init__(self, params: VectorParams):
        self._params = params
        self.module_name = "vector_unit"
        super().__init__(
            {
                "config": In(layout_of(VECTOR)),
                "step": In(STEP),
                "channel": In(range(max(2, params.block))),
                "elements": In(8 * params.width),
                "inside": In(1),
                "ready": Out(1),
                "go": In(1),
                "table_write": In(1),
                "table_address": In(range(params.table_words)),
                "table_word": In(params.table_width),
                "table_loaded": In(1),
                "busy": Out(1),
                "valid": Out(1),
                "sums": Out(SUM_BITS * params.width),
                "scaled": Out(1),
                "multiplier": Out(31),
                "shift": Out(signed(6)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params, config, step = self._params, self.config, self.step
        softmax, norm = function_is(config, "softmax"), function_is(config, "layer_norm")
        rows = Signal()
        looks_up, counts = Signal(), Signal(params.width)
        m.d.comb += [
            rows.eq(softmax | norm),
            # All but the taps before the last, and the pass for the maximum.
            looks_up.eq(step.last | norm | (softmax & ~step.first)),
            counts.eq(self._counts(m)),
        ]
        values, taken = self._elaborate_values(m, rows, softmax, counts)
        lookup = place(m, platform, "lookup", Lookup, params)
        scale = place(m, platform, "row_scale", RowScale)
        starts, sums_row = Signal(), Signal()
        m.d.comb += [
            starts.eq(self.go & looks_up),
            # The step whose elements complete the sums of its row.
            sums_row.eq(rows & step.row_last & ~step.last & looks_up),
            lookup.start.eq(delayed(m, starts, 1, name="starts")),
            lookup.values.eq(Cat(values)),
            lookup.inside.eq(taken),
            lookup.counts.eq(delayed(m, counts, 1, name="counts")),
            lookup.row_first.eq(delayed(m, step.row_first & ~step.last, 1, name="row_first")),
            lookup.row_end.eq(delayed(m, sums_row, 1, name="row_end")),
            lookup.emits.eq(delayed(m, step.last, 1, name="emits")),
            lookup.config.eq(config),
            lookup.root.eq(scale.multiplier),
            lookup.root_right.eq(scale.right),
            lookup.seed_address.eq(scale.seed_address),
            lookup.table_write.eq(self.table_write),
            lookup.table_address.eq(self.table_address),
            lookup.table_word.eq(self.table_word),
            scale.start.eq(lookup.row_done),
            scale.root.eq(norm),
            scale.exponentials.eq(lookup.exponentials),
            scale.length.eq(config.row_length),
            scale.total.eq(lookup.total),
            scale.squares.eq(lookup.squares),
            scale.constant.eq(config.row_constant),
            scale.seed.eq(lookup.seed),
            self.valid.eq(lookup.valid),
            self.sums.eq(lookup.sums),
        ]
        self._elaborate_factor(m, lookup, scale, softmax)
        self._elaborate_waits(m, lookup, scale, softmax, looks_up, sums_row)
        return m

    def _counts(self, m):
        """For each lane whether its element belongs to the row, and to the word."""
        params, step = self._params, self.step
        last = Signal(range(params.width + 1))  # elements of a row's last step
        m.d.comb += last.eq(self.config.row_last)
        found = []
        for n in range(params.width):
            counts = ~step.row_last | (last > n)
            if params.moves:
                counts = counts & (self.channel + n < params.block)
            found.append(counts)
        return Cat(found)

    def _elaborate_values(self, m, rows, softmax, counts):
        """What each lane keeps of a window or a row, and how many taps lay inside the image."""
        params, config, step = self._params, self.config, self.step
        adds, begins = function_is(config, "average_pool"), Signal()
        seeks = Signal()  # the largest element of a row
        m.d.comb += [
            seeks.eq(softmax & step.first),
            begins.eq(Mux(seeks, step.row_first, step.first | rows)),
        ]
        values = []
        for n in range(params.width):
            value = Signal(signed(ELEMENT_BITS), name=f"value{n}")
            element = Signal(signed(8), name=f"element{n}")
            own = self.elements.word_select(n, 8).as_signed()
            m.d.comb += element.eq(Mux(seeks & ~counts[n], -128, own))
            with m.If(self.go):
                joined = Mux(adds, value + element, Mux(value > element, value, element))
                m.d.sync += value.eq(Mux(begins, element, joined))
            values.append(value)
        taken = Signal(8)
        with m.If(self.go):
            m.d.sync += taken.eq(Mux(step.first, 0, taken) + self.inside)
        return values, taken

    def _elaborate_factor(self, m, lookup, scale, softmax):
        """The factor of an average, or of a row, from the cycle of its sums on."""
        average = function_is(self.config, "average_pool")
        with m.If(lookup.completes):
            m.d.sync += [
                self.scaled.eq(softmax | average),
                self.multiplier.eq(Mux(average, lookup.factor[:31], scale.multiplier)),
                self.shift.eq(Mux(average, lookup.factor[31], -scale.right)),
            ]
        with m.Elif(~self.busy):
            m.d.sync += self.scaled.eq(0)  # what follows may be sums of the array

    def _elaborate_waits(self, m, lookup, scale, softmax, looks_up, sums_row):
        """When the next step may be taken, and how long sums are on their way."""
        params, config, step = self._params, self.config, self.step
        spacing = Signal(range(max(2, params.phases)))  # cycles until the lookup takes a step
        way = Signal(range(params.latency + params.post_phases + 1))
        waits_scale = Signal()  # a row's scale is on its way
        peak = Signal()  # a row's maximum is found while the one before is in use
        uses_table = function_is(config, "average_pool", "table", "softmax", "layer_norm")
        m.d.comb += [
            peak.eq(softmax & step.first & step.row_last),
            self.busy.eq((way != 0) | waits_scale),
            self.ready.eq(
                (~looks_up | (spacing == 0))
                & ~(step.last & waits_scale)
                & ~(peak & (way != 0))
                & (~uses_table | self.table_loaded)
            ),
        ]
        with m.If(self.go & looks_up):
            m.d.sync += [
                spacing.eq(params.phases - 1),
                way.eq(params.latency + params.post_phases),
            ]
        with m.Else():
            m.d.sync += [
                spacing.eq(Mux(spacing == 0, 0, spacing - 1)),
                way.eq(Mux(way == 0, 0, way - 1)),
            ]
        begun = delayed(m, scale.busy, 1, name="scaling")
        with m.If(self.go & sums_row):
            m.d.sync += waits_scale.eq(1)
        with m.Elif(begun & ~scale.busy):
            m.d.sync += waits_scale.eq(0)
        m.d.comb += lookup.seek.eq(delayed(m, self.go & peak, 1, name="seek"))
