"""One loop of a hardware loop nest."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["NestLevel"]


class NestLevel(wiring.Component):
    """Counts the trips of a loop and keeps the forms' values at the start of the present one.

    It moves with the item behind which all levels inside it are on their last trips: to its next
    trip, or, if it is on its own last one, to the first of a new walk.

    Parameters
    ----------
    levels
        Loops of the nest.
    bound_bits
        Bits of a trip count.
    width
        Bits of all forms.
    run
        Whether the loop is handed out as a length: it is always on its last trip.

    Members
    -------
    bound, last : ``In(bound_bits)``
        Trips less one; ``last``: where the parent is on its last trip, and its parents too.
    parent : ``In(range(levels))``
        An outer level, or 0.
    start, advance : ``In(1)``
        The nest starts; an item is taken.
    inner : ``In(1)``
        All levels inside this one are on their last trips.
    wholes : ``In(levels)``
        ``whole`` of the levels outside this one, at their numbers.
    stepped : ``In(width)``
        The forms' values behind this item.
    at_first, at_last : ``Out(1)``
    whole : ``Out(1)``
        Behind this item: on the last trip, and all parents too.
    remaining : ``Out(bound_bits)``
        Trips after the present one.
    begin : ``Out(width)``
        The forms' values when the present trip began.
    """

    def __init__(self, levels: int, bound_bits: int, width: int, run: bool):
        self._run = run
        self.module_name = f"nest_{'run' if run else 'level'}_{levels}x{bound_bits}_{width}"
        super().__init__(
            {
                "bound": In(bound_bits),
                "last": In(bound_bits),
                "parent": In(range(max(2, levels))),
                "start": In(1),
                "advance": In(1),
                "inner": In(1),
                "wholes": In(levels),
                "stepped": In(width),
                "at_first": Out(1),
                "at_last": Out(1),
                "whole": Out(1),
                "remaining": Out(bound_bits),
                "begin": Out(width),
            }
        )

    def elaborate(self, platform):
        m = Module()
        anew = Signal()  # this move begins a new walk
        outer = Signal()  # all parents will be on their last trips
        trips = Signal.like(self.bound)
        last = Signal()  # this move leads to the last trip
        m.d.comb += [
            anew.eq(self.start | (self.inner & self.at_last)),
            outer.eq(self.wholes.bit_select(self.parent, 1)),
            trips.eq(Mux(outer, self.last, self.bound)),
            last.eq(Mux(anew, trips == 0, self.remaining == 1)),
            self.whole.eq(
                Mux(self.start | self.inner, last, self.at_last) & ((self.parent == 0) | outer)
            ),
        ]
        with m.If(self.start | (self.advance & self.inner)):
            m.d.sync += [
                self.remaining.eq(Mux(anew, trips, self.remaining - 1)),
                self.at_first.eq(anew),
                self.begin.eq(self.stepped),
            ]
            if not self._run:
                m.d.sync += self.at_last.eq(last)
        if self._run:
            m.d.comb += self.at_last.eq(1)
        return m
