"""Several sums to one, added pairwise."""

from amaranth.hdl import Module

from .network import Network, Routes, Tap

__all__ = ["AdderTree"]


class AdderTree(Network):
    """Adds all inputs in one cycle: a tree of as few levels as can be. Combinational.

    Parameters
    ----------
    count
        Inputs.
    width
        Bits of each, signed, and of the sum.
    """

    def __init__(self, count: int, width: int):
        taps = tuple(Tap(n, 0) for n in range(count))
        super().__init__(Routes(width, count, (taps,)), f"adder_tree_{count}x{width}")

    def elaborate(self, platform):
        m = Module()
        values = [self._word(n).as_signed() for n in range(self._routes.inputs)]
        while len(values) > 1:
            odd = values[-1:] if len(values) % 2 else []
            values = [a + b for a, b in zip(values[::2], values[1::2])] + odd
        m.d.comb += self.o.eq(values[0])
        return m
