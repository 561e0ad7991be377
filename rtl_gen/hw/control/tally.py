"""Many counters in a memory, of which a snapshot can be taken."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...isa.fields import WORD_BITS
from ..buffer.memory import Memory, address_bits
from ..place import place

__all__ = ["SweepCounter", "Tally"]


class SweepCounter(wiring.Component):
    """Counts what happens in the cycles of each sweep.

    Parameters
    ----------
    bits
        Of a count; no more may happen in a sweep than that holds.
    most
        What happens in a cycle at most.

    Members
    -------
    counted : ``In(range(most + 1))``
    ends : ``In(1)``
        The sweep's last cycle.
    before : ``Out(bits)``
        The count of the sweep before this one.
    """

    def __init__(self, bits: int, most: int = 1):
        self.module_name = f"sweep_counter_{bits}" + (f"_most{most}" if most > 1 else "")
        super().__init__({"counted": In(range(most + 1)), "ends": In(1), "before": Out(bits)})

    def elaborate(self, platform):
        m = Module()
        count, after = Signal.like(self.before), Signal.like(self.before)
        m.d.comb += after.eq(count + self.counted)
        m.d.sync += count.eq(Mux(self.ends, 0, after))
        with m.If(self.ends):
            m.d.sync += self.before.eq(after)
        return m


class Tally(wiring.Component):
    """Counts events in flip-flops for one sweep, and adds them to a memory in the next.

    A sweep visits each counter once, one a cycle, so few bits count what happens meanwhile. All
    begin their sweep in one cycle: where a sweep also writes its sums to a second memory, that
    holds the counts of a single cycle. Those are what is read. Sweeps go on while there is
    anything to count or to copy; the first after reset clears both memories.

    Parameters
    ----------
    shifts
        For each counter the binary logarithm of what an event adds.
    carries
        Counters that count the carries of the one before.
    most
        How many events of a counter come in a cycle at most, by its number; 1 where not named.

    Members
    -------
    clear : ``In(1)``
        All counters begin at 0. Allowed only while neither ``running`` nor ``making``.
    running : ``In(1)``
        Events count. When it falls a snapshot is taken.
    events : ``In``
        How many events of each counter come, the first counter's lowest.
    snapshot : ``In(1)``
        One is taken, of a cycle that is no earlier.
    making : ``Out(1)``
        From the cycle after ``snapshot``, or after the run's last, until it is whole: two sweeps
        and a cycle at most.
    read_enable, read_index : ``In``
        Which counter to read; allowed only while ``making`` is low.
    count : ``Out(32)``
        In the next cycle: that counter, modulo ``2**32``, as of the last snapshot.
    """

    def __init__(
        self,
        shifts: tuple[int, ...],
        carries: tuple[int, ...] = (),
        most: tuple[tuple[int, int], ...] = (),
    ):
        if len(shifts) < 2:
            raise ValueError(f"a tally must have at least 2 counters, not {len(shifts)}")
        self._shifts, self._carries, self._most = shifts, carries, dict(most)
        self.module_name = "tally"
        widths = [self._most.get(n, 1).bit_length() for n in range(len(shifts))]
        super().__init__(
            {
                "clear": In(1),
                "running": In(1),
                "events": In(sum(widths)),
                "snapshot": In(1),
                "making": Out(1),
                "read_enable": In(1),
                "read_index": In(address_bits(len(shifts))),
                "count": Out(WORD_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        position = Signal(range(len(self._shifts)))
        moves = Signal()  # a counter is visited
        ends = Signal()  # it is the sweep's last
        copies = Signal(init=1)  # the sweep is copied
        fresh = Signal(init=1)  # it is the first: what the memory holds does not count
        asked = Signal()
        ran = Signal()
        pending = Signal()

        m.d.comb += [
            pending.eq(asked | (ran & ~self.running)),
            moves.eq(self.running | pending | copies),
            ends.eq(moves & (position == len(self._shifts) - 1)),
        ]
        m.d.sync += [
            ran.eq(self.running),
            asked.eq((pending | self.snapshot) & ~ends),
        ]
        with m.If(ends):
            m.d.sync += [position.eq(0), copies.eq(pending | self.snapshot), fresh.eq(0)]
        with m.Elif(moves):
            m.d.sync += position.eq(position + 1)
        with m.If(self.clear):
            m.d.sync += fresh.eq(1)
        added = self._elaborate_events(m, platform, position, ends)
        written = self._elaborate_sums(m, platform, position, moves, copies, fresh, added)
        m.d.comb += self.making.eq(pending | copies | written)
        return m

    def _elaborate_events(self, m, platform, position, ends):
        """Count until the sweep's end; return what the counter visited had in the sweep before."""
        cycles = len(self._shifts)  # of a sweep: as many as there are counters
        held, low = [], 0
        for n, shift in enumerate(self._shifts):
            most = self._most.get(n, 1)
            bits, parts = (cycles * most).bit_length(), () if most == 1 else (most,)
            counter = place(m, platform, f"counter{n}", SweepCounter, bits, *parts)
            events = self.events[low : low + most.bit_length()]
            counted = events & self.running if most == 1 else Mux(self.running, events, 0)
            m.d.comb += [counter.counted.eq(counted), counter.ends.eq(ends)]
            low += most.bit_length()
            held.append(Cat(Const(0, shift), counter.before))
        return Array(held)[position]

    def _elaborate_sums(self, m, platform, position, moves, copies, fresh, added):
        """Add to the counter visited, a cycle later; return whether that is then copied."""
        depth = len(self._shifts)
        sums = place(m, platform, "sums", Memory, WORD_BITS, depth)
        shown = place(m, platform, "shown", Memory, WORD_BITS, depth)
        place_ = Signal.like(position, name="late_position")
        writes, written, first = Signal(), Signal(), Signal()
        amount = Signal(len(added))
        total = Signal(WORD_BITS + 1)
        carry = Signal()
        takes_carry = Signal()
        m.d.sync += [
            place_.eq(position),
            writes.eq(moves),
            written.eq(moves & copies),
            first.eq(fresh),
            amount.eq(added),
            carry.eq(total[-1]),
        ]
        m.d.comb += [
            takes_carry.eq(Cat(place_ == n for n in self._carries).any() if self._carries else 0),
            total.eq(Mux(first, 0, sums.read_data) + amount + (carry & takes_carry)),
            sums.read_enable.eq(moves),
            sums.read_address.eq(position),
            sums.write_enable.eq(writes),
            shown.write_enable.eq(written),
            shown.read_enable.eq(self.read_enable),
            shown.read_address.eq(self.read_index),
            self.count.eq(shown.read_data),
        ]
        for memory in (sums, shown):
            m.d.comb += [memory.write_address.eq(place_), memory.write_data.eq(total[:WORD_BITS])]
        return written
