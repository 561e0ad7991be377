"""What a buffet promises, about one word that the solver picks, and about its credit."""

from unittest.mock import patch

from amaranth.hdl import Array, Assert, Assume, Module, Mux, Signal
from observed import ObservedMemory, ObservedScoreboard
from prove import Harness

from rtl_gen.hw.buffer import banks, buffet
from rtl_gen.hw.buffer.scoreboard import Scoreboard

__all__ = ["BuffetHarness"]

WIDTH = 2


class BuffetHarness(Harness):
    """A buffet between a producer and a consumer that do what they like.

    The solver picks any word that is written, and at any time another: of a reference queue one
    element is as good as all. Where the word lies is kept as its distance from the head. Beside
    the promises stand the invariants that let induction close: where the buffet keeps that word,
    and which entry of the scoreboard is its.

    Parameters
    ----------
    depth, updates, in_order
        As for the buffet.
    kind
        The component; a broken one must be refuted.
    """

    def __init__(self, depth: int, updates: int = 0, in_order=False, kind=buffet.Buffet):
        super().__init__()
        self._depth, self._updates, self._in_order = depth, updates, in_order
        self._kind = kind

    def elaborate(self, platform):
        m = Module()
        options = {"updates": self._updates, "in_order": self._in_order}
        self._dut = dut = self._kind(WIDTH, self._depth, **options)
        self._index = 0 if self._in_order else dut.write.payload.index
        self._build(m, platform)
        dut._MustUse__used = True  # its module stands in the harness
        streams = ("write", "commit", "request", "update")
        self.drive(m, dut, *(name for name in streams if hasattr(dut, name)))
        self._took = dut.request.valid & dut.request.ready
        self._retired = Mux(self._took, dut.request.payload.shrink, 0)
        self._credit(m)
        self._word(m)
        if self._updates:
            self._tickets(m)
        return m

    def _build(self, m, platform):
        """Elaborate the buffet, with memories and scoreboard that can be looked into."""
        ObservedMemory.made, ObservedScoreboard.made = [], []
        with (
            patch.object(buffet, "Memory", ObservedMemory),
            patch.object(banks, "Memory", ObservedMemory),
            patch.object(buffet, "Scoreboard", ObservedScoreboard),
        ):
            m.submodules.dut = self._elaborated(self._dut, platform)
        self._memories, self._boards = ObservedMemory.made, ObservedScoreboard.made

    def _elaborated(self, component, platform):
        """A component's module, with its parts elaborated at once, so that they can be named."""
        module = component.elaborate(platform)
        for name, (part, place) in module._named_submodules.items():
            if isinstance(part, banks.Banks):
                self._banks = part
            if isinstance(part, (banks.Banks, Scoreboard)):
                part._MustUse__used = True
                module._named_submodules[name] = (part.elaborate(platform), place)
        return module

    def _wrapped(self, m, place, name):
        """An address of the memory."""
        total = Signal(range(4 * self._depth), name=name)
        m.d.comb += total.eq(place)
        return Mux(total >= self._depth, total - self._depth, total)

    def _credit(self, m):
        """Space and words add up, whatever comes; words lie where the model thinks."""
        dut, request = self._dut, self._dut.request.payload
        depth = self._depth
        self._head = head = Signal(range(depth + 1), name="model_head")
        m.d.sync += head.eq(self._wrapped(m, head + self._retired, "model_next"))
        m.d.comb += [
            Assume(request.index < depth),
            Assume(self._index < depth),
            Assert(dut.filled <= depth),
            Assert(dut.space + dut.filled == depth),
            Assert(head < depth),
        ]
        words = self._banks if self._updates else self._memories[0]
        if not self._in_order:
            with m.If(dut.commit.valid & dut.commit.ready):
                m.d.comb += Assert(dut.commit.payload.count <= dut.space)
        read_at = self._wrapped(m, head + request.index, "read_at")
        m.d.comb += Assert(words.read_address == read_at)

    def _word(self, m):
        """The picked word: found where it was put, whole, until it is retired."""
        dut, request, write = self._dut, self._dut.request.payload, self._dut.write.payload
        self._watched, self._value = watched, value = Signal(name="watched"), Signal(WIDTH)
        self._place = place = Signal(range(2 * self._depth + 1), name="place")
        wrote = dut.write.valid & dut.write.ready
        target = Signal.like(place, name="target")
        m.d.comb += target.eq(dut.filled + self._index)
        with m.If(watched):
            m.d.sync += place.eq(place - self._retired)
            with m.If(wrote & (target == place)):
                m.d.sync += value.eq(write.data)
            with m.If(place < self._retired):
                m.d.sync += watched.eq(0)
        with m.Elif(wrote & self.any(1, "pick")):
            m.d.sync += [
                watched.eq(1),
                value.eq(write.data),
                place.eq(target - self._retired),
            ]
        filled = watched & (place < dut.filled)
        stays = Signal(name="stays")  # it was readable, and was not retired
        m.d.sync += stays.eq(filled & (place >= self._retired))
        m.d.comb += Assert(~stays | filled)
        hit, expected = Signal(name="hit"), Signal(WIDTH, name="expected")
        with m.If(self._took):
            m.d.sync += [hit.eq(request.read & filled & (request.index == place))]
            m.d.sync += expected.eq(value)
            m.d.comb += Assert(request.shrink <= dut.filled)
            with m.If(request.read):
                m.d.comb += Assert(request.index < dut.filled)
        with m.If(dut.response.valid & hit):
            m.d.comb += Assert(dut.response.payload.data == expected)
        with m.If(watched):
            m.d.comb += [Assert(place < self._depth), Assert(self._kept(m) == value)]

    def _kept(self, m):
        """What the memory holds where the picked word lies."""
        at = Signal(range(self._depth + 1), name="kept_at")
        m.d.comb += at.eq(self._wrapped(m, self._head + self._place, "kept_sum"))
        if not self._updates:
            (words,) = self._memories
            m.d.comb += words.observed_address.eq(at)
            return words.observed_data
        for bank in self._memories:
            m.d.comb += bank.observed_address.eq(at[1:])
        return ~Array(bank.observed_data for bank in self._memories)[at[0]]  # kept inverted

    def _tickets(self, m):
        """A word is neither read nor retired before its update, and holds it afterwards."""
        dut, request, response = self._dut, self._dut.request.payload, self._dut.response
        (board,), update = self._boards, self._dut.update
        watched, place = self._watched, self._place
        wants = request.read & request.will_update
        with m.If(dut.request.valid & wants):
            m.d.comb += Assume(request.index >= request.shrink)
        marked, last = Signal(name="marked"), Signal.like(board.ticket, name="last")
        with m.If(self._took):
            m.d.sync += [marked.eq(wants), last.eq(board.ticket)]
        shown = Signal(name="shown")
        m.d.comb += shown.eq(response.valid & marked)
        with m.If(shown):
            m.d.comb += Assert(response.payload.ticket == last)

        known = Signal(self._updates, name="known")  # tickets that the consumer has and may use
        for n in range(self._updates):
            with m.If(update.valid & update.ready & (update.payload.ticket == n)):
                m.d.sync += known[n].eq(0)
            with m.If(shown & response.ready & (last == n)):
                m.d.sync += known[n].eq(1)
        owns = Array(known)[update.payload.ticket] & (update.payload.ticket < self._updates)
        with m.If(update.valid):
            m.d.comb += Assume(owns)

        owed, owner = Signal(name="owed"), Signal.like(board.ticket, name="owner")
        with m.If(update.valid & update.ready & owed & (update.payload.ticket == owner)):
            m.d.sync += [self._value.eq(update.payload.data), owed.eq(0)]
        with m.If(self._took & watched & request.read & (request.index == place)):
            m.d.comb += Assert(~owed)
            with m.If(request.will_update):
                m.d.sync += [owed.eq(1), owner.eq(board.ticket)]
        with m.If(self._took & owed):
            m.d.comb += Assert(request.shrink <= place)
        self._invariants(m, board, known, shown, last, owed, owner)

    def _invariants(self, m, board, known, shown, last, owed, owner):
        """Which entry of the scoreboard stands for what."""
        dut, place = self._dut, self._place
        m.d.comb += Assert(~owed | (self._watched & (place < dut.filled)))
        for n, at in enumerate(board.places):
            waits, mine = board.waits[n], owner == n
            m.d.comb += [
                Assert(~waits | (at < dut.filled)),
                Assert(waits == (known[n] | (shown & (last == n)))),
                Assert(~(known[n] & shown & (last == n))),
                Assert(~(owed & mine) | (waits & (at == place))),
                Assert(~(waits & self._watched & (at == place)) | (owed & mine)),
            ]
            for other in range(n):
                both = waits & board.waits[other]
                m.d.comb += Assert(~both | (at != board.places[other]))
        m.d.comb += Assert(~owed | (owner < self._updates))
