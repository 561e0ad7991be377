"""TensorFlow Lite files: what is read, and what is refused and how."""

import math
import zlib
from pathlib import Path

import numpy as np
import pytest

from rtl_gen.golden.convolution import conv2d_int8
from rtl_gen.golden.pooling import average_pool, max_pool
from rtl_gen.mapping.chain import Joined
from rtl_gen.nn.golden_run import run_graph
from rtl_gen.nn.graph import ModelError, Node
from rtl_gen.nn.lower import lower
from rtl_gen.nn.tflite import read_tflite
from rtl_gen.reuse.fused_machine import machine_of
from rtl_gen.spec.parse import load_design
from tests.nn.tflite_models import File, convolution

DATAFLOWS = Path(__file__).resolve().parents[2] / "dataflows"


def written(folder, file):
    path = folder / "model.tflite"
    path.write_bytes(file if isinstance(file, bytes) else file.bytes())
    return path


def refusal(folder, file):
    with pytest.raises(ModelError) as caught:
        read_tflite(written(folder, file))
    return str(caught.value)


def small(**input_options):
    """A file with an input of 6 x 6 pixels and three channels."""
    file = File()
    x = file.tensor((1, 6, 6, 3), scale=0.5, zero=7, name="x", **input_options)
    file.inputs = [x]
    return file, x


def random_image(shape, seed=1):
    return np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)


# Real networks


@pytest.mark.shared_data
@pytest.mark.parametrize("name, macs", [("ic_resnet8", 12_501_632), ("kws_dscnn", 2_656_768)])
def test_real_network_is_bit_exact(name, macs, shared_data):
    """Every operator's output for all given inputs, by TFLite's own checksums."""
    graph = read_tflite(shared_data / "models" / f"{name}_int8.tflite")
    assert sum(node.layer.macs for node in graph.nodes if isinstance(node, Node)) == macs
    with np.load(shared_data / name / f"{name}_io.npz") as file:
        x, y, checksums = file["x"], file["y"], file["op_crc32"]
    (source,), (result,) = graph.inputs, graph.outputs
    tensors = run_graph(graph, {source.tensor: source.convert(x)})
    for node in graph.nodes:
        number = int(node.name[2:4])
        got = [zlib.crc32(np.ascontiguousarray(one).tobytes()) for one in tensors[node.output]]
        assert got == checksums[:, number].tolist(), node.name
    np.testing.assert_array_equal(result.convert(tensors[result.tensor]), y)


# What is read


def test_convolution_and_its_numbers(tmp_path):
    file, x = small()
    y = convolution(file, x, out=(1, 3, 3, 4), stride=2, FusedActivationFunction=3)
    file.outputs = [y]
    graph = read_tflite(written(tmp_path, file))
    (node,) = graph.nodes
    assert node.name == "op00_CONV_2D"
    assert node.layer.quantization.input_zero == 7
    # ReLU6 of scale 0.1 and zero point -3: 0 is -3, 6 is 57.
    assert (node.layer.quantization.act_min, node.layer.quantization.act_max) == (-3, 57)
    # 0.5 * 0.01 / 0.1 = 0.8 * 2^-4
    assert node.shift.tolist() == [-4] * 4
    np.testing.assert_allclose(node.multiplier / 2**31, 0.8, rtol=1e-6)
    image = random_image((2, 6, 6, 3))
    expected = conv2d_int8(
        image,
        node.weight,
        node.bias,
        node.multiplier,
        node.shift,
        stride=(2, 2),
        pad=(0, 0, 1, 1),
        input_zero=7,
        output_zero=-3,
        act_min=-3,
        act_max=57,
    )
    (port,) = graph.outputs
    tensors = run_graph(graph, {"x": graph.inputs[0].convert(image)})
    np.testing.assert_array_equal(port.convert(tensors[port.tensor]), expected)


def test_depthwise_with_several_outputs_a_channel(tmp_path):
    """Output channel k reads input channel k // 2, as a group of one channel with two outputs."""
    file, x = small()
    data = np.arange(9 * 6, dtype=np.int8).reshape(1, 3, 3, 6)
    weight = file.constant(data, scale=np.full(6, 0.01), axis=3)
    y = file.tensor((1, 4, 4, 6), scale=0.1)
    fields = {"Padding": 1, "StrideH": 1, "StrideW": 1, "DepthMultiplier": 2}
    file.operator("DEPTHWISE_CONV_2D", [x, weight], [y], "DepthwiseConv2DOptions", **fields)
    file.outputs = [y]
    (node,) = read_tflite(written(tmp_path, file)).nodes
    assert node.layer.sizes["g"] == 3 and node.layer.sizes["k"] == 2
    np.testing.assert_array_equal(node.weight[..., 0], data[0].transpose(2, 0, 1))
    assert not node.bias.any()


