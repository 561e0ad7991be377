"""The einsum reference against the other references, and its steps against its results."""

import itertools
import math
import time

import numpy as np
import pytest

from rtl_gen.golden import einsum
from rtl_gen.golden.convolution import conv2d, depthwise
from rtl_gen.golden.einsum import affine_einsum, steps


def plain(*dims):
    """Index forms of ranks that are dimensions."""
    return [({dim: 1}, 0) for dim in dims]


def conv_forms(stride, dilation, pad, groups_of=(1, 1)):
    """Forms of output, input and weights; k and c count within a group g."""
    filters, depth = groups_of
    row = ({"p": stride[0], "r": dilation[0]}, -pad[0])
    column = ({"q": stride[1], "s": dilation[1]}, -pad[1])
    channel, filter_ = ({"g": depth, "c": 1}, 0), ({"g": filters, "k": 1}, 0)
    output = [*plain("n", "p", "q"), filter_]
    return output, [*plain("n"), row, column, channel], [filter_, *plain("r", "s", "c")]


def random_convolution(rng):
    filters, depth = (int(v) for v in rng.integers(1, 5, 2))
    sizes = {"n": 2, "g": int(rng.integers(1, 4)), "k": filters, "c": depth}
    sizes |= {dim: int(rng.integers(1, 4)) for dim in ("r", "s")}
    window = {name: tuple(int(v) for v in rng.integers(1, 4, 2)) for name in ("stride", "dilation")}
    window["pad"] = tuple(int(v) for v in rng.integers(0, 3, 4))
    extents = [(sizes[d] - 1) * window["dilation"][a] + 4 for a, d in enumerate("rs")]
    x = rng.integers(-128, 128, (2, *extents, sizes["g"] * depth)).astype(np.int8)
    w = rng.integers(-128, 128, (sizes["g"] * filters, sizes["r"], sizes["s"], depth))
    return sizes, window, x, w.astype(np.int8)


@pytest.mark.parametrize("block", [1, 50, 1 << 20])
@pytest.mark.parametrize("seed", range(8))
def test_conv2d(seed, block, monkeypatch):
    """Small blocks make Python loop over some of the dimensions; the result may not change."""
    monkeypatch.setattr(einsum, "BLOCK", block)
    sizes, window, x, w = random_convolution(np.random.default_rng(seed))
    expected = conv2d(x, w, **window, groups=sizes["g"], input_zero=17)
    sizes |= {"p": expected.shape[1], "q": expected.shape[2]}
    output, inputs, weights = conv_forms(**window, groups_of=(sizes["k"], sizes["c"]))
    result = affine_einsum(
        sizes, output, [(x, inputs), (w, weights)], expected.shape, zeros=[17, 0]
    )
    assert result.dtype == np.int64
    np.testing.assert_array_equal(result, expected)


def test_depthwise():
    rng = np.random.default_rng(1)
    x, w = rng.integers(-128, 128, (1, 6, 7, 3)), rng.integers(-128, 128, (1, 3, 2, 6))
    sizes = {"c": 3, "m": 2, "p": 6, "q": 3, "r": 3, "s": 2}
    filter_ = ({"c": 2, "m": 1}, 0)
    output = [({}, 0), *plain("p", "q"), filter_]
    inputs = [({}, 0), ({"p": 1, "r": 1}, -1), ({"q": 2, "s": 1}, 0), *plain("c")]
    expected = depthwise(x, w, stride=(1, 2), pad=(1, 0, 1, 0))
    weights = [({}, 0), *plain("r", "s"), filter_]
    result = affine_einsum(sizes, output, [(x, inputs), (w, weights)], expected.shape)
    np.testing.assert_array_equal(result, expected)


def test_matmul_with_zero_points():
    rng = np.random.default_rng(2)
    a, b = rng.integers(-128, 128, (5, 7)), rng.integers(-128, 128, (7, 4))
    operands = [(a, plain("m", "k")), (b, plain("k", "n"))]
    result = affine_einsum(
        {"m": 5, "k": 7, "n": 4}, plain("m", "n"), operands, (5, 4), zeros=[3, -4]
    )
    np.testing.assert_array_equal(result, (a - 3) @ (b + 4))


