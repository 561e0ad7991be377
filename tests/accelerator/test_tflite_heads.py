"""Attention of a TensorFlow Lite file, with heads that Transpose takes apart, through Verilator."""

import sys
from pathlib import Path

import pytest
from attention import attention_machine

from rtl_gen.networks import map_graph, run_network
from rtl_gen.sim.programs import build_machine
from rtl_gen.sim.run import Simulation

sys.path.append(str(Path(__file__).resolve().parents[1] / "nn"))
from test_nn_tflite_products import attention, graph_of, inputs_of


@pytest.mark.long
def test_attention_of_a_file(tmp_path):
    machine = attention_machine(vector_lanes=4)
    simulation = Simulation(build_machine(machine), seed=4)
    for turned in (False, True):
        file = attention(turned)
        network = map_graph(machine, graph_of(tmp_path, file), inputs_of(file))
        done = run_network(network, simulation)
        assert done.exact, (done.problems, {one.name: one.wrong for one in done.layers})
        assert len(done.layers) == 3
