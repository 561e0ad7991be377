"""Links, lanes and storage of dataflows whose reuse is known from the literature."""

import pytest
from named_nests import NAMED, PLAIN, SHAPE, flow
from random_nests import CONV1D, CONV2D, DEPTHWISE, MATMUL, STRIDE_1

from rtl_gen.hw.array.netlist import netlist
from rtl_gen.reuse import HeldOperand, Placement, StreamedOperand, analyse, optional_links
from rtl_gen.spec.design import Formats
from rtl_gen.spec.operation import parse_einsum


def reuse_of(name):
    return analyse(Placement(NAMED[name][0], SHAPE.get(name, (3, 4))))


def links(moved):
    return [(link.kind, link.vector, link.delay) for link in moved.links]


# dataflow: links of each operand, then of the output
LINKS = {
    "weight stationary, TPU": ([("forward", (0, 1), 1)], [], [("forward", (1, 0), 1)]),
    "weight stationary, NVDLA": ([("multicast", (0, 1), 0)], [], [("multicast", (1, 0), 0)]),
    "output stationary": ([("multicast", (0, 1), 0)], [("multicast", (1, 0), 0)], []),
    "output stationary matmul, systolic": (
        [("forward", (0, 1), 1)],
        [("forward", (1, 0), 1)],
        [],
    ),
    "input stationary": ([], [("multicast", (0, 1), 0)], [("forward", (1, 0), 1)]),
    "no local reuse": ([("multicast", (0, 1), 0)], [], [("multicast", (1, 0), 0)]),
    "row stationary": ([], [("multicast", (0, 1), 0)], [("forward", (1, 0), 1)]),
    "row stationary with the diagonal wired": (
        [("diagonal", (1, -1), 1)],
        [("multicast", (0, 1), 0)],
        [("forward", (1, 0), 1)],
    ),
    "depthwise, pixels by channels": ([], [("multicast", (1, 0), 0)], []),
}


@pytest.mark.parametrize("name", LINKS)
def test_links(name):
    reuse = reuse_of(name)
    found = tuple(links(moved) for moved in (*reuse.operands, reuse.output))
    assert found == LINKS[name]


# dataflow: words held of each operand (None: streamed), sums kept, axis of draining
STORAGE = {
    "weight stationary, TPU": ([None, 1], 0, None),
    "output stationary": ([None, None], 1, 0),
    "output stationary matmul, systolic": ([None, None], 1, 1),
    "input stationary": ([1, None], 0, None),
    "no local reuse": ([None, None], 0, None),
    "row stationary": ([None, 3], 1, None),
    "row stationary, channels folded on the rows": ([None, 6], 2, None),
    "depthwise, taps by channels": ([None, 4], 1, None),
    "1-D, (q, s): output stationary": ([None, None], 1, 0),
    "1-D, (s, q): weight stationary": ([None, 1], 0, None),
}


@pytest.mark.parametrize("name", STORAGE)
def test_storage(name):
    reuse = reuse_of(name)
    depths = [o.depth if isinstance(o, HeldOperand) else None for o in reuse.operands]
    assert (depths, reuse.output.depth, reuse.output.drain) == STORAGE[name]


# DESIGN's table for 16 x 16 PEs: words of inputs, weights and outputs
TABLE = {
    "weight stationary, TPU": (16, 16, 16),
    "weight stationary, NVDLA": (16, 16, 16),
    "output stationary": (16, 16, 16),
    "output stationary matmul, systolic": (16, 16, 16),
    "input stationary": (16, 16, 16),
    "ShiDianNao without its moving links": (256, 1, 16),
    "no local reuse": (16, 256, 16),
    "depthwise, pixels by channels": (256, 16, 16),
}


@pytest.mark.parametrize("name", TABLE)
def test_words_on_sixteen_by_sixteen(name):
    reuse = analyse(Placement(NAMED[name][0], (16, 16)))
    found = tuple(len(moved.elements) for moved in (*reuse.operands, reuse.output))
    assert found == TABLE[name]


def test_taps_on_the_rows_take_a_word_for_each_tap_and_channel():
    dataflow = flow(DEPTHWISE, "n c p q", "r3 s3", "c", skew=(1, 0))
    reuse = analyse(Placement(dataflow, (9, 16)))
    assert len(reuse.operand("I").elements) == 9 * 16
    assert reuse.operand("W").shift == 1
    assert len(reuse.output.elements) == 16


def test_kinds_of_operands():
    reuse = reuse_of("weight stationary, TPU")
    assert isinstance(reuse.operand("I"), StreamedOperand)
    assert isinstance(reuse.operand("W"), HeldOperand)
    assert reuse.operand("I").ticks == "q"
    assert reuse_of("row stationary").operand("I").ticks == "s"


