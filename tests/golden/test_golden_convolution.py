"""Convolutions against loops in plain Python, and by hand."""

import itertools

import numpy as np
import pytest

from rtl_gen.golden.convolution import (
    conv2d,
    conv2d_int8,
    depthwise,
    depthwise_int8,
    fully_connected,
    fully_connected_int8,
)
from rtl_gen.golden.quantize import output_int8
from rtl_gen.golden.window import output_extent, same_padding, windows


def loops(x, w, bias, stride, dilation, pad, groups, input_zero):
    """A convolution as it is defined, one MAC after another."""
    n, rows, columns, _ = x.shape
    k, r, s, depth = w.shape
    p = (rows + pad[0] + pad[2] - (r - 1) * dilation[0] - 1) // stride[0] + 1
    q = (columns + pad[1] + pad[3] - (s - 1) * dilation[1] - 1) // stride[1] + 1
    y = np.zeros((n, p, q, k), object)
    for b, i, j, f in itertools.product(range(n), range(p), range(q), range(k)):
        acc = int(bias[f])
        for a, e, c in itertools.product(range(r), range(s), range(depth)):
            row = i * stride[0] + a * dilation[0] - pad[0]
            column = j * stride[1] + e * dilation[1] - pad[1]
            if 0 <= row < rows and 0 <= column < columns:
                channel = f // (k // groups) * depth + c
                acc += (int(x[b, row, column, channel]) - input_zero) * int(w[f, a, e, c])
        y[b, i, j, f] = acc
    return y


def random_layer(rng):
    groups = int(rng.integers(1, 4))
    depth, filters = (int(v) for v in rng.integers(1, 4, 2))
    r, s = (int(v) for v in rng.integers(1, 5, 2))
    dilation = tuple(int(v) for v in rng.integers(1, 3, 2))
    # Tall enough for the window without padding.
    rows = (r - 1) * dilation[0] + int(rng.integers(1, 5))
    columns = (s - 1) * dilation[1] + int(rng.integers(1, 5))
    values = [-128, 127] if rng.random() < 0.3 else np.arange(-128, 128)
    return {
        "x": rng.choice(values, (2, rows, columns, groups * depth)).astype(np.int8),
        "w": rng.choice(values, (groups * filters, r, s, depth)).astype(np.int8),
        "bias": rng.integers(-(2**20), 2**20, groups * filters).astype(np.int32),
        "stride": tuple(int(v) for v in rng.integers(1, 4, 2)),
        "dilation": dilation,
        "pad": tuple(int(v) for v in rng.integers(0, 4, 4)),
        "groups": groups,
        "input_zero": int(rng.integers(-128, 128)),
    }


@pytest.mark.parametrize("seed", range(25))
def test_conv2d_is_its_loops(seed):
    layer = random_layer(np.random.default_rng(seed))
    result = conv2d(**layer)
    assert result.dtype == np.int64
    np.testing.assert_array_equal(result, loops(**layer))


@pytest.mark.parametrize("seed", range(25))
def test_depthwise_is_a_grouped_convolution(seed):
    rng = np.random.default_rng(100 + seed)
    layer = random_layer(rng)
    c, depth_multiplier = layer["x"].shape[3], int(rng.integers(1, 4))
    k = c * depth_multiplier
    layer["w"] = rng.integers(-128, 128, (k, *layer["w"].shape[1:3], 1)).astype(np.int8)
    layer["bias"] = rng.integers(-1000, 1000, k)
    layer["groups"] = c
    expected = loops(**layer)
    del layer["groups"]
    layer["w"] = layer["w"].transpose(3, 1, 2, 0)
    np.testing.assert_array_equal(depthwise(**layer), expected)


def test_conv2d_by_hand():
    x = np.arange(9, dtype=np.int8).reshape(1, 3, 3, 1)
    w = np.array([[1, 2], [3, 4]], np.int8).reshape(1, 2, 2, 1)
    assert conv2d(x, w).ravel().tolist() == [27, 37, 57, 67]
    # Padding below and right, stride 2: the corner meets one element, the sides two.
    strided = conv2d(x, w, np.array([100]), stride=(2, 2), pad=(0, 0, 1, 1))
    assert strided.ravel().tolist() == [127, 100 + 2 + 15, 100 + 6 + 14, 108]
    # With a zero point of 8 the padding is still 0.
    shifted = conv2d(x, w, stride=(2, 2), pad=(0, 0, 1, 1), input_zero=8)
    assert shifted.ravel().tolist() == [-53, -6 - 9, -2 - 2, 0]


def test_depthwise_by_hand():
    x = np.array([[1, 10], [2, 20]], np.int8).reshape(1, 1, 2, 2)
    w = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.int8).reshape(1, 1, 2, 4)
    assert depthwise(x, w).ravel().tolist() == [11, 14, 170, 200]


def test_extremes_need_more_than_sixteen_bits():
    x = np.full((1, 3, 3, 64), -128, np.int8)
    w = np.full((2, 3, 3, 64), -128, np.int8)
    assert conv2d(x, w).ravel().tolist() == [128 * 128 * 576] * 2
    assert conv2d(x, w, input_zero=127).ravel().tolist() == [255 * 128 * 576] * 2
    assert fully_connected(x[0, 0], w[:, 0, 0]).tolist() == [[128 * 128 * 64] * 2] * 3


def test_fully_connected_by_hand():
    x = np.array([[1, 2, 3], [-1, 0, 1]], np.int8)
    w = np.array([[1, 0, 2], [5, 5, 5]], np.int8)
    assert fully_connected(x, w, [10, 20]).tolist() == [[17, 50], [11, 20]]
    zeros = fully_connected(x, w, input_zero=1, weight_zero=5)
    assert zeros.tolist() == [[0 - 5 - 6, 0], [8 + 5 + 0, 0]]


