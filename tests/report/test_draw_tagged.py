"""The picture of tagged buses, against what the mapped example asks of every PE."""

import dataclasses
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

import rtl_gen
from rtl_gen.api import LoadedDesign
from rtl_gen.mapping.mapper import choose_mapping
from rtl_gen.report.draw.tagged_picture import example_layer
from rtl_gen.spec.operation import SpecError

FILE = Path(__file__).parents[2] / "dataflows" / "row_stationary.yaml"
SHAPES = [(12, 14), (3, 5), (6, 4), (5, 6)]


def marked(root, name):
    return [x for x in root.iter() if x.get("class") == name]


def numbers(text):
    """The first value of each dimension in a label."""
    return {name: int(value) for name, value in re.findall(r"(\w)=(\d+)", text)}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_tags_are_those_of_the_mapped_layer(shape):
    """A filter row along a row of PEs, an input row along a diagonal, an output row down."""
    design = rtl_gen.load(FILE)
    root = ElementTree.fromstring(design.draw(array=shape))
    small = dataclasses.replace(design.design, rows=shape[0], columns=shape[1])
    machine = LoadedDesign(FILE, small).machine
    mapping = choose_mapping(machine, example_layer(machine))
    fold, seen = mapping.fold, 0
    for pe in marked(root, "pe"):
        row, column = map(int, pe.get("data-pe").split(","))
        labels = {x.text[0]: numbers(x.text[1:]) for x in pe.iter() if x.get("class")}
        labels.pop("", None)
        if row >= fold.rows or column >= fold.columns:
            assert not [x for x in pe.iter() if x.get("class") in ("holds", "adds")]
            continue
        chain, at = divmod(row, fold.chain)
        group, tap = divmod(at, fold.taps)
        assert labels["W"] == {"r": tap, "k": chain * fold.filters}
        assert labels["I"] == {"h": column + tap, "c": group * fold.channels}
        assert labels["O"] == {"p": column}
        seen += 1
    assert seen > 3
    ends = {int(x.get("data-pe").split(",")[0]) for x in marked(root, "exit")}
    assert ends <= {n for n in range(fold.rows) if n % fold.chain == fold.chain - 1}
    for link in marked(root, "link"):
        row, column = map(int, link.get("data-from").split(","))
        assert link.get("data-to") == f"{row + 1},{column}"
        assert row % fold.chain != fold.chain - 1, "no sum goes from chain to chain"
    assert len(marked(root, "bus")) == 2


def test_what_cannot_be_built_is_not_drawn():
    design = rtl_gen.load(FILE)
    refused = LoadedDesign(FILE, dataclasses.replace(design.design, post_add=True))
    with pytest.raises(SpecError, match=r"post\.add: residuals are not added"):
        refused.draw()
