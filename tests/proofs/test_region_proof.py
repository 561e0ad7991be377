"""Regions proved by induction: the rules of a buffet, at any place of a memory that others use.

The solver picks the place, when the memory's ports are taken, what others write outside the region
and read anywhere, and a word of the region, which is followed.
"""

import pytest
from amaranth.hdl import Assert, Assume, Module, Mux, Signal
from observed import ObservedMemory
from prove import Harness, prove, refute

from rtl_gen.hw.buffer.region import Region

WIDTH = 2


class Known(Region):
    """A region whose registers have names for the invariants."""

    def _elaborate_fill(self, m, place, limit, tail, committed):
        super()._elaborate_fill(m, place, limit, tail, committed)
        self.known_size, self.known_limit, self.known_tail = place.size, limit, tail

    def _elaborate_read(self, m, place, limit, head, retired):
        super()._elaborate_read(m, place, limit, head, retired)
        self.known_head = head


class RegionHarness(Harness):
    """A region in a memory of ``depth`` words, beside somebody who is served first.

    As in the harness of the buffet the picked word's place is kept as its distance from the head.
    """

    def __init__(self, depth: int, kind=Known):
        super().__init__()
        self._depth, self._kind = depth, kind

    def elaborate(self, platform):
        m = Module()
        ObservedMemory.made = []
        self._dut = dut = self._kind(WIDTH, (self._depth,))
        self._memory = memory = ObservedMemory(WIDTH, max(2, self._depth))
        # At once, so that its registers are there.
        m.submodules.dut, m.submodules.memory = dut.elaborate(platform), memory
        dut._MustUse__used = True
        self.drive(m, dut, "write", "commit", "request")
        self._took = dut.request.valid & dut.request.ready
        self._retired = Mux(self._took, dut.request.payload.shrink, 0)
        self._place(m)
        self._ports(m)
        self._credit(m)
        self._word(m)
        return m

    def _place(self, m):
        """The region is claimed once, in the first cycle, wherever it fits."""
        dut, claimed = self._dut, Signal(name="claimed")
        first, size = self.any(8, "first"), self.any(8, "size")
        self._first, self._size = kept_first, kept_size = Signal(8), Signal(8, init=self._depth)
        self._settled = settled = Signal(name="settled")
        m.d.sync += [claimed.eq(1), settled.eq(1)]
        m.d.comb += [
            dut.claim.eq(~claimed),
            dut.place.first.eq(first),
            dut.place.size.eq(size),
            Assume(claimed | ((size > 0) & (first + size <= self._depth))),
            # Nobody uses it before it has its place.
            Assume(claimed | ~(dut.write.valid | dut.commit.valid | dut.request.valid)),
        ]
        with m.If(~claimed):
            m.d.sync += [kept_first.eq(first), kept_size.eq(size)]
        m.d.comb += [
            Assert(settled == claimed),
            Assert(kept_first + kept_size <= self._depth),
            Assert(kept_size > 0),
        ]

    def _ports(self, m):
        """Somebody else has each port whenever he likes; he writes outside the region."""
        dut, memory = self._dut, self._memory
        theirs, at, word = self.any(2, "theirs"), self.any(8, "their_place"), self.any(WIDTH, "w")
        inside = (at >= self._first) & (at < self._first + self._size)
        m.d.comb += [
            Assume(~theirs[0] | ~inside),
            Assume(at < max(2, self._depth)),
            dut.store.ready.eq(~theirs[0]),
            dut.load.ready.eq(~theirs[1]),
            memory.write_enable.eq(theirs[0] | dut.store.valid),
            memory.write_address.eq(Mux(theirs[0], at, dut.store.payload.address)),
            memory.write_data.eq(Mux(theirs[0], word, dut.store.payload.data)),
            memory.read_enable.eq(theirs[1] | dut.load.valid),
            memory.read_address.eq(Mux(theirs[1], at, dut.load.payload.address)),
            dut.loaded.eq(memory.read_data),
        ]

    def _wrapped(self, m, distance, name):
        """The address so many words behind the head."""
        total, limit = Signal(9, name=name), self._first + self._size
        m.d.comb += total.eq(self._head + distance)
        return Mux(total >= limit, total - self._size, total)

    def _credit(self, m):
        """Space and words add up; every access lies in the region."""
        dut, request = self._dut, self._dut.request.payload
        limit = self._first + self._size
        self._head = head = Signal(8, name="model_head")
        with m.If(~self._settled):
            m.d.sync += head.eq(dut.place.first)
        with m.Else():
            m.d.sync += head.eq(self._wrapped(m, self._retired, "model_next"))
        with m.If(self._settled):
            m.d.comb += [
                Assume(request.index < self._size),
                Assume(dut.write.payload.index < self._size),
                Assert((head >= self._first) & (head < limit)),
                Assert(dut.space + dut.filled == self._size),
                Assert(dut.filled <= self._size),
            ]
            m.d.comb += [
                Assert(signal == value)
                for signal, value in (
                    (dut.known_head, head),
                    (dut.known_tail, self._wrapped(m, dut.filled, "model_tail")),
                    (dut.known_limit, limit),
                    (dut.known_size, self._size),
                )
            ]
        with m.Else():
            m.d.comb += Assert((dut.filled == 0) & ~dut.response.valid)
        with m.If(dut.store.valid):
            at = dut.store.payload.address
            m.d.comb += Assert((at >= self._first) & (at < limit))
        with m.If(dut.load.valid):
            at = self._wrapped(m, request.index, "read_at")
            m.d.comb += Assert(dut.load.payload.address == at)
        with m.If(dut.commit.valid & dut.commit.ready):
            m.d.comb += Assert(dut.commit.payload.count <= dut.space)

    def _word(self, m):
        """The picked word: found where it was put, whole, until it is retired."""
        dut, request, write = self._dut, self._dut.request.payload, self._dut.write.payload
        watched, value = Signal(name="watched"), Signal(WIDTH)
        place, target = Signal(9, name="place"), Signal(9, name="target")
        wrote = dut.write.valid & dut.write.ready
        m.d.comb += target.eq(dut.filled + write.index)
        with m.If(watched):
            m.d.sync += place.eq(place - self._retired)
            with m.If(wrote & (target == place)):
                m.d.sync += value.eq(write.data)
            with m.If(place < self._retired):
                m.d.sync += watched.eq(0)
        with m.Elif(wrote & self.any(1, "pick")):
            m.d.sync += [watched.eq(1), value.eq(write.data), place.eq(target - self._retired)]
        filled = watched & (place < dut.filled)
        hit, expected = Signal(name="hit"), Signal(WIDTH, name="expected")
        with m.If(self._took):
            m.d.sync += [hit.eq(request.read & filled & (request.index == place))]
            m.d.sync += expected.eq(value)
            m.d.comb += Assert(request.shrink <= dut.filled)
            with m.If(request.read):
                m.d.comb += Assert(request.index < dut.filled)
        with m.If(dut.response.valid & hit):
            m.d.comb += Assert(dut.response.payload.data == expected)
        m.d.comb += self._memory.observed_address.eq(self._wrapped(m, place, "kept_at"))
        with m.If(watched):
            m.d.comb += [
                Assert(self._settled),
                Assert(place < self._size),
                Assert(self._memory.observed_data == value),
            ]


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5, 8])
def test_region(depth, tmp_path):
    prove(RegionHarness(depth), tmp_path, depth=3, induction=True)


