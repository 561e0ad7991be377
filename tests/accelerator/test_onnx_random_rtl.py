"""Random quantized ONNX graphs through RTL: every layer is exactly what numpy gives."""

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from test_onnx_node_tests import machine

sys.path.insert(0, str(Path(__file__).parents[1] / "nn"))

from onnx_random import random_graph

from rtl_gen.mapping.mapping import MappingError
from rtl_gen.networks import map_graph, run_network
from rtl_gen.nn.graph import ModelError
from rtl_gen.nn.onnx import read_onnx
from rtl_gen.sim.programs import build_machine
from rtl_gen.sim.run import Simulation


def run(seeds, folder, tell) -> None:
    """Those that this design runs; what it refuses is told, and must not be most of them."""
    design = machine()
    simulation = Simulation(build_machine(design), seed=7)
    found, refused, path = Counter(), [], folder / "drawn.onnx"
    for seed in seeds:
        drawn = random_graph(seed, only_layers=True)
        path.write_bytes(drawn.model(every=False).SerializeToString())
        graph, rng = read_onnx(path, rounding="single"), np.random.default_rng(seed)
        inputs = {
            port.tensor: rng.integers(-128, 128, graph.tensors[port.tensor].shape).astype(np.int8)
            for port in graph.inputs
        }
        try:
            network = map_graph(design, graph, inputs)
        except (ModelError, MappingError) as error:
            refused.append(f"seed {seed}: {str(error).splitlines()[-1].strip()}")
            continue
        done = run_network(network, simulation)
        assert done.exact, f"seed {seed}: {done.problems} {done.explain()}"
        found["graphs"] += 1
        found["layers"] += len(done.layers)
        found["weights of 9 bits"] += sum(
            bool(step.mapping.layer.parts) for step in network.program.steps
        )
        found["additions"] += len(network.lowered.fused)
    told = ", ".join(f"{count} {what}" for what, count in found.items())
    tell(f"exact: {told}\n" + "\n".join(f"refused: {each}" for each in refused))
    assert found["graphs"] > len(refused)


def test_some_graphs_are_exact(tmp_path, tell):
    run(range(4), tmp_path, tell)


@pytest.mark.long
def test_graphs_are_exact(tmp_path, tell):
    run(range(60), tmp_path, tell)
