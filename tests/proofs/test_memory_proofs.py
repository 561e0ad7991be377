"""What the load and store engines stand on: bursts, the arbiter, the watchdog."""

import pytest
from amaranth.hdl import Assert, Assume, Const, Module, Mux, Signal
from prove import Harness, prove, refute

from rtl_gen.hw.control.watchdog import Watchdog
from rtl_gen.hw.memory.axi import ADDRESS
from rtl_gen.hw.memory.bursts import BurstParams, Bursts
from rtl_gen.hw.memory.read_arbiter import ReadArbiter
from rtl_gen.hw.memory.windows import OPEN_WINDOWS


def stable(m, port):
    """A stream's word stays as it is, and valid, until it is taken (AXI, A3.2.1)."""
    waits, word = Signal(), Signal(len(port.payload.as_value()))
    m.d.sync += [waits.eq(port.valid & ~port.ready), word.eq(port.payload.as_value())]
    with m.If(waits):
        m.d.comb += [Assert(port.valid), Assert(port.payload.as_value() == word)]


class BurstHarness(Harness):
    """Any runs, one behind the other; their bursts are held against a count of what is left."""

    def __init__(self, params: BurstParams, kind=Bursts):
        super().__init__()
        self._params, self._kind = params, kind

    def elaborate(self, platform):
        m, params = Module(), self._params
        dut = self._kind(params, 2)
        dut._MustUse__used = True  # its module stands in the harness
        m.submodules.dut = dut.elaborate(platform)
        run, burst = dut.i.payload, dut.o.payload
        m.d.comb += [
            dut.i.valid.eq(self.any(1, "valid")),
            dut.i.payload.as_value().eq(self.any(run.shape().size, "run")),
            dut.o.ready.eq(self.any(1, "ready")),
        ]
        stable(m, dut.o)
        left, next_address = Signal.like(run.words), Signal.like(run.address)
        tag, begun = Signal(2), Signal()
        with m.If(dut.o.valid & dut.o.ready):
            m.d.sync += [
                left.eq(left - burst.words),
                next_address.eq(next_address + burst.words),
                begun.eq(1),
            ]
        with m.If(dut.i.valid & dut.i.ready):
            m.d.sync += [
                left.eq(run.words),
                next_address.eq(run.address),
                tag.eq(run.tag),
                begun.eq(0),
            ]
        # what the component itself counts, so that induction closes
        with m.If(dut.busy):
            m.d.comb += [
                Assert(dut.left.words == left),
                Assert(dut.left.address == next_address),
                Assert(dut.left.tag == tag),
            ]
        offset = burst.address[: params.page_words.bit_length() - 1]
        with m.If(dut.o.valid):
            m.d.comb += [
                Assert(offset + burst.words <= params.page_words),
                Assert(burst.words <= params.words),
                Assert(burst.words <= left),
                Assert((burst.words != 0) | (left == 0)),
                Assert(burst.address == next_address),
                Assert(burst.last == (burst.words == left)),
                Assert(burst.first == ~begun),
                Assert(burst.tag == tag),
            ]
        return m


BURSTS = [
    BurstParams(block=16, bus_bits=128),
    BurstParams(block=16, bus_bits=64),
    BurstParams(block=32, bus_bits=256),
    BurstParams(block=64, bus_bits=128, burst_beats=64),
]


@pytest.mark.parametrize("params", BURSTS, ids=lambda p: f"{p.block}x{p.bus_bits}")
def test_bursts_cover_each_run_and_cross_no_page(params, tmp_path):
    prove(BurstHarness(params), tmp_path, depth=3, induction=True)


class CrossesPages(Bursts):
    """Looks for the end of a page that is twice as large."""

    def __init__(self, params, tag_bits):
        super().__init__(params, tag_bits)
        self._params = Pages(**vars(params))


class Pages(BurstParams):
    page_words = property(lambda self: 2 * BurstParams.page_words.fget(self))


def test_bursts_that_cross_a_page_are_refuted(tmp_path):
    reason = refute(BurstHarness(BURSTS[0], CrossesPages), tmp_path, depth=4)
    assert "test_memory_proofs.py" in reason


