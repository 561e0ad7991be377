"""The scale of a row: a reciprocal or a reciprocal square root, by Newton's method.

Source: gemmlowp, ``fixedpoint.h`` (one_over_one_plus_x_for_x_in_0_1), as TFLite's
``reference/softmax.h`` uses it; golden/layer_norm.py.
"""

from amaranth.hdl import Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...isa.vector import CONSTANT_BITS, LENGTH_BITS

__all__ = ["RowScale"]

TOTAL_BITS = 20  # of a row's sum, signed
SQUARE_BITS = 27
VALUE_BITS = 40  # of what is inverted
FACTOR_BITS = 33  # of a factor, signed

ONE = 1 << 29  # in Q2.29
FIRST = round(48 / 17 * ONE)
SLOPE = round(32 / 17 * ONE)

RECIPROCAL_RIGHT = 34
ROOT_RIGHT = 16
"""Places that a product goes to the right, for a value that was not moved to the left."""

MOST_RIGHT = 31
"""Places that post-processing can."""


class RowScale(wiring.Component):
    """Finds a row's scale, some 60 cycles from ``start``.

    Of a sum of exponentials (Q12.19, 1 or more) the reciprocal: ``multiplier`` (Q0.31) and the
    ``right`` shift that leads to units of 1/256. Of a row's sum and sum of squares the reciprocal
    root of N Q - S^2 + constant, as ``golden.layer_norm`` has it: 18 bits of ``multiplier`` and the
    ``right`` shift that leaves 16 fractional bits.

    Each multiplication takes three cycles: its factors, the product, what follows from it.

    Members
    -------
    start : ``In(1)``, root : ``In(1)``
        Which of the two; inputs stay until it is done.
    exponentials : ``In(31)``
    length : ``In(12)``, total : ``In(signed(20))``, squares : ``In(27)``, constant : ``In(38)``
    seed_address : ``Out(8)``, seed : ``In(32)``
        The table that the root starts from; its entry a cycle behind the address.
    busy : ``Out(1)``
    multiplier : ``Out(31)``, right : ``Out(6)``
    """

    def __init__(self):
        self.module_name = "row_scale"
        super().__init__(
            {
                "start": In(1),
                "root": In(1),
                "exponentials": In(31),
                "length": In(LENGTH_BITS),
                "total": In(signed(TOTAL_BITS)),
                "squares": In(SQUARE_BITS),
                "constant": In(CONSTANT_BITS),
                "seed_address": Out(8),
                "seed": In(32),
                "busy": Out(1),
                "multiplier": Out(31),
                "right": Out(6),
            }
        )
        self._x = Signal(signed(FACTOR_BITS), name="x")

    def elaborate(self, platform):
        m = Module()
        a, b = Signal(signed(FACTOR_BITS)), Signal(signed(FACTOR_BITS))
        product = Signal(signed(2 * FACTOR_BITS))
        high = Signal(signed(FACTOR_BITS))  # the product of two numbers Q0.31, rounded
        third = Signal(range(3))  # of a multiplication
        value = Signal(VALUE_BITS)  # what is inverted, then brought into its range
        moved = Signal(signed(6))  # by how many places to the left, or pairs of them
        number = Signal(range(8))  # of the multiplication
        m.d.sync += product.eq(a * b)
        m.d.comb += [high.eq((product + (1 << 30)) >> 31), self.seed_address.eq(value[24:32])]
        before = (
            (self.length, self.squares, value.eq(product + self.constant)),
            (self.total, self.total, value.eq(value - product)),
        )
        reciprocal, root = self._newton(m, value, product, high)

        def multiply(steps):
            """One multiplication of a list: three cycles."""
            m.d.sync += third.eq(Mux(third == 2, 0, third + 1))
            with m.If(third == 2):
                m.d.sync += number.eq(number + 1)
            with m.Switch(number):
                for n, (first, second, then) in enumerate(steps):
                    with m.Case(n):
                        m.d.sync += [a.eq(first), b.eq(second)]
                        with m.If(third == 2):
                            m.d.sync += then

        with m.FSM(name="scale") as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("idle"))
            with m.State("idle"):
                m.d.sync += [value.eq(self.exponentials), moved.eq(0), number.eq(0)]
                with m.If(self.start & self.root):
                    m.next = "variance"
                with m.Elif(self.start):
                    m.next = "range"
            with m.State("variance"):
                multiply(before)
                with m.If((third == 2) & (number == len(before) - 1)):
                    m.d.sync += number.eq(0)
                    m.next = "range"
            with m.State("range"):
                self._elaborate_range(m, value, moved)
            for name, steps in (("reciprocal", reciprocal), ("root", root)):
                with m.State(name):
                    multiply(steps)
                    with m.If((third == 2) & (number == len(steps) - 1)):
                        m.next = "end"
            with m.State("end"):
                self._elaborate_end(m, moved)
                m.next = "idle"
        return m

    def _newton(self, m, value, product, high):
        """Multiplications of the two, each with its factors and what follows from the product."""
        x, other = self._x, Signal(signed(FACTOR_BITS))
        reciprocal = [(value, Const(-SLOPE, signed(FACTOR_BITS)), x.eq(high + FIRST))]
        for _ in range(3):
            reciprocal += [
                (value, x, other.eq(ONE - high)),
                (x, other, x.eq(x + (high << 2))),
            ]
        root = [(x, x, x.eq(self.seed))]  # the product is not used: the entry takes its time
        for _ in range(2):
            root += [
                (x, x, other.eq(product >> 30)),
                (value, other, other.eq((3 << 30) - (product >> 30))),
                (x, other, x.eq(product >> 31)),
            ]
        return reciprocal, root

    def _elaborate_range(self, m, value, moved):
        """Bring the value to 2^30 and above: below 2^31, or, by two places a time, below 2^32."""
        with m.If(~self.root):
            with m.If(value[30]):
                m.next = "reciprocal"
            with m.Else():
                m.d.sync += [value.eq(value << 1), moved.eq(moved + 1)]
        with m.Elif(value[32:].any()):
            m.d.sync += [value.eq(value >> 2), moved.eq(moved - 1)]
        with m.Elif(value[30:32].any() | (moved == 15)):  # of 0 all differences are 0 as well
            m.next = "root"
        with m.Else():
            m.d.sync += [value.eq(value << 2), moved.eq(moved + 1)]

    def _elaborate_end(self, m, moved):
        """The multiplier and the shift that belongs to it."""
        doubled, right = Signal(FACTOR_BITS), Signal(6)
        m.d.comb += [
            doubled.eq(self._x << 1),
            right.eq(Mux(self.root, ROOT_RIGHT, RECIPROCAL_RIGHT) - moved),
        ]
        with m.If(self.root):
            m.d.sync += [self.multiplier.eq((self._x + (1 << 12)) >> 13), self.right.eq(right)]
        with m.Elif(right > MOST_RIGHT):  # nothing is left
            m.d.sync += [self.multiplier.eq(0), self.right.eq(MOST_RIGHT)]
        with m.Else():
            full = doubled[31:].any()
            m.d.sync += [
                self.multiplier.eq(Mux(full, (1 << 31) - 1, doubled)),
                self.right.eq(right),
            ]
