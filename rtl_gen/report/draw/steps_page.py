"""The space-time picture: a page with a slider over the cycles, or one SVG of all cycles."""

from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from ...mapping.placing import Placing
from ...mapping.tagged_mapper import choose_folding
from ...reuse.tagged_machine import TaggedMachine
from ...spec.design import Design
from ...spec.layer import Layer
from ..explain import Explanation
from .array_picture import array_picture
from .frames import Frames
from .kept_panel import KeptPanel
from .legend import layer_text, nest_lines
from .link_trace import LinkTrace, example_layer
from .space_time import SpaceTime
from .style import INK
from .svg import Svg
from .tagged_picture import folding_text, picture_of
from .tagged_trace import TaggedTrace, small_mapping
from .trace import Trace

__all__ = ["FollowedLayer", "follow", "follow_tagged", "steps_chart", "steps_page"]


@dataclass(frozen=True)
class FollowedLayer:
    """A layer's trace, with what a picture says around it.

    Parameters
    ----------
    lines
        The nest in words.
    array
        Draws the array as SVG.
    """

    trace: Trace
    design: Design
    lines: list[str]
    array: Callable[[], str]

    @property
    def blanks(self) -> str:
        """Why fields of the chart are blank; empty if none is."""
        trace, reasons = self.trace, []
        if any(map(trace.delay, trace.pes)):
            reasons.append("steps reach it later than the first PE")
        steps = [step for step in trace.steps if step.kind == "step"]
        if not all(trace.works(step, pe) for step in steps for pe in trace.pes):
            reasons.append("its part lies beyond the layer")
        kinds = dict.fromkeys(step.kind for step in trace.steps if step.kind != "step")
        reasons += [trace.idle[kind] for kind in kinds]
        return f"Where a field is blank the PE does no MAC: {'; '.join(reasons)}." * bool(reasons)

    @property
    def title(self) -> str:
        design = self.design
        return f"{design.name}, step by step, on {design.rows} x {design.columns} PEs"


def follow(facts: Explanation, layer: Layer | None = None) -> FollowedLayer:
    """A layer, by default a small one, along the links of an array; errors as of `Trace`."""
    trace = LinkTrace(facts.reuse, layer or example_layer(facts.reuse))
    nest = nest_lines(facts.design.dataflow, facts.reuse.placement.sizes)
    lines = [*nest, layer_text(trace.layer)]
    return FollowedLayer(trace, facts.design, lines, lambda: array_picture(facts))


def follow_tagged(machine: TaggedMachine, layer: Layer | None = None) -> FollowedLayer:
    """The same on tagged buses; errors as of `choose_folding` and `TaggedTrace`."""
    chosen = choose_folding(machine, layer, Placing()) if layer else small_mapping(machine)
    trace = TaggedTrace(chosen)
    lines = [*nest_lines(machine.design.dataflow), layer_text(trace.layer), folding_text(chosen)]
    return FollowedLayer(trace, machine.design, lines, lambda: picture_of(chosen))


def steps_chart(followed: FollowedLayer) -> str:
    """An SVG: for each tensor, PEs down and cycles to the right."""
    trace = followed.trace
    chart, svg = SpaceTime(trace), Svg()
    svg.text((16, 28), followed.title, size=17, fill=INK, font_weight="bold")
    lines = [*followed.lines, followed.blanks] if followed.blanks else followed.lines
    for n, line in enumerate(lines):
        svg.text((16, 50 + 17 * n), line, size=11.5, fill=INK)
    panel, top = KeptPanel(trace), 62 + 17 * len(lines)
    with svg.group(transform=f"translate(0 {top})"):
        panel.draw(svg)
    with svg.group(transform=f"translate(0 {top + panel.size[1]:.0f})"):
        chart.draw(svg)
    width = max(chart.size[0], panel.size[0], 16 + max(map(len, lines)) * 6.6)
    return svg.document((width, top + panel.size[1] + chart.size[1]), followed.title)


