"""Space and time in one picture for each tensor: PEs down, cycles to the right."""

from .frames import MARGIN
from .shades import text_colour
from .style import GREY, INK, PALE, colours
from .svg import MONO, Svg, text_width
from .trace import Trace
from .used_elements import UsedElements

__all__ = ["SpaceTime"]

SIZE, LINE, HEAD = 10.5, 17, 44
LABEL = 56


class SpaceTime:
    """Charts of a trace, one below the other."""

    def __init__(self, trace: Trace):
        self.trace = trace
        self.used = [UsedElements(trace, tensor) for tensor in trace.operation.tensors]
        longest = max(used.longest for used in self.used)
        self.column = max(22.0, text_width("0" * longest, SIZE) + 6)
        self.rows = len(trace.pes)
        self.chart = HEAD + LINE * self.rows
        self.size = (
            2 * MARGIN + LABEL + self.column * trace.cycles,
            self.chart * len(self.used) + MARGIN,
        )

    @property
    def left(self) -> float:
        """Where cycle 0 begins."""
        return MARGIN + LABEL

    def draw(self, svg: Svg) -> None:
        for n, used in enumerate(self.used):
            move = f"translate(0 {n * self.chart})"
            with svg.group(class_="chart", data_tensor=used.tensor.name, transform=move):
                self._chart(svg, used)

    def _chart(self, svg: Svg, used: UsedElements) -> None:
        trace = self.trace
        ink = colours(trace.operation)[used.tensor.name]
        svg.text((MARGIN, 18), used.title, size=13, font=MONO, fill=ink, font_weight="bold")
        for cycle in range(trace.cycles):
            at = (self.left + (cycle + 0.5) * self.column, HEAD - 8)
            svg.text(at, str(cycle), size=9.5, fill=GREY, text_anchor="middle")
        for n, pe in enumerate(trace.pes):
            top = HEAD + LINE * n
            svg.text((MARGIN, top + 12), f"PE {pe[0]},{pe[1]}", size=SIZE, fill=INK)
            for cycle in range(trace.cycles):
                self._cell(svg, used, pe, cycle, top)
        ends = [
            (self.left, HEAD + LINE * self.rows),
            (self.size[0] - MARGIN, HEAD + LINE * self.rows),
        ]
        svg.line(ends, stroke=PALE, stroke_width=1)

    def _cell(self, svg: Svg, used: UsedElements, pe, cycle: int, top: float) -> None:
        use = used.use(self.trace.at(cycle, pe), pe)
        if use is None:
            return
        fill, kept = used.shade[use.element], used.kept_shade[use.kept]
        at = (self.left + cycle * self.column, top)
        marks = {"data_pe": f"{pe[0]},{pe[1]}", "data_cycle": cycle}
        marks |= {"data_element": ",".join(map(str, use.element))}
        marks |= {"data_fill": fill, "data_kept": kept}
        size = (self.column - 1, LINE - 1)
        svg.rect(at, size, class_="use", fill=fill, **marks)
        colour = text_colour(fill)
        look = {"fill": colour, "data_fill": colour, "data_kept": text_colour(kept)}
        middle = (at[0] + size[0] / 2, top + 12)
        text = use.text if use.inside else "0"
        svg.text(middle, text, size=SIZE, font=MONO, text_anchor="middle", **look)
