"""Concat, Split, Slice, products of two activations and element-wise products in ONNX files.

What they give is compared with the evaluator in numpy that ONNX itself ships, layer behind layer;
rescaling may differ by one unit, at ties.
"""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from rtl_gen.nn.golden_run import run_graph
from rtl_gen.nn.graph import ModelError
from rtl_gen.nn.onnx import read_onnx

INT8, UINT8, FLOAT = TensorProto.INT8, TensorProto.UINT8, TensorProto.FLOAT


class Model:
    """Real operators between QuantizeLinear and DequantizeLinear, on an int8 or uint8 input."""

    def __init__(self, *shape: int, dtype: int = INT8, seed: int = 1):
        self.rng, self.dtype = np.random.default_rng(seed), dtype
        self.shape, self.nodes, self.constants = shape, [], []
        self.x = self.dequantize("x", 0.02, 3)

    def constant(self, array) -> str:
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, operator: str, *inputs: str, outputs: int = 1, **attributes):
        name = f"{operator.lower()}{len(self.nodes)}"
        names = [f"{name}_{n}" for n in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, name=name, **attributes))
        return names[0] if outputs == 1 else names

    def meaning(self, scale: float, zero: int) -> tuple[str, str]:
        kind = np.int8 if self.dtype == INT8 else np.uint8
        value = zero if self.dtype == INT8 else zero + 128
        return self.constant(np.float32(scale)), self.constant(kind(value))

    def quantize(self, name: str, scale: float, zero: int) -> str:
        return self.node("QuantizeLinear", name, *self.meaning(scale, zero))

    def dequantize(self, name: str, scale: float, zero: int) -> str:
        return self.node("DequantizeLinear", name, *self.meaning(scale, zero))

    def stored(self, name: str, scale: float = 0.05, zero: int = -7) -> str:
        return self.dequantize(self.quantize(name, scale, zero), scale, zero)

    def conv(self, source: str, k: int, c: int, **meaning) -> str:
        weight = self.constant(self.rng.integers(-99, 100, (k, c, 3, 3)).astype(np.int8))
        scale = self.constant(np.float32(0.01 / c**0.5))
        real = self.node("DequantizeLinear", weight, scale)
        return self.stored(self.node("Conv", source, real, pads=[1, 1, 1, 1]), **meaning)

    def dense(self, source: str, k: int, n: int, **meaning) -> str:
        weight = self.constant(self.rng.integers(-99, 100, (k, n)).astype(np.int8))
        real = self.node("DequantizeLinear", weight, self.constant(np.float32(0.02 / k**0.5)))
        return self.stored(self.node("MatMul", source, real), **meaning)

    def model(self, *outputs: str) -> onnx.ModelProto:
        given = helper.make_tensor_value_info("x", self.dtype, self.shape)
        kinds = dict.fromkeys(outputs, FLOAT)
        made = [helper.make_tensor_value_info(name, kind, None) for name, kind in kinds.items()]
        graph = helper.make_graph(self.nodes, "small", [given], made, self.constants)
        opset = [helper.make_opsetid("", 20)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=9)
        return onnx.shape_inference.infer_shapes(model)  # the outputs'


def read(model: onnx.ModelProto, folder):
    path = folder / "small.onnx"
    path.write_bytes(model.SerializeToString())
    return read_onnx(path, rounding="single")


def check(model: Model, outputs: list[str], folder, unit=0.05, away: int = 1):
    """The network's outputs are ONNX's within ``away`` of their units; the graph."""
    proto = model.model(*outputs)
    graph = read(proto, folder)
    kind = np.iinfo(np.int8 if model.dtype == INT8 else np.uint8)
    x = model.rng.integers(kind.min, kind.max + 1, model.shape).astype(kind.dtype)
    (port,) = graph.inputs
    given = port.convert(x).reshape(graph.tensors[port.tensor].shape)
    tensors = run_graph(graph, {port.tensor: given})
    wanted = ReferenceEvaluator(proto).run(None, {"x": x})
    steps = [unit] * len(outputs) if isinstance(unit, float) else unit
    for out, right, unit in zip(graph.outputs, wanted, steps, strict=True):
        got = out.convert(tensors[out.tensor])
        assert got.shape == right.shape
        assert right.std() > 5 * unit, "else wrong outputs hide"
        units = np.abs(got - right) / unit
        assert units.max() < away + 0.01 and (units > 0.01).mean() < 0.02 * away, units.max()
    return graph


