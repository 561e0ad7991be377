"""A bench for the engines: AXI memory, nests and records in plain Python.

Everything moves at clock edges: ``step`` gets what was sampled at one and says what to drive
behind it.
"""

import random
from collections import deque

from amaranth.hdl import Cat, Value
from amaranth.sim import Simulator

from rtl_gen.isa.fields import Field, Record, nest_fields

COORDINATE_BITS = 10


def load_record(name="load_input", *, levels=3, checks=1, clips=True) -> Record:
    forms, limits = {"offset": 20}, []
    if clips:
        forms["x"] = COORDINATE_BITS
        limits.append(Field("x_limit", COORDINATE_BITS - 1))
    for n in range(checks):
        forms[f"y{n}"] = COORDINATE_BITS
        limits.append(Field(f"y{n}_limit", COORDINATE_BITS - 1))
    nest = nest_fields(levels=levels, forms=forms, events={})
    return Record(name, (Field("base", 64), *limits, *nest))


def store_record(words, *, levels=3) -> Record:
    forms = {"offset": 20, "index": words.bit_length() + 1}
    nest = nest_fields(levels=levels, forms=forms, events={"shrink": words.bit_length()})
    return Record("store", (Field("base", 64), Field("interrupt", 1), Field("keep", 1), *nest))


def items(values, levels, forms):
    """What a nest without parents gives out: the run, each form, the level that advances next.

    The last item has level None.
    """
    trips = [values.get(f"bound{n}", 0) + 1 for n in range(levels)]
    counters = [0] * levels
    while True:
        level = next((n for n in range(1, levels) if counters[n] + 1 < trips[n]), None)
        item = {"run": trips[0], "level": level}
        for form in forms:
            item[form] = values.get(f"{form}_base", 0) + sum(
                counters[n] * values.get(f"{form}{n}", 0) for n in range(1, levels)
            )
        yield item
        if level is None:
            return
        counters[level] += 1
        counters[1:level] = [0] * (level - 1)


def contents(address, size):
    """Bytes of a memory that holds something else everywhere, as an integer."""
    whole = [
        ((at * 0x9E3779B97F4A7C15 >> 7) ^ (at >> 3)) & 0xFF for at in range(address, address + size)
    ]
    return int.from_bytes(bytes(whole), "little")


def ar_length(dut):
    """The length of what stands on AR, and the id above it: one sample for both."""
    return Cat(dut.ar.payload.length, dut.ar.payload.id)


class Axi:
    """A memory that checks each burst, with a latency and random stalls."""

    def __init__(self, bus_bits, *, latency=20, stalls=0.0, seed=0, most_beats=16):
        self.bus = bus_bits // 8
        self.latency, self.stalls, self.most_beats = latency, stalls, most_beats
        self.rng = random.Random(f"axi {seed}")
        self.now = 0
        self.bursts = []  # (address, beats) of all

    def runs(self):
        return self.rng.random() >= self.stalls

    def check(self, address, length):
        beats = length + 1
        assert beats <= self.most_beats
        assert address % self.bus == 0
        assert address // 4096 == (address + beats * self.bus - 1) // 4096, "crosses a page"
        self.bursts.append((address, beats))