@pytest.mark.parametrize("kind, golden", [("MAX", max_pool), ("AVERAGE", average_pool)])
def test_pool_with_same_padding(kind, golden, tmp_path):
    file, x = small()
    y = file.tensor((1, 3, 3, 3), scale=0.5, zero=7)
    fields = {"Padding": 0, "StrideH": 2, "StrideW": 2, "FilterHeight": 3, "FilterWidth": 3}
    file.operator(f"{kind}_POOL_2D", [x], [y], "Pool2DOptions", **fields)
    file.outputs = [y]
    graph = read_tflite(written(tmp_path, file))
    image = random_image((1, 6, 6, 3))
    expected = golden(image, kernel=(3, 3), stride=(2, 2), pad=(0, 0, 1, 1))
    np.testing.assert_array_equal(run_graph(graph, {"x": image})[graph.nodes[0].output], expected)


def test_open_batch(tmp_path):
    file, x = small(open=True)
    y = file.tensor((1, 6, 6, 4), open=True)
    weight = file.constant(np.ones((4, 1, 1, 3), np.int8), scale=np.ones(4))
    fields = {"Padding": 0, "StrideH": 1, "StrideW": 1}
    file.operator("CONV_2D", [x, weight], [y], "Conv2DOptions", **fields)
    file.outputs = [y]
    graph = read_tflite(written(tmp_path, file), batch=5)
    assert graph.nodes[0].layer.sizes["n"] == 5
    assert graph.tensors["x"].shape == (5, 6, 6, 3)
    with pytest.raises(ValueError, match="batch must be at least 1"):
        read_tflite(written(tmp_path, file), batch=0)


def test_reshaped_activation_is_stored_once(tmp_path):
    """A reshape moves nothing: what reads it reads what made its input."""
    file, x = small()
    flat = file.tensor((1, 108), scale=0.5, zero=7)
    file.operator("RESHAPE", [x], [flat])
    weight = file.constant(np.ones((5, 108), np.int8), scale=0.25)
    y = file.tensor((1, 5), scale=0.1)
    file.operator("FULLY_CONNECTED", [flat, weight, -1], [y], "FullyConnectedOptions")
    file.outputs = [y, flat]
    graph = read_tflite(written(tmp_path, file))
    (node,) = graph.nodes
    assert node.input == "x" and node.layer.operation == "matmul"
    assert [port.tensor for port in graph.outputs] == [node.output, "x"]
    image = random_image((1, 6, 6, 3))
    np.testing.assert_array_equal(graph.outputs[1].convert(image), image.reshape(1, 108))


def test_equal_names_are_told_apart(tmp_path):
    file, x = small()
    y = file.tensor((1, 6, 6, 3), name="x")
    file.operator("ADD", [x, x], [y], "AddOptions")
    file.outputs = [y]
    graph = read_tflite(written(tmp_path, file))
    assert graph.nodes[0].inputs == ("x#0", "x#0") and graph.nodes[0].output == "x#1"


REAL = {
    "GELU": lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
    "HARD_SWISH": lambda x: x * min(max(x + 3, 0), 6) / 6,
    "LEAKY_RELU": lambda x: x if x >= 0 else 0.125 * x,
    "LOGISTIC": lambda x: 1 / (1 + math.exp(-x)),
    "TANH": math.tanh,
}


@pytest.mark.parametrize("kind", REAL)
def test_unary_functions_are_tables(kind, tmp_path):
    file = File()
    x = file.tensor((1, 6, 6, 3), name="x", scale=0.05, zero=3)
    y = file.tensor((1, 6, 6, 3), scale=0.02, zero=-7)
    options = {"GELU": ("GeluOptions", {}), "LEAKY_RELU": ("LeakyReluOptions", {"Alpha": 0.125})}
    name, fields = options.get(kind, (None, {}))
    file.operator(kind, [x], [y], name, **fields)
    file.inputs, file.outputs = [x], [y]
    (node,) = read_tflite(written(tmp_path, file)).nodes
    for value in range(-128, 128):
        exact = REAL[kind](0.05 * (value - 3)) / 0.02 - 7
        most = {"LEAKY_RELU": 0.75, "HARD_SWISH": 1.0}.get(kind, 0.5)  # they round twice or more
        assert abs(node.table[value + 128] - min(max(exact, -128), 127)) <= most + 1e-4, value


# What is refused


