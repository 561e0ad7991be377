"""Average pools as convolutions, and depthwise layers as grouped ones, against the golden pools."""

from dataclasses import replace

import numpy as np
import pytest

from rtl_gen.golden.pooling import average_pool
from rtl_gen.golden.quantize import output_int8
from rtl_gen.nn.graph import ModelError
from rtl_gen.nn.pooling import average_pool_node
from rtl_gen.nn.to_program import diagonal, to_operation
from rtl_gen.sim.layers import golden_output
from rtl_gen.spec.operations import shipped_operation


@pytest.mark.parametrize("rounding", ["double", "single"])
@pytest.mark.parametrize("size", [*range(1, 130), 169, 196, 225, 256, 784, 1024, 2500, 2895])
def test_every_mean_is_that_of_the_division(size, rounding):
    node = average_pool_node(name="pool", image=(1, size), channels=1, kernel=(1, size))
    total = np.arange(-128 * size, 127 * size + 1)
    accumulator = total * int(node.weight[0, 0, 0, 0])
    mean = output_int8(accumulator, node.multiplier[0], node.shift[0], rounding=rounding)
    right = np.sign(total) * ((np.abs(total) + size // 2) // size)
    np.testing.assert_array_equal(mean, right)


def test_a_pool_of_blocks_of_channels_is_a_convolution():
    rng = np.random.default_rng(3)
    node = average_pool_node(
        name="pool", image=(6, 7), channels=32, kernel=(3, 2), stride=(3, 2), act_min=-5
    )
    operation = shipped_operation("conv2d")
    run = to_operation(diagonal(node, 16), operation)
    assert run.layer.sizes["g"] == 2 and run.layer.repeats == ("r", "s")
    x = rng.integers(-128, 128, (1, 6, 7, 32)).astype(np.int8)
    got = run.result(golden_output(operation, run.layer, run.source(x), run.data))
    right = average_pool(x, kernel=(3, 2), stride=(3, 2), act_min=-5)
    np.testing.assert_array_equal(got, right)


def test_what_does_not_run_is_refused():
    some = {"name": "pool", "image": (8, 8), "channels": 24, "kernel": (3, 3)}
    with pytest.raises(ModelError, match=r"^pool: an average pool with padding does not run yet$"):
        average_pool_node(**some, pad=(1, 1, 1, 1))
    with pytest.raises(ModelError, match=r"^pool: an average pool over 2916 elements .* 2895 "):
        average_pool_node(**some | {"kernel": (54, 54), "image": (60, 60)})
    node = average_pool_node(**some)
    with pytest.raises(ModelError, match=r"^pool: 24 channels are no multiple of 16$"):
        diagonal(node, 16)
    dense = replace(node.layer, sizes=node.layer.sizes | {"g": 1, "k": 24, "c": 24})
    dense = replace(node, layer=dense, weight=np.zeros((24, 3, 3, 24), np.int8))
    with pytest.raises(ModelError, match=r"^pool: is no depthwise convolution$"):
        diagonal(dense, 16)
