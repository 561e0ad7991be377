"""Nodes of networks as layers of an operation: the golden model gives the same either way."""

from dataclasses import replace

import numpy as np
import pytest
from designs import small_machine

from rtl_gen.nn.dense_batch import dense_batch
from rtl_gen.nn.golden_run import run_node
from rtl_gen.nn.graph import ModelError, Node
from rtl_gen.nn.to_program import to_operation
from rtl_gen.sim.layers import golden_output
from rtl_gen.spec.layer import Quantization, conv2d, matmul

QUANTIZATION = Quantization(input_zero=-5, output_zero=3)


def node_of(layer, weight_shape, channels):
    rng = np.random.default_rng(4)
    return Node(
        layer=layer,
        weight=rng.integers(-128, 128, weight_shape).astype(np.int8),
        bias=rng.integers(-1000, 1000, channels).astype(np.int32),
        multiplier=rng.integers(1 << 30, (1 << 31) - 1, channels).astype(np.int32),
        shift=np.full(channels, -9, np.int32),
        input="x",
        output="y",
    )


def convolution():
    layer = conv2d(
        k=6, c=9, h=7, w=8, r=3, s=2, n=2, groups=3, stride=(2, 1), pad=(1, 0, 1, 1),
        quantization=QUANTIZATION,
    )  # fmt: skip
    return node_of(layer, (6, 3, 2, 3), 6)


def dilated():
    layer = conv2d(
        k=6, c=9, h=11, w=12, r=3, s=4, n=2, groups=3, stride=(2, 1), dilation=(2, 3),
        pad=(3, 4, 0, 2), quantization=QUANTIZATION,
    )  # fmt: skip
    return node_of(layer, (6, 3, 4, 3), 6)


def fully_connected():
    return node_of(matmul(m=2, k=24, n=5, quantization=QUANTIZATION), (24, 5), 5)


@pytest.mark.parametrize(
    ("dataflow", "node", "image"),
    [
        ("weight_stationary", convolution, None),
        ("weight_stationary", dilated, None),
        ("weight_stationary", fully_connected, None),
        ("weight_stationary", fully_connected, (2, 3)),
        ("matmul_weight_stationary", fully_connected, None),
    ],
)
def test_both_forms_give_the_same(dataflow, node, image):
    operation, node = small_machine(dataflow, 4, 4).operation, node()
    x = np.random.default_rng(5).integers(-128, 128, node.input_shape).astype(np.int8)
    form = to_operation(node, operation, image=image)
    got = golden_output(operation, form.layer, form.source(x), form.data)
    np.testing.assert_array_equal(form.result(got), run_node(node, x))


@pytest.mark.parametrize(("image", "block"), [((2, 3), 16), ((1, 1), 8), ((4, 1), 8)])
def test_a_batch_as_one_row_gives_the_same(image, block):
    """Of channels that fill words and such as do not: 4, 24 and 6."""
    node, operation = fully_connected(), small_machine("weight_stationary", 4, 4).operation
    x = np.random.default_rng(5).integers(-128, 128, node.input_shape).astype(np.int8)
    form = dense_batch(node, image, block)
    got = golden_output(operation, form.layer, form.source(x), form.data)
    np.testing.assert_array_equal(form.result(got), run_node(node, x))


def test_where_a_batch_is_no_row():
    one = node_of(matmul(m=1, k=24, n=5), (24, 5), 5)
    many = node_of(matmul(m=2, k=24, n=8), (24, 8), 8)
    wide = fully_connected()
    wide = replace(wide, weight=wide.weight.astype(np.int16) + 120)
    assert all(dense_batch(node, (2, 3), 8) is None for node in (one, many, wide))
    assert dense_batch(fully_connected(), (5, 2), 8) is None  # 24 values are no 10 pixels


@pytest.mark.parametrize(
    ("dataflow", "node", "image", "message"),
    [
        ("matmul_weight_stationary", convolution, None,
         r"^conv2d: a design that computes matmul does not run conv2d$"),
        ("weight_stationary", fully_connected, (5, 2),
         r"^matmul: an image of 5 x 2 pixels does not have 24 values$"),
        ("weight_stationary", convolution, (1, 1),
         r"^conv2d: only a fully connected layer on a conv2d design takes an image$"),
    ],
)  # fmt: skip
def test_refusals(dataflow, node, image, message):
    with pytest.raises(ModelError, match=message):
        to_operation(node(), small_machine(dataflow, 4, 4).operation, image=image)
