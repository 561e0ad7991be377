"""The bound on every wait: a run without progress ends with an error."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Watchdog"]

COUNT_BITS = 32


class Watchdog(wiring.Component):
    """Counts cycles in which a run is on and nothing moves.

    Members
    -------
    limit : ``In(32)``
        Cycles without progress that are too many; 0: never.
    running : ``In(1)``
        A run is on; while low nothing is counted.
    progress : ``In(1)``
        Something moved in this cycle: the count begins anew.
    expired : ``Out(1)``
        High in the cycle after the limit's last, for as long as nothing moves.
    """

    limit: In(COUNT_BITS)
    running: In(1)
    progress: In(1)
    expired: Out(1)

    module_name = "watchdog"

    def elaborate(self, platform):
        m = Module()
        self.count = count = Signal(COUNT_BITS)  # cycles without progress before this one
        with m.If(~self.running | self.progress):
            m.d.sync += count.eq(0)
        with m.Elif(~count.all()):
            m.d.sync += count.eq(count + 1)
        # Not equality: the host may lower the limit while the count is above it.
        m.d.comb += self.expired.eq(self.running & (self.limit != 0) & (count >= self.limit))
        return m