def test_psum_is_as_wide_as_its_products_ask():
    # so many products of 8 x 8 bits, the widest 2**14 each
    widths = {"weight stationary, TPU": 3, "no local reuse": 3, "row stationary": 3 * 3,
              "depthwise, taps by channels": 4 * 4}  # fmt: skip
    for name, products in widths.items():
        bits = reuse_of(name).psum_bits
        assert -(1 << (bits - 1)) <= -products << 14 and products << 14 < 1 << (bits - 1)
        assert products << 14 >= 1 << (bits - 2), f"{name}: {bits} bits are more than needed"


def test_stationary_sums_are_as_wide_as_the_formats_say():
    dataflow = NAMED["output stationary"][0]
    assert analyse(Placement(dataflow, (2, 2))).psum_bits == 32
    formats = Formats(max_reduction=1000)
    assert analyse(Placement(dataflow, (2, 2)), formats).psum_bits == 25
    # a chain is never wider than the declared reduction
    chain = Placement(NAMED["weight stationary, TPU"][0], (16, 2))
    assert analyse(chain).psum_bits == 20
    assert analyse(chain, Formats(max_reduction=2)).psum_bits == 17


@pytest.mark.parametrize(
    ("rows", "columns", "skew"),
    [("c", "k", (1, 0)), ("k", "c", (0, 1)), ("p", "k", (0, 0))],
)
def test_default_skew_is_systolic_along_the_reduction(rows, columns, skew):
    dataflow = flow(CONV2D, "n g c r s p k q", rows, columns)
    assert analyse(Placement(dataflow, (3, 3))).skew == skew


def test_a_chain_follows_the_shortest_links():
    """All rows add to one output; only neighbours are joined, wherever the folds are."""
    reuse = reuse_of("1-D, all reduced on one axis")
    assert reuse.output.links[0].vector == (1, 0)
    assert reuse.output.exits == ((3, 0), (3, 1), (3, 2), (3, 3))


def test_wires_close_no_circle():
    # The basis has (-2, 2) and (1, -1): parallel, and against each other as they come.
    folded = parse_einsum("O[b] += A[x=2*a+4*b+2*c] * B[a,b,c]", name="folded")
    dataflow = flow(folded, "a c b", "c", "b3 a2", skew=(0, 0))
    reuse = analyse(Placement(dataflow, (4, 6)))
    vectors = [link.vector for link in reuse.operand("A").links]
    assert vectors == [(2, -2), (1, -1)]
    assert netlist(reuse).lanes["a0"]  # every PE is reached from a lane


def test_sums_of_one_output_that_no_link_joins_are_added_at_the_edge():
    odd = parse_einsum("O[x=3*a+b+2*c] += A[a,b,c,z] * B[a,b,c,z]", name="odd")
    dataflow = flow(odd, "a b c z", "c3 a4 b2", "", skew=(0, 0))
    reuse = analyse(Placement(dataflow, (24, 1)))
    assert reuse.output.drain is None
    assert len(reuse.output.elements) < len(reuse.output.exits)


# Links that the algebra offers beyond those that hold in every step: vector, ticks, phases.
OPTIONAL = {
    "sliding window along the rows": (
        (flow(STRIDE_1, "k c q s", "q", "k"), (3, 4)),
        {"I": [((-1, 0), 1, ())]},
    ),
    "the same for taps": (
        (flow(STRIDE_1, "k c s q", "s", "k"), (3, 4)),
        {"I": [((-1, 0), 1, ())]},
    ),
    "a stride stands between": (
        (flow(CONV1D, "k c q s", "q", "k"), (3, 4)),
        {"I": [((-1, 0), 1, ("w",))]},
    ),
    "ShiDianNao": (
        (NAMED["ShiDianNao without its moving links"][0], (3, 4)),
        {"I": [((0, -1), 1, ("w",))]},
    ),
    "row stationary's diagonal": (
        (NAMED["row stationary"][0], (3, 4)),
        {"I": [((1, -1), 0, ("h",))]},
    ),
    "taken already": ((flow(PLAIN, "k c p s q", "r", "p"), (3, 4)), {}),
    "none in a matmul": ((flow(MATMUL, "m n k", "m", "n"), (3, 4)), {}),
}


@pytest.mark.parametrize("name", OPTIONAL)
def test_links_that_may_be_taken(name):
    placement = Placement(*OPTIONAL[name][0])
    found = {}
    for tensor in placement.dataflow.operation.tensors:
        offered = optional_links(placement, tensor)
        if offered:
            found[tensor.name] = [(link.vector, link.ticks, link.phases) for link in offered]
    assert found == OPTIONAL[name][1]
