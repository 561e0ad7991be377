"""BATCH_MATMUL, TRANSPOSE, SPLIT and slices of TensorFlow Lite files."""

import zlib

import numpy as np
import pytest
from tflite_models import File

from rtl_gen.nn.golden_run import run_graph
from rtl_gen.nn.graph import ModelError
from rtl_gen.nn.products import PartNode, ProductNode
from rtl_gen.nn.tflite import read_tflite

TOKENS, HEADS, WIDTH = 8, 2, 16

TFLITE = {
    "attention": 1853922326,
    "attention_turned": 1853922326,
    "attention_first_turned": 1853922326,
    "SPLIT": 778353858,
    "SPLIT_V": 3761299583,
    "SLICE": 255656209,
    "STRIDED_SLICE": 255656209,
}
"""zlib.crc32 of the outputs' bytes as ai-edge-litert 2.3.0 (``BUILTIN_REF``) gives them."""


def constant(file: File, *values: int) -> int:
    return file.constant(np.array(values, np.int32))


def heads_of(file: File, x: int, axes, shape, scale, zero) -> int:
    """(1, tokens, heads width) as heads in another order."""
    apart = file.tensor((1, TOKENS, HEADS, WIDTH), scale=scale, zero=zero)
    file.operator("RESHAPE", [x, constant(file, 1, TOKENS, HEADS, WIDTH)], [apart])
    turned = file.tensor((1, *shape), scale=scale, zero=zero)
    file.operator("TRANSPOSE", [apart, constant(file, 0, *axes)], [turned])
    return turned


def attention(turned: bool, first_turned: bool = False) -> File:
    """softmax(q k^T) v in heads; ``turned``: the keys are transposed before, not by AdjY;
    ``first_turned``: the queries too, and back by AdjX.
    """
    file = File()
    numbers = {"q": (0.03, 5), "k": (0.04, -9), "v": (0.05, 11)}
    q, k, v = (
        file.tensor((1, TOKENS, HEADS * WIDTH), scale=scale, zero=zero, name=name)
        for name, (scale, zero) in numbers.items()
    )
    plain = (2, 1, 3), (HEADS, TOKENS, WIDTH)
    columns = (2, 3, 1), (HEADS, WIDTH, TOKENS)
    queries = heads_of(file, q, *(columns if first_turned else plain), *numbers["q"])
    keys = heads_of(file, k, *(columns if turned else plain), *numbers["k"])
    scores = file.tensor((1, HEADS, TOKENS, TOKENS), scale=0.15, zero=-3)
    turns = {"AdjX": first_turned, "AdjY": not turned}
    file.operator("BATCH_MATMUL", [queries, keys], [scores], "BatchMatMulOptions", **turns)
    weights = file.tensor((1, HEADS, TOKENS, TOKENS), scale=1 / 256, zero=-128)
    file.operator("SOFTMAX", [scores], [weights], "SoftmaxOptions", Beta=1.0)
    values = heads_of(file, v, *plain, *numbers["v"])
    mixed = file.tensor((1, HEADS, TOKENS, WIDTH), scale=0.04, zero=2)
    file.operator("BATCH_MATMUL", [weights, values], [mixed], "BatchMatMulOptions")
    back = file.tensor((1, TOKENS, HEADS, WIDTH), scale=0.04, zero=2)
    file.operator("TRANSPOSE", [mixed, constant(file, 0, 2, 1, 3)], [back])
    y = file.tensor((1, TOKENS, HEADS * WIDTH), scale=0.04, zero=2, name="y")
    file.operator("RESHAPE", [back, constant(file, 1, TOKENS, HEADS * WIDTH)], [y])
    file.inputs, file.outputs = [q, k, v], [y, scores]
    return file


def parts(kind: str) -> File:
    """Channels 16 to 31 and others of 48 behind a function."""
    file = File()
    x = file.tensor((1, 3, 2, 48), scale=0.05, name="x")
    whole = file.tensor((1, 3, 2, 48), scale=1 / 128, name="whole")
    file.operator("TANH", [x], [whole])
    count = {"SPLIT": 3, "SPLIT_V": 2}.get(kind, 1)
    sizes = {"SPLIT": (16, 16, 16), "SPLIT_V": (16, 32)}.get(kind, (16,))
    made = [
        file.tensor((1, 3, 2, size), scale=1 / 128, name=f"part{n}") for n, size in enumerate(sizes)
    ]
    axis = file.constant(np.array(3 if kind == "SPLIT" else -1, np.int32).reshape(()))
    if kind == "SPLIT":
        file.operator(kind, [axis, whole], made, "SplitOptions", NumSplits=count)
    elif kind == "SPLIT_V":
        sizes = constant(file, 16, -1)
        file.operator(kind, [whole, sizes, axis], made, "SplitVOptions", NumSplits=count)
    elif kind == "SLICE":
        file.operator(
            kind, [whole, constant(file, 0, 0, 0, 16), constant(file, 1, -1, 2, 16)], made
        )
    else:
        operands = [whole, constant(file, 0, 0, 0, -32), constant(file, 1, 0, 2, -16)]
        operands.append(constant(file, 1, 1, 1, 1))
        fields = {"BeginMask": 1, "EndMask": 2}
        file.operator(kind, operands, made, "StridedSliceOptions", **fields)
    file.inputs, file.outputs = [x], made
    return file


