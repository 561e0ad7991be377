"""ONNX Runtime's own integer operators, as its quantizer writes them, against ONNX Runtime."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from rtl_gen.nn.golden_run import run_graph
from rtl_gen.nn.graph import ModelError
from rtl_gen.nn.onnx import read_onnx

KINDS = {np.int8: TensorProto.INT8, np.uint8: TensorProto.UINT8}


class Model:
    """Integer operators on an input ``x`` of a scale 0.02."""

    def __init__(self, kind: type, *shape: int):
        self.rng, self.kind, self.shape = np.random.default_rng(3), kind, shape
        self.nodes, self.constants = [], []
        self.x = ["x", *self.meaning(0.02, 5)]

    def constant(self, array) -> str:
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def meaning(self, scale: float, zero: int) -> list[str]:
        """``zero`` as int8 would have it."""
        own = self.kind(zero + 128 * (self.kind is np.uint8))
        return [self.constant(np.float32(scale)), self.constant(own)]

    def node(self, operator: str, *inputs: str, **attributes) -> str:
        name = f"{operator.lower()}{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(
                operator, inputs, [name], name=name, domain="com.microsoft", **attributes
            )
        )
        return name

    def gemm(self, n: int, scale: float, zero: int, *, across=False, bias=True, **others) -> list:
        """A fully connected layer of the input, its scales and zero points one a channel."""
        c = self.shape[-1]
        weight = self.rng.integers(-128, 128, (n, c) if across else (c, n)).astype(np.int8)
        scales = self.rng.uniform(0.002, 0.006, n).astype(np.float32)
        steps = self.constant(self.rng.integers(-900, 900, n).astype(np.int32)) if bias else ""
        stored = self.meaning(scale, zero)
        operands = [
            self.constant(weight),
            self.constant(scales),
            self.constant(np.zeros(n, np.int8)),
        ]
        name = self.node("QGemm", *self.x, *operands, steps, *stored, transB=int(across), **others)
        return [name, *stored]

    def bytes(self, output: str, rank: int) -> bytes:
        kind = KINDS[self.kind]
        given = helper.make_tensor_value_info("x", kind, self.shape)
        made = helper.make_tensor_value_info(output, kind, [None] * rank)
        graph = helper.make_graph(self.nodes, "small", [given], [made], self.constants)
        opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
        return model.SerializeToString()


def read(data: bytes, folder):
    (folder / "small.onnx").write_bytes(data)
    return read_onnx(folder / "small.onnx", rounding="single")


def check(model: Model, output: str, folder, *, rank: int = 2) -> None:
    """The graph gives what ONNX Runtime gives; a value in fifty may be a unit away."""
    runtime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is an optional dependency")
    data = model.bytes(output, rank)
    graph = read(data, folder)
    limits = np.iinfo(model.kind)
    x = model.rng.integers(limits.min, limits.max + 1, model.shape).astype(model.kind)
    (port,), (out,) = graph.inputs, graph.outputs
    given = port.convert(x).reshape(graph.tensors[port.tensor].shape)
    got = out.convert(run_graph(graph, {port.tensor: given})[out.tensor])
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    (right,) = runtime.InferenceSession(data, options).run(None, {"x": x})
    assert got.dtype == right.dtype and got.shape == right.shape
    away = np.abs(got.astype(int) - right)
    assert right.std() > 15 and away.max() <= 1 and (away > 0).mean() < 0.02


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_qgemm(kind, across, bias, tmp_path):
    model = Model(kind, 5, 40)
    name, *_ = model.gemm(23, 0.03, -9, across=across, bias=bias, alpha=1.5)
    check(model, name, tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_qlinear_concat(kind, tmp_path):
    """One of three parts has the result's meaning; the others go through tables."""
    model = Model(kind, 4, 24)
    parts = [model.gemm(7, 0.04, 3), model.gemm(9, 0.05, -20), model.gemm(2, 0.05, -20)]
    stored = model.meaning(0.05, -20)
    name = model.node("QLinearConcat", *stored, *(n for part in parts for n in part), axis=1)
    check(model, name, tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_qlinear_softmax(kind, tmp_path):
    model = Model(kind, 6, 30)
    stored = model.meaning(1 / 256, -128)
    name = model.node("QLinearSoftmax", *model.gemm(9, 0.03, -3), *stored, axis=-1, opset=13)
    check(model, name, tmp_path)


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda m: m.gemm(4, 0.03, 0, transA=1)[0], "transA must be 0"),
        (lambda m: m.node("QLinearConcat", *m.meaning(1.0, 0), *m.x[:2], axis=1), "must have an"),
        (lambda m: m.node("QLinearConcat", *m.meaning(1.0, 0), *m.x), "must have an axis"),
        (lambda m: m.node("QLinearConcat", *m.meaning(1.0, 0), *m.x, *m.x, axis=0), "behind the"),
        (lambda m: m.node("QLinearSoftmax", *m.x, *m.meaning(0.5, 0), opset=13), "scale 1/256"),
        (lambda m: m.node("QLinearSoftmax", *m.x, *m.meaning(0.5, 0), axis=0, opset=13), "axis m"),
    ],
)  # fmt: skip
def test_what_is_refused(build, message, tmp_path):
    model = Model(np.int8, 5, 40)
    with pytest.raises(ModelError, match=message):
        read(model.bytes(build(model), 2), tmp_path)
