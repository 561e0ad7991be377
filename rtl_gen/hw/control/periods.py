"""Periods: when the chains of an array of PEs with scratchpads take up their next sums.

A period is one filter at one output column: all its products in a PE. All rows of PEs begin their
periods in the same cycle; a row does what the row above did in the period before, so that a sum
goes down a chain while it is added to. What is missing is missed at the beginning of a chain: then
its first row has an *empty* period, and those below work on. (Would all wait instead, the last rows
could not give back the room that the missing words need.)
"""

from dataclasses import dataclass

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...isa.tagged import ROW_BITS
from ..array.scratchpad_pe import GROUP, ScratchpadParams
from ..array.tagged_row import period_layout, tick_layout
from ..noc.tagged_bus import AHEAD_BITS
from ..place import place
from .nest import Nest, NestParams

__all__ = ["PeriodParams", "Periods", "period_sets"]


@dataclass(frozen=True, kw_only=True)
class PeriodParams:
    """What periods are counted with.

    Parameters
    ----------
    pe
        Sizes of a PE.
    nest
        Of output columns: forms ``out`` and ``accumulator``, event ``commit``, the masks of
        :data:`~rtl_gen.isa.tagged.PASS_MASKS`.
    """

    pe: ScratchpadParams
    nest: NestParams

    @property
    def info(self) -> data.StructLayout:
        """What belongs to a period when its sums leave.

        begins, ends
            The first, the last filter of an output column.
        last_column
            It is the pass's last column.
        first, emit
            The sums are the first, the last of their outputs.
        parameters
            With ``ends``: the parameters are used up.
        edge
            The tile is the last along the array's columns.
        out, accumulator, commit, filter
            Forms and event of the column; the filter.
        """
        forms = dict(self.nest.forms)
        flags = ("begins", "ends", "last_column", "first", "emit", "parameters", "edge")
        members = dict.fromkeys(flags, 1)
        members |= {name: signed(forms[name]) for name in ("out", "accumulator")}
        members |= {"commit": dict(self.nest.events)["commit"], "filter": ROW_BITS}
        return data.StructLayout(members)


def period_sets() -> data.StructLayout:
    """What a layer says of its periods.

    period, macs
        Cycles; those of them with a MAC.
    filters
        Filters of a chain: periods of an output column.
    groups
        Groups of weights of a row in a pass.
    channels, jump
        Words of an input column in a PE; from the last of them to the next used column's first.
    window, advance
        Input columns under the filter; by how many the next output column lies further.
    ring, advance_words, window_words
        Words of the ring of inputs; what ``advance`` and ``window`` are in it, less whole rounds.
    """
    names = ("period", "macs", "filters", "groups", "channels", "jump", "window", "advance")
    names += ("ring", "advance_words", "window_words")
    return data.StructLayout(dict.fromkeys(names, ROW_BITS))


