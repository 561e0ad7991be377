"""Space and time on tagged buses: every MAC once, weights in the order in which they are sent."""

import dataclasses
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from drawn import marked
from test_draw_steps import golden_macs, macs, uses

import rtl_gen
from rtl_gen.api import LoadedDesign
from rtl_gen.mapping.placing import Placing
from rtl_gen.mapping.tagged_engines import tagged_weight_image
from rtl_gen.mapping.tagged_mapper import choose_folding
from rtl_gen.mapping.tagged_mapping import GROUP
from rtl_gen.report.draw.tagged_trace import TaggedTrace, small_mapping
from rtl_gen.report.draw.trace import small_array
from rtl_gen.spec.operation import SpecError

FILE = Path(__file__).parents[2] / "dataflows" / "row_stationary.yaml"
LAYERS = {
    (3, 4): "conv2d:k=3,c=2,p=3,q=3,r=3,s=2",
    (6, 4): "conv2d:k=2,c=3,p=5,q=2,r=2,s=2,stride=2,pad=1",
    (5, 3): "conv2d:k=2,c=2,p=2,q=3,r=4,s=1,dilation=2",
}


def loaded(shape):
    design = rtl_gen.load(FILE)
    small = dataclasses.replace(design.design, rows=shape[0], columns=shape[1])
    return LoadedDesign(FILE, small)


@pytest.mark.parametrize("shape, text", LAYERS.items(), ids=str)
def test_every_mac_of_a_layer_once(shape, text):
    design = loaded(shape)
    assert macs(design, uses(design, text)) == golden_macs(design, design.layer(text))


def test_what_row_stationary_means():
    """A filter row stays in a row of PEs, an input row on a diagonal, sums go down a column."""
    design = loaded((3, 4))
    found = uses(design)
    layer = small_mapping(design.machine).layer
    assert macs(design, found) == golden_macs(design, layer)
    for (name, (row, column), _), element in found.items():
        ranks = [rank.name for rank in design.design.dataflow.operation.tensor(name).ranks]
        at = dict(zip(ranks, element))
        assert {"I": ("h", row + column), "W": ("r", row), "O": ("p", column)}[name] in at.items()
    for (name, (row, column), cycle), element in found.items():
        if name == "O" and row:  # the row above did so a period of 4 cycles before
            assert found["O", (row - 1, column), cycle - 4] == element


@pytest.mark.parametrize("shape, text", LAYERS.items(), ids=str)
def test_weights_come_as_the_pe_uses_them(shape, text):
    """Pass by pass as the memory image has them, which the simulation of accelerators reads."""
    machine = loaded(shape).machine
    mapping = choose_folding(machine, loaded(shape).layer(text), Placing())
    trace, fold, sizes = TaggedTrace(mapping), mapping.fold, mapping.layer.sizes
    dims = [rank.terms[0].dimension for rank in machine.operation.weight.ranks]
    numbers = np.arange(1, 1 + np.prod([sizes[d] for d in dims])).reshape([sizes[d] for d in dims])
    assert numbers.max() < 128
    image = np.frombuffer(tagged_weight_image(mapping, numbers), np.int8)
    passes = image.reshape(-1, mapping.set_words * machine.block)
    for row in range(fold.rows):
        words = [
            one[: mapping.set_groups * fold.rows * GROUP].reshape(-1, fold.rows, GROUP)[:, row]
            for one in passes
        ]
        sent = {int(n) for one in words for n in one.ravel() if n}
        orders = [[int(n) for n in one.ravel() if n] for one in words]
        used = []
        for cycle in range(trace.cycles):
            step = trace.at(cycle, (row, 0))
            if step and trace.works(step, (row, 0)):
                element = trace.element(machine.operation.weight, step, (row, 0))
                used.append(int(numbers[element]))
        assert set(used) == sent
        runs = "".join(f",{n}" for n in used)
        assert all("".join(f",{n}" for n in order) in runs for order in orders)


def test_a_page_with_a_slider():
    page = rtl_gen.load(FILE).draw_steps()
    rows, columns = small_array(rtl_gen.load(FILE).design)
    assert 'class="frame" data-cycle="3"' in page and 'class="bus"' in page
    chart = ElementTree.fromstring(rtl_gen.load(FILE).draw_steps(page=False))
    assert (
        len({use.get("data-pe") for use in marked(chart, "use")}) == 3 * columns <= rows * columns
    )


def test_what_is_too_large_is_refused():
    with pytest.raises(SpecError, match="12 x 14 PEs are too many to follow step by step"):
        loaded((12, 14)).draw_steps(array=(12, 14))
