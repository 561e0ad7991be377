"""Loop levels: every index of every dimension is met once, whatever the tiles."""

import random

import pytest
from mapped_layers import machine_of, walk

from rtl_gen.mapping.levels import Level, cut_dimension, tile_step
from rtl_gen.mapping.mapping import Mapping
from rtl_gen.spec.layer import conv2d, matmul


def met(levels, dimension, size, spatial):
    """Indices that the levels of one dimension lead to, those of the PEs beside included."""
    own = tuple(level for level in levels if level.dimension == dimension)
    found = []
    for counters in walk(own):
        start = sum(level.unit * x for level, x in zip(own, counters))
        # What a piece may cover: no more than an outer level hands down.
        room = [size - start]
        for n, level in enumerate(own):
            inner = sum(x.unit * y for x, y in zip(own[n + 1 :], counters[n + 1 :]))
            room.append(level.unit - inner)
        found += range(start, start + min([spatial, *room]))
    return found


@pytest.mark.parametrize(
    ("dataflow", "shape"),
    [
        ("weight_stationary", (4, 4)),
        ("weight_stationary", (12, 14)),
        ("output_stationary", (3, 5)),
        ("input_stationary", (1, 7)),
        ("input_stationary", (16, 16)),
    ],
)
def test_every_index_is_met_once(dataflow, shape):
    machine, rng = machine_of(dataflow, *shape), random.Random(7)
    for _ in range(100):
        sizes = {d: rng.randint(1, 70) for d in "kcpq"}
        layer = conv2d(k=sizes["k"], c=sizes["c"], h=sizes["p"], w=sizes["q"], r=1, s=1)
        for dimension in "kcpq":
            step = tile_step(machine, dimension)
            size = layer.sizes[dimension]
            tile = rng.choice([size, *range(step, size, step)])
            levels = cut_dimension(machine, layer, dimension, tile)
            spatial = machine.spatial_size(dimension)
            assert met(levels, dimension, size, spatial) == list(range(size)), (layer, levels)


def test_a_ragged_dimension():
    """70 channels in tiles of 32, words of 16, 4 rows: the last tile has one word of 6."""
    machine = machine_of("weight_stationary", 4, 4)
    layer = conv2d(k=1, c=70, h=1, w=1, r=1, s=1)
    assert cut_dimension(machine, layer, "c", 32) == [
        Level("c", 32, 3, 3, outer=True),
        Level("c", 16, 2, 1),
        Level("c", 4, 4, 2, in_word=True),
    ]


def test_levels_of_one_trip_are_left_out():
    machine = machine_of("weight_stationary", 4, 4)
    mapping = Mapping(machine, conv2d(k=4, c=3, h=5, w=1, r=1, s=1))
    assert mapping.levels == (Level("p", 1, 5, 5),)


def test_order_of_the_loops():
    """From tile to tile as asked, then as the dataflow has them."""
    machine = machine_of("weight_stationary", 4, 4)
    layer = conv2d(k=32, c=32, h=6, w=6, r=3, s=1)
    mapping = Mapping(machine, layer, {"k": 16, "c": 16, "p": 2, "q": 3}, tuple("qkpc"))
    assert [(x.dimension, x.unit) for x in mapping.levels if x.outer] == [
        ("q", 3),
        ("k", 16),
        ("p", 2),
        ("c", 16),
    ]
    assert [x.dimension for x in mapping.levels if not x.outer] == ["k", "c", "r", "p", "q"]


def test_reductions_lie_inside_where_sums_stay_in_the_pes():
    """Output stationary: no level that indexes the output may lie inside one that does not."""
    machine = machine_of("output_stationary", 4, 4)
    layer = conv2d(k=40, c=40, h=9, w=9, r=3, s=3)
    mapping = Mapping(machine, layer, {"k": 16, "c": 16, "p": 2}, tuple("ckpq"))
    kinds = [mapping.reduces(level) for level in mapping.levels]
    assert kinds == sorted(kinds)


def test_parents_are_levels_of_the_same_dimension():
    machine = machine_of("weight_stationary", 4, 4)
    mapping = Mapping(machine, conv2d(k=40, c=40, h=9, w=9, r=3, s=3), {"k": 32, "p": 4})
    for n, level in enumerate(mapping.levels):
        parent = mapping.chain(n)
        before = [x for x in range(n) if mapping.levels[x].dimension == level.dimension]
        assert parent == (before[-1] if before else None)


def test_a_tile_larger_than_the_dimension_is_all_of_it():
    machine = machine_of("matmul_weight_stationary", 4, 4)
    mapping = Mapping(machine, matmul(m=9, k=9, n=9), {"m": 64, "k": 64})
    assert (mapping.tile("m"), mapping.tile("k"), mapping.tile("n")) == (9, 9, 9)
