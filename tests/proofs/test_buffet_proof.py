"""Buffets proved: by induction, so for any number of cycles, and for words that the solver picks.

Rules: no word is read before it is filled, nor returned other than it was written or updated; none
is read or retired before its update; reads and shrinks keep their order; space and words add up.
"""

import pytest
from amaranth.hdl import Assert, Mux, Signal
from buffet_harness import BuffetHarness
from prove import prove, refute

from rtl_gen.hw.buffer.buffet import Buffet

SMALL, LARGE = (1, 2, 3, 4, 5, 6, 7, 8), 64


@pytest.mark.parametrize("updates, in_order", [(0, False), (2, True)])
@pytest.mark.parametrize("depth", SMALL)
def test_buffet(depth, updates, in_order, tmp_path):
    prove(BuffetHarness(depth, updates, in_order), tmp_path, depth=3, induction=True)


@pytest.mark.long
@pytest.mark.parametrize("depth, updates", [(d, n) for d in SMALL for n in (1, 2, 4)])
def test_buffet_with_tiles_and_updates(depth, updates, tmp_path):
    prove(BuffetHarness(depth, updates), tmp_path, depth=3, induction=True)


@pytest.mark.long
@pytest.mark.parametrize("in_order", [False, True])
@pytest.mark.parametrize("updates", [0, 1, 2])
def test_large_buffet(updates, in_order, tmp_path):
    prove(BuffetHarness(LARGE, updates, in_order), tmp_path, depth=3, induction=True)


class WrapsOneLate(Buffet):
    """Its pointers go one word too far before they wrap."""

    def _wrapped(self, m, name, head, distance):
        depth = self._params.depth
        total = Signal(range(3 * depth), name=name)
        m.d.comb += total.eq(head + distance)
        return Mux(total > depth, total - depth, total)[: depth.bit_length()]


class ReadsUnfilled(Buffet):
    """Takes every request."""

    def _elaborate_read(self, m, memory, head, retired, waits):
        super()._elaborate_read(m, memory, head, retired, waits)
        m.d.comb += self.request.ready.eq(1)


class ForgetsUpdates(Buffet):
    """Requests never wait for an update."""

    def _elaborate_updates(self, *args):
        super()._elaborate_updates(*args)
        return 0


class CommitsTooMuch(Buffet):
    """Hands out words for which there is no room."""

    def _elaborate_fill(self, m, memory, head, after_fill):
        super()._elaborate_fill(m, memory, head, after_fill)
        m.d.comb += self.commit.ready.eq(1)


@pytest.mark.parametrize(
    ("kind", "updates"),
    [(WrapsOneLate, 0), (ReadsUnfilled, 0), (CommitsTooMuch, 0), (ForgetsUpdates, 2)],
)
def test_a_broken_buffet_is_refuted(kind, updates, tmp_path):
    assert "buffet_harness.py" in refute(BuffetHarness(3, updates, kind=kind), tmp_path, depth=8)


class NothingIsUpdatedAndRead(BuffetHarness):
    """Claims what must not hold: else the assumptions leave nothing to prove."""

    def _invariants(self, m, board, known, shown, last, owed, owner):
        super()._invariants(m, board, known, shown, last, owed, owner)
        changed = Signal(name="changed")
        update, request = self._dut.update, self._dut.request.payload
        with m.If(update.valid & update.ready & owed & (update.payload.ticket == owner)):
            m.d.sync += changed.eq(1)
        again = self._took & request.read & self._watched & (request.index == self._place)
        with m.If(again):
            m.d.comb += Assert(~changed)


def test_a_word_can_be_updated_and_read_again(tmp_path):
    assert "test_buffet_proof.py" in refute(NothingIsUpdatedAndRead(3, 2), tmp_path, depth=10)