class ReadMemory(Axi):
    """Answers requests of one id in order; those of others before, behind or between.

    What it samples as the length has the id above it (:func:`ar_length`).
    """

    def __init__(self, bus_bits, **options):
        super().__init__(bus_bits, **options)
        self.queues, self.ready, self.valid = {}, 0, 0
        self.serves = None  # the id whose beat stands
        self.times = []  # of beats
        self.waited = None  # request that was valid and not taken

    @property
    def rate(self):
        """Beats a cycle, from the first to the last."""
        return (len(self.times) - 1) / (self.times[-1] - self.times[0])

    def step(self, ctx, ar, r, valid, address, length, r_ready):
        self.now += 1
        if self.waited is not None:
            assert (valid, address, length) == self.waited, "a waiting request changed"
        self.waited = (1, address, length) if valid and not self.ready else None
        if valid and self.ready:
            self.check(address, length & 255)
            queue = self.queues.setdefault(length >> 8, deque())
            for beat in range((length & 255) + 1):
                at = address + beat * self.bus
                queue.append((self.now + self.latency, at, beat == length & 255))
        if self.valid and r_ready:
            self.queues[self.serves].popleft()
            self.times.append(self.now)
        waits = self.valid and not r_ready
        if not waits:
            self.serves = self.choice()
        self.valid = int(self.serves is not None and (waits or self.runs()))
        self.ready = int(self.runs())
        ctx.set(ar.ready, self.ready)
        ctx.set(r.valid, self.valid)
        if self.valid and not waits:
            _, at, last = self.queues[self.serves][0]
            beat = {"data": contents(at, self.bus), "response": 0, "last": last, "id": self.serves}
            ctx.set(r.payload, beat)

    def choice(self):
        """The id of the next beat, of those whose time has come."""
        ready = [n for n, queue in self.queues.items() if queue and queue[0][0] <= self.now + 1]
        return self.rng.choice(ready) if ready else None


class WriteMemory(Axi):
    """Takes addresses and data in any order; ``bytes`` holds what was written.

    ``answer`` is the response to the burst at an address.
    """

    def __init__(self, bus_bits, *, answer=lambda address: 0, **options):
        super().__init__(bus_bits, **options)
        self.answer = answer
        self.bytes = {}
        self.addresses, self.data, self.answers = deque(), deque(), deque()
        self.aw_ready = self.w_ready = self.b_valid = 0
        self.beats = self.answered = 0

    def step(self, ctx, aw, w, b, aw_valid, address, length, w_valid, word, strobe, last, b_ready):
        self.now += 1
        if aw_valid and self.aw_ready:
            self.check(address, length)
            self.addresses.append((address, length + 1))
        if w_valid and self.w_ready:
            self.data.append((word, strobe, last))
            self.beats += 1
        while self.addresses and len(self.data) >= self.addresses[0][1]:
            self._write(*self.addresses.popleft())
        if self.b_valid and b_ready:
            self.answers.popleft()
            self.answered += 1
        waits = self.b_valid and not b_ready
        self.b_valid = int(
            bool(self.answers) and self.answers[0][0] <= self.now + 1 and (waits or self.runs())
        )
        self.aw_ready, self.w_ready = int(self.runs()), int(self.runs())
        ctx.set(aw.ready, self.aw_ready)
        ctx.set(w.ready, self.w_ready)
        ctx.set(b.valid, self.b_valid)
        if self.b_valid:
            ctx.set(b.payload.response, self.answers[0][1])

    def _write(self, address, beats):
        for beat in range(beats):
            word, strobe, last = self.data.popleft()
            assert last == (beat == beats - 1), "WLAST stands elsewhere"
            for n in range(self.bus):
                if strobe >> n & 1:
                    self.bytes[address + beat * self.bus + n] = word >> 8 * n & 0xFF
        self.answers.append((self.now + self.latency, self.answer(address)))


PAGES = (1 << 52) - 1
ALL_OPEN = [{"first": 0, "last": PAGES, "read": 1, "write": 1}]
"""One window for everything; the others are closed."""


def simulate(component, cycles, signals, step, windows=ALL_OPEN):
    """Call ``step(ctx, *samples)`` at each edge until it returns True; fail after ``cycles``.

    ``windows`` are opened where the component has any.
    """
    finished = False
    taken = 0

    async def process(ctx):
        nonlocal finished, taken
        if hasattr(component, "windows"):
            for window, values in zip(component.windows, windows):
                ctx.set(window, values)
        while True:
            _, _, *samples = await ctx.tick().sample(*signals)
            finished = step(ctx, *samples)
            taken += 1

    simulator = Simulator(component)
    simulator.add_clock(1e-8)
    simulator.add_process(process)
    while not finished:
        assert taken < cycles, f"not finished after {cycles} cycles"
        simulator.advance()


def raw(*values):
    """The values as plain numbers."""
    return [Value.cast(value) for value in values]
