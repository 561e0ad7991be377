"""A PE with scratchpads: inputs and filters come by tags, partial sums go down a chain."""

from dataclasses import dataclass

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...isa.tagged import TAG_BITS
from ..buffer.memory import Memory, address_bits
from ..place import place

__all__ = ["ELEMENTS", "GROUP", "ScratchpadPE", "ScratchpadParams"]

ELEMENTS = 4
"""Inputs on the bus in a cycle: of so many neighbouring rows of the tile, the first a multiple of
it; so a PE takes one at most.
"""

GROUP = 4
"""Weights that are written together: the filter bus brings so many a cycle, to one row of PEs."""


@dataclass(frozen=True)
class ScratchpadParams:
    """Sizes of a PE.

    Parameters
    ----------
    inputs, weights
        Words of the scratchpads; weights in whole groups.
    operand_bits
        Of an input and of a weight, both signed.
    sum_bits
        Of a partial sum: the products of a whole chain.
    """

    inputs: int
    weights: int
    operand_bits: int
    sum_bits: int

    def __post_init__(self):
        if self.weights % GROUP or self.weights < 2 * GROUP:
            raise ValueError(
                f"a filter scratchpad holds whole groups of {GROUP}, at least two, "
                f"not {self.weights!r} words"
            )
        if self.inputs < 2:
            raise ValueError(f"an input scratchpad holds at least 2 words, not {self.inputs!r}")

    @property
    def slot_bits(self) -> int:
        return address_bits(self.inputs)

    @property
    def group_bits(self) -> int:
        return address_bits(self.weights // GROUP)

    @property
    def weight_bits(self) -> int:
        """Of a weight's place in its scratchpad."""
        return address_bits(self.weights)


class ScratchpadPE(wiring.Component):
    """One multiplier, one adder, two scratchpads, one sum on its way and one that is complete.

    A MAC takes three cycles: the words are read (``read``), multiplied, added (``add``). The first
    of a period (``first``) adds the sum from above, the last (``last``) hands the sum on.

    Members
    -------
    set : ``In(1)``, row_offset, column_offset : ``In(TAG_BITS)``
        The tag becomes the sum of the two.
    take : ``In(1)``, at : ``In(TAG_BITS)``, elements : ``In``, slot : ``In``
        Inputs are on the bus for this row of PEs, with tags from ``at`` on; the one whose tag is
        the PE's goes to ``slot``.
    write : ``In(1)``, group : ``In``, weights : ``In``
        A group of weights.
    read : ``In(1)``, input_at, weight_at : ``In``
        A MAC begins, with these words.
    byte : ``In``, a cycle behind ``read``: which weight of the group.
    add, first, last : ``In(1)``, two cycles behind.
    above : ``In(sum_bits)``, sum : ``Out(sum_bits)``
        The sum that comes down; the one of the period before.
    """

    def __init__(self, params: ScratchpadParams):
        self._params = p = params
        self.module_name = "scratchpad_pe"
        super().__init__(
            {
                "set": In(1),
                "row_offset": In(TAG_BITS),
                "column_offset": In(TAG_BITS),
                "take": In(1),
                "at": In(TAG_BITS),
                "elements": In(ELEMENTS * p.operand_bits),
                "slot": In(p.slot_bits),
                "write": In(1),
                "group": In(p.group_bits),
                "weights": In(GROUP * p.operand_bits),
                "read": In(1),
                "input_at": In(p.slot_bits),
                "weight_at": In(p.group_bits),
                "byte": In(range(GROUP)),
                "add": In(1),
                "first": In(1),
                "last": In(1),
                "above": In(signed(p.sum_bits)),
                "sum": Out(signed(p.sum_bits)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p, bits = self._params, self._params.operand_bits
        inputs = place(m, platform, "input_pad", Memory, bits, p.inputs)
        weights = place(m, platform, "weight_pad", Memory, GROUP * bits, p.weights // GROUP)
        tag, low = Signal(TAG_BITS), (ELEMENTS - 1).bit_length()
        with m.If(self.set):
            m.d.sync += tag.eq(self.row_offset + self.column_offset)
        m.d.comb += [
            inputs.write_enable.eq(self.take & (self.at[low:] == tag[low:])),
            inputs.write_address.eq(self.slot),
            inputs.write_data.eq(self.elements.word_select(tag[:low], bits)),
            inputs.read_enable.eq(self.read),
            inputs.read_address.eq(self.input_at),
            weights.write_enable.eq(self.write),
            weights.write_address.eq(self.group),
            weights.write_data.eq(self.weights),
            weights.read_enable.eq(self.read),
            weights.read_address.eq(self.weight_at),
        ]
        weight = Signal(signed(bits))
        product = Signal(signed(2 * bits))
        kept, total = Signal(signed(p.sum_bits)), Signal(signed(p.sum_bits))
        m.d.comb += [
            weight.eq(weights.read_data.word_select(self.byte, bits)),
            total.eq(Mux(self.first, self.above, kept) + product),
        ]
        m.d.sync += product.eq(inputs.read_data.as_signed() * weight)
        with m.If(self.add):
            m.d.sync += kept.eq(total)
            with m.If(self.last):
                m.d.sync += self.sum.eq(total)
        return m