class Periods(wiring.Component):
    """Counts periods, and decides for each whether the chains begin anything.

    Members
    -------
    layer : ``In(period_sets())``, config : ``In(nest.config)``
    start : ``In(1)``, enable : ``In(1)``, busy : ``Out(1)``
        ``enable``: PEs have their tags.
    inputs, weights : ``In(signed)``
        Columns, and groups of each row, that are there beyond where the first rows are.
    may_emit : ``In(1)``
        What the outputs of the next column need is there, should it complete any.
    asks : ``Out(1)``, begun : ``Out(1)``
        A column that completes outputs has all it takes but ``may_emit``; it begins.
    led_columns, led_groups : ``Out(ROW_BITS)``
    tick, lead : ``Out``
        To the rows.
    info : ``Out(stream.Signature(params.info))``, whose ready is not looked at
        Of each period that is not empty, as its first rows begin.
    """

    def __init__(self, params: PeriodParams):
        self._params = params
        self.module_name = "periods"
        pe = params.pe
        super().__init__(
            {
                "layer": In(period_sets()),
                "config": In(params.nest.config),
                "start": In(1),
                "enable": In(1),
                "busy": Out(1),
                "inputs": In(signed(AHEAD_BITS)),
                "weights": In(signed(AHEAD_BITS)),
                "may_emit": In(1),
                "asks": Out(1),
                "begun": Out(1),
                "led_columns": Out(ROW_BITS),
                "led_groups": Out(ROW_BITS),
                "tick": Out(tick_layout(pe)),
                "lead": Out(period_layout(pe)),
                "info": Out(stream.Signature(params.info)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        layer, nest_params = self.layer, self._params.nest
        nest = place(m, platform, "nest", Nest, nest_params, tied={"config": self.config})
        item = nest.item.payload
        number = Signal(ROW_BITS)  # the filter
        needed = Signal(AHEAD_BITS + 4)  # weights of a row up to the end of this filter
        goes, ends, supplied, emits = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            nest.start.eq(self.start),
            self.busy.eq(nest.busy),
            supplied.eq(
                self.enable
                & nest.item.valid
                & (self.inputs >= layer.window)
                & (self.weights * GROUP >= needed)
            ),
            emits.eq(item.reduce_last & (number == 0)),
            self.asks.eq(supplied & emits),
            goes.eq(supplied & self.tick.next & (~emits | self.may_emit)),
            self.begun.eq(goes & emits),
            ends.eq(goes & (number == layer.filters - 1)),
            nest.item.ready.eq(ends),
        ]
        with m.If(ends):
            m.d.sync += [number.eq(0), needed.eq(layer.macs)]
            m.d.comb += [
                self.led_columns.eq(Mux(item.pass_last, layer.window, layer.advance)),
                self.led_groups.eq(Mux(item.pass_last, layer.groups, 0)),
            ]
        with m.Elif(goes):
            m.d.sync += [number.eq(number + 1), needed.eq(needed + layer.macs)]
        with m.If(self.start):
            m.d.sync += [number.eq(0), needed.eq(layer.macs)]
        self._elaborate_tick(m)
        self._elaborate_lead(m, item, goes, ends)
        info = self.info.payload
        m.d.comb += [
            self.info.valid.eq(goes),
            info.begins.eq(number == 0),
            info.ends.eq(ends),
            info.last_column.eq(item.pass_last),
            info.first.eq(item.reduce_first),
            info.emit.eq(item.reduce_last),
            info.parameters.eq(item.reduce_last & item.parameters_last),
            info.edge.eq(item.edge_last),
            info.out.eq(item.out),
            info.accumulator.eq(item.accumulator),
            info.commit.eq(Mux(item.reduce_last, item.commit, 0)),
            info.filter.eq(number),
        ]
        return m

    def _elaborate_tick(self, m):
        """Counters that all rows share."""
        layer, tick = self.layer, self.tick
        cycle, channel = Signal(ROW_BITS), Signal(ROW_BITS)
        m.d.comb += [
            tick.next.eq(cycle == layer.period - 1),
            tick.mac.eq(cycle < layer.macs),
            tick.first.eq(cycle == 0),
            tick.last.eq(cycle == layer.macs - 1),
            tick.weight_by.eq(cycle),
        ]
        m.d.sync += cycle.eq(cycle + 1)
        with m.If(channel == layer.channels - 1):
            m.d.sync += [channel.eq(0), tick.input_by.eq(tick.input_by + layer.jump)]
        with m.Else():
            m.d.sync += [channel.eq(channel + 1), tick.input_by.eq(tick.input_by + 1)]
        with m.If(tick.next | self.start):
            m.d.sync += [cycle.eq(0), channel.eq(0), tick.input_by.eq(0)]

    def _elaborate_lead(self, m, item, goes, ends):
        """Where the words of the next period of the first rows begin."""
        layer, lead, pe = self.layer, self.lead, self._params.pe
        input_at, weight_at = Signal.like(lead.input_at), Signal.like(lead.weight_at)
        weights_begin, weights_after = Signal.like(weight_at), Signal(pe.weight_bits + 2)
        inputs_after = Signal(ROW_BITS + 1)
        by = Mux(item.pass_last, layer.window_words, layer.advance_words)
        pass_weights = weights_begin + layer.groups * GROUP
        m.d.comb += [
            lead.valid.eq(goes),
            lead.input_at.eq(input_at),
            lead.weight_at.eq(weight_at),
            inputs_after.eq(input_at + by),
            weights_after.eq(weight_at + layer.macs),
        ]
        with m.If(ends):
            m.d.comb += weights_after.eq(Mux(item.pass_last, pass_weights, weights_begin))
            m.d.sync += input_at.eq(
                Mux(inputs_after >= layer.ring, inputs_after - layer.ring, inputs_after)
            )
        around = Mux(weights_after >= pe.weights, weights_after - pe.weights, weights_after)
        with m.If(goes):
            m.d.sync += weight_at.eq(around)
        with m.If(ends & item.pass_last):
            m.d.sync += weights_begin.eq(around)
        with m.If(self.start):
            m.d.sync += [input_at.eq(0), weight_at.eq(0), weights_begin.eq(0)]
