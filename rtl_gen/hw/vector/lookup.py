"""Lookup: the elements of a step, some a cycle, through the table or a multiplication."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...isa.vector import LENGTH_BITS, VECTOR
from ..delayed import delayed
from ..layouts import layout_of
from ..place import place
from .functions import function_is
from .params import ELEMENT_BITS, SUM_BITS, VectorParams
from .row_scale import SQUARE_BITS, TOTAL_BITS
from .table_lanes import TableLanes

__all__ = ["Lookup"]

ROOT_BITS = 18
DIFFERENCE_BITS = LENGTH_BITS + 9
"""Of N x - S, signed."""

EXPONENTIAL_SHIFT = 12
"""From Q0.31 to Q12.19."""


class Lookup(wiring.Component):
    """Takes the elements of a step, and gives their sums ``params.phases + 4`` cycles later.

    The stages: choose ``params.lanes`` elements; find their addresses, or N x - S, or squares; look
    up, or multiply by the root; add to a row's sums, or keep as a result.

    Members
    -------
    start : ``In(1)``, values : ``In(signed(16) * width)``, inside : ``In(8)``
        A step: its elements; of a window, how many lay inside the image.
    counts : ``In(width)``, row_first, row_end, emits : ``In(1)``
        Which elements belong to the row; whether they begin and end its sums; whether they are
        results.
    seek : ``In(1)``
        ``values`` are the lanes' maxima of a row, of which the largest is kept from now on.
    config : ``In(layout_of(VECTOR))``, root : ``In(31)``, root_right : ``In(6)``
    seed_address : ``In(8)``, seed : ``Out(32)``
        Between steps the first lane of the table is free for the row's scale.
    table_write : ``In(1)``, table_address : ``In``, table_word : ``In(params.table_width)``
    row_done : ``Out(1)``, exponentials : ``Out(31)``, total, squares : ``Out``
        A row's sums are complete, and stay until the next row's begin.
    factor : ``Out(32)``
        Of an average: the table's entry at the number of elements.
    completes : ``Out(1)``
        In the cycle before ``valid``.
    valid : ``Out(1)``, sums : ``Out(32 * width)``
    """

    def __init__(self, params: VectorParams):
        self._params = params
        self.module_name = "lookup"
        super().__init__(
            {
                "start": In(1),
                "values": In(ELEMENT_BITS * params.width),
                "inside": In(8),
                "counts": In(params.width),
                "row_first": In(1),
                "row_end": In(1),
                "emits": In(1),
                "seek": In(1),
                "config": In(layout_of(VECTOR)),
                "root": In(31),
                "root_right": In(6),
                "seed_address": In(8),
                "seed": Out(SUM_BITS),
                "table_write": In(1),
                "table_address": In(range(params.table_words)),
                "table_word": In(params.table_width),
                "row_done": Out(1),
                "exponentials": Out(31),
                "total": Out(signed(TOTAL_BITS)),
                "squares": Out(SQUARE_BITS),
                "factor": Out(SUM_BITS),
                "completes": Out(1),
                "valid": Out(1),
                "sums": Out(SUM_BITS * params.width),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params, lanes = self._params, self._params.lanes
        phase = Signal(range(max(2, params.phases)))
        active, held = Signal(), Signal.like(self.values)
        held_counts, held_inside = Signal.like(self.counts), Signal.like(self.inside)
        flags, held_flags = Cat(self.row_first, self.row_end, self.emits), Signal(3)
        last = phase == params.phases - 1
        with m.If(self.start):
            m.d.sync += [
                held.eq(self.values),
                held_counts.eq(self.counts),
                held_inside.eq(self.inside),
                held_flags.eq(flags),
                active.eq(1),
                phase.eq(0),
            ]
        with m.Elif(last):
            m.d.sync += active.eq(0)
        with m.Else():
            m.d.sync += phase.eq(phase + 1)
        # What goes along with the elements of a phase, stage by stage.
        beside, late = Cat(active, phase, phase == 0, last, held_flags), []
        for n in range(3):
            later = Signal(len(beside), name=f"beside{n}")
            m.d.sync += later.eq(late[-1] if late else beside)
            late.append(later)
        chosen, counted = [], []
        for n in range(lanes):
            own = range(n, params.width, lanes)
            value, counts = Signal(signed(ELEMENT_BITS), name=f"chosen{n}"), Signal(name=f"own{n}")
            spare = [Const(0)] * (params.phases - len(own))  # phases in which it has none
            m.d.sync += [
                value.eq(_of_phase(phase, [held.word_select(k, ELEMENT_BITS) for k in own])),
                counts.eq(_of_phase(phase, [held_counts[k] for k in own] + spare)),
            ]
            chosen.append(value)
            counted.append(counts)
        # The stages' registers: elements as they are, those that count, entries, normalized ones.
        plain = [delayed(m, value, 2, name=f"plain{n}") for n, value in enumerate(chosen)]
        entries = self._elaborate_table(m, platform, late[0][0], chosen, held_inside)
        normalized = self._elaborate_products(m, chosen)
        self._elaborate_sums(m, late[2], chosen, counted, entries)
        self._elaborate_results(m, late[2], plain, entries, normalized)
        return m

    def _elaborate_table(self, m, platform, used, chosen, inside):
        """Entries of elements, two stages behind them."""
        params, config = self._params, self.config
        table = place(m, platform, "table", TableLanes, params.lanes, params.table_width)
        peak = Signal(signed(8))
        with m.If(self.seek):
            values = [self.values.word_select(n, ELEMENT_BITS) for n in range(params.width)]
            m.d.sync += peak.eq(_largest(m, [value[:8].as_signed() for value in values]))
        number = delayed(m, inside, 1, name="inside")
        for n, value in enumerate(chosen):
            address = Mux(function_is(config, "softmax"), (peak - value)[:8], value[:8] ^ 0x80)
            if n == 0:
                address = Mux(function_is(config, "average_pool"), number, address)
                address = Mux(used, address, self.seed_address)
            m.d.comb += table.addresses.word_select(n, 8).eq(address)
        m.d.comb += [
            table.write.eq(self.table_write),
            table.write_address.eq(self.table_address),
            table.write_word.eq(self.table_word),
            self.seed.eq(table.entries[:SUM_BITS]),
        ]
        entries = []
        for n in range(params.lanes):
            entry = table.entries.word_select(n, SUM_BITS)
            entries.append(delayed(m, entry, 1, name=f"entry{n}"))
        m.d.comb += self.factor.eq(entries[0])
        return entries

    def _elaborate_products(self, m, chosen):
        """(N x - S) by the root of each element, two stages behind it, shifted and rounded."""
        found, right = [], Signal(6)
        m.d.comb += right.eq(self.root_right - 1)
        for n, value in enumerate(chosen):
            difference = Signal(signed(DIFFERENCE_BITS), name=f"difference{n}")
            product = Signal(signed(DIFFERENCE_BITS + ROOT_BITS + 1), name=f"product{n}")
            m.d.sync += [
                difference.eq(self.config.row_length * value[:8].as_signed() - self.total),
                product.eq(difference * self.root[:ROOT_BITS]),
            ]
            rounded = Signal(signed(SUM_BITS), name=f"normalized{n}")
            m.d.comb += rounded.eq(((product >> right[:5]) + 1) >> 1)
            found.append(rounded)
        return found

    def _elaborate_sums(self, m, beside, chosen, counted, entries):
        """Sums over a row: of elements and their squares, and of exponentials."""
        active, row_first, row_end = beside[0], beside[-3], beside[-2]
        first, last = beside[-5], beside[-4]
        elements, squares, exponentials = [], [], []
        for n, (value, counts) in enumerate(zip(chosen, counted)):
            element = Signal(signed(8), name=f"counted{n}")
            square = Signal(15, name=f"square{n}")
            m.d.comb += element.eq(Mux(counts, value[:8], 0))
            m.d.sync += square.eq(element * element)
            elements.append(delayed(m, element, 1, name=f"late{n}"))
            squares.append(square)
            late = delayed(m, counts, 2, name=f"counts{n}")
            # Entries are below 2^31; a tie goes away from zero.
            term = (entries[n] + (1 << (EXPONENTIAL_SHIFT - 1))) >> EXPONENTIAL_SHIFT
            exponentials.append(Mux(late, term, 0))
        terms = (
            (self.total, delayed(m, sum(elements), 1, name="elements_sum")),
            (self.squares, delayed(m, sum(squares), 1, name="squares_sum")),
            (self.exponentials, sum(exponentials)),
        )
        begins = row_first & first
        # Results leave the sums of their row as they are.
        with m.If(active & ~beside[-1]):
            for total, term in terms:
                m.d.sync += total.eq(Mux(begins, 0, total) + term)
        m.d.sync += self.row_done.eq(active & last & row_end)

    def _elaborate_results(self, m, beside, plain, entries, normalized):
        """Results gather to the sums of a step."""
        params, config = self._params, self.config
        active, last, emits = beside[0], beside[-4], beside[-1]
        phase = beside[1:-5]
        m.d.comb += self.completes.eq(active & last & emits)
        m.d.sync += self.valid.eq(self.completes)
        looked_up = function_is(config, "table", "softmax")
        for n in range(params.lanes):
            result = Signal(signed(SUM_BITS), name=f"result{n}")
            m.d.comb += result.eq(Mux(looked_up, entries[n].as_signed(), plain[n]))
            with m.If(function_is(config, "layer_norm")):
                m.d.comb += result.eq(normalized[n])
            for number, k in enumerate(range(n, params.width, params.lanes)):
                with m.If(active & (phase == number)):
                    m.d.sync += self.sums.word_select(k, SUM_BITS).eq(result)


def _of_phase(phase, values):
    """The value of a lane in a phase; the last one where a lane has none."""
    return values[0] if len(values) == 1 else Array(values)[phase]


def _largest(m, values):
    """The largest of some numbers, by a tree."""
    level = 0
    while len(values) > 1:
        pairs = []
        for n, (a, b) in enumerate(zip(values[::2], values[1::2])):
            larger = Signal(signed(8), name=f"larger{level}_{n}")
            m.d.comb += larger.eq(Mux(a > b, a, b))
            pairs.append(larger)
        values = pairs + (values[-1:] if len(values) % 2 else [])
        level += 1
    return values[0]
