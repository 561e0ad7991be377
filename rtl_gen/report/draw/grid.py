"""Where the PEs of an array stand in a picture; of a large array the first and the last."""

from dataclasses import dataclass

__all__ = ["Grid", "abridged"]

Coordinate = tuple[int, int]
Point = tuple[float, float]

MOST, FIRST = 6, 3
BREAK = 46
"""Pixels by which the gap is wider where rows or columns are left out."""


def abridged(count: int) -> tuple[int, ...]:
    """Which rows (or columns) are drawn: all of a few, else the first three and the last."""
    return tuple(range(count)) if count <= MOST else (*range(FIRST), count - 1)


@dataclass(frozen=True)
class Grid:
    """PEs as boxes.

    Parameters
    ----------
    extent
        Rows and columns of PEs.
    box, gap
        Width and height of a box, and of the gap between two.
    origin
        The upper left corner of the first box.
    """

    extent: Coordinate
    box: Point
    gap: Point
    origin: Point

    @property
    def rows(self) -> tuple[int, ...]:
        return abridged(self.extent[0])

    @property
    def columns(self) -> tuple[int, ...]:
        return abridged(self.extent[1])

    @property
    def pes(self) -> tuple[Coordinate, ...]:
        """Those that are drawn."""
        return tuple((i, j) for i in self.rows for j in self.columns)

    def shows(self, pe: Coordinate) -> bool:
        return pe[0] in self.rows and pe[1] in self.columns

    def corner(self, pe: Coordinate) -> Point:
        """The upper left corner of a PE that is drawn."""
        return self._along(1, self.columns, pe[1]), self._along(0, self.rows, pe[0])

    def joins(self, a: Coordinate, b: Coordinate) -> bool:
        """Whether nothing is left out between two PEs that are drawn."""
        return all(
            shown.index(max(x, y)) - shown.index(min(x, y)) == abs(x - y)
            for shown, x, y in zip((self.rows, self.columns), a, b)
        )

    @property
    def size(self) -> Point:
        """Width and height of all boxes with the gaps between them."""
        x, y = self.corner((self.rows[-1], self.columns[-1]))
        return x + self.box[0] - self.origin[0], y + self.box[1] - self.origin[1]

    def _along(self, axis: int, shown: tuple[int, ...], at: int) -> float:
        n = shown.index(at)
        place = self.origin[1 - axis] + n * (self.box[1 - axis] + self.gap[1 - axis])
        return place + (BREAK if at != n else 0)
