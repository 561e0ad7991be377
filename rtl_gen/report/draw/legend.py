"""What a picture says in words: the nest above it, and below it how each tensor moves."""

import itertools
import textwrap
from collections.abc import Sequence

from ...reuse.wires import wires
from ...spec.dataflow import AXES, Dataflow
from ...spec.layer import Layer
from ..explain import Explanation
from ..reuse_facts import LinkFacts, OperandFacts
from ..sentences import count_text, lane_text, link_text
from .link_lines import arrow_head, draw_link
from .style import GREY, INK, colours, tints
from .svg import Point, Svg

__all__ = ["draw_head", "draw_legend", "draw_row", "layer_text", "nest_lines"]

SIZE, LINE = 11.5, 16
SAMPLE = 66
"""Pixels of a sample of a link."""


def draw_head(svg: Svg, facts: Explanation, at: Point, width: float) -> float:
    """Name, einsum and nest; returns where they end."""
    design = facts.design
    operation = design.dataflow.operation
    x, y = at
    title = f"{design.name}: {operation.name} on {pes_text(facts)}"
    svg.text((x, y + 8), title, size=17, fill=INK, font_weight="bold")
    nest = nest_lines(design.dataflow, facts.reuse.placement.sizes)
    lines = [line for text in nest for line in _wrapped(text, width)]
    for n, line in enumerate(lines):
        svg.text((x, y + 30 + LINE * n), line, size=SIZE, fill=INK)
    return y + 30 + LINE * len(lines)


def pes_text(facts: Explanation) -> str:
    """Rows and columns of PEs that the nest takes, and those that are there if they are more."""
    design, used = facts.design, facts.reuse.placement.extent
    there = f"{design.rows} x {design.columns} PEs"
    return there if used == design.shape else f"{used[0]} x {used[1]} of {there}"


def nest_lines(dataflow: Dataflow, sizes: Sequence[int] = ()) -> list[str]:
    """The einsum, and the loops on one line.

    ``sizes``: of the spatial loops, where they are known.
    """
    loops = [f"for {' '.join(dataflow.temporal)}"]
    loops += [f"in the PE {loop.dimension} (at most {loop.maximum})" for loop in dataflow.pe]
    for loop, size in itertools.zip_longest(dataflow.spatial, sizes):
        axis = AXES[loop.axis] if size is None else f"{size} {AXES[loop.axis]}"
        loops.append(f"spatial {loop.dimension} on {axis}")
    return [dataflow.operation.einsum, "; ".join(loops)]


def layer_text(layer: Layer) -> str:
    """The sizes and symbols of the layer that is drawn."""
    sizes = ", ".join(f"{d} = {n}" for d, n in layer.sizes.items() if n > 1)
    symbols = ", ".join(f"{s} = {n}" for s, n in layer.symbols.items())
    return f"The layer: {sizes}" + (f"; {symbols}" if symbols else "")


def draw_legend(svg: Svg, facts: Explanation, at: Point, width: float) -> float:
    """How each tensor moves, with a sample of each line; returns where it ends."""
    x, y = at
    operation = facts.design.dataflow.operation
    colour, tint = colours(operation), tints(operation)
    for tensor in (*facts.operands, facts.output):
        ink = colour[tensor.name]
        y = draw_row(svg, (x, y), width, _heading(tensor), fill=ink, font_weight="bold", indent=0)
        for link in _taken(facts, tensor):
            if link.kind != "unicast":
                _sample(svg, (x, y), link, ink)
            y = draw_row(svg, (x, y), width, link_text(link))
        stored = _stored(tensor)
        if stored:
            frame = {"fill": tint[tensor.name], "stroke": ink, "stroke_width": 0.9}
            svg.rect((x + 14, y - 11), (SAMPLE - 30, 14), rx=2, **frame)
            y = draw_row(svg, (x, y), width, stored)
        inward = isinstance(tensor, OperandFacts)
        ends = [(x + 4, y - 4), (x + SAMPLE - 12, y - 4)]
        svg.line(ends, stroke=ink, stroke_width=1.6)
        arrow_head(svg, *ends, ink)
        y = draw_row(svg, (x, y), width, _crossing(tensor, inward))
        y += 6
    for text in _notes(facts):
        y = draw_row(svg, (x, y), width, text, indent=0, fill=GREY)
    return y


def _taken(facts: Explanation, tensor) -> list[LinkFacts]:
    """The links of a tensor that some PE takes: of several the first that serves it."""
    taken = {
        (wire.target[0] - wire.source[0], wire.target[1] - wire.source[1])
        for wire in wires(facts.reuse)
        if wire.tensor == tensor.name
    }
    return [link for link in tensor.links if link.kind == "unicast" or link.vector in taken]


def _heading(tensor) -> str:
    role = tensor.role if isinstance(tensor, OperandFacts) else "output"
    return f"{tensor.name}, the {role}: {tensor.how}, because {tensor.because}"


def _stored(tensor) -> str:
    if isinstance(tensor, OperandFacts):
        if not tensor.storage:
            return ""
        return f"held in the PE: {count_text(tensor.storage, 'word')}, and as many in a shadow"
    if not tensor.storage:
        return ""
    return f"kept in the PE: {count_text(tensor.storage, 'accumulator')} of {tensor.psum_bits} bits"


def _crossing(tensor, inward: bool) -> str:
    if inward:
        when = "load tick" if tensor.how == "stationary" else "step"
        return f"lanes: {lane_text(tensor.lanes, when)}"
    when = "drain tick" if tensor.drain else "step"
    text = f"exits: {lane_text(tensor.exits, when, inward=False)}"
    if tensor.exits.elements < tensor.exits.count:
        text += "; exits of one output are added behind the array"
    return text


def _notes(facts: Explanation) -> list[str]:
    notes = []
    operation = facts.design.dataflow.operation
    if operation.symbols:
        names = ", ".join(operation.symbols)
        notes.append(
            f"{names} are set at run time. Indices are those of a step whose other loops are at 0."
        )
    else:
        notes.append("Indices are those of a step whose other loops are at 0.")
    if not facts.reuse.grid.at_once:
        notes.append("+n: a step reaches the PE n cycles after the first PE (skew).")
    notes.append(
        "A box on a line is a register (t: it advances with the tensor's ticks), a circle an adder."
    )
    if facts.refused:
        notes.append(f"Only the array can be built, no accelerator around it: {facts.refused}")
    return notes


def _sample(svg: Svg, at: Point, link: LinkFacts, colour: str) -> None:
    x, y = at
    ends = [(x + 4, y - 4), (x + SAMPLE - 12, y - 4)]
    ticks = 1 if link.kind == "shift" else link.ticks
    draw_link(svg, ends, link.kind, link.delay, ticks, colour)


def draw_row(
    svg: Svg, at: Point, width: float, text: str, *, indent: int = SAMPLE, **look
) -> float:
    """A text in as many lines as it needs; returns where the next row stands."""
    x, y = at
    for n, line in enumerate(_wrapped(text, width - indent)):
        svg.text((x + indent, y + LINE * n), line, size=SIZE, **({"fill": INK} | look))
    return y + LINE * len(_wrapped(text, width - indent))


def _wrapped(text: str, width: float) -> list[str]:
    """Lines of a text in `SANS`."""
    return textwrap.wrap(text, max(20, int(width / (0.56 * SIZE))))
