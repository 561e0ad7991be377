"""A claim: an engine's start waits until the place it wants is free."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Claim"]


class Claim(wiring.Component):
    """Holds an engine's start back while what it wants is another than what is in use.

    An engine that wants what the one before it had, starts at once, so layers overlap. Else, or if
    it wants to begin anew, it waits until nothing of that is in use any more.

    Parameters
    ----------
    bits
        Of what is wanted: a place, and all that must not change under those who use it.

    Members
    -------
    start : ``In(1)``
        The engine should start; ``wanted`` is valid from now on.
    wanted : ``In(bits)``, anew : ``In(1)``
        With ``anew`` it changes even if it is the same: a region begins at its first word.
    illegal : ``In(1)``
        What is wanted cannot be; the engine never starts.
    empty : ``In(1)``
        What is in use may change.
    present : ``Out(bits)``
        In use: what was wanted last, from the cycle after ``pass_on``.
    pass_on : ``Out(1)``
        The engine's own start.
    changes : ``Out(1)``
        With ``pass_on``: what is in use changes.
    waiting : ``Out(1)``
        From the cycle after ``start`` until the engine has started.
    """

    def __init__(self, bits: int):
        self.module_name = f"claim_{bits}"
        super().__init__(
            {
                "start": In(1),
                "wanted": In(bits),
                "anew": In(1),
                "illegal": In(1),
                "empty": In(1),
                "present": Out(bits),
                "pass_on": Out(1),
                "changes": Out(1),
                "waiting": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        known = Signal()  # anything is in use
        other = Signal()  # another thing is wanted
        m.d.comb += [
            other.eq(~known | self.anew | (self.wanted != self.present)),
            self.pass_on.eq((self.start | self.waiting) & (~other | self.empty) & ~self.illegal),
            self.changes.eq(self.pass_on & other),
        ]
        m.d.sync += self.waiting.eq((self.start | self.waiting) & ~self.pass_on)
        with m.If(self.pass_on):
            m.d.sync += [self.present.eq(self.wanted), known.eq(1)]
        return m
