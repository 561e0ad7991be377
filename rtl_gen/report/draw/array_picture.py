"""The picture of an array: PEs, links by tensor and kind, lanes, exits, and what is held where."""

from collections.abc import Collection

from ...reuse.elements import element_label
from ...reuse.wires import Port, Wire, kept_loops, ports, wires
from ..explain import Explanation
from .grid import Grid
from .legend import draw_head, draw_legend
from .link_lines import LinkLines, arrow_head
from .style import GREY, INK, PALE, colours, tints
from .svg import MONO, Point, Svg, text_width

__all__ = ["ArrayPanel", "array_picture", "picture_title"]

SIZE = 11  # of what stands in a PE, in pixels
LINE = 15
BAND = 16  # between the lines of two tensors
MARGIN = 24
LABELS = 34  # from a PE to the labels of its lanes
LEAST_WIDTH = 760


def array_picture(facts: Explanation) -> str:
    """An SVG of the array of a design; what it says was found by the reuse analysis."""
    svg = Svg()
    return svg.document(ArrayPanel(facts, svg).draw(), picture_title(facts))


BESIDE = 14
"""Between a link and a lane, or an exit, that lies inside the array."""


class ArrayPanel:
    """The array of one dataflow, with its nest above it and its legend below.

    Parameters
    ----------
    svg
        What it is drawn into.
    alone
        Of its links those that no other dataflow of the design has: a pale band lies beneath.
    unused
        Links that other dataflows have and this one has not, by the names of its tensors: grey.
    """

    def __init__(
        self,
        facts: Explanation,
        svg: Svg,
        alone: Collection[Wire] = (),
        unused: Collection[Wire] = (),
    ):
        self.facts, self.reuse = facts, facts.reuse
        self.alone, self.unused = alone, unused
        self.operation = self.reuse.placement.dataflow.operation
        self.colour, self.tint = colours(self.operation), tints(self.operation)
        self.wires, self.ports = wires(self.reuse), ports(self.reuse)
        self.kept = kept_loops(self.reuse)
        self.svg = svg
        self.bands = {t.name: 12 + BAND * n for n, t in enumerate(self.operation.operands)}
        self.grid = self._place()

    def draw(self) -> Point:
        """Draw it at the origin; returns its width and height."""
        width = max(LEAST_WIDTH, self.grid.origin[0] + self.grid.size[0] + self._side(right=True))
        top = draw_head(self.svg, self.facts, (MARGIN, MARGIN), width - 2 * MARGIN)
        below = self.grid.origin[1] + self.grid.size[1] + LABELS + 34
        with self.svg.group(transform=f"translate(0 {top:.0f})"):
            self._dots()
            self._pes()
            self._links()
            self._ports()
            bottom = draw_legend(self.svg, self.facts, (MARGIN, below), width - 2 * MARGIN)
        return width, top + bottom + MARGIN

    # Where things stand

    def _place(self) -> Grid:
        rows, columns = self.reuse.placement.extent
        corners = [(0, 0), (0, columns - 1), (rows - 1, 0), (rows - 1, columns - 1)]
        lines = [line for pe in corners for line in self._lines(pe)]
        wide = max(text_width(text, SIZE) for _, text, _ in lines)
        box = (max(96, wide + 28), LINE * (1 + len(self.operation.tensors)) + 18)
        hops = max(
            (max(abs(a - b) for a, b in zip(w.source, w.target)) for w in self.wires), default=1
        )
        gap = 50 + 8 * (hops if hops > 1 else 0)
        above = MARGIN
        if any(self._side_of(port) == "top" for port in self.ports):
            above += LABELS + LINE * (len(self.operation.operands) - 1)
        origin = (MARGIN + self._side(right=False), above)
        return Grid((rows, columns), box, (gap, gap), origin)

    def _side(self, *, right: bool) -> float:
        """Room for the labels on one side."""
        wanted = ["right"] if right else ["left"]
        widths = [
            text_width(self._label(port), SIZE)
            for port in self.ports
            if self._side_of(port) in wanted
        ]
        return max(widths, default=0) + LABELS + (MARGIN if right else 8)

    def _label(self, port: Port) -> str:
        tensor = self.operation.tensor(port.tensor)
        return element_label(self.reuse.placement, tensor, port.serves)

    def _lines(self, pe) -> list[tuple[str, str, bool]]:
        """What stands in a PE: tensor, element, and whether the PE keeps it."""
        found = []
        for tensor in self.operation.tensors:
            loops = self.kept.get(tensor.name)
            label = element_label(self.reuse.placement, tensor, [pe], loops or ())
            found.append((tensor.name, label, loops is not None))
        return found

    # Drawing

    def _pes(self) -> None:
        for pe in self.grid.pes:
            x, y = self.grid.corner(pe)
            with self.svg.group(class_="pe", data_pe=_pair(pe)):
                box = {"rx": 5, "fill": "#fafafa", "stroke": INK, "stroke_width": 1.2}
                self.svg.rect((x, y), self.grid.box, **box)
                left, base = x + 14, y + 18
                late = self.reuse.grid.delay(pe)
                when = f"PE {pe[0]},{pe[1]}" + (f"  +{late}" if not self.reuse.grid.at_once else "")
                self.svg.text((left, base), when, size=9.5, fill=GREY)
                for n, (tensor, label, kept) in enumerate(self._lines(pe)):
                    at = base + LINE * (n + 1)
                    if kept:
                        wide = text_width(label, SIZE) + 8
                        frame = {"fill": self.tint[tensor], "stroke": self.colour[tensor]}
                        corner = (left - 4, at - SIZE)
                        self.svg.rect(corner, (wide, LINE - 1), rx=2, stroke_width=0.9, **frame)
                    self.svg.text(
                        (left, at),
                        label,
                        size=SIZE,
                        font=MONO,
                        fill=self.colour[tensor],
                        class_="holds" if kept else "uses",
                        data_tensor=tensor,
                    )

    def _dots(self) -> None:
        """Dots where rows and columns are left out."""
        grid, (wide, high) = self.grid, self.grid.box
        for axis, shown in ((0, grid.rows), (1, grid.columns)):
            if len(shown) == grid.extent[axis]:
                continue
            for other in grid.columns if axis == 0 else grid.rows:
                before = (shown[-2], other) if axis == 0 else (other, shown[-2])
                behind = (shown[-1], other) if axis == 0 else (other, shown[-1])
                (x0, y0), (x1, y1) = grid.corner(before), grid.corner(behind)
                middle = ((x0 + x1 + wide) / 2, (y0 + y1 + high) / 2)
                for n in (-1, 0, 1):
                    at = (middle[0] + 9 * n * axis, middle[1] + 9 * n * (1 - axis))
                    self.svg.element("circle", cx=at[0], cy=at[1], r=2.2, fill=GREY)

    def _links(self) -> None:
        lines = LinkLines(self.svg, self.grid, self._band, self.colour)
        grey = LinkLines(self.svg, self.grid, self._band, dict.fromkeys(self.colour, PALE))
        for wire in self.alone:
            lines.shade(wire)
        for wire in self.unused:
            with self.svg.group(class_="unused"):
                grey.draw(wire)
        for wire in self.wires:
            lines.draw(wire)

    def _band(self, tensor: str) -> tuple[float, float]:
        """Where in a PE the lines of a tensor run: from its left side, from its top."""
        if tensor == self.operation.output.name:
            return self.grid.box[0] - 12, self.grid.box[1] - 12
        return self.bands[tensor], self.bands[tensor]

    def _side_of(self, port: Port) -> str:
        """The side of the array at which an element enters or leaves; empty: among the PEs."""
        last = [n - 1 for n in self.reuse.placement.extent]
        for down, right in port.flow:
            step = (down, right) if port.inward else (-down, -right)
            for axis, names in ((1, ("left", "right")), (0, ("top", "bottom"))):
                if step[axis] > 0 and port.pe[axis] == 0:
                    return names[0]
                if step[axis] < 0 and port.pe[axis] == last[axis]:
                    return names[1]
        return ""

    def _level(self, tensor: str) -> int:
        """How far above others the labels of a tensor stand at the top: no line crosses a label."""
        names = [operand.name for operand in self.operation.operands]
        return LINE * (len(names) - 1 - names.index(tensor)) if tensor in names else 0

    def _ports(self) -> None:
        for port in self.ports:
            if self.grid.shows(port.pe):
                kind = "lane" if port.inward else "exit"
                marks = {"data_tensor": port.tensor, "data_pe": _pair(port.pe)}
                with self.svg.group(class_=kind, data_element=self._label(port), **marks):
                    self._port(port)

    def _port(self, port: Port) -> None:
        colour, label = self.colour[port.tensor], self._label(port)
        (x, y), (wide, high) = self.grid.corner(port.pe), self.grid.box
        along, down = self._band(port.tensor)
        side = self._side_of(port)
        level = self._level(port.tensor)
        far = LABELS - 6
        # outer end, end at the PE, where the label stands
        ends = {
            "left": ((x - far, y + down), (x, y + down), (x - far - 4, y + down + 4), "end"),
            "right": (
                (x + wide + far, y + down),
                (x + wide, y + down),
                (x + wide + far + 4, y + down + 4),
                "start",
            ),
            "top": (
                (x + along, y - far - level),
                (x + along, y),
                (x + along + 5, y - far - level + 8),
                "start",
            ),
            "bottom": (
                (x + along, y + high + far),
                (x + along, y + high),
                (x + along, y + high + far + 12),
                "middle",
            ),
            # no label: it stands in the PE; beside the links, whose registers lie on their lines
            "": (
                ((x + along + BESIDE, y - 17), (x + along + BESIDE, y), None, "")
                if port.inward
                else (
                    (x + along + BESIDE, y + high + 17),
                    (x + along + BESIDE, y + high),
                    None,
                    "",
                )
            ),
        }
        outer, inner, text, anchor = ends[side]
        points = [outer, inner] if port.inward else [inner, outer]
        self.svg.line(points, stroke=colour, stroke_width=1.6)
        arrow_head(self.svg, *points, colour)
        if text:
            self.svg.text(text, label, size=SIZE, font=MONO, fill=colour, text_anchor=anchor)


def _pair(pe) -> str:
    return f"{pe[0]},{pe[1]}"


def picture_title(facts: Explanation) -> str:
    """Name, operation and size of an array."""
    design = facts.design
    return (
        f"{design.name}: {design.dataflow.operation.name} on {design.rows} x {design.columns} PEs"
    )
