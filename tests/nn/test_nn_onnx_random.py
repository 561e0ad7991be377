"""Random quantized graphs against ONNX Runtime, layer by layer.

Each layer is given what ONNX Runtime gave to its own, so that its difference is its own: one unit
at most, from rounding the rescaled sum in floating point there and in 31 bits here.
"""

from collections import Counter

import numpy as np
import pytest
from onnx_models import as_stored
from onnx_random import random_graph

from rtl_gen.nn.golden_run import run_node
from rtl_gen.nn.onnx import read_onnx

runtime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is an optional dependency")


def expected(model, x) -> dict[str, np.ndarray]:
    """What ONNX Runtime makes of it, operator by operator as they are written."""
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = runtime.InferenceSession(model.SerializeToString(), options)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"x": x})))


def draw_input(drawn, rng) -> np.ndarray:
    shape = (drawn.batch, *drawn.input_shape)
    if drawn.real_input:
        return rng.uniform(-3, 3, shape).astype(np.float32)
    kind = np.iinfo(drawn.input_type)
    return rng.integers(kind.min, kind.max + 1, shape).astype(drawn.input_type)


def compare(seed, folder, seen) -> Counter:
    """Values of one graph by how many units they differ."""
    drawn = random_graph(seed)
    model = drawn.model(every=True)
    path = folder / "drawn.onnx"
    path.write_bytes(model.SerializeToString())
    x = draw_input(drawn, np.random.default_rng(seed))
    wanted = expected(model, x)
    graph = read_onnx(path, rounding="single")
    stored = {}
    for port in graph.outputs:
        stored[port.tensor] = as_stored(graph, port, wanted[port.name])
    for port in graph.inputs:
        given = port.convert(x)
        if port.tensor in stored:  # quantized here as there
            np.testing.assert_array_equal(given, stored[port.tensor], err_msg=f"seed {seed}")
        stored[port.tensor] = given.reshape(graph.tensors[port.tensor].shape)
    found = Counter()
    for node in graph.nodes:
        made = run_node(node, *(stored[name] for name in node.inputs))
        away = np.abs(made.astype(int).reshape(-1) - stored[node.output].astype(int).reshape(-1))
        seen[type(node).__name__, int(away.max())] += 1
        assert away.max() <= 1, f"seed {seed}: {node.name}, {type(node).__name__}: {away.max()}"
        found.update(away.tolist())
    return found


def run(seeds, folder, tell) -> None:
    total, seen = Counter(), Counter()
    for seed in seeds:
        total += compare(seed, folder, seen)
    tell(f"{len(seeds)} graphs: {total[0]} values equal, {total[1]} one unit away, none more")
    tell(", ".join(f"{n} {name} {away} away" for (name, away), n in sorted(seen.items())))
    assert total[0] > 50 * total[1]  # ties are rare


def test_some_graphs(tmp_path, tell):
    run(range(15), tmp_path, tell)


@pytest.mark.long
def test_two_hundred_graphs(tmp_path, tell):
    run(range(200), tmp_path, tell)
