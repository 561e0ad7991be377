"""Space and time against the nest: every MAC once, in the PE and the cycle in which it is done."""

import dataclasses
import itertools
import re
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest
from drawn import marked, pair, text_boxes
from test_draw_array import DESIGNS, FILES

import rtl_gen
from rtl_gen.api import LoadedDesign
from rtl_gen.report.draw.link_trace import LinkTrace
from rtl_gen.report.explain import explain
from rtl_gen.reuse import phases, wires
from rtl_gen.sim.layers import index_form

PROJECT = Path(__file__).parents[2]
ROWS = PROJECT / "examples" / "arrays" / "row_stationary.yaml"
LAYERS = {  # the file, a layer that does not fill its array, with strides and padding
    "examples/arrays/row_stationary.yaml": "conv2d:k=2,c=1,p=4,q=3,r=3,s=3,stride=2,pad=1",
    "dataflows/shidiannao.yaml": "conv2d:k=1,c=1,p=4,q=5,r=2,s=3,stride=2x1,dilation=1x3",
    "examples/arrays/row_stationary_folded.yaml": "conv2d:k=3,c=5,p=3,q=2,r=2,s=2",
    "dataflows/weight_stationary.yaml": "conv2d:k=5,c=6,p=2,q=2,r=2,s=2,stride=3,pad=1",
    "dataflows/output_stationary.yaml": "conv2d:k=5,c=2,p=2,q=5,r=2,s=1,dilation=2,pad=1",
    "dataflows/matmul_input_stationary.yaml": "matmul:m=5,k=3,n=6",
    "dataflows/mttkrp.yaml": "mttkrp:i=5,f=3,k=2,l=4",
}


def uses(design, layer=None):
    """What the chart says: (tensor, PE, cycle) to element."""
    root = ElementTree.fromstring(design.draw_steps(layer, page=False))
    found = {}
    for chart in marked(root, "chart"):
        for use in marked(chart, "use"):
            key = (chart.get("data-tensor"), pair(use.get("data-pe")), int(use.get("data-cycle")))
            assert key not in found
            found[key] = pair(use.get("data-element"))
    return found


def uses_of_frames(page):
    """What the frames of a page say, in the same form, and the frames."""
    start = page.index(">", page.index('id="frames"')) + 1
    inside = page[start : page.index("</svg>", start)]
    frames = marked(
        ElementTree.fromstring(f'<svg xmlns="http://www.w3.org/2000/svg">{inside}</svg>'), "frame"
    )
    assert [int(frame.get("data-cycle")) for frame in frames] == list(range(len(frames)))
    seen = {}
    for frame in frames:
        for group in (x for x in frame.iter() if x.get("data-tensor")):
            for cell in marked(group, "cell"):
                if cell.get("data-element"):
                    key = (group.get("data-tensor"), pair(cell.get("data-pe")))
                    seen[*key, int(frame.get("data-cycle"))] = pair(cell.get("data-element"))
    return seen, frames


def macs(design, found) -> Counter:
    """Every MAC that is drawn, as the elements of all tensors."""
    names = [tensor.name for tensor in design.design.dataflow.operation.tensors]
    places = {key[1:] for key in found}
    return Counter(tuple(found[name, *place] for name in names) for place in places)


def golden_macs(design, layer) -> Counter:
    """The same by the index forms of the einsum, whatever the dataflow."""
    operation = design.design.dataflow.operation
    counted: Counter = Counter()
    for values in itertools.product(*(range(layer.sizes[d]) for d in operation.dimensions)):
        index = dict(zip(operation.dimensions, values))
        elements = []
        for tensor in operation.tensors:
            forms = [index_form(rank, layer) for rank in tensor.ranks]
            elements.append(
                tuple(offset + sum(a * index[d] for d, a in form.items()) for form, offset in forms)
            )
        counted[tuple(elements)] += 1
    return counted


@pytest.mark.parametrize("file, text", LAYERS.items(), ids=lambda x: Path(str(x)).stem)
def test_every_mac_of_a_layer_once(file, text):
    design = rtl_gen.load(PROJECT / file)
    assert macs(design, uses(design, text)) == golden_macs(design, design.layer(text))


@pytest.mark.parametrize("design", DESIGNS)
def test_links_bring_what_is_used(design):
    """What a PE uses now, the source of its link used as many cycles ago as the link has registers;
    over a moving link, that many ticks of its loop ago, which is checked where each step is a tick.
    """
    loaded = LoadedDesign(None, design)
    found = uses(loaded)
    reuse = explain(design).reuse
    for wire in wires(reuse):
        if wire.kind == "shift" or wire.ticks:
            continue
        for (name, pe, cycle), element in found.items():
            if name != wire.tensor or pe != wire.target:
                continue
            before = found.get((name, wire.source, cycle - wire.delay))
            assert before in (element, None)
    if reuse.output.stationary and reuse.output.depth == 1 and not reuse.placement.split:
        _check_sums_stay(reuse.output.name, found)
    # Each PE does the same steps, later by the skew.
    first = {}
    for name, pe, cycle in found:
        first[name, pe] = min(first.get((name, pe), cycle), cycle)
    for (_, pe), cycle in first.items():
        assert cycle >= reuse.grid.delay(pe)
    some = {name for name, _, _ in found}
    assert some == {tensor.name for tensor in design.dataflow.operation.tensors}


