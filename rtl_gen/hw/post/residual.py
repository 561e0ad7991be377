"""The residual addition: a layer's outputs and a tensor of the same shape, both int8.

Source: TFLite, ``reference/integer_ops/add.h``: both operands, less their zero points and shifted
left by 20, are brought to one scale, added, and requantized.
"""

from amaranth.hdl import Module, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...isa.descriptors import ADDITION
from ..layouts import layout_of
from ..place import place
from .requantize import RequantizeLane, RequantizeParams

__all__ = ["AddLane", "Rescale"]

LEFT_SHIFT = 20
HIGH_SHIFT = 31
SCALED_BITS = 9 + LEFT_SHIFT
"""An operand after rescaling: no more than before, since factors are below 1."""


class Rescale(wiring.Component):
    """``(value - zero) * 2^20 * multiplier * 2^(-31 - right)``, rounded as TFLite does.

    Double rounding: after 31 bits (a tie up), then after ``right`` more (a tie away from zero).
    Single rounding: once (a tie up). Latency 2 cycles.

    Members
    -------
    value, zero : ``In(signed(8))``
    multiplier : ``In(unsigned(31))``, right : ``In(unsigned(5))``, single_rounding : ``In(1)``
        Those of the layer; must stay while values are under way.
    o : ``Out(signed(29))``
    """

    value: In(signed(8))
    zero: In(signed(8))
    multiplier: In(unsigned(31))
    right: In(unsigned(5))
    single_rounding: In(1)
    o: Out(signed(SCALED_BITS))

    module_name = "rescale"

    def elaborate(self, platform):
        m = Module()
        low = HIGH_SHIFT - LEFT_SHIFT
        product = Signal(signed(9 + 31))
        high, half = Signal(signed(SCALED_BITS + 1)), Signal(SCALED_BITS + 2)
        first, away = Signal(), Signal()
        m.d.sync += product.eq((self.value - self.zero) * self.multiplier)
        m.d.comb += [
            # With one rounding, and more to come, nothing is rounded here.
            first.eq(~self.single_rounding | (self.right == 0)),
            high.eq((product + (first << (low - 1))) >> low),
            half.eq((1 << self.right) >> 1),
            away.eq(high[-1] & ~self.single_rounding & (self.right != 0)),
        ]
        m.d.sync += self.o.eq((high + half - away) >> self.right)
        return m


class AddLane(wiring.Component):
    """Adds one output and the residual's element to it; one a cycle.

    Members
    -------
    own, residual : ``In(signed(8))``
    layer : ``In(layout_of(ADDITION))``
        Must stay while values are under way.
    output : ``Out(signed(8))``
        :data:`LATENCY` cycles later.
    """

    own: In(signed(8))
    residual: In(signed(8))
    layer: In(layout_of(ADDITION))
    output: Out(signed(8))

    module_name = "add_lane"

    requantizer = RequantizeParams(acc_bits=SCALED_BITS + 1, bias_bits=SCALED_BITS)
    LATENCY = 2 + requantizer.latency

    def elaborate(self, platform):
        m = Module()
        layer = self.layer
        scaled = []
        for name in ("own", "residual"):
            part = place(m, platform, name, Rescale)
            m.d.comb += [
                part.value.eq(getattr(self, name)),
                part.zero.eq(layer[f"{name}_zero"]),
                part.multiplier.eq(layer[f"{name}_multiplier"]),
                part.right.eq(layer[f"{name}_right"]),
                part.single_rounding.eq(layer.sum_single_rounding),
            ]
            scaled.append(part.o)
        total = place(m, platform, "sum", RequantizeLane, self.requantizer)
        m.d.comb += [
            total.accumulator.eq(scaled[0]),
            total.bias.eq(scaled[1]),
            total.multiplier.eq(layer.sum_multiplier),
            total.shift.eq(layer.sum_shift),
            total.single_rounding.eq(layer.sum_single_rounding),
            total.output_zero.eq(layer.sum_zero),
            total.act_min.eq(layer.sum_min),
            total.act_max.eq(layer.sum_max),
            self.output.eq(total.output),
        ]
        return m
