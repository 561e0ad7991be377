"""Links as lines: a wire plain, a register a box on it, ticks a dashed line, sums a plus sign."""

from collections.abc import Callable
from math import hypot

from ...reuse.wires import Wire
from .grid import Coordinate, Grid, Point
from .style import LINE
from .svg import MONO, Svg

__all__ = ["BAND", "LinkLines", "arrow_head", "draw_link"]

STUB = 22
"""Pixels of a link that are drawn where its other end is left out."""


BAND = {"stroke_width": 9, "opacity": 0.25}
"""What lies beneath a link that stands out."""


class LinkLines:
    """Draws links on a grid; each is a group with its ends and registers as attributes.

    Parameters
    ----------
    band
        Where in a PE the lines of a tensor run: from its left side, from its top.
    """

    def __init__(
        self,
        svg: Svg,
        grid: Grid,
        band: Callable[[str], Point],
        colour: dict[str, str],
    ):
        self._svg, self._grid, self._band, self._colour = svg, grid, band, colour

    def draw(self, wire: Wire) -> None:
        """Draw a link, or the part of it at the end that is drawn; nothing if neither end is."""
        ends = [self._grid.shows(wire.source), self._grid.shows(wire.target)]
        if not any(ends):
            return
        whole = all(ends) and self._grid.joins(wire.source, wire.target)
        marks = {
            "data_tensor": wire.tensor,
            "data_kind": wire.kind,
            "data_from": f"{wire.source[0]},{wire.source[1]}",
            "data_to": f"{wire.target[0]},{wire.target[1]}",
            "data_delay": wire.delay,
            "data_ticks": wire.ticks,
        }
        with self._svg.group(class_="link" if whole else "part of a link", **marks):
            if whole:
                self._draw(wire, self._path(wire))
                return
            # Both stubs of a link that spans what is left out are parts of it.
            if ends[0]:
                self._part(wire, self._stub(wire, wire.source, forward=True), head=False)
            if ends[1]:
                self._part(wire, self._stub(wire, wire.target, forward=False), head=True)

    def shade(self, wire: Wire) -> None:
        """Draw a broad band, to lie beneath a link; nothing unless both its ends are drawn."""
        ends = (wire.source, wire.target)
        if all(map(self._grid.shows, ends)) and self._grid.joins(*ends):
            look = {"stroke": self._colour[wire.tensor]} | BAND
            self._svg.line(self._path(wire), class_="alone", **look)

    def _draw(self, wire: Wire, points: list[Point]) -> None:
        draw_link(self._svg, points, wire.kind, wire.delay, wire.ticks, self._colour[wire.tensor])

    def _part(self, wire: Wire, points: list[Point], *, head: bool) -> None:
        colour = self._colour[wire.tensor]
        self._svg.line(points, stroke=colour, stroke_width=1.6, stroke_dasharray=LINE[wire.kind])
        if head and wire.kind != "multicast":
            arrow_head(self._svg, points[-2], points[-1], colour)

    def _path(self, wire: Wire) -> list[Point]:
        """From box to box, past the boxes between them."""
        down, right = (b - a for a, b in zip(wire.source, wire.target))
        (x, y), (wide, high) = self._grid.corner(wire.source), self._grid.box
        (to_x, to_y) = self._grid.corner(wire.target)
        along, across = self._band(wire.tensor)
        if not down and abs(right) == 1:
            edge = (x + wide, to_x) if right > 0 else (x, to_x + wide)
            return [(edge[0], y + across), (edge[1], y + across)]
        if not right and abs(down) == 1:
            edge = (y + high, to_y) if down > 0 else (y, to_y + high)
            return [(x + along, edge[0]), (x + along, edge[1])]
        if not down:  # over the boxes between
            level = y - 10 - 7 * (min(wire.source[1], wire.target[1]) % abs(right))
            start, end = (x + wide - 8, to_x + 8) if right > 0 else (x + 8, to_x + wide - 8)
            return [(start, y), (start, level), (end, level), (end, y)]
        if not right:  # left of the boxes between
            level = x - 10 - 7 * (min(wire.source[0], wire.target[0]) % abs(down))
            start, end = (y + high - 8, to_y + 8) if down > 0 else (y + 8, to_y + high - 8)
            return [(x, start), (level, start), (level, end), (x, end)]
        start = (x + (wide if right > 0 else 0), y + (high if down > 0 else 0))
        end = (to_x + (0 if right > 0 else wide), to_y + (0 if down > 0 else high))
        return [start, end]

    def _stub(self, wire: Wire, pe: Coordinate, *, forward: bool) -> list[Point]:
        """A short line out of, or into, a PE in the direction of a link."""
        down, right = (b - a for a, b in zip(wire.source, wire.target))
        if not forward:
            down, right = -down, -right
        (x, y), (wide, high) = self._grid.corner(pe), self._grid.box
        along, across = self._band(wire.tensor)
        if passed := self._passed(wire, pe):
            points = self._past(wire, pe, passed)
            return points if forward else points[::-1]
        if down and right:
            at = (x + (wide if right > 0 else 0), y + (high if down > 0 else 0))
        elif right:
            at = (x + (wide if right > 0 else 0), y + across)
        else:
            at = (x + along, y + (high if down > 0 else 0))
        length = hypot(down, right)
        out = (at[0] + STUB * right / length, at[1] + STUB * down / length)
        return [at, out] if forward else [out, at]

    def _passed(self, wire: Wire, pe: Coordinate) -> Coordinate | None:
        """Of the PEs that a straight link passes and that are drawn, the farthest from one end."""
        (i, j), other = pe, wire.target if pe == wire.source else wire.source
        if i != other[0] and j != other[1]:
            return None
        rows, columns = (sorted((a, b)) for a, b in zip(pe, other))
        between = [
            (a, b)
            for a, b in self._grid.pes
            if (b == j and rows[0] < a < rows[1]) or (a == i and columns[0] < b < columns[1])
        ]
        return max(between, key=lambda at: abs(at[0] - i) + abs(at[1] - j), default=None)

    def _past(self, wire: Wire, pe: Coordinate, passed: Coordinate) -> list[Point]:
        """Out of a PE, beside the boxes that are passed, and a little beyond the last."""
        (x, y), (wide, high) = self._grid.corner(pe), self._grid.box
        to_x, to_y = self._grid.corner(passed)
        down, right = passed[0] - pe[0], passed[1] - pe[1]
        hops = max(abs(a - b) for a, b in zip(wire.source, wire.target))
        axis = int(not down)
        start = min(wire.source[axis], wire.target[axis]) % hops
        if not right:  # left of the boxes
            level = x - 10 - 7 * (start % 3)
            begin, end = (y + high - 8, to_y + high + STUB) if down > 0 else (y + 8, to_y - STUB)
            return [(x, begin), (level, begin), (level, end)]
        level = y - 10 - 7 * (start % 3)
        begin, end = (x + wide - 8, to_x + wide + STUB) if right > 0 else (x + 8, to_x - STUB)
        return [(begin, y), (begin, level), (end, level)]


