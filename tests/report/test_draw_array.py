"""The picture of an array against the nest: einsum indices, worked out here once more."""

import dataclasses
import itertools
import random
from pathlib import Path
from xml.etree import ElementTree

import pytest
from drawn import marked, pair, read_label, text_boxes
from named_nests import NAMED, SHAPE
from random_nests import draw_nest, draw_operation

from rtl_gen.report.draw.array_picture import array_picture
from rtl_gen.report.draw.grid import Grid
from rtl_gen.report.explain import explain
from rtl_gen.reuse import Placement
from rtl_gen.spec.design import Design
from rtl_gen.spec.operation import SpecError
from rtl_gen.spec.parse import load_design

PROJECT = Path(__file__).parents[2]
FILES = [  # of one dataflow each
    path
    for path in sorted([*PROJECT.glob("dataflows/*.yaml"), *PROJECT.glob("examples/arrays/*.yaml")])
    if not load_design(path).others and not load_design(path).dataflow.tagged
]


def designs():
    """Dataflows that have a name, on small arrays, and some that nobody has a name for."""
    for name, (dataflow, _) in NAMED.items():
        rows, columns = SHAPE.get(name, (3, 4))
        yield pytest.param(
            Design(name="named", dataflow=dataflow, rows=rows, columns=columns), id=name
        )
    for seed in range(40):
        rng = random.Random(seed)
        operations = {"operations": (draw_operation(rng),)} if seed % 3 == 0 else {}
        dataflow, (rows, columns) = draw_nest(rng, **operations)
        try:
            design = Design(name="random", dataflow=dataflow, rows=rows, columns=columns)
            explain(design)
        except SpecError:
            continue
        yield pytest.param(design, id=f"seed {seed}")


DESIGNS = list(designs())


class Nest:
    """Which element each PE uses, by the index forms of the einsum alone."""

    def __init__(self, design: Design, symbols: dict[str, int]):
        self.dataflow, self.symbols = design.dataflow, symbols
        self.placement = Placement(design.dataflow, design.shape)
        self.pes = list(itertools.product(*map(range, self.placement.extent)))
        self.reach = {}
        for loop, size in zip(self.dataflow.spatial, self.placement.sizes):
            self.reach[loop.dimension] = self.reach.get(loop.dimension, 1) * size

    def index(self, pe, trips: dict[str, int]) -> dict[str, int]:
        """The value of each dimension at a PE: its loops on the array, and trips of one loop."""
        index = {d: 0 for d in self.dataflow.operation.dimensions}
        for axis in (0, 1):
            at = pe[axis]
            pairs = list(zip(self.dataflow.spatial, self.placement.sizes))
            for n in reversed(range(len(pairs))):
                loop, size = pairs[n]
                if loop.axis == axis:
                    behind = [x for x, _ in pairs[n + 1 :] if x.dimension == loop.dimension]
                    unit = 1
                    for other, more in pairs[n + 1 :]:
                        unit *= more if other in behind else 1
                    index[loop.dimension] += at % size * unit
                    at //= size
        for d, trip in trips.items():
            index[d] += trip * self.reach.get(d, 1)
        return index

    def element(self, tensor, pe, trips=()) -> tuple[int, ...]:
        """Coordinates, offsets such as padding apart."""
        index = self.index(pe, dict(trips))
        return tuple(
            sum(rank.coefficient(d, self.symbols) * index[d] for d in set(rank.dimensions))
            for rank in tensor.ranks
        )


def symbol_values(design) -> list[dict[str, int]]:
    """Strides and dilations: all different, or in a phase of stride 1 all the same."""
    reuse = explain(design).reuse
    names = design.dataflow.operation.symbols
    values = [dict.fromkeys(names, 1)]
    if not reuse.placement.split:
        values += [{s: 97 ** (n + 1) for n, s in enumerate(names)}]
    return values


def draw(design):
    return ElementTree.fromstring(array_picture(explain(design)))


def links(root, tensor):
    return [x for x in marked(root, "link") if x.get("data-tensor") == tensor]


@pytest.mark.parametrize("design", DESIGNS)
def test_each_link_carries_what_its_end_uses(design):
    root, operation = draw(design), design.dataflow.operation
    reuse = explain(design).reuse
    for symbols in symbol_values(design):
        nest = Nest(design, symbols)
        for tensor in operation.tensors:
            for link in links(root, tensor.name):
                source, target = pair(link.get("data-from")), pair(link.get("data-to"))
                assert {source, target} <= set(nest.pes)
                vector = (target[0] - source[0], target[1] - source[1])
                skew = sum(s * v for s, v in zip(reuse.skew, vector))
                assert int(link.get("data-delay")) == skew
                if link.get("data-kind") == "shift":
                    assert sorted(map(abs, vector)) == [0, 1]
                    continue
                ticks, loop = int(link.get("data-ticks")), nest.placement.tick(tensor)
                now = nest.element(tensor, target)
                before = nest.element(tensor, source, {loop: -ticks} if ticks else {})
                assert now == before, (tensor.name, source, target)


