"""Sums to words: what left at different times is brought into one cycle and added."""

from amaranth.hdl import Cat, Module, Signal

from ..place import place
from .adder_tree import AdderTree
from .network import Network, Routes

__all__ = ["Collection"]


class Collection(Network):
    """Brings inputs to their outputs, each as late as its tap says; adds those of one output.

    What waits longest is taken first, and what comes later is added to it on the way: so an output
    has one register a cycle, however many inputs it is made of. All outputs that pass a stage lie
    in one wide register.
    """

    def __init__(self, routes: Routes, name: str = "collection"):
        super().__init__(routes, name)

    def elaborate(self, platform):
        m = Module()
        routes, width = self._routes, self._routes.width
        carried: list = [None] * len(routes.outputs)
        for left in range(routes.delay, -1, -1):
            for n, taps in enumerate(routes.outputs):
                parts = [self._word(source) for source, delay in taps if delay == left]
                if carried[n] is not None:
                    parts.append(carried[n])
                if parts:
                    carried[n] = self._sum(m, platform, f"sum{n}_{left}", parts)
            passing = [n for n, value in enumerate(carried) if value is not None]
            if left and passing:
                register = Signal(width * len(passing), name=f"stage{routes.delay - left}")
                m.d.sync += register.eq(Cat(carried[n] for n in passing))
                for k, n in enumerate(passing):
                    carried[n] = register[k * width : (k + 1) * width]
        m.d.comb += self.o.eq(Cat(carried))
        return m

    def _sum(self, m, platform, name, parts):
        if len(parts) == 1:
            return parts[0]
        tree = place(m, platform, name, AdderTree, len(parts), self._routes.width)
        m.d.comb += tree.i.eq(Cat(parts))
        return tree.o
