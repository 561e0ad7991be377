"""The committed digit reader on the committed hundred digits."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from rtl_gen.nn.golden_run import run_graph
from rtl_gen.nn.onnx import read_onnx

FOLDER = Path(__file__).parents[2] / "examples" / "digits"


@pytest.fixture(scope="module")
def digits():
    with np.load(FOLDER / "digits.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def graph():
    return read_onnx(FOLDER / "digits.onnx")


@pytest.fixture(scope="module")
def tensors(graph, digits):
    return run_graph(graph, {"image": digits["images"]})


def test_hundred_digits_ten_of_each(digits):
    assert digits["images"].shape == (100, 8, 8, 1)
    assert digits["images"].dtype == np.int8
    assert np.bincount(digits["labels"]).tolist() == [10] * 10
    assert len(np.unique(digits["index"])) == 100


def test_reads_the_digits(tensors, digits):
    right = int((tensors["scores"].argmax(1) == digits["labels"]).sum())
    print(f"{right} of 100 digits right")
    assert right >= 95


def test_has_what_the_accelerator_should_show(graph):
    """Padding, a stride of 2, more than 16 channels, and work that simulates in no time."""
    layers = [node.layer for node in graph.nodes]
    convs = [layer for layer in layers if layer.operation == "conv2d"]
    assert [layer.operation for layer in layers] == ["conv2d"] * 3 + ["matmul"]
    assert any(layer.symbols["u"] == layer.symbols["v"] == 2 for layer in convs)
    assert all(layer.symbols["t"] == layer.symbols["l"] == 1 for layer in convs)
    assert any(layer.sizes["k"] > 16 and layer.sizes["c"] > 16 for layer in convs)
    assert sum(layer.macs for layer in layers) <= 1_500_000
    # ReLU: what is below zero saturates.
    assert all(layer.quantization.output_zero == -128 for layer in convs)


def test_every_layer_agrees_with_onnx_reference(graph, tensors):
    """Node by node, on the same inputs: the roundings differ by one unit, and seldom."""
    model = onnx.load(FOLDER / "digits.onnx")
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    protos = [node for node in model.graph.node if node.op_type.startswith("QLinear")]
    values = differing = 0
    for node, proto in zip(graph.nodes, protos, strict=True):
        assert proto.output[0] == node.output
        x = tensors[node.input].transpose(0, 3, 1, 2)
        if proto.op_type == "QLinearMatMul":
            x = x.reshape(len(x), -1)
        feeds = {proto.input[0]: x} | {name: constants[name] for name in proto.input[1:]}
        (expected,) = ReferenceEvaluator(proto).run(None, feeds)
        if expected.ndim == 4:
            expected = expected.transpose(0, 2, 3, 1)
        difference = np.abs(tensors[node.output].astype(int) - expected)
        assert difference.max() <= 1, node.layer.name
        values += difference.size
        differing += int((difference > 0).sum())
    print(f"{differing} of {values} values differ from ONNX's reference, by one unit")
    assert differing <= values / 200


def test_whole_model_reads_the_same_digits_in_onnx_reference(tensors, digits):
    evaluator = ReferenceEvaluator(str(FOLDER / "digits.onnx"))
    (scores,) = evaluator.run(None, {"image": digits["images"].transpose(0, 3, 1, 2)})
    assert (scores.argmax(1) == tensors["scores"].argmax(1)).all()


def test_is_valid_onnx():
    model = onnx.load(FOLDER / "digits.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == [
        "QLinearConv",
        "QLinearConv",
        "QLinearConv",
        "Flatten",
        "QLinearMatMul",
    ]
