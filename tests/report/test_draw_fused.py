"""The picture of several dataflows: each panel against the dataflow's own, and what they share."""

from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest
from drawn import marked

import rtl_gen
from rtl_gen.report.draw.array_picture import array_picture
from rtl_gen.report.explain_fused import explain_fused
from rtl_gen.reuse import wires
from rtl_gen.spec.operation import SpecError

FILES = sorted((Path(__file__).parents[2] / "dataflows").glob("*.yaml"))
NEST = """
array: {rows: 3, columns: 4}
nest:
  - {for: n}
  - {for: k}
  - {for: m}
  - {spatial: k, on: rows}
  - {spatial: n, on: columns}
"""
FUSED = [path for path in FILES if rtl_gen.load(path).design.others]


Key = tuple[int, str, str, str, str]
"""What makes two links one wire: operand of the array (the output is the last), ends, registers."""


def drawn_links(panel, numbers, *, unused=False, kinds=("link", "part of a link")) -> Counter:
    """The links of a panel: those in colour, or the grey; ``numbers``: of its tensors."""
    inside = {id(x) for group in marked(panel, "unused") for x in group.iter()}
    found = Counter()
    for x in panel.iter():
        if x.get("class") in kinds and (id(x) in inside) == unused:
            names = ("data-from", "data-to", "data-delay", "data-ticks")
            found[numbers[x.get("data-tensor")], *(x.get(name) for name in names)] += 1
    return found


def numbers_of(mode) -> dict[str, int]:
    """By the names of a dataflow's tensors the array's operands in whose place they come."""
    operation = mode.reuse.placement.dataflow.operation
    names = [operand.name for operand in mode.reuse.operands]
    return dict(zip(names, mode.operands)) | {operation.output.name: len(names)}


def wires_of(mode) -> set[Key]:
    """All links of a dataflow, drawn or not."""
    numbers = numbers_of(mode)
    return {
        (
            numbers[wire.tensor],
            *(f"{row},{column}" for row, column in (wire.source, wire.target)),
            str(wire.delay),
            str(wire.ticks),
        )
        for wire in wires(mode.reuse)
    }


def panels(design, array):
    root = ElementTree.fromstring(design.draw(array=array))
    return [x for x in root.iter() if x.get("class") == "mode"]


def check_panels(design, array):
    """Each panel against its dataflow alone; bands and grey links against the others' wires."""
    found = panels(design, array)
    facts = explain_fused(design._on(array).design)
    modes = facts.fusion.modes
    assert [x.get("data-mode") for x in found] == [mode.name for mode in modes]
    all_wires = [wires_of(mode) for mode in modes]
    for n, (panel, mode, part) in enumerate(zip(found, modes, facts.parts)):
        numbers, own = numbers_of(mode), all_wires[n]
        others = set().union(*(x for k, x in enumerate(all_wires) if k != n))
        alone = ElementTree.fromstring(array_picture(part))
        drawn = drawn_links(panel, numbers)
        assert drawn == drawn_links(alone, numbers) and set(drawn) <= own
        shown = {x.get("data-pe") for x in marked(panel, "pe")}
        assert shown == {x.get("data-pe") for x in marked(alone, "pe")}
        grey = set(drawn_links(panel, numbers, unused=True))
        assert grey <= others - own
        assert {key for key in others - own if {key[1], key[2]} <= shown} <= grey
        whole = drawn_links(panel, numbers, kinds=("link",))
        assert len(marked(panel, "alone")) == len(set(whole) - others)


@pytest.mark.parametrize("path", FUSED, ids=lambda path: path.stem)
@pytest.mark.parametrize("array", [None, (9, 4)], ids=str)
def test_panels_are_the_dataflows_and_share_what_is_said(path, array):
    check_panels(rtl_gen.load(path), array)


def test_operands_in_another_order(tmp_path):
    """Weights meet weights: they are the first operand of one product, the second of the other."""
    for name, product in (("first", "A[m,k] * B[k,n]"), ("second", "B[k,n] * A[m,k]")):
        operation = f"{{name: {name}, einsum: 'O[m,n] += {product}', weights: B}}"
        text = f"name: {name}\noperation: {operation}{NEST}"
        (tmp_path / f"{name}.yaml").write_text(text)
    (tmp_path / "both.yaml").write_text("dataflows: [first.yaml, second.yaml]\n")
    design = rtl_gen.load(tmp_path / "both.yaml")
    modes = explain_fused(design.design).fusion.modes
    assert [mode.operands for mode in modes] == [(0, 1), (1, 0)]
    check_panels(design, None)
    for panel in panels(design, None):  # the same array twice
        assert not marked(panel, "alone") and not marked(panel, "unused")


def test_what_weight_stationary_and_depthwise_share():
    """Weights and sums come along the same wires; the input comes from below, or along rows."""
    adaptive = rtl_gen.load(FILES[0].parent / "adaptive.yaml")
    for panel, down in zip(panels(adaptive, (9, 4)), (0, -1), strict=True):
        rows = {"I": set(), "W": set(), "O": set()}
        for x in panel.iter():
            if x.get("class") == "link" and x.get("data-delay"):
                ends = [int(x.get(name).split(",")[0]) for name in ("data-from", "data-to")]
                rows[x.get("data-tensor")].add(ends[1] - ends[0])
        assert rows["W"] == {0} and rows["O"] == {-1} and down in rows["I"]
    numbers = {"I": 0, "W": 1, "O": 2}
    first, second = (set(drawn_links(x, numbers)) for x in panels(adaptive, (9, 4)))
    assert {operand for operand, *_ in first & second} == {1, 2}, "weights and sums"


def test_steps_are_of_one_dataflow():
    with pytest.raises(SpecError, match="steps are followed in one dataflow; draw those of weight"):
        rtl_gen.load(FILES[0].parent / "adaptive.yaml").draw_steps()