def test_three_operands():
    """MTTKRP: what no other reference here computes."""
    rng = np.random.default_rng(3)
    a, b, c = (rng.integers(-9, 9, shape) for shape in ((4, 3, 5), (3, 2), (5, 2)))
    operands = [(a, plain("i", "k", "l")), (b, plain("k", "j")), (c, plain("l", "j"))]
    sizes = {"i": 4, "j": 2, "k": 3, "l": 5}
    result = affine_einsum(sizes, plain("i", "j"), operands, (4, 2))
    np.testing.assert_array_equal(result, np.einsum("ikl,kj,lj->ij", a, b, c))


def test_output_by_an_affine_form():
    """A transposed convolution scatters: the output's index is the sum, and its edges drop."""
    x, w = np.array([1, 2, 3]), np.array([1, 10, 100])
    operands = [(x, plain("q")), (w, plain("s"))]
    output = [({"q": 2, "s": 1}, -1)]
    full = np.zeros(7, int)
    for q, s in itertools.product(range(3), range(3)):
        full[2 * q + s] += x[q] * w[s]
    result = affine_einsum({"q": 3, "s": 3}, output, operands, (5,))
    np.testing.assert_array_equal(result, full[1:6])


def test_the_same_output_from_many_points_of_one_block():
    """Equal addresses within one block add up."""
    ones = (np.ones(6, int), plain("s"))
    result = affine_einsum({"q": 5, "s": 6}, [({"q": 1, "s": -1}, 5)], [ones, ones], (10,))
    assert result.tolist() == [1, 2, 3, 4, 5, 5, 4, 3, 2, 1]


def test_dimensions_that_index_nothing_count():
    x = (np.array([2, 3]), plain("c"))
    assert affine_einsum({"c": 2, "t": 4}, [], [x], ()) == 20
    assert affine_einsum({"c": 2, "k": 3}, plain("k"), [x], (3,)).tolist() == [5, 5, 5]
    assert affine_einsum({}, [], [(np.array(7), [])], ()) == 7


def test_zero_points_do_not_reach_the_padding():
    x = (np.array([10, 10]), [({"q": 1}, -1)])
    result = affine_einsum({"q": 4}, plain("q"), [x], (4,), zeros=[4])
    assert result.tolist() == [0, 6, 6, 0]


def test_a_million_macs_in_a_second():
    sizes = {"n": 1, "g": 1, "k": 32, "c": 32, "p": 16, "q": 16, "r": 2, "s": 2}
    assert math.prod(sizes.values()) == 2**20
    output, inputs, weights = conv_forms((1, 1), (1, 1), (0, 0), (32, 32))
    rng = np.random.default_rng(5)
    x, w = rng.integers(-128, 128, (1, 17, 17, 32)), rng.integers(-128, 128, (32, 2, 2, 32))
    start = time.perf_counter()
    result = affine_einsum(sizes, output, [(x, inputs), (w, weights)], (1, 16, 16, 32))
    assert time.perf_counter() - start < 1
    np.testing.assert_array_equal(result, conv2d(x, w))


# --- steps ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_steps_walk_the_nest_in_order(seed):
    rng = np.random.default_rng(20 + seed)
    sizes, window, x, w = random_convolution(rng)
    reference = conv2d(x, w, **window, groups=sizes["g"], input_zero=-3)
    sizes |= {"p": reference.shape[1], "q": reference.shape[2]}
    output, inputs, weights = conv_forms(**window, groups_of=(sizes["k"], sizes["c"]))
    operands = [(x, inputs), (w, weights)]
    order = [str(dim) for dim in rng.permutation(list(sizes))]
    coordinate = tuple(int(rng.integers(extent)) for extent in reference.shape)
    walked = list(steps(sizes, output, operands, coordinate, order, zeros=[-3, 0]))
    # All MACs of the element, in the order of the nest, padding among them.
    assert len(walked) == sizes["c"] * sizes["r"] * sizes["s"]
    positions = [tuple(step.loops[dim] for dim in order) for step in walked]
    assert positions == sorted(set(positions))
    psum = 0
    for step in walked:
        assert all(
            offset + sum(c * step.loops[dim] for dim, c in form.items()) == target
            for (form, offset), target in zip(output, coordinate)
        )
        psum += math.prod(step.operands)
        assert step.psum == psum
    assert psum == reference[coordinate]


