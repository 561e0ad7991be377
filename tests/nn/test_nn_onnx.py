"""Models read from ONNX give what ONNX's own evaluator gives, however their values are ordered."""

from fractions import Fraction

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator
from onnx_models import ModelBuilder

from rtl_gen.nn.golden_run import run_graph
from rtl_gen.nn.graph import ModelError
from rtl_gen.nn.onnx import read_onnx

IMAGES = 7


def plain():
    """NCHW flattened before a matmul: the weight's rows must be put in another order."""
    model = ModelBuilder("N", 3, 6, 5)
    model.conv("conv", (4, 3, 3, 3), pads=[1, 1, 1, 1])
    model.node("Flatten", "flat")
    model.dense("dense", 4 * 6 * 5, 9)
    return model


def stride_and_uneven_padding():
    model = ModelBuilder("N", 2, 9, 8)
    model.conv("conv", (5, 2, 3, 2), strides=[2, 3], pads=[0, 1, 2, 1], kernel_shape=[3, 2])
    model.node("Flatten", "flat", axis=-3)
    model.dense("dense", 5 * 5 * 3, 9, per_channel=False)
    return model


def groups_and_dilation():
    model = ModelBuilder("N", 6, 9, 9)
    model.conv("conv", (4, 3, 3, 3), group=2, dilations=[2, 1], bias=False)
    model.reshape("flat", 0, -1)
    model.dense("dense", 4 * 5 * 7, 9)
    return model


def same_padding(mode):
    model = ModelBuilder("N", 2, 7, 8)
    model.conv("conv", (3, 2, 4, 2), strides=[2, 2], dilations=[1, 3], auto_pad=mode)
    model.node("Flatten", "flat")
    model.dense("dense", 3 * 4 * 4, 9)
    return model


def same_upper():
    return same_padding("SAME_UPPER")


def same_lower():
    return same_padding("SAME_LOWER")


def no_padding():
    model = ModelBuilder("N", 2, 7, 8)
    model.conv("conv", (3, 2, 4, 3), auto_pad="VALID")
    model.node("Flatten", "flat")
    model.dense("dense", 3 * 4 * 6, 9)
    return model


def channels_last():
    """As converters from TensorFlow write it: NHWC in, NHWC again before flattening."""
    model = ModelBuilder("N", 6, 5, 3)
    model.node("Transpose", "to_nchw", perm=[0, 3, 1, 2])
    model.conv("conv", (4, 3, 3, 3))
    model.node("Transpose", "to_nhwc", perm=[0, 2, 3, 1])
    model.reshape("flat", -1, 4 * 4 * 3)
    model.dense("dense", 4 * 4 * 3, 9)
    return model


def vectors_and_images():
    """Pixels as a vector, and a matmul's result as an image of one pixel."""
    model = ModelBuilder("N", 36)
    model.reshape("image", -1, 1, 6, 6)
    model.conv("conv", (4, 1, 3, 3), strides=[2, 2])
    model.node("Flatten", "flat")
    model.dense("dense", 16, 5)
    model.reshape("pixel", 0, 0, 1, 1)
    model.conv("last", (9, 5, 1, 1))
    model.node("Flatten", "end")
    return model


def any_order():
    model = ModelBuilder("N", 3, 4, 5)
    model.conv("conv", (4, 3, 1, 1))
    model.node("Transpose", "first", perm=[0, 3, 2, 1])
    model.reshape("second", 0, 10, 8)
    model.node("Transpose", "third", perm=[0, 2, 1])
    model.reshape("flat", 0, -1)
    model.dense("dense", 80, 9)
    return model


def flattened_output():
    """The last values are flattened in NCHW order; no layer follows that could hide it."""
    model = ModelBuilder("N", 3, 4, 5)
    model.conv("conv", (4, 3, 2, 2))
    model.node("Flatten", "flat")
    return model


def constant_nodes():
    """A shape that is made by a node instead of an initializer."""
    model = ModelBuilder("N", 3, 4, 5)
    model.conv("conv", (4, 3, 2, 2))
    model.reshape("flat", -1, 48)
    shape = model.constants.pop()
    model.nodes.insert(0, onnx.helper.make_node("Constant", [], [shape.name], value=shape))
    model.dense("dense", 48, 9)
    return model


MODELS = [
    plain,
    stride_and_uneven_padding,
    groups_and_dilation,
    same_upper,
    same_lower,
    no_padding,
    channels_last,
    vectors_and_images,
    any_order,
    flattened_output,
    constant_nodes,
]


def run_both(path, seed=7):
    """The output by the graph and by ONNX's evaluator, both in the file's order."""
    graph = read_onnx(path, rounding="single")
    (port,), (output,) = graph.inputs, graph.outputs
    shape = [dim.dim_value for dim in onnx.load(path).graph.input[0].type.tensor_type.shape.dim]
    x = np.random.default_rng(seed).integers(-128, 128, (IMAGES, *shape[1:])).astype(np.int8)
    tensors = run_graph(graph, {port.tensor: port.convert(x)})
    (expected,) = ReferenceEvaluator(str(path)).run(None, {port.name: x})
    return output.convert(tensors[output.tensor]), expected


