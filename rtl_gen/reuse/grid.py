"""The PEs of an array in space and time: where they lie and when a step reaches them."""

from dataclasses import dataclass
from functools import cached_property

from .links import Link
from .placement import Coordinate

__all__ = ["Grid"]


@dataclass(frozen=True)
class Grid:
    """A rectangle of PEs with its skew.

    Parameters
    ----------
    extent
        Rows and columns.
    skew
        Cycles by which a step reaches the next row and the next column.
    """

    extent: tuple[int, int]
    skew: tuple[int, int]

    @cached_property
    def pes(self) -> tuple[Coordinate, ...]:
        """The PEs, row by row."""
        rows, columns = self.extent
        return tuple((i, j) for i in range(rows) for j in range(columns))

    def holds(self, pe: Coordinate) -> bool:
        """Whether a place lies inside."""
        return all(0 <= a < n for a, n in zip(pe, self.extent))

    @property
    def control_links(self) -> tuple[Link, ...]:
        """How what every PE must know travels: along one axis, by wire if one is not skewed."""
        links = [Link(v, sum(s * a for s, a in zip(self.skew, v))) for v in ((0, 1), (1, 0))]
        turned = [k if k.delay >= 0 else Link(k.vector, -k.delay).backward for k in links]
        real = [k for k in turned if self.extent[0 if k.vector[0] else 1] > 1]
        return tuple(sorted(real, key=lambda link: link.delay)[:1])

    def shift_link(self, axis: int) -> Link:
        """The link from neighbour to neighbour along an axis, in the direction of time."""
        direction = -1 if self.skew[axis] < 0 else 1
        vector = (direction, 0) if axis == 0 else (0, direction)
        return Link(vector, abs(self.skew[axis]))

    def delay(self, pe: Coordinate) -> int:
        """Cycles from the first PE that sees a step to this one."""
        start = sum(min(0, s * (n - 1)) for s, n in zip(self.skew, self.extent))
        return sum(s * x for s, x in zip(self.skew, pe)) - start
