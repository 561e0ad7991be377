"""Registers that put time between a step and the PEs it reaches."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Skew"]


class Skew(wiring.Component):
    """Delays each of some signals by its own number of cycles.

    All signals that pass a stage lie in one wide register, so that the module stays small
    however many lanes there are.

    Parameters
    ----------
    delays
        Cycles, for each signal.
    width
        Bits of each signal.
    name
        Of the module.

    Members
    -------
    i : ``In(width * len(delays))``, o : ``Out`` of the same width; the first signal lowest.
    """

    def __init__(self, delays: tuple[int, ...], width: int, name: str):
        self._delays, self._width = delays, width
        self.module_name = name
        super().__init__({"i": In(width * len(delays)), "o": Out(width * len(delays))})

    def elaborate(self, platform):
        m = Module()
        width = self._width
        now = {n: self.i[n * width : (n + 1) * width] for n in range(len(self._delays))}
        for stage in range(max(self._delays, default=0)):
            passing = [n for n, delay in enumerate(self._delays) if delay > stage]
            register = Signal(width * len(passing), name=f"stage{stage}")
            m.d.sync += register.eq(Cat(now[n] for n in passing))
            for k, n in enumerate(passing):
                now[n] = register[k * width : (k + 1) * width]
        m.d.comb += self.o.eq(Cat(now.values()))
        return m