@pytest.mark.parametrize("design", DESIGNS)
def test_every_element_has_one_way_in_or_out(design):
    """From each PE back along its links lies one lane (forward one exit), and the lanes that carry
    different elements have different names."""
    root, operation = draw(design), design.dataflow.operation
    nest = Nest(design, symbol_values(design)[-1])
    for tensor in operation.tensors:
        result = tensor is operation.output
        mine = [x for x in marked(root, "exit" if result else "lane")]
        doors = {pair(x.get("data-pe")): x for x in mine if x.get("data-tensor") == tensor.name}
        ends = ("data-to", "data-from") if not result else ("data-from", "data-to")
        before: dict = {}
        shifted = set()
        for link in links(root, tensor.name):
            here, there = (pair(link.get(name)) for name in ends)
            if link.get("data-kind") == "shift":
                shifted.add(here)
                before.setdefault(here, there)
            else:
                assert here not in before or here in shifted, "two links into one PE"
                before[here] = there
        for pe in nest.pes:
            seen = {pe}
            while pe in before:
                pe = before[pe]
                assert pe not in seen, "links in a circle"
                seen.add(pe)
            assert pe in doors, (tensor.name, pe)
        if not shifted and not any(int(x.get("data-ticks")) for x in links(root, tensor.name)):
            elements = {pe: nest.element(tensor, pe) for pe in doors}
            labels = {pe: door.get("data-element") for pe, door in doors.items()}
            assert len(set(elements.values())) == len(set(labels.values()))
            assert len(set(elements.values())) == len({nest.element(tensor, p) for p in nest.pes})


@pytest.mark.parametrize("design", DESIGNS)
def test_labels_are_the_indices(design):
    root, operation = draw(design), design.dataflow.operation
    maxima = {loop.dimension: loop.maximum for loop in design.dataflow.pe}
    symbols = symbol_values(design)[-1]
    nest = Nest(design, symbols)
    for group in marked(root, "pe"):
        pe = pair(group.get("data-pe"))
        shown = [x for x in group if x.get("class") in ("uses", "holds")]
        assert [x.get("data-tensor") for x in shown] == [t.name for t in operation.tensors]
        for text, tensor in zip(shown, operation.tensors):
            name, found = read_label(text.text, symbols)
            assert name == tensor.name
            wanted: dict[str, set[int]] = {rank.name: set() for rank in tensor.ranks}
            loops = [d for d in maxima if d in tensor.dimensions]
            if text.get("class") == "uses":
                loops = []
            elif tensor is operation.output:  # a PE keeps sums inside its outermost reduction
                loops = [d for d, _ in explain(design).reuse.output.loops]
            for trips in itertools.product(*(range(maxima[d]) for d in loops)):
                element = nest.element(tensor, pe, zip(loops, trips))
                for rank, value in zip(tensor.ranks, element):
                    wanted[rank.name].add(value)
            # Ranks that are not shown are 0 at every PE.
            for rank, values in wanted.items():
                assert found.get(rank, {0}) == values, (text.text, rank)


def pictures():
    """Every file on its own array, and on two others where each axis has one loop of any size."""
    for file in FILES:
        flow = load_design(file).dataflow
        free = all([loop.size for loop in flow.on_axis(axis)] == [None] for axis in (0, 1))
        for shape in (None, (5, 3), (7, 9)) if free else (None,):
            yield pytest.param(file, shape, id=f"{file.stem}-{shape}")


@pytest.mark.parametrize(("file", "shape"), list(pictures()))
def test_no_text_covers_another_or_leaves_the_picture(file, shape):
    design = load_design(file)
    if shape:
        design = dataclasses.replace(design, rows=shape[0], columns=shape[1])
    root = draw(design)
    boxes = text_boxes(root)
    wide, high = float(root.get("width")), float(root.get("height"))
    for text, (left, top, right, bottom) in boxes:
        assert left >= 0 and right <= wide and top >= 0 and bottom <= high, text
    for (a, one), (b, other) in itertools.combinations(boxes, 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart, (a, b)


def test_in_a_phase_strides_are_one_factor():
    root = draw(load_design(PROJECT / "examples/arrays/row_stationary.yaml"))
    shown = [
        x.text for x in root.iter() if x.get("class") == "uses" and x.get("data-tensor") == "I"
    ]
    assert shown == [f"I[h={row + column}]" for row in range(3) for column in range(3)]


def test_links_over_what_is_left_out_are_drawn_in_part():
    grid = Grid((16, 5), (10, 10), (5, 5), (0, 0))
    assert grid.rows == (0, 1, 2, 15) and grid.columns == (0, 1, 2, 3, 4)
    assert grid.joins((0, 0), (2, 4)) and grid.joins((2, 1), (0, 3))
    assert not grid.joins((2, 0), (15, 0)) and not grid.joins((15, 0), (2, 1))


def test_a_large_array_is_abridged():
    root = draw(load_design(PROJECT / "dataflows" / "weight_stationary.yaml"))
    shown = {pair(x.get("data-pe")) for x in marked(root, "pe")}
    assert shown == set(itertools.product((0, 1, 2, 15), repeat=2))
    whole = {(pair(x.get("data-from")), pair(x.get("data-to"))) for x in marked(root, "link")}
    assert ((0, 0), (0, 1)) in whole and ((0, 2), (0, 15)) not in whole
    parts = {
        (pair(x.get("data-from")), pair(x.get("data-to"))) for x in marked(root, "part of a link")
    }
    assert ((0, 2), (0, 3)) in parts and ((0, 14), (0, 15)) in parts
    assert not any({a, b}.isdisjoint(shown) for a, b in whole | parts)


def test_the_legend_says_why_no_accelerator():
    text = array_picture(explain(load_design(PROJECT / "examples/arrays/conv1d_w_q_moving.yaml")))
    words = " ".join(x.text or "" for x in ElementTree.fromstring(text).iter())
    assert "Only the array can be built, no accelerator around it" in words
    assert "moving along (0, 1)" in words


def test_the_same_design_gives_the_same_bytes():
    design = load_design(PROJECT / "dataflows" / "output_stationary.yaml")
    assert array_picture(explain(design)) == array_picture(explain(design))
