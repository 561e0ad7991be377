"""A fence: an engine's start waits until the layers it depends on are complete."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Fence"]

COUNT_BITS = 16


class Fence(wiring.Component):
    """Holds the start of a load back until ``completed`` layers have reached ``after``.

    Both are counts modulo 2^16; they may lie up to 2^15 - 1 apart.

    Members
    -------
    start : ``In(1)``
        The engine should start; ``fenced`` and ``after`` are valid from now on.
    fenced : ``In(1)``, after : ``In(16)``, completed : ``In(16)``
    pass_on : ``Out(1)``
        The engine's own start.
    waiting : ``Out(1)``
        From the cycle after ``start`` until the engine has started.
    """

    start: In(1)
    fenced: In(1)
    after: In(COUNT_BITS)
    completed: In(COUNT_BITS)
    pass_on: Out(1)
    waiting: Out(1)

    module_name = "fence"

    def elaborate(self, platform):
        m = Module()
        open_ = Signal()
        ahead = Signal(COUNT_BITS)  # by how many layers; the highest bit is its sign
        m.d.comb += [
            ahead.eq(self.completed - self.after),
            open_.eq(~self.fenced | ~ahead[-1]),
            self.pass_on.eq((self.start | self.waiting) & open_),
        ]
        m.d.sync += self.waiting.eq((self.start | self.waiting) & ~open_)
        return m