def kinds(graph) -> list[str]:
    return [type(node).__name__ for node in graph.nodes]


@pytest.mark.parametrize("dtype", [INT8, UINT8])
def test_channels_of_images(dtype, tmp_path):
    """Joined along the channels of NCHW; taken apart again by Split and Slice, in other places."""
    model = Model(2, 6, 4, 5, dtype=dtype)
    parts = [model.conv(model.x, k, 6) for k in (16, 3, 9)]
    joined = model.node("Concat", *parts, axis=1)
    again = model.quantize(joined, 0.05, -7)
    again = model.dequantize(again, 0.05, -7)
    sizes = model.constant(np.array([10, 18], np.int64))
    first, second = model.node("Split", again, sizes, outputs=2, axis=-3)
    bounds = [model.constant(np.array([n], np.int64)) for n in (-5, 1 << 62, 1)]
    tail = model.node("Slice", second, *bounds)
    ends = [model.conv(first, 4, 10), model.conv(tail, 7, 5)]
    graph = check(model, ends, tmp_path, away=2)
    assert kinds(graph) == ["Node"] * 3 + ["JoinNode"] + ["PartNode"] * 3 + ["Node"] * 2
    assert [(n.first, n.channels) for n in graph.nodes[4:7]] == [(0, 10), (10, 18), (13, 5)]


def test_an_activation_with_another_meaning_goes_through_a_table(tmp_path):
    model = Model(1, 5, 3, 4)
    parts = [model.conv(model.x, 4, 5), model.conv(model.x, 6, 5, scale=0.03, zero=20)]
    joined = model.stored(model.node("Relu", model.node("Concat", *parts, axis=1)))
    graph = check(model, [joined], tmp_path, away=1)
    assert kinds(graph) == ["Node", "Node", "TableNode", "TableNode", "JoinNode"]  # both clipped


def test_integers_are_joined_and_split_as_they_are(tmp_path):
    model = Model(1, 4, 3, 3)
    parts = [model.node("QuantizeLinear", model.conv(model.x, k, 4), *model.meaning(0.05, -7))
             for k in (5, 2)]  # fmt: skip
    joined = model.node("Concat", *parts, axis=-3)
    half = model.node("Split", joined, outputs=2, axis=1, num_outputs=2)  # 4 and 3 channels
    ends = [model.dequantize(each, 0.05, -7) for each in half]
    graph = check(model, ends, tmp_path)
    assert kinds(graph) == ["Node", "Node", "JoinNode", "PartNode", "PartNode"]


@pytest.mark.parametrize("dtype", [INT8, UINT8])
@pytest.mark.parametrize("heads", [1, 3])
def test_products_of_two_activations(dtype, heads, tmp_path):
    """Both ways in which the second operand may lie; a batch of two; a factor, and a clamp."""
    tokens, depth = 7, 5
    model = Model(2, tokens, 11, dtype=dtype)
    wide = heads * depth
    query, key, value = (model.dense(model.x, 11, wide) for _ in range(3))
    shape = model.constant(np.array([2, tokens, heads, depth], np.int64))
    apart = [model.node("Reshape", one, shape) for one in (query, key, value)]
    query, key, value = (
        model.node("Transpose", one, perm=axes)
        for one, axes in zip(apart, ((0, 2, 1, 3), (0, 2, 3, 1), (0, 2, 1, 3)))
    )
    scores = model.node("MatMul", query, key)
    scores = model.node("Div", scores, model.constant(np.float32(1.5)))
    scores = model.stored(model.node("Relu", scores), zero=-128)
    mixed = model.node("Transpose", model.node("MatMul", scores, value), perm=[0, 2, 1, 3])
    flat = model.constant(np.array([2, tokens, wide], np.int64))
    mixed = model.stored(model.node("Reshape", mixed, flat), 0.2, 5)
    graph = check(model, [scores, mixed], tmp_path, unit=(0.05, 0.2), away=2)
    assert [node.along for node in graph.nodes if hasattr(node, "along")] == ["c", "k"]