@pytest.mark.parametrize("build", MODELS, ids=lambda build: build.__name__)
def test_equals_onnx_reference(build, tmp_path):
    got, expected = run_both(build().save(tmp_path))
    assert got.shape == expected.shape
    assert len(np.unique(expected)) > 20  # neither saturated nor all zero
    # Rounded once, both ways give the same; ONNX rescales in floating point all the same.
    np.testing.assert_array_equal(got, expected)


def test_weight_rows_follow_the_stored_order(tmp_path):
    """Of a file that flattens NCHW: feature (c, h, w) of the file is (h, w, c) of the graph."""
    path = plain().save(tmp_path)
    in_file = {
        each.name: onnx.numpy_helper.to_array(each) for each in onnx.load(path).graph.initializer
    }
    rows = in_file["dense_w"].reshape(4, 6, 5, 9)
    stored = read_onnx(path).nodes[1].weight.reshape(6, 5, 4, 9)
    for c, h, w in np.ndindex(4, 6, 5):
        np.testing.assert_array_equal(stored[h, w, c], rows[c, h, w])


def test_batch_is_the_callers_where_the_file_leaves_it_open(tmp_path):
    graph = read_onnx(plain().save(tmp_path), batch=5)
    conv, dense = graph.nodes
    assert (conv.layer.sizes["n"], dense.layer.sizes["m"]) == (5, 5)
    assert graph.tensors["conv_out"].shape == (5, 6, 5, 4)
    with pytest.raises(ValueError, match=r"^batch must be at least 1 image, not 0$"):
        read_onnx(plain().save(tmp_path), batch=0)


def test_batch_that_the_file_fixes_stays(tmp_path):
    model = ModelBuilder(2, 3, 6, 5)
    model.conv("conv", (4, 3, 3, 3))
    graph = read_onnx(model.save(tmp_path, output_rank=4), batch=5)
    assert graph.nodes[0].output_shape == (2, 4, 3, 4)


def test_multiplier_and_shift_are_of_the_product_in_double_precision(tmp_path):
    """By hand for 0.5 * 0.75 / 0.25 = 0.75 * 2^1; products of other float32 values take 48 bits."""
    model = ModelBuilder("N", 4)
    model.dense("dense", 4, 2)
    x, w, y = np.float32(0.5), np.array([0.75, 0.3], np.float32), np.float32(0.25)
    assert read_with_scales(model, x, w, y, tmp_path)[0] == (3 << 29, 1)
    x, y = np.float32(0.1), np.float32(0.07)
    exact = Fraction(float(x)) * Fraction(float(w[1])) / Fraction(float(y))
    assert Fraction(1, 4) < exact < Fraction(1, 2)
    assert read_with_scales(model, x, w, y, tmp_path)[1] == (round(exact * 2**32), -1)


def read_with_scales(model, x, w, y, folder):
    """Multiplier and shift of each column of the only layer, whose scales are replaced."""
    scales = {"dense_x_scale": x, "dense_w_scale": w, "dense_y_scale": y}
    for tensor in model.constants:
        if tensor.name in scales:
            tensor.CopyFrom(onnx.numpy_helper.from_array(scales[tensor.name], tensor.name))
    (node,) = read_onnx(model.save(folder)).nodes
    return list(zip(node.multiplier.tolist(), node.shift.tolist(), strict=True))


def test_input_of_another_shape_is_refused(tmp_path):
    graph = read_onnx(plain().save(tmp_path))
    with pytest.raises(
        ModelError,
        match=r"^small: input x must be int8 of shape \(n, 6, 5, 3\), not int8 of \(2, 3, 6, 5\)$",
    ):
        run_graph(graph, {"x": np.zeros((2, 3, 6, 5), np.int8)})
    with pytest.raises(ModelError, match=r"^small: inputs must be x, not image$"):
        run_graph(graph, {"image": np.zeros((2, 6, 5, 3), np.int8)})
    with pytest.raises(
        ModelError, match=r"^x: an image must have 90 values, not an array of shape \(2, 6, 5\)$"
    ):
        graph.inputs[0].convert(np.zeros((2, 6, 5), np.int8))


@pytest.mark.parametrize("rounding", ["double", "single"])
def test_rounding_is_the_callers(rounding, tmp_path):
    graph = read_onnx(plain().save(tmp_path), rounding=rounding)
    assert [node.layer.quantization.rounding for node in graph.nodes] == [rounding] * 2


def test_rounding_of_another_name_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"^rounding must be 'double' or 'single', not 'none'$"):
        read_onnx(plain().save(tmp_path), rounding="none")