@pytest.mark.long
@pytest.mark.parametrize("depth", [6, 7])
def test_larger_regions(depth, tmp_path):
    prove(RegionHarness(depth), tmp_path, depth=3, induction=True)


class KeepsNoWord(Known):
    """Its response is what the memory gives, whoever asked."""

    def _elaborate_read(self, m, place, limit, head, retired):
        super()._elaborate_read(m, place, limit, head, retired)
        m.d.comb += self.response.payload.data.eq(self.loaded)


class LosesCommits(Known):
    """Takes a commit beside a write that waits for the memory."""

    def _elaborate_fill(self, m, place, limit, tail, committed):
        super()._elaborate_fill(m, place, limit, tail, committed)
        m.d.comb += self.commit.ready.eq(1)


class WrapsOneLate(Known):
    """Its pointers go one word too far before they wrap."""

    def _wrapped(self, m, name, place, limit, start, distance):
        total = Signal(range(3 << self._params.address.width), name=name)
        m.d.comb += total.eq(start + distance)
        late = Mux(total > limit, total - place.size, total)
        return late[: self._params.address.width]


@pytest.mark.parametrize("kind", [KeepsNoWord, LosesCommits, WrapsOneLate])
def test_a_broken_region_is_refuted(kind, tmp_path):
    assert "test_region_proof.py" in refute(RegionHarness(3, kind), tmp_path, depth=8)
