"""What the accelerator cannot run is refused in one message that names all of it."""

import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_models import ModelBuilder

from rtl_gen.nn.graph import ModelError, Node
from rtl_gen.nn.onnx import read_onnx
from rtl_gen.nn.onnx_nodes import OPERATORS
from rtl_gen.spec.layer import Layer, conv2d, matmul

SUPPORTED = f"supported: {', '.join(OPERATORS)}, of int8 and uint8"


def refusal(path) -> list[str]:
    """The message's lines without the first, which says where, and the last."""
    with pytest.raises(ModelError) as caught:
        read_onnx(path)
    first, *lines, last = str(caught.value).split("\n")
    assert first == f"{path}: cannot run on the accelerator because of"
    assert last == SUPPORTED
    return lines


def test_all_unsupported_nodes_are_named(tmp_path):
    model = ModelBuilder("N", 2, 8, 8)
    model.conv("first", (4, 2, 3, 3))
    model.node("LRN", "normal", size=3)
    model.conv("asymmetric", (4, 4, 3, 3), weight_zero=3)
    model.node("Relu", "")
    model.conv("small", (4, 4, 1, 1))
    model.node("QLinearMul", "multiply", (model.tensor,), domain="com.microsoft")
    model.node("Invented", "made_up")
    model.node("Transpose", "swap", perm=[1, 0, 2, 3])
    model.conv("three_dimensions", (4, 4, 3, 3, 3))
    model.node("Flatten", "flat")
    model.dense("last", 64, 10)
    model.constants[-4].CopyFrom(
        onnx.numpy_helper.from_array(np.ones(9, np.float32), "last_w_scale")
    )
    assert refusal(model.save(tmp_path)) == [
        "  normal (LRN): the operator is not supported",
        "  multiply (com.microsoft.QLinearMul): the operator is not supported",
        "  made_up (Invented): the operator is not supported",
        "  swap (Transpose): perm must keep the first dimension, the images, not [1, 0, 2, 3]",
        "  last (QLinearMatMul): the weight's scale must have 1 or 10 values, not 9",
    ]


def test_real_numbers_must_be_quantized(tmp_path):
    model = ModelBuilder("N", 2, 8, 8)
    model.conv("first", (4, 2, 3, 3))
    model.node("Sigmoid", "sigmoid")
    lines = refusal(model.save(tmp_path))
    assert lines == [
        "  sigmoid (Sigmoid): its input 'first_out' is not quantized; QuantizeLinear and "
        "DequantizeLinear must come before"
    ]


def test_nodes_behind_a_refused_one_are_not_blamed(tmp_path):
    model = ModelBuilder("N", 2, 8, 8)
    model.node("LRN", "normal", size=3)
    model.conv("conv", (4, 2, 3, 3))
    model.node("Flatten", "flat")
    model.dense("dense", 100, 10)
    lines = refusal(model.save(tmp_path))
    assert lines == ["  normal (LRN): the operator is not supported"]


def conv(shape=(4, 2, 3, 3), **attributes):
    model = ModelBuilder("N", 2, 8, 8)
    model.conv("conv", shape, **attributes)
    return model


def layout(op_type, **attributes):
    model = conv()
    model.node(op_type, "layout", **attributes)
    return model


def reshape(*shape, **attributes):
    model = conv()
    model.reshape("layout", *shape, **attributes)
    return model


def flat_dense(k):
    model = conv()
    model.node("Flatten", "flat")
    model.dense("dense", k, 10)
    return model


def deep_dense():
    model = conv()
    model.dense("dense", 7, 10)
    return model


def rearranged_for_a_conv():
    model = conv()
    model.node("Transpose", "swap", perm=[0, 1, 3, 2])
    model.conv("behind", (4, 4, 1, 1))
    return model


def vector_into_a_conv():
    model = ModelBuilder("N", 64)
    model.conv("conv", (4, 64, 1, 1))
    return model


def replaced(suffix, array):
    """The convolution with another constant."""
    model = conv()
    for tensor in model.constants:
        if tensor.name == f"conv_{suffix}":
            tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
    return model


def without(suffix):
    model = conv()
    model.constants = [each for each in model.constants if each.name != f"conv_{suffix}"]
    return model


def few_inputs():
    model = conv()
    del model.nodes[0].input[6:]
    return model


def unmade_input():
    model = conv()
    model.nodes[0].input[0] = "nothing"
    return model


def float_constant_node():
    model = conv()
    model.nodes.insert(0, helper.make_node("Constant", [], ["c"], name="c", value_float=1.0))
    return model