def steps_page(followed: FollowedLayer) -> str:
    """A self-contained HTML page: the array cycle by cycle, all cycles in one chart, the array."""
    trace = followed.trace
    frames, chart = Frames(trace), SpaceTime(trace)
    drawn = []
    for cycle in range(trace.cycles):
        svg = Svg()
        frames.draw(svg, cycle)
        shown = "" if cycle == 0 else ' style="display:none"'
        drawn.append(f'<g class="frame" data-cycle="{cycle}"{shown}>\n{svg.body()}\n</g>')
    table = Svg()
    left, column = chart.left, chart.column
    box = {"fill": "none", "stroke": "#000000", "stroke_width": 1.6, "id": "now"}
    table.rect((left, 24), (column - 1, chart.size[1] - 40), **box)
    chart.draw(table)
    panel, kept = KeptPanel(trace), Svg()
    panel.draw(kept)
    return _PAGE.format(
        title=escape(followed.title),
        nest="<br>\n".join(escape(line) for line in followed.lines),
        kept_size=_size(panel.size),
        kept=kept.body(),
        blanks=escape(followed.blanks),
        last=trace.cycles - 1,
        frame_size=_size(frames.size),
        frames="\n".join(drawn),
        chart_size=_size(chart.size),
        chart=table.body(),
        left=f"{left:.1f}",
        column=f"{column:.1f}",
        array=followed.array(),
    )


def _size(size: tuple[float, float]) -> str:
    return f'width="{size[0]:.0f}" height="{size[1]:.0f}" viewBox="0 0 {size[0]:.0f} {size[1]:.0f}"'


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 14px/1.45 "DejaVu Sans", Helvetica, Arial, sans-serif; color: #1a1a1a;
  margin: 24px; background: #fff; }}
h1 {{ font-size: 21px; margin: 0 0 8px }}
h2 {{ font-size: 16px; margin: 28px 0 6px }}
p {{ margin: 4px 0 }}
.bar {{ position: sticky; top: 0; background: #fff; padding: 8px 0;
  border-bottom: 1px solid #ccc; }}
.bar input[type=range] {{ width: 420px; vertical-align: middle }}
.wide {{ overflow-x: auto }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{nest}</p>
<svg xmlns="http://www.w3.org/2000/svg" id="kept" {kept_size}>
{kept}
</svg>
<div class="bar">
<button id="back" title="left arrow key">back</button>
<input type="range" id="cycle" min="0" max="{last}" value="0" aria-label="cycle">
<button id="on" title="right arrow key">on</button>
cycle <output id="number">0</output> of {last}
&nbsp; colour by
<label><input type="radio" name="by" value="fill" checked> element</label>
<label><input type="radio" name="by" value="kept"> what the PE stays with</label>
</div>
<h2>Each cycle: which PE uses which element, and which output it adds to</h2>
<p>Equal colours are one element. Arrows are links and lanes; 0 is padding;
a grey PE does no MAC.</p>
<div class="wide">
<svg xmlns="http://www.w3.org/2000/svg" id="frames" {frame_size}>
{frames}
</svg>
</div>
<h2>All cycles: PEs down, cycles to the right</h2>
<p>{blanks}</p>
<div class="wide">
<svg xmlns="http://www.w3.org/2000/svg" id="chart" {chart_size}>
{chart}
</svg>
</div>
<h2>The array</h2>
<div class="wide">
{array}
</div>
<script>
const slider = document.getElementById("cycle");
const frames = [...document.querySelectorAll(".frame")];
const now = document.getElementById("now");
function show() {{
  frames.forEach((frame, n) => frame.style.display = n == slider.value ? "" : "none");
  document.getElementById("number").textContent = slider.value;
  now.setAttribute("x", {left} + {column} * slider.value - 0.5);
}}
function move(by) {{ slider.value = Number(slider.value) + by; show(); }}
slider.addEventListener("input", show);
document.getElementById("back").addEventListener("click", () => move(-1));
document.getElementById("on").addEventListener("click", () => move(1));
document.addEventListener("keydown", event => {{
  if (event.target.type == "range") return;  // it moves by itself
  if (event.key == "ArrowLeft") move(-1);
  if (event.key == "ArrowRight") move(1);
}});
document.querySelectorAll("input[name=by]").forEach(button =>
  button.addEventListener("change", () =>
    document.querySelectorAll("[data-kept]").forEach(mark =>
      mark.setAttribute("fill", mark.dataset[button.value]))));
show();
</script>
</body>
</html>
"""
