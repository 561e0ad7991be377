"""The PEs of an array in space and time: where they lie and when a step reaches them."""

from dataclasses import dataclass, replace
from functools import cached_property

from ..spec.pace import Pace
from .links import Link
from .placement import Coordinate

__all__ = ["Grid"]


@dataclass(frozen=True)
class Grid:
    """A rectangle of PEs and how a step goes through it.

    Parameters
    ----------
    extent
        Rows and columns.
    paces
        How a step goes along the rows and along the columns.
    """

    extent: tuple[int, int]
    paces: tuple[Pace, Pace]

    @property
    def skew(self) -> tuple[int, int]:
        """Cycles by which a step reaches the next row and the next column of a group."""
        return self.paces[0].step, self.paces[1].step

    @property
    def at_once(self) -> bool:
        """Whether a step reaches all PEs in one cycle."""
        return not any(pace.step or pace.group for pace in self.paces)

    @cached_property
    def pes(self) -> tuple[Coordinate, ...]:
        """The PEs, row by row."""
        rows, columns = self.extent
        return tuple((i, j) for i in range(rows) for j in range(columns))

    def holds(self, pe: Coordinate) -> bool:
        """Whether a place lies inside."""
        return all(0 <= a < n for a, n in zip(pe, self.extent))

    @cached_property
    def control_link(self) -> Link | None:
        """How what every PE must know travels: along one axis, by wire if one is not skewed.

        None in an array of one PE.
        """
        axes = [axis for axis in (1, 0) if self.extent[axis] > 1]
        links = [self.shift_link(axis) for axis in axes]
        return min(links, key=lambda link: (link.delay, link.crossing), default=None)

    def shift_link(self, axis: int) -> Link:
        """The link from neighbour to neighbour along an axis, in the direction of time."""
        direction = self.paces[axis].direction
        return self.link((direction, 0) if axis == 0 else (0, direction))

    def link(self, vector: Coordinate, ticks: int = 0) -> Link:
        """The link along a vector, with the delays that its ends have wherever it lies."""
        least, most = self._delays(vector)
        return Link(vector, least, ticks, most - least)

    def oriented(self, vector: Coordinate) -> Link:
        """The link along a vector or against it, so that time goes forward.

        Where it does not move, the link goes down or else to the right. So no links close a circle:
        the order is that of a linear function of the vector.
        """
        trend = sum(pace.trend * along for pace, along in zip(self.paces, vector))
        if trend < 0 or (trend == 0 and vector < (0, 0)):
            vector = (-vector[0], -vector[1])
        return self.link(vector)

    def between(self, source: Coordinate, target: Coordinate) -> int:
        """Cycles by which a step reaches a PE later than another."""
        rows, columns = self.paces
        late = rows.time(target[0]) - rows.time(source[0])
        return late + columns.time(target[1]) - columns.time(source[1])

    def at(self, link: Link, source: Coordinate) -> Link:
        """A link as it is behind one PE."""
        if not link.crossing:
            return link
        target = (source[0] + link.vector[0], source[1] + link.vector[1])
        return replace(link, delay=self.between(source, target), crossing=0)

    def delay(self, pe: Coordinate) -> int:
        """Cycles from the first PE that sees a step to this one."""
        return self._times[0][pe[0]] + self._times[1][pe[1]]

    @cached_property
    def _times(self) -> tuple[list[int], list[int]]:
        """Cycles along each axis, from the first place that sees a step."""
        times = [[p.time(a) for a in range(n)] for p, n in zip(self.paces, self.extent)]
        rows, columns = ([t - min(along) for t in along] for along in times)
        return rows, columns

    def _delays(self, vector: Coordinate) -> tuple[int, int]:
        """The least and the most that the end of a vector is later, over all places of it."""
        found = []
        for times, pace, step in zip(self._times, self.paces, vector):
            pairs = zip(times, times[step:]) if step >= 0 else zip(times[-step:], times)
            late = {b - a for a, b in pairs} or {pace.time(step)}
            found.append((min(late), max(late)))
        (least, most), (low, high) = found
        return least + low, most + high
