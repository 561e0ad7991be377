"""An encoder block from its ONNX file, in each form in which it may be written, in numpy.

Each layer is given what real numbers between the same quantizations give, so that its difference is
its own: one unit at most, of a product, an addition, a normalization or a function at a tie, of a
softmax where its exponential is rounded.
"""

from collections import Counter

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_models import as_stored

from examples.transformer.write_onnx import Encoder, Form, encoder
from rtl_gen.nn.golden_run import run_graph, run_node
from rtl_gen.nn.graph import Graph
from rtl_gen.nn.onnx import read_onnx

FORMS = Form.__args__


SIZE = {"tokens": 8, "width": 16, "heads": 2, "hidden": 32}


def tiny(form: Form, seed: int = 1, **size: int) -> tuple[Encoder, onnx.ModelProto]:
    """A block, and its model that gives every quantized tensor as well."""
    block = encoder(form=form, seed=seed, **SIZE | size)
    model = onnx.ModelProto.FromString(block.model.SerializeToString())
    for name, value in block.values.items():
        shape = value.shape
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.INT8, shape))
    return block, model


def read(model: onnx.ModelProto, folder) -> Graph:
    path = folder / "encoder.onnx"
    path.write_bytes(model.SerializeToString())
    return read_onnx(path)


def compare(graph: Graph, values: dict[str, np.ndarray]) -> Counter:
    """By how many units the layers' values differ, by the kind of layer."""
    stored = {
        port.tensor: as_stored(graph, port, values[port.name])
        for port in graph.outputs
        if port.name in values
    }
    found = Counter()
    for node in graph.nodes:
        made = run_node(node, *(stored[name] for name in node.inputs))
        if node.output not in stored:  # channels of another, or joined: no value of the file's
            stored[node.output] = made
            continue
        away = np.abs(made.astype(int).reshape(-1) - stored[node.output].astype(int).reshape(-1))
        found[type(node).__name__, int(away.max()), int((away > 0).sum())] += 1
        assert away.max() <= 1, f"{node.name}, {type(node).__name__}: {away.max()}"
        assert (away > 0).sum() < max(3, 0.05 * away.size), f"{node.name}: {(away > 0).sum()}"
    return found


@pytest.mark.parametrize("form", FORMS)
def test_every_layer_is_what_real_numbers_give(form, tmp_path, tell):
    block, model = tiny(form)
    graph = read(model, tmp_path)
    found = compare(graph, block.values)
    away = sum(count * values for (_, _, values), count in found.items())
    total = sum(value.size for value in block.values.values())
    tell(f"{form}: {away} of {total} values one unit away")
    kinds = {kind for kind, *_ in found}
    assert {"Node", "ProductNode", "SoftmaxNode", "LayerNormNode", "TableNode"} <= kinds
    parts = [type(node).__name__ for node in graph.nodes]
    expected = {"projections": (0, 0), "fused": (3, 0), "slices": (6, 1)}[form]
    assert (parts.count("PartNode"), parts.count("JoinNode")) == expected


@pytest.mark.parametrize("form", FORMS)
def test_the_whole_block_is_near_real_numbers(form, tmp_path, tell):
    """All layers behind each other: units of the last tensor, whose values spread over int8."""
    away = []
    for seed in range(3):
        block, model = tiny(form, seed)
        graph = read(model, tmp_path)
        (given,), last = graph.inputs, next(p for p in graph.outputs if p.name == "last_q")
        x = given.convert(block.x).reshape(graph.tensors[given.tensor].shape)
        np.testing.assert_array_equal(x.reshape(-1), block.values["x_q"].reshape(-1))
        tensors = run_graph(graph, {given.tensor: x})
        assert all(value.shape == graph.tensors[name].shape for name, value in tensors.items())
        got = last.convert(tensors[last.tensor])
        away.append(np.abs(got.astype(int) - block.values["last_q"]).reshape(-1))
        assert block.values["last_q"].std() > 30
    away = np.concatenate(away)
    tell(f"{form}: {away.max()} units at most, {away.mean():.2f} in the mean")
    assert away.max() <= 4 and away.mean() < 0.5


def random_size(seed: int) -> dict:
    """Any sizes, also heads of one feature."""
    rng = np.random.default_rng(seed)
    heads, depth, tokens, hidden = (int(n) for n in rng.integers(1, (5, 10, 14, 40)))
    return {"tokens": tokens + 1, "width": heads * depth + heads, "heads": heads, "hidden": hidden}


@pytest.mark.parametrize("seed", range(12))
def test_onnx_runtime_agrees(seed, tmp_path):
    """Of blocks of any size; and ONNX Runtime makes what the block's own real numbers make."""
    runtime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is an optional dependency")
    block, model = tiny(FORMS[seed % len(FORMS)], seed, **random_size(seed))
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(model.SerializeToString(), options)
    names = list(block.values)
    values = dict(zip(names, session.run(names, {"x": block.x})))
    compare(read(model, tmp_path), values)
    for name, value in values.items():
        assert np.abs(value.astype(int) - block.values[name]).max() <= 2, name