def test_all_operators_that_cannot_run_are_listed(tmp_path):
    file, x = small()
    a = file.tensor((1, 6, 6, 3))
    file.operator("ELU", [x], [a])
    b = convolution(file, a)  # reads what a refused operator makes: nothing is wrong with it
    c = file.tensor((1, 6, 6, 4))
    file.operator("RESIZE_BILINEAR", [b], [c])
    file.outputs = [c]
    text = refusal(tmp_path, file)
    assert text.splitlines()[1:] == [
        "  op00_ELU: the operator is not supported",
        "  op02_RESIZE_BILINEAR: the operator is not supported",
        "supported: ADD, AVERAGE_POOL_2D, BATCH_MATMUL, CONCATENATION, CONV_2D, "
        "DEPTHWISE_CONV_2D, FULLY_CONNECTED, GELU, HARD_SWISH, LEAKY_RELU, LOGISTIC, MAX_POOL_2D, "
        "RESHAPE, SLICE, SOFTMAX, SPLIT, SPLIT_V, STRIDED_SLICE, TANH, TRANSPOSE, TRANSPOSE_CONV, "
        "all int8",
    ]


def test_file_that_was_cut_off_or_damaged(tmp_path):
    """Wherever it ends: a message, never anything else."""
    file, x = small()
    file.outputs = [convolution(file, x)]
    content = file.bytes()
    for size in range(0, len(content), 7):
        assert "model.tflite: " in refusal(tmp_path, content[:size])
    random = np.random.default_rng(3)
    for _ in range(300):
        damaged = bytearray(content)
        for at in random.integers(8, len(content), 3):
            damaged[at] = random.integers(256)
        path = written(tmp_path, bytes(damaged))
        try:
            read_tflite(path)
        except ModelError as error:
            assert "model.tflite: " in str(error)


def test_numbers_that_no_kernel_takes(tmp_path):
    file, x = small()
    y = file.tensor((1, 6, 6, 3), scale=1e-20)
    file.operator("ADD", [x, x], [y], "AddOptions")
    z = file.tensor((1, 6, 6, 3), scale=1e-39)
    file.operator("ADD", [x, x], [z], "AddOptions", FusedActivationFunction=3)
    w = file.tensor((1, 5, 6, 16), scale=0.5, zero=7)
    window = {"Padding": 1, "StrideH": 1, "StrideW": 1, "FilterHeight": 4, "FilterWidth": 4}
    file.operator("MAX_POOL_2D", [x], [w], "Pool2DOptions", **window)
    window |= {"FilterHeight": 8}
    file.operator("AVERAGE_POOL_2D", [x], [w], "Pool2DOptions", **window)
    file.operator("CONV_2D", [x, -1], [w], "Conv2DOptions", StrideH=1, StrideW=1)
    file.operator("RESHAPE", [x], [-1])
    file.outputs = [w]
    lines = refusal(tmp_path, file).splitlines()[1:]
    for n, (line, message) in enumerate(
        zip(
            lines,
            (
                "ADD: a real multiplier must be ",
                "ADD: ",
                "MAX_POOL_2D: its output is (1, 3, 3, 3), but the file says (1, 5, 6, 16)",
                "AVERAGE_POOL_2D: the padded image, 6, must not be smaller than the window, 8",
                "CONV_2D: must have 2 to 3 inputs and 1 output, not 1 and 1",
                "RESHAPE: must have 1 to 2 inputs and 1 output, not 1 and 1",
            ),
        )
    ):
        assert line.startswith(f"  op{n:02d}_{message}"), line


def test_other_files(tmp_path):
    assert "no TensorFlow Lite file" in refusal(tmp_path, b"PK\x03\x04 and so on")
    with pytest.raises(ModelError, match="No such file"):
        read_tflite(tmp_path / "nothing.tflite")
    file, x = small()
    file.outputs, file.subgraphs = [x], 2
    assert "must have one subgraph, not 2" in refusal(tmp_path, file)


def refused_convolution(*, weight, bias=None, x_options=None, **fields):
    file = File()
    x = file.tensor((1, 6, 6, 3), **(x_options or {}))
    file.inputs = [x]
    data, options = weight
    inputs = [x, file.constant(data, **options)]
    if bias is not None:
        inputs.append(file.constant(bias))
    y = file.tensor((1, 6, 6, 4))
    given = {"Padding": 0, "StrideH": 1, "StrideW": 1} | fields
    file.operator("CONV_2D", inputs, [y], "Conv2DOptions", **given)
    file.outputs = [y]
    return file


GOOD = (np.ones((4, 3, 3, 3), np.int8), {"scale": np.ones(4)})