REFUSED = {
    "pads": (
        conv(pads=[1, -1, 1, 1]),
        "conv (QLinearConv): pads must be four, 0 or more, not (1, -1, 1, 1)",
    ),
    "auto_pad": (
        conv(auto_pad="SAME"),
        "conv (QLinearConv): auto_pad 'SAME' is not one that ONNX knows",
    ),
    "strides": (
        conv(strides=[0, 1]),
        "conv (QLinearConv): strides must be 2 numbers, 1 or more, not (0, 1)",
    ),
    "kernel_shape": (
        conv(kernel_shape=[5, 5]),
        "conv (QLinearConv): kernel_shape must be the weight's, 3 x 3",
    ),
    "channels": (
        conv((4, 3, 3, 3)),
        "conv (QLinearConv): the weight is for 3 input channels, not 2",
    ),
    "groups": (
        conv((3, 1, 3, 3), group=2),
        "conv (QLinearConv): conv: groups must divide c = 2 and k = 3, not 2",
    ),
    "filter": (
        conv((4, 2, 9, 9)),
        "conv (QLinearConv): conv: the padded image, 8 x 8, must not be smaller than the filter",
    ),
    "attribute": (
        conv(shrink=1),
        "conv (QLinearConv): the attribute shrink is not supported",
    ),
    "attribute_type": (
        conv(group=2.0),
        "conv (QLinearConv): the attribute group must be of type INT",
    ),
    "weight_type": (
        replaced("w", np.zeros((4, 2, 3, 3), np.uint8)),
        "conv (QLinearConv): the weight's zero point must be uint8 like it, not int8",
    ),
    "weight_empty": (
        replaced("w", np.zeros((4, 0, 3, 3), np.int8)),
        "conv (QLinearConv): the weight must not be empty, of shape (4, 0, 3, 3)",
    ),
    "weight_scales": (
        replaced("w_scale", np.ones(3, np.float32)),
        "conv (QLinearConv): the weight's scale must have 1 or 4 values, not 3",
    ),
    "scale_zero": (
        replaced("y_scale", np.float32(0)),
        "conv (QLinearConv): the output's scale must be above 0, not 0.0",
    ),
    "scale_vector": (
        replaced("x_scale", np.ones(2, np.float32)),
        "conv (QLinearConv): the input's scale must be one number, not of shape (2,)",
    ),
    "factor": (
        replaced("w_scale", np.array([1, 1, -2, 1], np.float32)),
        "conv (QLinearConv): x_scale * w_scale / y_scale must be 0 or more and below 2^30 in "
        "every channel, not -",
    ),
    "other_type": (
        replaced("x_zero", np.uint8(5)),
        "conv (QLinearConv): the input's zero point must be int8 like it, not uint8",
    ),
    "bias_type": (
        replaced("b", np.zeros(4, np.float32)),
        "conv (QLinearConv): the bias must be int32, not float32",
    ),
    "bias_shape": (
        replaced("b", np.zeros(3, np.int32)),
        "conv (QLinearConv): the bias must have shape (4,), not (3,)",
    ),
    "not_constant": (
        without("w"),
        "conv (QLinearConv): the weight must be a constant of the file",
    ),
    "few_inputs": (
        few_inputs(),
        "conv (QLinearConv): must have 8 or 9 inputs and 1 output, not 6 and 1",
    ),
    "unmade_input": (
        unmade_input(),
        "conv (QLinearConv): its input 'nothing' is neither the file's nor made by a node before "
        "it",
    ),
    "vector": (
        vector_into_a_conv(),
        "conv (QLinearConv): the input must be (n, c, h, w), not of rank 2",
    ),
    "rearranged": (
        rearranged_for_a_conv(),
        "behind (QLinearConv): its input is rearranged in a way that would have to move data",
    ),
    "features": (
        flat_dense(100),
        "dense (QLinearMatMul): the first operand must be (1, 100), not (1, 144)",
    ),
    "matmul_rank": (
        deep_dense(),
        "dense (QLinearMatMul): the first operand must be (1, ..., 7), not (1, 4, 6, 6)",
    ),
    "flatten": (
        layout("Flatten", axis=0),
        "layout (Flatten): axis must be 1, which keeps the images apart, not 0",
    ),
    "transpose": (
        layout("Transpose", perm=[0, 2, 1]),
        "layout (Transpose): perm must order the 4 dimensions, the images first, not [0, 2, 1]",
    ),
    "transpose_reversed": (
        layout("Transpose"),
        "layout (Transpose): perm must order the 4 dimensions, the images first, not None",
    ),
    "reshape": (
        reshape(4, 36),
        "layout (Reshape): must keep the first dimension, the images: "
        "(1, 4, 6, 6) cannot become [4, 36]",
    ),
    "reshape_zero": (
        reshape(1, 0, 36, allowzero=1),
        "layout (Reshape): must keep the first dimension, the images: "
        "(1, 4, 6, 6) cannot become [1, 0, 36]",
    ),
    "constant": (
        float_constant_node(),
        "c (Constant): the attribute value_float is not supported",
    ),
    "float_input": (
        ModelBuilder("N", 8, dtype=TensorProto.DOUBLE),
        "input x: must be int8, uint8 or float, not double",
    ),
    "real_output": (
        ModelBuilder("N", 8, dtype=TensorProto.FLOAT),
        "output x: is real numbers that are not quantized",
    ),
    "open_input": (
        ModelBuilder("N", 2, "H", 8),
        "input x: all its dimensions but the first must be fixed",
    ),
    "flat_input": (
        ModelBuilder("N"),
        "input x: must have 2 dimensions or more, of which images are the first, not 1",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_one_line_says_why(case, tmp_path):
    model, expected = REFUSED[case]
    (line,) = refusal(model.save(tmp_path))
    assert line.startswith(f"  {expected}")
    if not expected.endswith("-"):
        assert line == f"  {expected}"


def test_every_cut_of_a_file_is_refused(tmp_path):
    whole = conv().save(tmp_path, output_rank=4).read_bytes()
    path = tmp_path / "cut.onnx"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError) as caught:
            read_onnx(path)
        assert str(caught.value) == (
            f"{path}: not a whole ONNX file ({length} bytes): it was cut off, or is of another kind"
        )
    path.write_bytes(whole)
    assert len(read_onnx(path).nodes) == 1


def test_files_that_cannot_be_read(tmp_path):
    path = tmp_path / "missing.onnx"
    with pytest.raises(ModelError, match=f"^{re.escape(str(path))}: No such file or directory$"):
        read_onnx(path)
    with pytest.raises(ModelError, match=f"^{re.escape(str(tmp_path))}: Is a directory$"):
        read_onnx(tmp_path)


def test_constants_outside_the_file_or_damaged(tmp_path):
    model = conv()
    outside, damaged = model.constants[2], model.constants[3]
    outside.ClearField("raw_data")
    outside.data_location = TensorProto.EXTERNAL
    damaged.raw_data = damaged.raw_data[:-1]
    lines = refusal(model.save(tmp_path))
    assert lines[0] == (
        "  constant conv_w: its data are in another file; save the model with all data in it"
    )
    assert lines[1].startswith("  constant conv_w_scale: its data are damaged (")
    assert len(lines) == 3  # and the node that needs them


def test_output_that_nothing_makes(tmp_path):
    model = conv()
    model.tensor = "nowhere"
    assert refusal(model.save(tmp_path)) == ["  output nowhere: no input or node makes it"]


def test_names_made_twice_break_a_rule_of_onnx(tmp_path):
    model = conv()
    model.node("Flatten", "flat")
    model.nodes.append(model.nodes[-1])
    path = model.save(tmp_path)
    with pytest.raises(ModelError, match=f"^{re.escape(str(path))}: breaks a rule of ONNX: Graph"):
        read_onnx(path)


def test_node_arrays_must_fit_the_layer():
    ones = np.ones(4, np.int32)
    arrays = {"bias": ones, "multiplier": ones, "shift": ones, "input": "x", "output": "y"}
    with pytest.raises(
        ValueError,
        match=r"^matmul: weight must be int8 of shape \(3, 4\), not int8 of \(4, 3\)$",
    ):
        Node(layer=matmul(m=1, k=3, n=4), weight=np.ones((4, 3), np.int8), **arrays)
    image = conv2d(k=8, c=6, h=5, w=5, r=3, s=3, groups=2)
    with pytest.raises(ValueError, match=r"^conv2d: bias must be int32 of shape \(8,\), not int32"):
        Node(layer=image, weight=np.ones((8, 3, 3, 3), np.int8), **arrays)
    arrays["shift"] = np.ones(4, np.int64)
    with pytest.raises(
        ValueError, match=r"^matmul: shift must be int32 of shape \(4,\), not int64 of \(4,\)$"
    ):
        Node(layer=matmul(m=1, k=3, n=4), weight=np.ones((3, 4), np.int8), **arrays)
    with pytest.raises(ValueError, match=r"^pool: operation must be conv2d or matmul, not 'pool'$"):
        Node(layer=Layer(name="pool", operation="pool", sizes={}), weight=ones, **arrays)