def test_qlinear_matmul_of_two_activations(tmp_path):
    """An integer operator, without heads; the second operand is the transposed first."""
    model = Model(2, 6, 9)
    rows = model.node("QuantizeLinear", model.dense(model.x, 9, 9), *model.meaning(0.05, -7))
    across = model.node("Transpose", rows, perm=[0, 2, 1])
    meanings = [*model.meaning(0.05, -7), *model.meaning(0.05, -7), *model.meaning(0.1, 2)]
    operands = [rows, *meanings[:2], across, *meanings[2:]]
    made = model.dequantize(model.node("QLinearMatMul", *operands), 0.1, 2)
    graph = check(model, [made], tmp_path, unit=0.1, away=1)
    assert kinds(graph) == ["Node", "ProductNode"]


def test_functions_of_one_activation_are_one_table(tmp_path):
    """x sigmoid(x) and GELU as exporters write it, with constants wherever they stand."""
    model = Model(1, 12, dtype=UINT8)
    swish = model.node("Mul", model.x, model.node("Sigmoid", model.x))
    half = model.node("Mul", model.constant(np.float32(0.5)), model.x)
    inner = model.node("Erf", model.node("Mul", model.x, model.constant(np.float32(0.5**0.5))))
    gelu = model.node("Mul", model.node("Add", inner, model.constant(np.float32(1))), half)
    minus = model.node("Mul", model.x, model.constant(np.float32(-2)))
    ends = [model.stored(one, 0.02, 4) for one in (swish, gelu, minus)]
    graph = check(model, ends, tmp_path, unit=0.02, away=1)
    assert kinds(graph) == ["TableNode"] * 3


@pytest.mark.parametrize("dtype", [INT8, UINT8])
def test_integers_are_clipped_as_they_are(dtype, tmp_path):
    model = Model(2, 5, 6, dtype=dtype)
    kind = np.int8 if dtype == INT8 else np.uint8
    first = model.node("QuantizeLinear", model.dense(model.x, 6, 9), *model.meaning(0.05, -7))
    bounds = [model.constant(kind(n if dtype == INT8 else n + 128)) for n in (-90, 60)]
    made = [model.node("Clip", first, *bounds), model.node("Clip", first, "", bounds[1])]
    made += [model.node("Relu", first)] if dtype == INT8 else []  # ONNX has none of uint8
    graph = check(model, [model.dequantize(one, 0.05, -7) for one in made], tmp_path)
    assert kinds(graph) == ["Node"] + ["TableNode"] * len(made)


def test_factors_of_layers(tmp_path):
    """Behind a bias, a clamp and another factor."""
    model = Model(2, 6, 9)
    weight = model.constant(model.rng.integers(-99, 100, (9, 8)).astype(np.int8))
    weight = model.node("DequantizeLinear", weight, model.constant(np.float32(0.01)))
    bias = model.constant(model.rng.normal(0, 0.5, 8).astype(np.float32))
    made = model.node("Add", model.node("MatMul", model.x, weight), bias)
    made = model.node("Clip", made, model.constant(np.float32(-1)), model.constant(np.float32(1.5)))
    made = model.node("Mul", model.constant(np.float32(5)), made)
    made = model.stored(model.node("Div", made, model.constant(np.float32(2))))
    graph = check(model, [made], tmp_path)
    assert kinds(graph) == ["Node"]
    assert graph.nodes[0].layer.quantization.act_max == 68  # 1.5 * 2.5 / 0.05 - 7


def test_a_factor_of_an_input_is_not_its_scale(tmp_path):
    """What the input's values mean is what its DequantizeLinear says; the layer has the factor."""
    model = Model(1, 4, 6)
    made = model.node("Mul", model.x, model.constant(np.float32(3)))
    graph = check(model, [model.dense(made, 6, 5)], tmp_path)
    assert graph.tensors["x"].scale == np.float32(0.02) and kinds(graph) == ["Node"]


