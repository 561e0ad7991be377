"""ConvTranspose between DequantizeLinear and QuantizeLinear, against ONNX Runtime."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from rtl_gen.nn.golden_run import run_graph
from rtl_gen.nn.graph import ModelError
from rtl_gen.nn.onnx import read_onnx

SEED = 31

CASES = {
    # image (c, ...), kernel (k / groups, ...), attributes
    "plain": ((3, 4, 5), (4, 3, 3), {}),
    "strides": ((4, 3, 4), (3, 3, 2), {"strides": [2, 3]}),
    "pads": ((4, 5, 4), (5, 4, 4), {"strides": [2, 2], "pads": [1, 0, 1, 2]}),
    "output_padding": (
        (6, 4, 3),
        (3, 3, 3),
        {"strides": [2, 3], "pads": [1, 1, 1, 1], "output_padding": [1, 2]},
    ),
    "dilations": ((3, 4, 4), (2, 3, 2), {"strides": [2, 2], "dilations": [3, 2]}),
    "groups": ((6, 3, 3), (2, 3, 3), {"group": 3, "strides": [2, 1]}),
    "same": ((2, 3, 4), (3, 4, 4), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    "output_shape": ((2, 3, 3), (3, 4, 4), {"output_shape": [6, 8], "strides": [2, 2]}),
    "one_dimension": ((5, 7), (4, 3), {"strides": [2], "pads": [1, 0]}),
    "kernel_below_stride": ((3, 3, 2), (4, 1, 2), {"strides": [2, 3]}),
}


def model(case: str, batch: int = 1, **changed) -> onnx.ModelProto:
    """QuantizeLinear, ConvTranspose with a bias, Relu in some cases, QuantizeLinear."""
    image, kernel, attributes = CASES[case]
    rng = np.random.default_rng([SEED, list(CASES).index(case)])
    groups, axes = attributes.get("group", 1), len(kernel) - 1
    weight = rng.integers(-127, 128, (image[0], *kernel)).astype(np.int8)
    arrays = {
        "x_scale": np.float32(0.031),
        "x_zero": np.int8(rng.integers(-60, 60)),
        "w": weight,
        "w_scale": rng.uniform(0.01, 0.02, kernel[0]).astype(np.float32),
        "w_zero": np.zeros(kernel[0], np.int8),
        "bias": rng.normal(0, 2, groups * kernel[0]).astype(np.float32),
        "y_scale": np.float32(0.23),
        "y_zero": np.int8(rng.integers(-30, 30)),
    }
    attributes = attributes | changed
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "x_scale", "x_zero"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "x_scale", "x_zero"], ["xr"]),
        helper.make_node("DequantizeLinear", ["w", "w_scale", "w_zero"], ["wr"], axis=1),
        helper.make_node("ConvTranspose", ["xr", "wr", "bias"], ["s"], name="up", **attributes),
        helper.make_node("QuantizeLinear", ["s", "y_scale", "y_zero"], ["yq"]),
        helper.make_node("DequantizeLinear", ["yq", "y_scale", "y_zero"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "up",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *image])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * (axes + 2))],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    made.ir_version = 8
    return made


def graph_of(folder, made: onnx.ModelProto):
    path = folder / "model.onnx"
    onnx.save(made, path)
    return read_onnx(path)


@pytest.mark.parametrize("case", CASES)
def test_as_onnx_runtime_gives_it(case, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    batch = 2 if case == "pads" else 1
    made = model(case, batch)
    graph = graph_of(tmp_path, made)
    rng = np.random.default_rng(SEED)
    x = rng.uniform(-4, 4, (batch, *CASES[case][0])).astype(np.float32)
    session = onnxruntime.InferenceSession(
        made.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (right,) = session.run(None, {"x": x})
    (own,), (output,) = graph.inputs, graph.outputs
    y = output.convert(run_graph(graph, {own.tensor: own.convert(x)})[output.tensor])
    assert y.shape == right.shape
    steps = np.abs(y - right) / 0.23
    assert steps.max() < 1.01  # one unit, where the float rescale meets a tie
    assert (steps > 0.5).mean() < 0.01
    assert len(np.unique(right)) > 30


@pytest.mark.parametrize(
    ("case", "changed", "message"),
    [
        ("plain", {"group": 2}, "group must divide the 3 input channels, not 2"),
        ("plain", {"pads": [3, 3, 3, 3]}, r"pads leave an output of \(0, 1\) pixels"),
        ("plain", {"auto_pad": "SAME_UPPER", "strides": [2, 3]}, "cuts off more on one side than"),
        ("plain", {"output_shape": [9, 9]}, r"its output must be 1 to 7 pixels .*, not \(9, 9\)"),
        ("plain", {"output_padding": [1]}, r"output_padding must be 2 numbers, 0 or more"),
        ("one_dimension", {"kernel_shape": [4]}, "kernel_shape must be the weight's, 3"),
    ],
)
def test_what_cannot_run_is_refused(case, changed, message, tmp_path):
    with pytest.raises(ModelError, match=rf"up \(ConvTranspose\): .*{message}"):
        graph_of(tmp_path, model(case, **changed))