@pytest.mark.parametrize("rounding", ["double", "single"])
def test_int8_wrappers_requantize_per_channel(rounding):
    rng = np.random.default_rng(3)
    layer = random_layer(rng)
    k = layer["w"].shape[0]
    multiplier, shift = rng.integers(2**30, 2**31, k), rng.integers(-12, -8, k)
    quantized = {"output_zero": 7, "act_min": -100, "act_max": 90, "rounding": rounding}
    result = conv2d_int8(
        layer.pop("x"), layer.pop("w"), layer.pop("bias"), multiplier, shift, **layer, **quantized
    )
    expected = output_int8(conv2d(**random_layer(np.random.default_rng(3))), multiplier, shift,
                           **quantized)  # fmt: skip
    assert result.dtype == np.int8
    np.testing.assert_array_equal(result, expected)

    x, w = rng.integers(-128, 128, (2, 5, 5, 3)), rng.integers(-128, 128, (1, 3, 3, 3))
    factors = rng.integers(2**30, 2**31, 3), rng.integers(-12, -8, 3)
    zeros = {"input_zero": -5}
    np.testing.assert_array_equal(
        depthwise_int8(x, w, None, *factors, **zeros, **quantized),
        output_int8(depthwise(x, w, **zeros), *factors, **quantized),
    )
    zeros["weight_zero"] = 9
    np.testing.assert_array_equal(
        fully_connected_int8(x[0, 0], w[0, 0], None, *factors, **zeros, **quantized),
        output_int8(fully_connected(x[0, 0], w[0, 0], **zeros), *factors, **quantized),
    )


def test_defaults_change_nothing():
    """A window of one element, a weight of 1 and a factor of 1 give back the input."""
    values = np.arange(-128, 128).astype(np.int8)
    column, one, factor = values.reshape(1, 256, 1, 1), np.ones((1, 1, 1, 1), np.int8), (2**30, 1)
    for function in (conv2d, depthwise):
        assert function(column, one).tolist() == column.tolist()
    for function in (conv2d_int8, depthwise_int8):
        assert function(column, one, None, *factor).tolist() == column.tolist()
    assert fully_connected(values[:, None], one[0, 0]).ravel().tolist() == values.tolist()
    dense = fully_connected_int8(values[:, None], one[0, 0], None, *factor)
    assert dense.ravel().tolist() == values.tolist()
    # The clamp is that of int8.
    wide = np.array([[-1], [1]], np.int8) * np.int8(100)
    for function in (conv2d_int8, depthwise_int8):
        clipped = function(wide.reshape(1, 2, 1, 1), 2 * one, None, *factor)
        assert clipped.ravel().tolist() == [-128, 127]
    assert fully_connected_int8(wide, 2 * one[0, 0], None, *factor).tolist() == [[-128], [127]]
    taps = np.ones((1, 2, 1, 1), np.int8)
    for function in (conv2d_int8, depthwise_int8):
        halves = function(column, taps, None, 2**30, 0)
        assert halves.ravel().tolist() == list(range(-127, 128))
    (only,) = windows(column, (1, 1))
    assert only[:2] == (0, 0) and only[2].tolist() == column.tolist()
    (padded,) = windows(column[:, :1], (1, 1), pad=(1, 0, 0, 0))
    assert padded[2].ravel().tolist() == [0, -128]


def test_window_extents():
    assert output_extent(32, 3, before=1, after=1) == 32
    assert output_extent(5, 3) == 3
    assert output_extent(7, 3, stride=2, dilation=3) == 1
    assert same_padding(32, 3) == (1, 1)
    assert same_padding(32, 3, stride=2) == (0, 1)
    assert same_padding(49, 10, stride=2) == (4, 5)
    assert same_padding(32, 1, stride=2) == (0, 0)
    assert same_padding(9, 3, dilation=2) == (2, 2)


X, W = np.zeros((1, 4, 4, 6), np.int8), np.zeros((4, 3, 3, 3), np.int8)


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: conv2d(X, W),
            r"groups must divide k = 4, and x have groups x 3 channels, not groups = 1 and c = 6",
        ),
        (
            lambda: conv2d(X, W, groups=3),
            r"groups must divide k = 4, and x have groups x 3 channels, not groups = 3 and c = 6",
        ),
        (
            lambda: conv2d(X, W, groups=2, dilation=(2, 1)),
            r"the padded image, 4, must not be smaller than the window, 5",
        ),
        (lambda: conv2d(X, W, groups=2, stride=(1, 0)), r"stride must be at least 1, not 0"),
        (
            lambda: conv2d(X, W, groups=2, pad=(0, 0, -1, 0)),
            r"padding must be 0 or more on each side, not 0 and -1",
        ),
        (
            lambda: conv2d(X, W, np.zeros(3, int), groups=2),
            r"bias must be integers of shape \(4,\), not int64 of \(3,\)",
        ),
        (
            lambda: conv2d(X[0], W),
            r"x must be integers of shape \(n, h, w, c\), not int8 of \(4, 4, 6\)",
        ),
        (
            lambda: conv2d(X, W * 1.0),
            r"w must be integers of shape \(k, r, s, c / groups\), not float64 of \(4, 3, 3, 3\)",
        ),
        (
            lambda: depthwise(X, W),
            r"depthwise weights must be \(1, r, s, k\) with k a multiple of c = 6, "
            r"not \(4, 3, 3, 3\)",
        ),
        (
            lambda: fully_connected(X[0, 0], W[:, 0, 0]),
            r"x must be integers of shape \(n, c\) with c = 3, not int8 of \(4, 6\)",
        ),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        call()
