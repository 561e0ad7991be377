"""What each PE stays with while the array walks its own loops: what "stationary" means."""

from .frames import MARGIN
from .shades import text_colour
from .style import GREY, INK, colours
from .svg import MONO, Svg, text_width
from .trace import Trace
from .used_elements import UsedElements

__all__ = ["KeptPanel"]

SIZE, HIGH, GAP, HEAD = 12, 26, 4, 62


class KeptPanel:
    """A grid of PEs for each tensor of which a PE stays with a part, such as a row."""

    def __init__(self, trace: Trace):
        self.trace = trace
        used = [UsedElements(trace, tensor) for tensor in trace.operation.tensors]
        self.used = [one for one in used if one.kept_ranks]
        rows, columns = trace.extent
        self._boxes = [
            max(34.0, max(text_width(self._text(u, pe), SIZE) for pe in trace.pes) + 14)
            for u in self.used
        ]
        titles = [text_width(self._title(u), SIZE) for u in self.used]
        self._widths = [
            max(columns * (box + GAP), title) for box, title in zip(self._boxes, titles)
        ]
        high = HEAD + rows * (HIGH + GAP) + 10 if self.used else 0
        self.size = (2 * MARGIN + sum(self._widths) + 40 * len(self.used), high)

    def draw(self, svg: Svg) -> None:
        if not self.used:
            return
        loops = " and ".join(self.trace.dataflow.hardware_loops)
        text = f"While the array walks its own loops ({loops}), each PE stays with"
        svg.text((MARGIN, 16), text, size=12.5, fill=INK)
        left = MARGIN
        for used, box, width in zip(self.used, self._boxes, self._widths):
            name = used.tensor.name
            with svg.group(class_="kept", data_tensor=name, transform=f"translate({left:.0f} 0)"):
                self._grid(svg, used, box)
            left += width + 40

    def _grid(self, svg: Svg, used: UsedElements, box: float) -> None:
        ink = colours(self.trace.operation)[used.tensor.name]
        svg.text((0, 38), self._title(used), size=SIZE, font=MONO, fill=ink, font_weight="bold")
        held = used.tensor.name in self.trace.kept
        kept = "summed" if used.tensor is self.trace.operation.output else "held"
        where = f"{kept} in the PE" if held else "passing through the PE"
        svg.text((0, 53), where, size=10.5, fill=GREY)
        for pe in self.trace.pes:
            at = (pe[1] * (box + GAP), HEAD + pe[0] * (HIGH + GAP))
            use = used.use(self.trace.first, pe)
            if use is None:
                continue
            fill = used.kept_shade[use.kept]
            marks = {"data_pe": f"{pe[0]},{pe[1]}", "data_element": ",".join(map(str, use.kept))}
            svg.rect(at, (box, HIGH), class_="stays", rx=3, fill=fill, stroke=INK, **marks)
            look = {"fill": text_colour(fill), "text_anchor": "middle"}
            svg.text(
                (at[0] + box / 2, at[1] + 17), self._text(used, pe), size=SIZE, font=MONO, **look
            )

    def _title(self, used: UsedElements) -> str:
        names = ",".join(rank.name for rank in used.kept_ranks)
        return f"one {names} of {used.tensor.name}"

    def _text(self, used: UsedElements, pe) -> str:
        use = used.use(self.trace.first, pe)
        if use is None:
            return ""
        return ",".join(f"{rank.name}={n}" for rank, n in zip(used.kept_ranks, use.kept))