class ArbiterHarness(Harness):
    """Engines that ask for what they like and a memory that answers as it likes."""

    def __init__(self, engines: int, kind=ReadArbiter):
        super().__init__()
        self._engines, self._kind = engines, kind

    def elaborate(self, platform):
        m, engines = Module(), self._engines
        m.submodules.dut = dut = self._kind(engines, 8, bursts=2)
        m.d.comb += [
            dut.urgent.eq(self.any(engines, "urgent")),
            dut.ar.ready.eq(self.any(1, "ar_ready")),
            dut.r.valid.eq(self.any(1, "r_valid")),
            dut.r.payload.as_value().eq(self.any(dut.r.payload.shape().size, "beat")),
        ]
        taken, others_urgent = Const(0), []
        for n, request in enumerate(dut.request):
            m.d.comb += [
                request.valid.eq(self.any(1, f"valid{n}")),
                request.payload.as_value().eq(self.any(ADDRESS.size, f"address{n}")),
                dut.beats[n].ready.eq(self.any(1, f"beats_ready{n}")),
            ]
            taken = taken | (request.valid & request.ready)
            others_urgent.append(request.valid & dut.urgent[n])
            self._keeps_asking(m, request)
        stable(m, dut.ar)
        open_ = {"first": 0, "last": (1 << 52) - 1, "read": 1, "write": 0}
        m.d.comb += dut.windows[0].eq(OPEN_WINDOWS.elem_shape.const(open_))
        granted = [request.valid & request.ready for request in dut.request]
        m.d.comb += Assert(sum(granted) <= 1)
        for n in range(engines):
            self._fair(m, dut, n, taken & ~granted[n], others_urgent)
        return m

    def _keeps_asking(self, m, request):
        """Who asks goes on asking, as streams must."""
        waits = Signal()
        m.d.sync += waits.eq(request.valid & ~request.ready)
        with m.If(waits):
            m.d.comb += Assume(request.valid)

    def _fair(self, m, dut, n, passed, urgent):
        """As long as no other engine is urgent, each is passed by once at most."""
        request, count = dut.request[n], Signal(range(self._engines + 2), name=f"passed{n}")
        hurried = sum(other for k, other in enumerate(urgent) if k != n) != 0
        with m.If(~request.valid | request.ready | hurried):
            m.d.sync += count.eq(0)
        with m.Elif(passed):
            m.d.sync += count.eq(count + 1)
        m.d.comb += Assert(count < self._engines)


@pytest.mark.parametrize("engines", [1, 2, 3])
def test_the_arbiter_is_fair_and_its_requests_stay(engines, tmp_path):
    prove(ArbiterHarness(engines), tmp_path, depth=9)


class LowestFirst(ReadArbiter):
    """Always takes the lowest number."""

    def _elaborate_choice(self, m, chosen, taken):
        for n in reversed(range(self._engines)):
            with m.If(self.request[n].valid):
                m.d.comb += chosen.eq(n)


def test_an_unfair_arbiter_is_refuted(tmp_path):
    assert "test_memory_proofs.py" in refute(ArbiterHarness(2, LowestFirst), tmp_path, depth=12)


class WatchdogHarness(Harness):
    """Any run, any progress, any limit, which the host may change at any time."""

    def __init__(self, kind=Watchdog):
        super().__init__()
        self._kind = kind

    def elaborate(self, platform):
        m = Module()
        dut = self._kind()
        dut._MustUse__used = True  # its module stands in the harness
        m.submodules.dut = dut.elaborate(platform)
        running, progress = self.any(1, "running"), self.any(1, "progress")
        m.d.comb += [
            dut.running.eq(running),
            dut.progress.eq(progress),
            dut.limit.eq(self.any(32, "limit")),
        ]
        still = Signal(33)
        m.d.sync += still.eq(Mux(running & ~progress, Mux(still[32], still, still + 1), 0))
        m.d.comb += [
            Assert(dut.expired == (running & (dut.limit != 0) & (still >= dut.limit))),
            Assert(still <= 1 << 32),
            Assert(dut.count == Mux(still[32], (1 << 32) - 1, still)),
        ]
        return m


def test_the_watchdog_always_fires(tmp_path):
    prove(WatchdogHarness(), tmp_path, depth=4, induction=True)


class FiresOnEquality(Watchdog):
    """Misses its time if the host lowers the limit."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        count = Signal(32)
        m.d.sync += count.eq(Mux(self.running & ~self.progress, count + 1, 0))
        m.d.comb += self.expired.eq(self.running & (self.limit != 0) & (count == self.limit))
        return m


def test_a_watchdog_that_can_be_missed_is_refuted(tmp_path):
    assert "test_memory_proofs.py" in refute(WatchdogHarness(FiresOnEquality), tmp_path, depth=6)
