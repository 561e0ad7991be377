"""Requantization: from an accumulator to an int8 output, one an item a cycle.

Source: TFLite, ``common.h`` (MultiplyByQuantizedMultiplier), with and without
TFLITE_SINGLE_ROUNDING; gemmlowp, ``fixedpoint.h``. The order of operations is another, the results
are the same: a left shift followed by the rounding high multiply is one rounding of the whole
product, so that there is one shifter, behind the multiplier. It keeps only what an int8 can need.
"""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, Shape, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["RequantizeLane", "RequantizeParams"]

MULTIPLIER_BITS = 31
SHIFT_BITS = 6
OUTPUT_BITS = 8
FLOOR_BITS = OUTPUT_BITS + 1  # what lies outside it is clamped whatever the zero point
FINE_SHIFTS = (16, 8, 4, 2, 1)


@dataclass(frozen=True, kw_only=True)
class RequantizeParams:
    """Widths of a requantizer lane.

    Parameters
    ----------
    acc_bits, bias_bits
        Bits of an accumulator, 2 to 32, and of a bias.
    signed_multiplier
        Whether a multiplier may be negative: then it has 32 bits.

    Raises
    ------
    ValueError
        If a value is none of these.
    """

    acc_bits: int = 32
    bias_bits: int = 32
    signed_multiplier: bool = False

    def __post_init__(self):
        for name in ("acc_bits", "bias_bits"):
            value = getattr(self, name)
            if value not in range(2, 33):
                raise ValueError(f"{name} must be 2..32 bits, not {value!r}")

    @property
    def sum_bits(self) -> int:
        """Bits of accumulator and bias together; a sum beyond wraps and is reported."""
        return max(self.acc_bits, self.bias_bits)

    @property
    def multiplier(self) -> Shape:
        """Of a multiplier."""
        return signed(MULTIPLIER_BITS + 1) if self.signed_multiplier else unsigned(MULTIPLIER_BITS)

    @property
    def latency(self) -> int:
        """Cycles from an accumulator to its output."""
        return 4

    @property
    def layer_delay(self) -> int:
        """Cycles from an accumulator to where a lane uses the zero point and the limits."""
        return self.latency - 1

    @property
    def item(self) -> dict[str, In]:
        """What comes in with every accumulator."""
        return {
            "accumulator": In(signed(self.acc_bits)),
            "bias": In(signed(self.bias_bits)),
            "multiplier": In(self.multiplier),
            "shift": In(signed(SHIFT_BITS)),
            "single_rounding": In(1),
        }


LAYER = {name: In(signed(OUTPUT_BITS)) for name in ("output_zero", "act_min", "act_max")}
RESULT = {"output": Out(signed(OUTPUT_BITS)), "overflow": Out(1)}