def test_normalization_with_a_quantized_scale_and_softmax_of_heads(tmp_path):
    model = Model(1, 6, 8)
    gamma = model.constant(model.rng.integers(40, 120, 8).astype(np.int8))
    gamma = model.node("DequantizeLinear", gamma, model.constant(np.float32(0.01)))
    norm = model.stored(model.node("LayerNormalization", model.x, gamma, epsilon=0.01), 0.03, 2)
    graph = check(model, [norm], tmp_path, unit=0.03, away=1)
    assert kinds(graph) == ["LayerNormNode"] and not graph.nodes[0].bias.any()


def both(model: Model) -> tuple[str, str]:
    """Operands of a product."""
    rows = model.node("Transpose", model.x, perm=[0, 2, 1, 3])
    return rows, model.node("Transpose", rows, perm=[0, 1, 3, 2])


def refused(model: Model, output: str, folder, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read(model.model(output), folder)


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda m: m.node("Concat", m.x, m.x, axis=0), "axis must be one of 4 dimensions behind"),
        (lambda m: m.node("Concat", m.x, m.x, axis=1), "joins an activation with itself"),
        (lambda m: m.node("Concat", m.x, m.conv(m.x, 4, 6), axis=2), "except for the concatenati"),
        (lambda m: m.node("Concat", m.x, m.conv(m.x, 4, 6)), "axis is missing"),
        (lambda m: m.node("Concat", m.x, m.constant(np.zeros((1, 1, 4, 5), np.float32)), axis=1),
         "is a constant"),
        (lambda m: m.node("Split", m.x, outputs=2, axis=0)[0], "axis must be one of 4 dimensions"),
        (lambda m: m.node("Split", m.x, outputs=2, axis=2)[0], "not the same channels of every"),
        (lambda m: m.node("Split", m.x, m.constant(np.array([2, 3])), outputs=2, axis=1)[0],
         r"must split 6 into 2 parts, not \[2, 3\]"),
        (lambda m: m.node("Split", m.x, outputs=2, axis=1, num_outputs=3)[0], "num_outputs must"),
        (lambda m: m.node("Slice", m.x, *(m.constant(np.array([n])) for n in (0, 6, 1, 2))),
         "not the same channels"),
        (lambda m: m.node("Slice", m.x, *(m.constant(np.array([n])) for n in (3, 3, 1))),
         "nothing remains"),
        (lambda m: m.node("Slice", m.x, *(m.constant(np.array(n)) for n in ([0], [1, 2], [1]))),
         "do not go together"),
        (lambda m: m.node("MatMul", m.x, m.x), r"multiplies images of \(6, 4, 5\) and \(6, 4, 5\)"),
        (lambda m: m.node("MatMul", m.x, m.node("Transpose", m.x, perm=[0, 1, 3, 2])),
         "first operand's values would have to move"),
        (lambda m: m.node("Mul", m.x, m.conv(m.x, 6, 6)), "which must be functions of one"),
        (lambda m: m.node("Mul", m.x, m.constant(np.ones(5, np.float32))), "constant of several"),
        (lambda m: m.node("Mul", m.node("MatMul", *both(m)), m.constant(np.float32(-1))),
         "is not quantized"),
        (lambda m: m.node("LayerNormalization", m.node("Transpose", m.x, perm=[0, 3, 1, 2]),
                          m.constant(np.ones(4, np.float32))),
         "the values of a row do not lie side by side"),
        (lambda m: m.node("Div", m.constant(np.float32(1)), m.x), "divides by an activation"),
        (lambda m: m.node("Div", m.x, m.constant(np.float32(0))), "divides by 0"),
        (lambda m: m.node("LayerNormalization", m.x, m.constant(np.ones(3, np.float32))),
         "a number for each of 5 elements of a row"),
        (lambda m: m.node("LayerNormalization", m.x, m.constant(np.ones(5, np.float32)), axis=2),
         "axis must be the last"),
    ],
)  # fmt: skip
def test_what_is_refused(build, message, tmp_path):
    model = Model(1, 6, 4, 5)
    first = model.conv(model.x, 6, 6)
    model.x = first
    refused(model, model.stored(build(model)), tmp_path, message)
