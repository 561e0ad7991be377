"""Layers of the shared networks: the golden run gives TFLite's own intermediate tensors."""

import numpy as np
import pytest

from rtl_gen.nn.golden_run import run_node
from rtl_gen.nn.traced import read_traced

pytestmark = pytest.mark.shared_data


@pytest.mark.parametrize("network", ["ic_resnet8", "kws_dscnn"])
def test_golden_equals_tflite(network, shared_data):
    layers = read_traced(shared_data / network)
    for layer in layers:
        assert layer.inputs.shape[0] == layer.outputs.shape[0] == 6
        got = run_node(layer.node, layer.inputs)
        np.testing.assert_array_equal(got, layer.outputs, err_msg=layer.node.layer.name)


def test_layers_are_all_there(shared_data):
    layers = read_traced(shared_data / "ic_resnet8")
    names = [layer.node.layer.name for layer in layers]
    assert names == [f"op{i:02d}" for i in (0, 1, 2, 4, 5, 6, 8, 9, 10, 14)]
    assert sum(layer.node.layer.macs for layer in layers) == 12_501_632
    assert [layer.node.layer.operation for layer in layers] == ["conv2d"] * 9 + ["matmul"]


def test_single_rounding_reaches_the_layers(shared_data):
    """A few values in a thousand differ then, so the traced outputs must not all be met."""
    layers = read_traced(shared_data / "ic_resnet8", rounding="single")
    differing = sum(
        int((run_node(layer.node, layer.inputs) != layer.outputs).sum()) for layer in layers
    )
    assert 0 < differing < 0.005 * sum(layer.outputs.size for layer in layers)