def draw_link(
    svg: Svg, points: list[Point], kind: str, delay: int, ticks: int, colour: str
) -> None:
    """A line through points with the registers and the sign of its kind."""
    svg.line(points, stroke=colour, stroke_width=1.8, stroke_dasharray=LINE[kind])
    if kind != "multicast":
        arrow_head(svg, points[-2], points[-1], colour)
    else:
        for x, y in (points[0], points[-1]):
            svg.element("circle", cx=x, cy=y, r=2.6, fill=colour)
    n = (len(points) - 1) // 2
    (x0, y0), (x1, y1) = points[n], points[n + 1]
    signs = ["t" if ticks == 1 else f"{ticks}t"] if ticks else []
    signs += ["" if delay == 1 else str(delay)] if delay else []
    signs += ["+"] if kind.startswith("reduce") else []
    for k, sign in enumerate(signs):
        part = (k + 1) / (len(signs) + 1) - 0.04
        _sign(svg, (x0 + part * (x1 - x0), y0 + part * (y1 - y0)), sign, colour)


def _sign(svg: Svg, at: Point, sign: str, colour: str) -> None:
    """A register (a box, with the number of them), or an adder (a circle)."""
    x, y = at
    look = {"fill": "#ffffff", "stroke": colour, "stroke_width": 1.4}
    if sign == "+":
        svg.element("circle", cx=x, cy=y, r=6.5, **look)
        svg.line([(x - 3.5, y), (x + 3.5, y)], stroke=colour, stroke_width=1.4)
        svg.line([(x, y - 3.5), (x, y + 3.5)], stroke=colour, stroke_width=1.4)
        return
    svg.rect((x - 5.5, y - 5.5), (11, 11), **look)
    if sign:
        middle = {"text_anchor": "middle", "fill": colour}
        svg.text((x, y + 3.2), sign, size=9, font=MONO, **middle)


def arrow_head(svg: Svg, start: Point, end: Point, colour: str) -> None:
    """The head of an arrow from ``start`` that ends at ``end``."""
    length = hypot(end[0] - start[0], end[1] - start[1]) or 1
    x, y = (end[0] - start[0]) / length, (end[1] - start[1]) / length
    left = (end[0] - 7 * x + 3.2 * y, end[1] - 7 * y - 3.2 * x)
    right = (end[0] - 7 * x - 3.2 * y, end[1] - 7 * y + 3.2 * x)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in (end, left, right))
    svg.element("polygon", points=points, fill=colour)