class RequantizeLane(wiring.Component):
    """``clamp((accumulator + bias) * multiplier * 2^(shift - 31) + output_zero)``, rounded exactly.

    Double rounding: to an integer with 31 bits shifted out (a tie up), then, if ``shift`` is
    negative, by ``-shift`` more (a tie away from zero). Single rounding: once (a tie up). The two
    are one where ``shift`` is 0 or more; a left shift that takes the sum out of 32 bits, which the
    source leaves undefined, saturates.

    Latency ``params.latency`` cycles, one item a cycle, never stalls.

    Members
    -------
    accumulator, bias : ``In(signed)``
    multiplier : ``In(unsigned(31))``, or ``In(signed(32))``
    shift : ``In(signed(6))``
        -31 to 31; left if positive.
    single_rounding : ``In(1)``
    output_zero, act_min, act_max : ``In(signed(8))``
        Those of the item that came in ``params.layer_delay`` cycles ago: lanes side by side share
        the registers that hold them so long.
    output : ``Out(signed(8))``
    overflow : ``Out(1)``
        With the output: accumulator and bias did not fit in ``params.sum_bits``, and wrapped.
    """

    def __init__(self, params: RequantizeParams):
        self._params = params
        self.module_name = f"requantize_lane_{params.acc_bits}_{params.bias_bits}"
        self.module_name += "_signed" if params.signed_multiplier else ""
        super().__init__({**params.item, **LAYER, **RESULT})

    def elaborate(self, platform):
        m = Module()
        bits = self._params.sum_bits
        total = Signal(signed(bits + 1))
        m.d.comb += total.eq(self.accumulator + self.bias)
        summed = _delayed(m, total[:bits].as_signed(), "summed")
        multiplier = _delayed(m, self.multiplier, "multiplier")
        shift = _delayed(m, self.shift, "shift")
        # Whether the second rounding is wanted.
        twice = _delayed(m, ~self.single_rounding & (self.shift < 0), "twice")
        wrapped = total[-1] != total[-2]
        m.d.comb += self.overflow.eq(_delayed(m, wrapped, "wrapped", self._params.latency))

        floor, increment = self._elaborate_shift(m, summed * multiplier, shift, twice)
        self._elaborate_output(m, floor, increment)
        return m

    def _elaborate_shift(self, m, product, shift, twice):
        """``product >> (31 - shift)``, saturated, and whether rounding adds 1 to it.

        The number to shift by is ``32 * (shift < 0) + (~shift & 31)``. One more bit is kept below,
        the guard. Of the bits above only the sign matters, and whether one differs from it; of
        those below the guard, for the second rounding, whether all or any are set.
        """
        coarse_bits = FLOOR_BITS + 1 + sum(FINE_SHIFTS)
        right = shift[-1]
        guarded = Cat(0, product).as_signed()  # twice the product
        coarse = Signal(signed(coarse_bits))
        m.d.comb += coarse.eq(Mux(right, guarded >> 32, guarded))
        far = ~right & (guarded >> coarse_bits != Mux(product[-1], -1, 0))

        value = _delayed(m, coarse, "coarse")
        beyond = _delayed(m, far, "far")  # a bit above differs from the sign
        half = _delayed(m, product[30], "half")  # what the first rounding adds
        negative = _delayed(m, product[-1], "negative")
        fine = _delayed(m, ~shift[:5], "fine")
        twice = _delayed(m, twice, "twice_last")
        some, every = 0, 1
        for distance in FINE_SHIFTS:
            chosen = fine.bit_select(distance.bit_length() - 1, 1)
            kept = len(value) - distance
            shifted = Signal(signed(kept), name=f"shifted_{distance}")
            m.d.comb += shifted.eq(Mux(chosen, value >> distance, value))
            some |= chosen & value[:distance].any()
            every &= ~chosen | value[:distance].all()
            beyond |= ~chosen & (value[kept:] != negative.replicate(distance))
            value = shifted

        guard, floor = value[0], value[1:]
        beyond |= floor[-1] != negative
        saturated = Cat((~negative).replicate(FLOOR_BITS - 1), negative)
        # A tie goes away from zero, and what is rounded is floor plus half.
        second = Mux(negative, guard & (half | some), guard | (half & every))
        floor = _delayed(m, Mux(beyond, saturated, floor).as_signed(), "floor")
        return floor, _delayed(m, Mux(twice, second, guard), "increment")

    def _elaborate_output(self, m, floor, increment):
        """Add the zero point and clamp."""
        result = Signal(signed(FLOOR_BITS + 1))
        clamped = Signal(signed(OUTPUT_BITS))
        m.d.comb += [
            result.eq(floor + self.output_zero + increment),
            clamped.eq(result),
        ]
        with m.If(result < self.act_min):
            m.d.comb += clamped.eq(self.act_min)
        with m.Elif(result > self.act_max):
            m.d.comb += clamped.eq(self.act_max)
        m.d.comb += self.output.eq(_delayed(m, clamped, "clamped"))


def _delayed(m, value, name, cycles=1):
    """The value so many cycles later."""
    for n in reversed(range(cycles)):
        # No reset: what is not the result of an item is never looked at.
        later = Signal(value.shape(), name=f"{name}_{n}" if n else name, reset_less=True)
        m.d.sync += later.eq(value)
        value = later
    return value