@pytest.mark.parametrize("seed", range(20))
def test_steps_miss_nothing_under_any_output_form(seed):
    """Where several loops, forwards and backwards, meet in one output index."""
    rng = np.random.default_rng(40 + seed)
    sizes = {dim: int(rng.integers(1, 6)) for dim in "abcd"}
    output = [
        ({dim: int(rng.integers(-3, 4)) for dim in rng.permutation(list("abcd"))[:3]}, 4)
        for _ in range(2)
    ]
    operands = [(np.arange(sizes[dim]) + 1, plain(dim)) for dim in "abcd"]
    result = affine_einsum(sizes, output, operands, (9, 9))
    order = [str(dim) for dim in rng.permutation(list("abcd"))]
    for coordinate in np.ndindex(9, 9):
        walked = list(steps(sizes, output, operands, coordinate, order))
        positions = [tuple(step.loops[dim] for dim in order) for step in walked]
        assert positions == sorted(set(positions))
        assert (walked[-1].psum if walked else 0) == result[coordinate]


def test_steps_by_hand():
    x, w = np.array([4, 5, 6]), np.array([1, 2, 3])
    operands = [(x, [({"q": 1, "s": 1}, -1)]), (w, plain("s"))]
    walked = list(steps({"q": 3, "s": 3}, plain("q"), operands, (2,), ["s", "q"], zeros=[1, 0]))
    assert walked == [
        ({"q": 2, "s": 0}, (4, 1), 4),
        ({"q": 2, "s": 1}, (5, 2), 14),
        ({"q": 2, "s": 2}, (0, 3), 14),  # padding
    ]


def test_steps_of_a_tiled_nest():
    """Tiles are dimensions too: c = 3 d + e; a ragged last tile reads what is not there as 0."""
    x = np.array([1, 2, 3, 4])
    operands = [(x, [({"d": 3, "e": 1}, 0)])]
    walked = list(steps({"e": 3, "d": 2}, [], operands, (), ["e", "d"]))
    assert [step.operands[0] for step in walked] == [1, 4, 2, 0, 3, 0]
    assert walked[-1].psum == 10


def test_steps_of_a_large_layer_are_quick():
    """One element of a layer of 118 million MACs takes its own 2304 steps, not all of them."""
    sizes = {"n": 1, "g": 1, "k": 256, "c": 256, "p": 14, "q": 14, "r": 3, "s": 3}
    output, inputs, weights = conv_forms((1, 1), (1, 1), (1, 1), (256, 256))
    operands = [(np.ones((1, 14, 14, 256), int), inputs), (np.ones((256, 3, 3, 256), int), weights)]
    start = time.perf_counter()
    walked = list(steps(sizes, output, operands, (0, 0, 13, 255), list("crsngkpq")))
    assert time.perf_counter() - start < 2
    assert (len(walked), walked[-1].psum) == (2304, 256 * 4)


ONE = (np.array([1, 2]), plain("c"))


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: affine_einsum({"c": 0}, [], [ONE], ()),
            r"size of c must be at least 1, not 0",
        ),
        (
            lambda: affine_einsum({"c": 2}, plain("k"), [ONE], (1,)),
            r"output is indexed by k, but sizes has c",
        ),
        (
            lambda: affine_einsum({"c": 2}, [], [ONE], (2, 2)),
            r"output has 2 ranks and must have as many forms, not 0",
        ),
        (
            lambda: affine_einsum({"c": 2}, [], [ONE, (np.ones((2, 2), int), plain("c"))], ()),
            r"operand 1 has 2 ranks and must have as many forms, not 1",
        ),
        (
            lambda: affine_einsum({"c": 2}, [], [(np.ones(2), plain("c"))], ()),
            r"operand 0 must hold integers, one or more, not float64 of \(2,\)",
        ),
        (
            lambda: affine_einsum({"c": 2}, [], [ONE], (), zeros=[1, 2]),
            r"operands must be one or more, each with a zero point, not 1 with 2",
        ),
        (
            lambda: affine_einsum({"c": 2}, [], [(np.array([2**32]), plain("c"))] * 2, ()),
            r"sums must stay within int64; the operands' values are too large",
        ),
        (
            lambda: affine_einsum({"c": 2}, [], [(np.array([-(2**62)]), plain("c"))], ()),
            r"sums must stay within int64; the operands' values are too large",
        ),
        (
            lambda: steps({"c": 2, "k": 1}, [], [ONE], (), ["c"]),
            r"order must name each of c, k once, not c",
        ),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        call()
