"""Random layers with random mappings, bit by bit against the golden model.

A failure prints the seed of its layer: ``draw_case`` gives the same layer again for the same
design and seed.
"""

import numpy as np
import pytest
from designs import DATAFLOWS, coverage, run_cases, small_machine
from plain_convolution import plain_convolution
from random_layers import Limits, draw_case, is_ragged, tiled_dimensions

from rtl_gen.sim.layers import golden_output
from rtl_gen.spec.design import KIB

CONVOLUTIONS = ("weight_stationary", "output_stationary", "input_stationary")
PRODUCTS = {
    "matmul_weight_stationary": {"rows": 3, "columns": 4},
    "matmul_output_stationary": {  # broadcast in groups along both axes, and so is the drain
        "rows": 4,
        "columns": 3,
        "bus_bits": 64,
        "reach": {"A": 2, "B": 3},
    },
    "matmul_input_stationary": {"rows": 2, "columns": 5, "post_lanes": 2},
}
OTHERS = {  # the rest of what ships, on odd arrays; the first of each kind in every run
    "tpu": {"rows": 3, "columns": 4, "post_lanes": 4},
}
LONG_OTHERS = {
    "no_local_reuse": {"rows": 3, "columns": 2, "bus_bits": 64, "reach": {"O": 2}},
    "conv3d": {"rows": 3, "columns": 3, "bus_bits": 64},
    "nvdla": {"rows": 4, "columns": 3, "multiplier_registers": 1, "reach": {"I": 2, "O": 3}},
    "conv1d_output_stationary": {"rows": 3, "columns": 4},
    "conv1d_weight_stationary": {"rows": 2, "columns": 5, "post_lanes": 2},
    "batched_matmul": {"rows": 3, "columns": 4},
    "weight_stationary_upwards": {"rows": 5, "columns": 3},
    "output_stationary_transposed": {"rows": 3, "columns": 4},
}
SHAPES = {  # with what else is tried there
    (16, 16): {"buffers": 16 * KIB},
    (3, 5): {"bus_bits": 64, "post_lanes": 2},
    (12, 14): {"post_lanes": 4},
    (1, 7): {"multiplier_registers": 2},
}
FIRST_SEED = 1000


def draw(machine, count, limits, tell):
    """Layers of which two in five have all dimensions tiled, the last tile smaller."""
    seeds = range(FIRST_SEED, FIRST_SEED + count)
    cases = [draw_case(machine, seed, tiled=seed % 5 < 2, limits=limits) for seed in seeds]
    tell(f"{machine.design.name}, {machine.design.rows} x {machine.design.columns} PEs")
    for name, what in coverage(cases).items():
        tell(f"  {name}: {what}")
    for case in cases:
        compare_references(case)
    return cases


def compare_references(case):
    """The einsum by which layers are judged shares its index forms with the mapping; the
    convolution, written in the terms of frameworks, does not."""
    if case.layer.operation == "conv2d":
        operation = case.mapping.machine.operation
        golden = golden_output(operation, case.layer, case.source, case.data)
        np.testing.assert_array_equal(golden, plain_convolution(case), err_msg=str(case))


def all_ragged(cases):
    """Layers with two or more tiles and a smaller last one of every dimension."""
    names = tiled_dimensions(cases[0].mapping.machine)
    return sum(all(is_ragged(case.mapping, name) for name in names) for case in cases)


@pytest.mark.parametrize("dataflow", CONVOLUTIONS)
def test_convolutions_on_a_small_array(dataflow, tell):
    machine = small_machine(dataflow, 4, 4, buffers=2 * KIB)
    cases = draw(machine, 10, Limits(pixels=12, macs=300_000), tell)
    assert all_ragged(cases) >= 4
    # The build of the test of overlap, which looks at waveforms.
    waves = dataflow == "weight_stationary"
    run_cases(machine, cases, tell, seed=1, waves=waves, links=not waves)


@pytest.mark.parametrize("dataflow", PRODUCTS)
def test_products_on_a_small_array(dataflow, tell):
    machine = small_machine(dataflow, **PRODUCTS[dataflow], buffers=1 * KIB)
    cases = draw(machine, 10, Limits(), tell)
    assert all_ragged(cases) >= 4
    run_cases(machine, cases, tell, seed=1, links=True)


@pytest.mark.parametrize(
    "dataflow",
    [*OTHERS, *(pytest.param(name, marks=pytest.mark.long) for name in LONG_OTHERS)],
)
def test_other_dataflows_on_an_odd_array(dataflow, tell):
    machine = small_machine(dataflow, **(OTHERS | LONG_OTHERS)[dataflow], buffers=2 * KIB)
    cases = draw(machine, 10, Limits(pixels=8, channels=40, macs=200_000), tell)
    assert all_ragged(cases) >= 4
    run_cases(machine, cases, tell, seed=1, links=True)


@pytest.mark.long
@pytest.mark.parametrize("shape", [(8, 8), (5, 3)], ids=lambda shape: f"{shape[0]}x{shape[1]}")
@pytest.mark.parametrize("dataflow", OTHERS | LONG_OTHERS)
def test_other_dataflows_on_two_arrays(dataflow, shape, tell):
    machine = small_machine(dataflow, *shape, buffers=4 * KIB)
    cases = draw(machine, 100, Limits(pixels=10, channels=50, macs=300_000), tell)
    assert all_ragged(cases) >= 30
    run_cases(machine, cases, tell, seed=2, links=True)


def test_every_shipped_dataflow_runs_here():
    names = {path.stem for path in DATAFLOWS.glob("*.yaml")}
    elsewhere = {"depthwise", "adaptive", "row_stationary", "weight_and_output_stationary"}
    assert names == {*CONVOLUTIONS, *PRODUCTS, *OTHERS, *LONG_OTHERS, *elsewhere}


@pytest.mark.long
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape[0]}x{shape[1]}")
@pytest.mark.parametrize("dataflow", CONVOLUTIONS)
def test_convolutions_on_every_shape(dataflow, shape, tell):
    machine = small_machine(dataflow, *shape, **SHAPES[shape])
    cases = draw(machine, 100, Limits(macs=2_000_000 if shape[0] > 4 else 500_000), tell)
    assert all_ragged(cases) >= 30
    for name in "rs":
        assert {case.layer.sizes[name] for case in cases} == set(range(1, 8))
    assert {case.layer.symbols[name] for case in cases for name in "uv"} == {1, 2, 3}
    assert {case.layer.symbols[name] for case in cases for name in "de"} == {1, 2}
    run_cases(machine, cases, tell, seed=2, links=True)
