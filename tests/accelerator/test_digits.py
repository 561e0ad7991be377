"""The network that reads digits, layer after layer, on the reference design."""

import pytest
from designs import DATAFLOWS

from rtl_gen.api import load
from rtl_gen.report.digits import read_digits
from rtl_gen.report.network import map_network, run_network
from rtl_gen.sim.programs import build_machine


@pytest.mark.parametrize("count", [4, pytest.param(100, marks=pytest.mark.long)])
def test_digits_on_the_reference_design(count):
    """16 x 16 PEs, each layer on what the hardware gave before: every tensor as in numpy."""
    design = load(DATAFLOWS / "weight_stationary.yaml")
    assert (design.design.rows, design.design.columns) == (16, 16)
    digits = read_digits(count=count)
    network = map_network(design, digits.graph)
    results, tensors = run_network(network, build_machine(design.machine), digits.inputs)
    assert all(node.exact for node in results), [node.verdict for node in results]
    read = tensors[digits.graph.outputs[0].tensor].argmax(1)
    assert len(read) == count
    assert (read == results[-1].golden.argmax(1)).all()
    assert (read == digits.labels).mean() >= 0.95
