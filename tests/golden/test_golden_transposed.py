"""Transposed convolution against loops that scatter, and against its phases as convolutions."""

import numpy as np
import pytest

from rtl_gen.golden.transposed_convolution import transposed_conv2d
from rtl_gen.nn.golden_run import run_node
from rtl_gen.nn.phases import split
from rtl_gen.nn.transposed import InterleaveNode, TransposedNode
from rtl_gen.spec.layer import Quantization

SEED = 5


def scattered(x, w, bias, size, stride, dilation, before, groups, zero):
    """As TFLite's reference kernel does it, element by element."""
    n, h, width, _ = x.shape
    k, r, s, depth = w.shape
    sums = np.zeros((n, *size, k), np.int64)
    for image, a, b, i, j, o in np.ndindex(n, h, width, r, s, k):
        y = a * stride[0] + i * dilation[0] - before[0]
        z = b * stride[1] + j * dilation[1] - before[1]
        if 0 <= y < size[0] and 0 <= z < size[1]:
            first = o // (k // groups) * depth
            own = x[image, a, b, first : first + depth].astype(np.int64) - zero
            sums[image, y, z, o] += (own * w[o, i, j].astype(np.int64)).sum()
    return sums + bias


def random_node(rng, *, most=6, channels=7, batch=2):
    """With rows and columns of their own, cut or lengthened at either end."""

    def pair(low, high):
        return tuple(int(x) for x in rng.integers(low, high, 2))

    image, kernel, stride, dilation = pair(1, most), pair(1, 6), pair(1, 4), pair(1, 4)
    reach = [(h - 1) * u + (r - 1) * d + 1 for h, r, u, d in zip(image, kernel, stride, dilation)]
    before = tuple(int(rng.integers(0, min(4, x))) for x in reach)
    size = tuple(max(1, int(x - b + rng.integers(-3, u))) for x, b, u in zip(reach, before, stride))
    groups = int(rng.choice([1, 1, 2]))
    c, k = (int(x) * groups for x in rng.integers(1, channels, 2))
    return TransposedNode(
        name="up",
        image=image,
        size=size,
        weight=rng.integers(-128, 128, (k, *kernel, c // groups)).astype(np.int8),
        bias=rng.integers(-5000, 5000, k).astype(np.int32),
        multiplier=rng.integers(1 << 30, (1 << 31) - 1, k).astype(np.int32),
        shift=rng.integers(-11, -7, k).astype(np.int32),
        input="x",
        output="y",
        stride=stride,
        dilation=dilation,
        before=before,
        groups=groups,
        batch=batch,
        quantization=Quantization(
            input_zero=int(rng.integers(-128, 128)), output_zero=int(rng.integers(-20, 20))
        ),
    )


def described(node):
    return (
        f"seed {SEED}: {node.image} to {node.size}, kernel {node.weight.shape}, stride "
        f"{node.stride}, dilation {node.dilation}, before {node.before}, {node.groups} groups"
    )


def test_as_scattered_and_as_phases():
    rng, without_taps, in_front = np.random.default_rng(SEED), 0, 0
    for number in range(150):
        node = random_node(rng)
        x = rng.integers(-128, 128, node.input_shape).astype(np.int8)
        window = (node.size, node.stride, node.dilation, node.before, node.groups)
        names = ("size", "stride", "dilation", "before", "groups")
        zero = node.quantization.input_zero
        if number < 40:
            got = transposed_conv2d(
                x, node.weight, node.bias, input_zero=zero, **dict(zip(names, window))
            )
            np.testing.assert_array_equal(
                got, scattered(x, node.weight, node.bias, *window, zero), described(node)
            )
        nodes = split(node)
        parts = [[one.output for one in row] for row in nodes]
        joined = InterleaveNode(name="up", phases=tuple(map(tuple, parts)), output="y")
        images = [run_node(one, x) for row in nodes for one in row]
        np.testing.assert_array_equal(joined.run(*images), node.run(x), described(node))
        useful = sum(one.weight.any(axis=(0, 3)).sum() for row in nodes for one in row)
        assert useful <= node.weight[0, ..., 0].size  # each tap in one phase at most
        without_taps += any(not one.weight.any() for row in nodes for one in row)
        in_front += any(one.layer.sizes["r"] > node.weight.shape[1] for row in nodes for one in row)
    assert without_taps > 10 and in_front


@pytest.mark.parametrize("shape", [(4, 3, 3, 2), (4, 3, 3)])
def test_weights_that_do_not_fit_are_refused(shape):
    with pytest.raises(ValueError, match=r"w must be .*\(k, r, s, c / groups\)"):
        transposed_conv2d(np.zeros((1, 3, 3, 3), np.int8), np.zeros(shape, np.int8), size=(3, 3))
