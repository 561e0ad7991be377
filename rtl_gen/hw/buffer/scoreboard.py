"""Scoreboards: which words of a buffet were read to be updated, and are not yet."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Scoreboard"]


class Scoreboard(wiring.Component):
    """Entries for words that wait for their update, each with its word's distance from the head.

    Distances, not addresses: they compare with what a request names, and shrink with the window.

    Parameters
    ----------
    entries
        Words that can wait at a time, at least 1.
    depth
        Words of the buffet.

    Members
    -------
    index, shrink : ``In``
        A word counted from the head, and a number of words from it: what a request asks for.
    marked, kept : ``Out(1)``
        Whether that word waits for its update, and whether one of those to be retired does.
    claim : ``In(1)``
        Marks word ``index``; not while ``full``. In the same cycle words may be retired.
    full : ``Out(1)``, ticket : ``Out``
        Whether there is no entry left; the one that a claim takes.
    retired : ``In``
        Words that leave at the head in this cycle; none of them marked.
    settle : ``In(1)``, settled : ``In``
        Clears the entry of a ticket.
    place, waiting : ``Out``
        The distance of that entry's word from the head, and whether it waits at all.
    """

    def __init__(self, entries: int, depth: int):
        if entries < 1:
            raise ValueError(f"a scoreboard must have at least 1 entry, not {entries!r}")
        self._entries = entries
        self.module_name = f"scoreboard_{entries}x{depth}"
        index = unsigned(max(1, (depth - 1).bit_length()))
        amount = unsigned(depth.bit_length())
        ticket = unsigned(max(1, (entries - 1).bit_length()))
        super().__init__(
            {
                "index": In(index),
                "shrink": In(amount),
                "marked": Out(1),
                "kept": Out(1),
                "claim": In(1),
                "full": Out(1),
                "ticket": Out(ticket),
                "retired": In(amount),
                "settle": In(1),
                "settled": In(ticket),
                "place": Out(index),
                "waiting": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        index_bits = len(self.index)
        waits = Signal(self._entries)
        self.waits, self.places = waits, []  # for proofs
        marked, kept = Signal(self._entries), Signal(self._entries)
        for n in range(self._entries):
            place = Signal(index_bits, name=f"place{n}")
            self.places.append(place)
            claimed = Signal(name=f"claimed{n}")
            m.d.comb += [
                claimed.eq(self.claim & (self.ticket == n)),
                marked[n].eq(waits[n] & (place == self.index)),
                kept[n].eq(waits[n] & (place < self.shrink)),
            ]
            m.d.sync += place.eq(Mux(claimed, self.index, place) - self.retired)
            with m.If(claimed):
                m.d.sync += waits[n].eq(1)
            with m.Elif(self.settle & (self.settled == n)):
                m.d.sync += waits[n].eq(0)
            with m.If(self.settled == n):
                m.d.comb += [self.place.eq(place), self.waiting.eq(waits[n])]
        for n in reversed(range(self._entries)):
            with m.If(~waits[n]):
                m.d.comb += self.ticket.eq(n)
        m.d.comb += [self.marked.eq(marked.any()), self.kept.eq(kept.any())]
        m.d.comb += self.full.eq(waits.all())
        return m
