"""What the host can read about a run: cycles, steps, beats, and what each engine did or waited for.

The counters and what they mean stand in :mod:`rtl_gen.isa.counters`.
"""

from amaranth.hdl import Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...isa.counters import COUNTERS, unit
from ...isa.fields import WORD_BITS
from ..buffer.memory import address_bits
from ..place import place
from .tally import Tally

__all__ = ["Counters", "EventCounter"]


class EventCounter(wiring.Component):
    """Counts the cycles in which ``counted`` is high, modulo ``2**bits``.

    Parameters
    ----------
    bits
        Bits of the count.

    Members
    -------
    counted : ``In(1)``
    count : ``Out(bits)``
        Without this cycle.
    """

    def __init__(self, bits: int):
        if bits < 1:
            raise ValueError(f"bits must be at least 1, not {bits!r}")
        self.module_name = f"event_counter_{bits}"
        super().__init__({"counted": In(1), "count": Out(bits)})

    def elaborate(self, platform):
        m = Module()
        with m.If(self.counted):
            m.d.sync += self.count.eq(self.count + 1)
        return m


class Counters(wiring.Component):
    """The counters of a run: cleared when it starts, still from its end on.

    Parameters
    ----------
    engines
        Names of the engines that are there; the counters of others stay 0.
    bus_bytes, block
        Bytes of a beat; of a buffer word.
    input_reads
        Words that the feeder of the input moves in a cycle at most.

    Members
    -------
    clear, running : ``In(1)``
        A run begins; a run is on.
    busy, progress : ``In(engines)``
        Per engine: it has work; something of it moved.
    waits_room, waits_bus : ``In(engines)``
        Per engine: it waits for that, if it is busy and nothing moves; for room before the bus.
    transfers : ``In(engines)``
        Per engine: it moved a beat or a word.
    input_words : ``In(range(input_reads + 1))``
        With more than one of them: how many the feeder of the input moved.
    step, read_beat, write_beat : ``In(1)``
        A step was issued; a beat was read, or written.
    snapshot, making, read_enable, read_index, count
        As those of :class:`~rtl_gen.hw.control.tally.Tally`; in the order of ``COUNTERS``.
    """

    def __init__(self, engines: tuple[str, ...], bus_bytes: int, block: int, input_reads: int = 1):
        self._engines, self._bus_bytes, self._block = engines, bus_bytes, block
        self._input_reads = input_reads
        self.module_name = "counters"
        words = {"input_words": In(range(input_reads + 1))} if input_reads > 1 else {}
        super().__init__(
            {
                "clear": In(1),
                "running": In(1),
                **dict.fromkeys(
                    ("busy", "progress", "waits_room", "waits_bus", "transfers"), In(len(engines))
                ),
                **words,
                "step": In(1),
                "read_beat": In(1),
                "write_beat": In(1),
                "snapshot": In(1),
                "making": Out(1),
                "read_enable": In(1),
                "read_index": In(address_bits(len(COUNTERS))),
                "count": Out(WORD_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        names = [counter.name for counter in COUNTERS]
        tally = place(
            m,
            platform,
            "tally",
            Tally,
            tuple(map(self._shift, COUNTERS)),
            (names.index("CYCLES_HIGH"),),
            tuple(
                (n, self._input_reads)
                for n, counter in enumerate(COUNTERS)
                if (counter.engine, counter.kind) == ("feed_input", "BYTES")
            ),
        )
        events = self._elaborate_events(m)
        low = 0
        for counter in COUNTERS:
            event = events.get((counter.engine, counter.kind), Const(0))
            m.d.comb += tally.events[low : low + len(event)].eq(event)
            low += len(event)
        for name in ("clear", "running", "snapshot", "read_enable", "read_index"):
            m.d.comb += getattr(tally, name).eq(getattr(self, name))
        m.d.comb += [self.making.eq(tally.making), self.count.eq(tally.count)]
        return m

    def _shift(self, counter):
        """The binary logarithm of what an event adds to a counter."""
        if counter.kind != "BYTES":
            return 0
        size = unit(counter.engine, bus_bytes=self._bus_bytes, block=self._block)
        return size.bit_length() - 1

    def _elaborate_events(self, m):
        """What happens in a cycle, by engine and kind of counter."""
        events = {
            (None, "CYCLES_LOW"): Const(1),
            (None, "STEPS"): self.step,
            (None, "READ_BEATS"): self.read_beat,
            (None, "WRITE_BEATS"): self.write_beat,
        }
        transfers = {engine: self.transfers[n] for n, engine in enumerate(self._engines)}
        if self._input_reads > 1:
            transfers["feed_input"] = self.input_words
        for n, engine in enumerate(self._engines):
            waits = Signal(name=f"{engine}_waits")
            m.d.comb += waits.eq(self.busy[n] & ~self.progress[n])
            room, bus = self.waits_room[n], self.waits_bus[n]
            events |= {
                (engine, "BUSY"): self.busy[n],
                (engine, "WAIT_ROOM"): waits & room,
                (engine, "WAIT_BUS"): waits & ~room & bus,
                (engine, "WAIT_DATA"): waits & ~room & ~bus,
                (engine, "BYTES"): transfers[engine],
            }
        return events