@pytest.mark.parametrize(
    "file, message",
    [
        (
            refused_convolution(weight=GOOD, x_options={"type": np.uint8}),
            "input t0: t0 must be int8, not uint8",
        ),
        (
            refused_convolution(weight=GOOD, x_options={"type": np.bool_}),
            "input t0: t0 must be int8, not of that type",
        ),
        (
            refused_convolution(weight=GOOD, x_options={"scale": [1.0, 2.0]}),
            "input t0: t0 must have one scale, not 2",
        ),
        (
            refused_convolution(weight=GOOD, x_options={"zero": 200}),
            "input t0: t0 must have a zero point of -128 to 127, not 200",
        ),
        (
            refused_convolution(weight=(GOOD[0], {"scale": np.ones(3)})),
            "a scale for each of its 4 output channels, not 3 along dimension 0",
        ),
        (
            refused_convolution(weight=(GOOD[0], {"scale": 1.0, "zero": 2})),
            "the weight's zero points must be 0, not [2]",
        ),
        (
            refused_convolution(weight=(GOOD[0].astype(np.float32), {})),
            "must be int8, not float32",
        ),
        (
            refused_convolution(weight=(np.ones((4, 3, 3, 2), np.int8), {})),
            "the weights are for 2 channels a group, the input has 3",
        ),
        (
            refused_convolution(weight=(np.ones((4, 3), np.int8), {})),
            "the weight must have 4 dimensions, not shape (4, 3)",
        ),
        (
            refused_convolution(weight=GOOD, bias=np.ones(3, np.int32)),
            "the bias must have shape (4,), not (3,)",
        ),
        (refused_convolution(weight=GOOD, StrideH=0), "must be 1 or more, not 0 and 1"),
        (refused_convolution(weight=GOOD, Padding=5), "padding must be SAME or VALID, not"),
        (refused_convolution(weight=GOOD, StrideH=2), "its output is (1, 3, 6, 4), but the file"),
        (
            refused_convolution(weight=GOOD, FusedActivationFunction=4),
            "must be one of none, relu, relu_n1_to_1, relu6",
        ),
    ],
)
def test_convolution_that_cannot_run(file, message, tmp_path):
    assert message in refusal(tmp_path, file)


def test_addition_and_softmax_that_cannot_run(tmp_path):
    file, x = small()
    other = file.tensor((1, 1, 1, 3))
    file.inputs = [x, other]
    y = file.tensor((1, 6, 6, 3))
    file.operator("ADD", [x, other], [y], "AddOptions")
    z = file.tensor((1, 6, 6, 3), scale=1 / 128)
    file.operator("SOFTMAX", [x], [z], "SoftmaxOptions", Beta=1.0)
    file.operator("SOFTMAX", [x, x], [z], "SoftmaxOptions", Beta=1.0)
    file.outputs = [y, z]
    text = refusal(tmp_path, file)
    assert "op00_ADD: adds shapes (1, 6, 6, 3) and (1, 1, 1, 3), which must be equal" in text
    assert "op01_SOFTMAX: its output must have scale 1/256 and zero point -128" in text
    assert "op02_SOFTMAX: must have 1 inputs and 1 output, not 2 and 1" in text


def joined(axis=3, scale=0.1, activation=0):
    """Two layers of 16 and 5 channels, which a third reads side by side."""
    file, x = small()
    first = convolution(file, x, k=16, c=3, out=(1, 6, 6, 16))
    second = convolution(file, x, k=5, c=3, out=(1, 6, 6, 5))
    y = file.tensor((1, 6, 6, 21), scale=scale, zero=-3)
    fields = {"Axis": axis, "FusedActivationFunction": activation}
    file.operator("CONCATENATION", [first, second], [y], "ConcatenationOptions", **fields)
    file.outputs = [convolution(file, y, k=4, c=21, out=(1, 6, 6, 4))]
    return file


def test_concatenation(tmp_path):
    graph = read_tflite(written(tmp_path, joined()))
    image = random_image((1, 6, 6, 3))
    values = run_graph(graph, {"x": image})
    first, second, joint, last = graph.nodes
    parts = [values[node.output] for node in (first, second)]
    np.testing.assert_array_equal(values[joint.output], np.concatenate(parts, axis=3))
    layers = lower(graph, machine_of(load_design(DATAFLOWS / "adaptive.yaml"))).chain({"x": image})
    assert [layer.source for layer in layers][2] == Joined((0, 1)) and last.input == joint.output


def test_concatenation_that_cannot_run(tmp_path):
    for changes, message in (
        ({"axis": 1}, "op02_CONCATENATION: joins along axis 1; only channels, the last of 4, are"),
        ({"scale": 0.25}, "its inputs and its output must have one scale and zero point"),
        ({"activation": 1}, "op02_CONCATENATION: must have no fused activation function"),
    ):
        assert message in refusal(tmp_path, joined(**changes))
