"""The picture of an array of several dataflows: a panel each, and which links they share.

A link is the same in two dataflows if it leads the same operand, or the sums, from the same PE to
the same other one through as many registers: then all take it along one wire.
"""

from dataclasses import replace

from ...reuse.fusion import Mode
from ...reuse.wires import Wire, wires
from ..explain_fused import FusedExplanation, choice_sentences, common_sentence
from .array_picture import ArrayPanel
from .legend import draw_row
from .link_lines import BAND
from .style import GREY, INK, PALE
from .svg import Svg

__all__ = ["fused_picture", "links_by_mode"]

MARGIN, WIDTH = 24, 760

BETWEEN = 18
"""From the line above a panel to the panel."""


def links_by_mode(facts: FusedExplanation) -> list[dict[tuple, Wire]]:
    """Of each dataflow its links, by what makes two of them one wire."""
    return [_by_place(mode) for mode in facts.fusion.modes]


def _by_place(mode: Mode) -> dict[tuple, Wire]:
    operation = mode.reuse.placement.dataflow.operation
    numbers = dict(zip((operand.name for operand in mode.reuse.operands), mode.operands))
    numbers[operation.output.name] = None
    return {
        (numbers[wire.tensor], wire.source, wire.target, wire.delay, wire.ticks): wire
        for wire in wires(mode.reuse)
    }


def fused_picture(facts: FusedExplanation) -> str:
    """An SVG with a panel for each dataflow; what it says was found by the reuse analysis."""
    svg, links = Svg(), links_by_mode(facts)
    design = facts.design
    title = f"{design.name}: {len(links)} dataflows on {design.rows} x {design.columns} PEs"
    svg.text((MARGIN, MARGIN + 8), title, size=17, fill=INK, font_weight="bold")
    at, width = MARGIN + 30, WIDTH
    for text in (common_sentence(facts), *choice_sentences(facts)):
        at = draw_row(svg, (MARGIN, at), WIDTH - 2 * MARGIN, text, indent=0)
    at = _draw_key(svg, at)
    for number, (mode, part) in enumerate(zip(facts.fusion.modes, facts.parts)):
        others = {key: wire for n, x in enumerate(links) if n != number for key, wire in x.items()}
        alone = [wire for key, wire in links[number].items() if key not in others]
        unused = [
            replace(wire, tensor=_tensor(mode, key[0]))
            for key, wire in others.items()
            if key not in links[number]
        ]
        at += BETWEEN
        svg.line([(MARGIN, at), (WIDTH - MARGIN, at)], stroke=GREY, stroke_width=0.8)
        named = replace(part.design, name=f"{number}: {mode.name}")
        panel = ArrayPanel(replace(part, design=named, reuse=mode.reuse), svg, alone, unused)
        with svg.group(class_="mode", data_mode=mode.name, transform=f"translate(0 {at:.0f})"):
            wide, high = panel.draw()
        at, width = at + high, max(width, wide)
    return svg.document((width, at), title)


def _draw_key(svg: Svg, at: float) -> float:
    """What bands and grey links mean, with a sample of each; returns where the next row stands."""
    width, ends = WIDTH - 2 * MARGIN, [MARGIN + 4, MARGIN + 54]
    at = draw_row(svg, (MARGIN, at), width, "A panel for each dataflow.", indent=0, fill=GREY)
    for text, look in (
        ("a link of this dataflow alone", BAND),
        ("a link of others that this one does not take", {"stroke": PALE, "stroke_width": 1.6}),
        ("any other link: shared", {"stroke": GREY, "stroke_width": 1.6}),
    ):
        line = [(x, at - 4) for x in ends]
        svg.line(line, **({"stroke": GREY} | look))
        if look is BAND:
            svg.line(line, stroke=GREY, stroke_width=1.6)
        at = draw_row(svg, (MARGIN, at), width, text, fill=GREY)
    return at


def _tensor(mode: Mode, operand: int | None) -> str:
    """What a dataflow calls an operand of the array, or the sums."""
    if operand is None:
        return mode.reuse.placement.dataflow.operation.output.name
    return mode.reuse.operands[mode.operands.index(operand)].name