FILES = {
    "attention": lambda: attention(False),
    "attention_turned": lambda: attention(True),
    "attention_first_turned": lambda: attention(False, first_turned=True),
    "SPLIT": lambda: parts("SPLIT"),
    "SPLIT_V": lambda: parts("SPLIT_V"),
    "SLICE": lambda: parts("SLICE"),
    "STRIDED_SLICE": lambda: parts("STRIDED_SLICE"),
}


def inputs_of(file: File) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(17)
    return {
        file.tensors[n][0]: rng.integers(-128, 128, file.tensors[n][1]).astype(np.int8)
        for n in file.inputs
    }


def graph_of(folder, file: File):
    path = folder / "model.tflite"
    path.write_bytes(file.bytes())
    return read_tflite(path)


def outputs_of(folder, file: File) -> list[np.ndarray]:
    graph = graph_of(folder, file)
    found = run_graph(graph, inputs_of(file))
    return [port.convert(found[port.tensor]) for port in graph.outputs]


@pytest.mark.parametrize("case", FILES)
def test_as_tflite_gives_it(case, tmp_path):
    outputs = outputs_of(tmp_path, FILES[case]())
    assert all(len(np.unique(y)) > 20 for y in outputs)
    assert zlib.crc32(b"".join(y.tobytes() for y in outputs)) == TFLITE[case]


def test_nothing_is_moved(tmp_path):
    graph = graph_of(tmp_path, attention(False))
    products = [node for node in graph.nodes if isinstance(node, ProductNode)]
    assert [one.along for one in products] == ["c", "k"] and len(graph.nodes) == 3
    assert [one.heads for one in products] == [HEADS, HEADS]
    graph = graph_of(tmp_path, parts("SPLIT"))
    assert [(one.first, one.channels) for one in graph.nodes if isinstance(one, PartNode)] == [
        (0, 16), (16, 16), (32, 16)
    ]  # fmt: skip


def test_rows_of_a_dense_layer(tmp_path):
    """Each row of an image by itself."""
    rng, file = np.random.default_rng(3), File()
    x = file.tensor((2, 6, 5), scale=0.1, zero=4, name="x")
    data = rng.integers(-127, 128, (7, 5)).astype(np.int8)
    weight, y = file.constant(data, scale=0.02), file.tensor((2, 6, 7), scale=0.7, zero=-5)
    file.operator("FULLY_CONNECTED", [x, weight], [y], "FullyConnectedOptions", KeepNumDims=True)
    file.inputs, file.outputs = [x], [y]
    values = inputs_of(file)["x"].astype(np.float64)
    (got,) = outputs_of(tmp_path, file)
    exact = (0.1 * (values - 4)) @ (0.02 * data.astype(np.float64)).T / 0.7 - 5
    assert np.abs(got - np.clip(exact, -128, 127)).max() <= 0.51


def test_what_would_have_to_move_is_refused(tmp_path):
    def product(a, b, out, **fields):
        file = File()
        x, y = (file.tensor(shape) for shape in (a, b))
        made = file.tensor(out)
        file.operator("BATCH_MATMUL", [x, y], [made], "BatchMatMulOptions", **fields)
        file.inputs, file.outputs = [x, y], [made]
        return file

    def transposed(axes, then):
        file = File()
        x = file.tensor((1, 3, 4, 5))
        shape = tuple((1, 3, 4, 5)[axis] for axis in axes)
        turned, y = file.tensor(shape), file.tensor(shape)
        file.operator("TRANSPOSE", [x, constant(file, *axes)], [turned])
        file.operator(then, [turned], [y])
        file.inputs, file.outputs = [x], [y]
        return file

    def sliced(begin, size):
        file = File()
        x, y = file.tensor((1, 4, 4, 32)), file.tensor((1, 4, 4, 32))
        file.operator("SLICE", [x, constant(file, *begin), constant(file, *size)], [y])
        file.inputs, file.outputs = [x], [y]
        return file

    for file, message in (
        (product((1, 4, 6), (1, 6, 3), (1, 6, 3), AdjX=True), r"multiplies \(1, 4, 6\) and \(1, 6"),
        (product((1, 6, 4), (1, 6, 3), (1, 4, 3), AdjX=True), "first operand's values would have"),
        (product((1, 2, 4, 6), (1, 2, 6, 3), (1, 2, 4, 3)), "first operand's values would have"),
        (transposed((0, 3, 1, 2), "TANH"), "is rearranged in a way that would have to move data"),
        (transposed((1, 0, 2, 3), "TANH"), "perm must order 4 dimensions, the images first, not"),
        (sliced((0, 0, 1, 0), (1, 4, 3, 32)), "only channels, the last, can be taken apart"),
        (sliced((0, 0, 0, 16), (1, 4, 4, 32)), "only channels, the last, can be taken apart"),
    ):
        with pytest.raises(ModelError, match=message):
            graph_of(tmp_path, file)
