"""What the host can read about a run: cycles, engines' busy and stalled cycles, steps, beats."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..place import place

__all__ = ["Counters", "EventCounter"]

COUNT_BITS = 32
CYCLE_BITS = 64


class EventCounter(wiring.Component):
    """Counts the cycles in which ``counted`` is high, modulo ``2**bits``.

    Parameters
    ----------
    bits
        Bits of the count.

    Members
    -------
    clear : ``In(1)``
        Begins at 0; one in the same cycle is not counted.
    counted : ``In(1)``
    count : ``Out(bits)``
        Without this cycle.
    """

    def __init__(self, bits: int):
        if bits < 1:
            raise ValueError(f"bits must be at least 1, not {bits!r}")
        self.module_name = f"event_counter_{bits}"
        super().__init__({"clear": In(1), "counted": In(1), "count": Out(bits)})

    def elaborate(self, platform):
        m = Module()
        with m.If(self.clear):
            m.d.sync += self.count.eq(0)
        with m.Elif(self.counted):
            m.d.sync += self.count.eq(self.count + 1)
        return m


class Counters(wiring.Component):
    """The counters of a run: cleared when it starts, still from its end on.

    Parameters
    ----------
    engines
        How many engines are counted.

    Members
    -------
    clear, running : ``In(1)``
        A run begins; a run is on.
    busy, progress : ``In(engines)``
        Per engine: it has work; something of it moved.
    step, read_beat, write_beat : ``In(1)``
        A step was issued; a beat was read, or written.
    cycles : ``Out(64)``
    busy_cycles, stall_cycles : ``Out(32).array(engines)``
        Cycles busy; cycles busy without progress.
    steps, read_beats, write_beats : ``Out(32)``
    """

    def __init__(self, engines: int):
        if engines < 1:
            raise ValueError(f"engines must be at least 1, not {engines!r}")
        self._engines = engines
        self.module_name = f"counters_{engines}"
        super().__init__(
            {
                "clear": In(1),
                "running": In(1),
                "busy": In(engines),
                "progress": In(engines),
                "step": In(1),
                "read_beat": In(1),
                "write_beat": In(1),
                "cycles": Out(CYCLE_BITS),
                "busy_cycles": Out(COUNT_BITS).array(engines),
                "stall_cycles": Out(COUNT_BITS).array(engines),
                "steps": Out(COUNT_BITS),
                "read_beats": Out(COUNT_BITS),
                "write_beats": Out(COUNT_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()

        def count(name, event, output):
            counter = place(m, platform, name, EventCounter, len(output))
            m.d.comb += [
                counter.clear.eq(self.clear),
                counter.counted.eq(self.running & event),
                output.eq(counter.count),
            ]

        count("cycles_counter", 1, self.cycles)
        count("steps_counter", self.step, self.steps)
        count("read_beats_counter", self.read_beat, self.read_beats)
        count("write_beats_counter", self.write_beat, self.write_beats)
        for n in range(self._engines):
            busy, stall = self.busy[n], self.busy[n] & ~self.progress[n]
            count(f"busy_counter_{n}", busy, self.busy_cycles[n])
            count(f"stall_counter_{n}", stall, self.stall_cycles[n])
        return m
