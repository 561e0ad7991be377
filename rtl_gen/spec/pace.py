"""When a step is where along an axis: from PE to PE, and from group to group of PEs."""

from dataclasses import dataclass
from fractions import Fraction

__all__ = ["Pace"]


@dataclass(frozen=True)
class Pace:
    """Cycles that a step takes along an axis of the array.

    Parameters
    ----------
    step
        From a PE to the next one: 0 is broadcast, 1 or -1 systolic.
    border
        From the last PE of a group to the first of the next one.
    group
        PEs of a group; 0: all are one group.
    lacking
        By how many PEs the first group is smaller.
    """

    step: int
    border: int = 0
    group: int = 0
    lacking: int = 0

    def crossings(self, place: int) -> int:
        """Borders between the first PE and the one at a place."""
        return (place + self.lacking) // self.group if self.group else 0

    def time(self, place: int) -> int:
        """Cycles from the first PE to the one at a place, which may lie outside the array."""
        return place * self.step + self.crossings(place) * (self.border - self.step)

    @property
    def direction(self) -> int:
        """1 if time goes with the places, or nowhere; -1 if against them."""
        return -1 if self.step < 0 or (self.group and self.border < 0) else 1

    @property
    def trend(self) -> Fraction:
        """Cycles from PE to PE, on the average of a long array."""
        if not self.group:
            return Fraction(self.step)
        return Fraction(self.step * (self.group - 1) + self.border, self.group)
