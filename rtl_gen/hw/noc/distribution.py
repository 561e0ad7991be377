"""Words to lanes, each lane in its own time: broadcast, systolic edge and distribution tree."""

from amaranth.hdl import Cat, Module, Signal

from .network import Network, Routes

__all__ = ["Distribution"]


class Distribution(Network):
    """Hands each word to all its lanes, to each as many cycles late as its route says.

    Lanes of one word take from one chain of registers: with the delays 0, 0, 0 it is a broadcast,
    with 0, 1, 2 a systolic edge, with 0, 0, 1, 1 a tree that brings a word to one group after the
    other. All words that pass a stage lie in one wide register, so that the module stays small
    however many lanes there are. To be elaborated, each output must be made of one input.
    """

    def __init__(self, routes: Routes, name: str = "distribution"):
        super().__init__(routes, name)

    def elaborate(self, platform):
        m = Module()
        routes, width = self._routes, self._routes.width
        if not routes.distributes:
            raise ValueError("each lane carries one word; a Collection adds several")
        last = [0] * routes.inputs
        for ((source, delay),) in routes.outputs:
            last[source] = max(last[source], delay)
        chain = [[self._word(n)] for n in range(routes.inputs)]
        for stage in range(routes.delay):
            passing = [n for n in range(routes.inputs) if last[n] > stage]
            register = Signal(width * len(passing), name=f"stage{stage}")
            m.d.sync += register.eq(Cat(chain[n][stage] for n in passing))
            for k, n in enumerate(passing):
                chain[n].append(register[k * width : (k + 1) * width])
        m.d.comb += self.o.eq(Cat(chain[source][delay] for ((source, delay),) in routes.outputs))
        return m
