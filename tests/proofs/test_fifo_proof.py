"""Queues proved by induction: nothing is lost, doubled or changed, and order is kept."""

from unittest.mock import patch

import pytest
from amaranth.hdl import Assert, Module, Signal
from observed import ObservedMemory
from prove import Harness, prove, refute

from rtl_gen.hw.buffer import fifo

WIDTH = 2


class FifoHarness(Harness):
    """A queue between a producer and a consumer that do what they like; the solver picks an entry.

    ``ahead`` counts the entries before it: when none is left, it must come out next.
    """

    def __init__(self, depth: int, kind=fifo.Fifo):
        super().__init__()
        self._depth, self._kind = depth, kind

    def elaborate(self, platform):
        m, depth, dut = Module(), self._depth, self._kind(WIDTH, self._depth)
        dut._MustUse__used = True  # its module stands in the harness
        ObservedMemory.made = []
        with patch.object(fifo, "Memory", ObservedMemory):
            m.submodules.dut = dut.elaborate(platform)
        (words,) = ObservedMemory.made
        m.d.comb += [
            dut.i.valid.eq(self.any(1, "i_valid")),
            dut.i.payload.eq(self.any(WIDTH, "i_payload")),
            dut.o.ready.eq(self.any(1, "o_ready")),
        ]
        enters, leaves = dut.i.valid & dut.i.ready, dut.o.valid & dut.o.ready
        count = Signal(range(depth + 1))
        m.d.sync += count.eq(count + enters - leaves)
        m.d.comb += [
            Assert(count <= depth),
            Assert(dut.o.valid == (count != 0)),
            Assert(dut.i.ready == (count != depth)),
        ]

        watched, value = Signal(), Signal(WIDTH)
        ahead = Signal(range(depth + 1))
        with m.If(watched):
            m.d.sync += ahead.eq(ahead - leaves)
            with m.If((ahead == 0) & leaves):
                m.d.comb += Assert(dut.o.payload == value)
                m.d.sync += watched.eq(0)
        with m.Elif(enters & self.any(1, "pick")):
            m.d.sync += [watched.eq(1), value.eq(dut.i.payload), ahead.eq(count - leaves)]
        # where the entry lies, so that induction closes
        at, tail = Signal(range(2 * depth)), Signal(range(2 * depth))
        m.d.comb += [
            at.eq(words.read_address + ahead),
            tail.eq(words.read_address + count),
            words.observed_address.eq(_wrapped(at, depth)),
            Assert(~watched | ((ahead < count) & (words.observed_data == value))),
            Assert(words.read_address < depth),
            Assert(words.write_address == _wrapped(tail, depth)),
        ]
        return m


def _wrapped(place, depth):
    return (place - (place >= depth) * depth)[: max(1, (depth - 1).bit_length())]


@pytest.mark.parametrize("depth", [2, 3, 4, 5, 8, 32])
def test_fifo(depth, tmp_path):
    prove(FifoHarness(depth), tmp_path, depth=3, induction=True)


class TakesOneTooMany(fifo.Fifo):
    """Says that it has room when it is full."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.comb += self.i.ready.eq(1)
        return m


def test_a_broken_fifo_is_refuted(tmp_path):
    assert "test_fifo_proof.py" in refute(FifoHarness(3, TakesOneTooMany), tmp_path, depth=8)
