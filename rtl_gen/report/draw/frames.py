"""Frames: the array in one cycle, once for each tensor, with the element that each PE uses."""

from ...reuse.wires import Wire
from .link_lines import arrow_head
from .shades import text_colour
from .style import INK, LINE, PALE, colours
from .svg import MONO, Point, Svg, text_width
from .trace import Step, Trace
from .used_elements import Use, UsedElements

__all__ = ["Frames"]

SIZE, GAP, MARGIN, EDGE = 12, 22, 16, 26
TITLE = 40


class Frames:
    """Draws the cycles of a trace, one below the other or one at a time."""

    def __init__(self, trace: Trace):
        self.trace = trace
        operation = trace.operation
        self.colour = colours(operation)
        self.used = [UsedElements(trace, tensor) for tensor in operation.tensors]
        self._wires, self._ports = trace.wires, trace.ports
        rows, columns = trace.extent
        self._boxes = [(max(34.0, text_width("0" * u.longest, SIZE) + 14), 30.0) for u in self.used]
        self._widths = [columns * box[0] + (columns - 1) * GAP + 2 * EDGE for box in self._boxes]
        high = TITLE + 2 * EDGE + rows * 30 + (rows - 1) * GAP
        self.size = (2 * MARGIN + sum(self._widths) + MARGIN * (len(self.used) - 1), high)

    def draw(self, svg: Svg, cycle: int) -> None:
        """The array in a cycle."""
        svg.text((MARGIN, 14), self.caption(cycle), size=12.5, fill=INK, class_="caption")
        left = MARGIN
        for used, box, width in zip(self.used, self._boxes, self._widths):
            with svg.group(
                transform=f"translate({left:.0f} {TITLE})", data_tensor=used.tensor.name
            ):
                self._tensor(svg, cycle, used, box)
            left += width + MARGIN

    def caption(self, cycle: int) -> str:
        """The cycle, and where the loops stand as the first PE sees it."""
        if cycle >= len(self.trace.steps):
            return f"cycle {cycle}: the last steps reach the rest of the array"
        step = self.trace.steps[cycle]
        return f"cycle {cycle}: {_what(self.trace, step)}"

    def _tensor(self, svg: Svg, cycle: int, used: UsedElements, box: Point) -> None:
        name = used.tensor.name
        ink = self.colour[name]
        svg.text((0, 4), used.title, size=13, font=MONO, fill=ink, font_weight="bold")
        corner = {
            (i, j): (EDGE + j * (box[0] + GAP), EDGE + i * (box[1] + GAP))
            for i, j in self.trace.pes
        }
        for wire in self._wires:
            if wire.tensor == name and wire.kind != "shift":
                self._link(svg, wire, corner, box, ink)
        for port in self._ports:
            if port.tensor == name:
                self._port(svg, port, corner[port.pe], box, ink)
        for pe, at in corner.items():
            use = used.use(self.trace.at(cycle, pe), pe)
            self._cell(svg, pe, at, box, used, use)

    def _cell(self, svg: Svg, pe, at: Point, box: Point, used: UsedElements, use: Use | None):
        marks = {"class_": "cell", "data_pe": f"{pe[0]},{pe[1]}"}
        if use is None:
            svg.rect(at, box, rx=3, fill="#f4f4f4", stroke=PALE, **marks)
            return
        fill, kept = used.shade[use.element], used.kept_shade[use.kept]
        marks |= {"data_element": ",".join(map(str, use.element))}
        marks |= {"data_fill": fill, "data_kept": kept}
        svg.rect(at, box, rx=3, fill=fill, stroke=INK, stroke_width=0.8, **marks)
        text = use.text if use.inside else "0"
        colour = text_colour(fill)
        middle = (at[0] + box[0] / 2, at[1] + box[1] / 2 + 4)
        look = {"fill": colour, "data_fill": colour, "data_kept": text_colour(kept)}
        svg.text(middle, text, size=SIZE, font=MONO, text_anchor="middle", **look)

    def _link(self, svg: Svg, wire: Wire, corner, box: Point, ink: str) -> None:
        """From the middle of a box to the next; the boxes are drawn over it."""
        ends = [
            (corner[pe][0] + box[0] / 2, corner[pe][1] + box[1] / 2)
            for pe in (wire.source, wire.target)
        ]
        svg.line(ends, stroke=ink, stroke_width=1.4, stroke_dasharray=LINE[wire.kind])
        if wire.kind != "multicast":
            arrow_head(svg, ends[0], _border(*ends, box), ink)

    def _port(self, svg: Svg, port, at: Point, box: Point, ink: str) -> None:
        """A short arrow into, or out of, the PE of a lane or an exit, from where it flows."""
        down, right = port.flow[0] if port.flow else ((1, 0))
        if down and right:  # along a diagonal: from above, or from the side that it comes from
            top = port.pe[0] == (0 if down > 0 else self.trace.extent[0] - 1)
            down, right = (down, 0) if top else (0, right)
        middle = (at[0] + box[0] / 2, at[1] + box[1] / 2)
        sign = -1 if port.inward else 1
        reach = (box[0] / 2 if right else 0, box[1] / 2 if down else 0)
        inner = (middle[0] + sign * right * reach[0], middle[1] + sign * down * reach[1])
        outer = (inner[0] + sign * right * (EDGE - 8), inner[1] + sign * down * (EDGE - 8))
        ends = [outer, inner] if port.inward else [inner, outer]
        svg.line(ends, stroke=ink, stroke_width=1.4)
        arrow_head(svg, *ends, ink)


def _border(start: Point, end: Point, box: Point) -> Point:
    """Where a line to the middle of a box meets its border."""
    x, y = start[0] - end[0], start[1] - end[1]
    part = min(
        box[0] / 2 / abs(x) if x else 1.0,
        box[1] / 2 / abs(y) if y else 1.0,
    )
    return end[0] + part * x, end[1] + part * y


def _what(trace: Trace, step: Step) -> str:
    """A step in words: its kind, and the loops that move within the trace."""
    moving = [
        loop
        for loop in step.trips
        if len({other.trips[loop] for other in trace.steps if loop in other.trips}) > 1
    ]
    loops = ", ".join(
        f"{d} {step.trips[kind, d]}{' in the PE' * (kind == 'pe')}" for kind, d in moving
    )
    if step.kind == "step":
        return f"a step begins, trips {loops}" if loops else "a step begins"
    return f"{trace.idle[step.kind]}, no PE works"
