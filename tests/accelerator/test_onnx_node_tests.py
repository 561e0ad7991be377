"""The node tests that ONNX ships for its integer operators, through RTL.

Of each case all operands but the first are constants of the model. ONNX's numbers were not made
here; where the operator rescales, in floating point there, a result may be a unit away, counted.
"""

import numpy as np
import pytest
from onnx_node_cases import (
    PAGE,
    PASS,
    Case,
    Refused,
    collect,
    machine_for,
    mapped,
    page,
    units_away,
)

from rtl_gen.networks import run_network
from rtl_gen.nn.golden_run import run_graph
from rtl_gen.sim.programs import build_machine
from rtl_gen.sim.run import Simulation


def machine():
    """That of the tests of wide results: one build serves both."""
    return machine_for()


def check(case: Case, network, simulation) -> int:
    """How many values are a unit away; every tensor must be numpy's."""
    run = run_network(network, simulation)
    assert run.exact, f"{case.name}: {run.problems} {run.explain()}"
    (output,) = network.graph.outputs
    got = run.outputs[output.name]
    golden = run_graph(network.graph, network.inputs)[output.tensor]
    np.testing.assert_array_equal(output.convert(golden), got)
    return units_away(case, got)


def run_all(cases: list[Case], folder, tell) -> list[str]:
    """Run those that are not refused; their names."""
    passed, simulations = [], {}
    for case in cases:
        try:
            network = mapped(case, folder)
        except Refused:
            assert case.operator not in PASS, case.name
            continue
        lanes = network.machine.design.vector_lanes
        if lanes not in simulations:
            simulations[lanes] = Simulation(build_machine(network.machine), seed=5)
        away = check(case, network, simulations[lanes])
        tell(f"passed: {case.name}" + (f", {away} values a unit away" if away else ""))
        passed.append(case.name)
    return passed


def test_a_case_of_each_kind_passes(tmp_path, tell):
    names = ["test_qlinearconv", "test_qlinearmatmul_3D_uint8_float32", "test_matmulinteger",
             "test_convinteger_with_padding"]  # fmt: skip
    cases = [case for case in collect() if case.name in names]
    assert sorted(run_all(cases, tmp_path, tell)) == sorted(names)


def test_the_page_lists_what_becomes_of_every_case():
    """A case that comes, goes, or is no longer treated as the page says fails here."""
    written, right = PAGE.read_text().splitlines(), page().splitlines()
    differ = [f"- {line}" for line in written if line not in right]
    differ += [f"+ {line}" for line in right if line not in written]
    assert written == right, "\n".join(
        ["docs/onnx.md: python tests/accelerator/onnx_node_cases.py writes it anew", *differ]
    )


@pytest.mark.long
def test_every_case_that_the_page_says_passes_in_rtl(tmp_path, tell):
    passed = run_all(list(collect()), tmp_path, tell)
    listed = [line.split("`")[1] for line in PAGE.read_text().splitlines() if line[:3] == "| `"]
    assert passed == listed
    assert {case.operator for case in collect() if case.name in passed} >= set(PASS)