def _check_sums_stay(name, found):
    """A PE that went on to another output never comes back to one."""
    for pe in {pe for _, pe, _ in found}:
        cycles = sorted(cycle for other, at, cycle in found if (other, at) == (name, pe))
        outputs = [found[name, pe, cycle] for cycle in cycles]
        runs = [element for element, _ in itertools.groupby(outputs)]
        assert len(runs) == len(set(runs)), (pe, runs)


def test_sums_that_stay_are_made_at_once():
    """Where sums stay in the PEs, what reduces lies inside what does not, in whatever order."""
    design = rtl_gen.load(PROJECT / "dataflows" / "output_stationary.yaml").design
    order = ("r", "n", "g", "p", "q", "k", "s", "c")
    dataflow = dataclasses.replace(design.dataflow, temporal=order)
    small = dataclasses.replace(design, dataflow=dataflow, rows=2, columns=2)
    found = uses(LoadedDesign(None, small), "conv2d:k=2,c=2,p=3,q=3,r=2,s=2")
    _check_sums_stay("O", found)


def test_ticks_without_a_step():
    """ShiDianNao on 3 x 3: two ticks of warm-up before each filter row, three of drain a tile."""
    facts = rtl_gen.load(PROJECT / "dataflows" / "shidiannao.yaml")
    design = dataclasses.replace(facts.design, rows=3, columns=3)
    reuse = explain(design).reuse
    layer = facts.layer("conv2d:k=2,c=1,p=3,q=3,r=2,s=3")
    kinds = Counter(step.kind for step in LinkTrace(reuse, layer).steps)
    assert kinds == {"step": 2 * 2 * 3, "warm-up": 2 * 2 * 2, "drain": 2 * 3}


def test_an_element_moves_to_its_neighbour_a_tick_later():
    design = rtl_gen.load(PROJECT / "dataflows" / "shidiannao.yaml")
    found = uses(design, "conv2d:k=1,c=1,p=3,q=4,r=2,s=3")
    moved = 0
    for (name, pe, cycle), element in found.items():
        before = found.get((name, (pe[0], pe[1] + 1), cycle - 1))
        if name == "I" and before is not None and found["W", pe, cycle][2] > 0:
            assert before == element
            moved += 1
    assert moved == 3 * 3 * 2 * 2  # PEs with a neighbour, filter rows, steps that are no first


def test_row_stationary_means_what_the_paper_says():
    """A row of the filter along a row of PEs, of the input along a diagonal, of the output down."""
    root = ElementTree.fromstring(rtl_gen.load(ROWS).draw_steps(page=False))
    stays = {
        (grid.get("data-tensor"), pair(cell.get("data-pe"))): pair(cell.get("data-element"))
        for grid in marked(root, "kept")
        for cell in marked(grid, "stays")
    }
    assert len(stays) == 27
    for (name, (row, column)), kept in stays.items():
        assert kept == ({"W": row, "I": row + column, "O": column}[name],)


def test_frames_are_the_columns_of_the_chart():
    design = rtl_gen.load(ROWS)
    text = "conv2d:k=1,c=1,p=3,q=3,r=3,s=3,pad=1"
    found, page = uses(design, text), design.draw_steps(text)
    seen, frames = uses_of_frames(page)
    assert f'max="{len(frames) - 1}"' in page
    assert seen == found
    assert [f.get("style") for f in frames] == [None] + ["display:none"] * (len(frames) - 1)
    for frame in frames:
        boxes = text_boxes(frame)
        for (a, one), (b, other) in itertools.combinations(boxes, 2):
            apart = one[2] <= other[0] or other[2] <= one[0]
            assert apart or one[3] <= other[1] or other[3] <= one[1], (a, b)


def test_the_page_stands_alone():
    page = rtl_gen.load(ROWS).draw_steps()
    assert not re.search(r"(?:src|href|url)\s*[=(]", page)
    assert page.count("<svg") == page.count("</svg>") == 4


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_file_can_be_followed(file):
    design = rtl_gen.load(file)
    for text in (design.draw_steps(), design.draw_steps(page=False)):
        assert text.count('class="use"') > 0


def test_phases_are_walked_one_after_the_other():
    """With a stride of 2 the input's rows fall into two phases, each with its own filter rows."""
    design = rtl_gen.load(ROWS)
    layer = design.layer(LAYERS["examples/arrays/row_stationary.yaml"])
    found = uses(design, layer)
    rows = [
        [
            found["W", pe, cycle][1]
            for name, pe, cycle in sorted(found)
            if name == "W" and cycle == n
        ]
        for n in (0, max(cycle for _, _, cycle in found))
    ]
    assert set(rows[0]) == {0, 2} or set(rows[0]) == {0}
    tensor = design.design.dataflow.operation.tensor("I")
    assert len(list(phases(tensor, layer.sizes, layer.symbols))) == 4
