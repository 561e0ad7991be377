"""The network that reads digits, from its file, on the reference design."""

import pytest
from designs import DATAFLOWS

from rtl_gen.api import load
from rtl_gen.networks import map_graph, run_network
from rtl_gen.report.digits import read_digits
from rtl_gen.sim.programs import build_machine
from rtl_gen.sim.run import Simulation


@pytest.mark.long
def test_digits_on_the_reference_design():
    """16 x 16 PEs, the whole network as one program: every tensor as in numpy."""
    design = load(DATAFLOWS / "weight_stationary.yaml")
    assert (design.design.rows, design.design.columns) == (16, 16)
    digits = read_digits()
    network = map_graph(design.machine, digits.graph, digits.inputs)
    run = run_network(network, Simulation(build_machine(design.machine), seed=1))
    assert run.exact, run.problems or run.explain()
    (scores,) = run.outputs.values()
    assert len(scores) == len(digits.labels) == 100
    assert (scores.argmax(1) == digits.labels).mean() >= 0.95
