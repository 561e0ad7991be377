"""The picture of several dataflows: each panel against the dataflow's own, and what they share."""

from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest
from drawn import marked

import rtl_gen
from rtl_gen.report.draw.array_picture import array_picture
from rtl_gen.report.explain_fused import explain_fused
from rtl_gen.spec.operation import SpecError

FILES = sorted((Path(__file__).parents[2] / "dataflows").glob("*.yaml"))
FUSED = [path for path in FILES if rtl_gen.load(path).design.others]


def links(element, tensors, *, unused=False, kinds=("link", "part of a link")):
    """The links of a picture by what makes two of them one wire: those in colour, or the grey."""
    inside = {id(x) for group in marked(element, "unused") for x in group.iter()}
    found = Counter()
    for x in element.iter():
        if x.get("class") in kinds and (id(x) in inside) == unused:
            names = ("data-from", "data-to", "data-delay", "data-ticks")
            found[tensors.index(x.get("data-tensor")), *(x.get(name) for name in names)] += 1
    return found


def panels(design, array):
    root = ElementTree.fromstring(design.draw(array=array))
    return [x for x in root.iter() if x.get("class") == "mode"]


@pytest.mark.parametrize("path", FUSED, ids=lambda path: path.stem)
@pytest.mark.parametrize("array", [None, (9, 4)], ids=str)
def test_panels_are_the_dataflows_and_share_what_is_said(path, array):
    design = rtl_gen.load(path)
    found = panels(design, array)
    facts = explain_fused(design._on(array).design)
    assert [x.get("data-mode") for x in found] == [mode.name for mode in facts.fusion.modes]
    own, grey, tensors = [], [], []
    for panel, part in zip(found, facts.parts):
        operation = part.design.dataflow.operation
        tensors.append([tensor.name for tensor in (*operation.operands, operation.output)])
        own.append(links(panel, tensors[-1]))
        grey.append(links(panel, tensors[-1], unused=True))
        alone = ElementTree.fromstring(array_picture(part))
        assert own[-1] == links(alone, tensors[-1]), "a panel has the links of its dataflow"
        assert len(marked(panel, "pe")) == len(marked(alone, "pe"))
    for n, panel in enumerate(found):
        others = Counter()
        for k, counted in enumerate(own):
            others |= counted if k != n else Counter()
        if array:  # nothing is left out
            assert set(grey[n]) <= set(others) - set(own[n])
            shown = {x.get("data-pe") for x in marked(panel, "pe")}
            missing = set(others) - set(own[n]) - set(grey[n])
            assert not [key for key in missing if {key[1], key[2]} <= shown]
            whole = links(panel, tensors[n], kinds=("link",))
            assert len(marked(panel, "alone")) == len(set(whole) - set(others))


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
    first, second = (set(links(x, ["I", "W", "O"])) for x in panels(adaptive, (9, 4)))
    shared = {operand for operand, *_ in first & second}
    assert shared == {1, 2}, "weights and sums"


def test_steps_are_of_one_dataflow():
    with pytest.raises(SpecError, match="steps are followed in one dataflow; draw those of weight"):
        rtl_gen.load(FILES[0].parent / "adaptive.yaml").draw_steps()
