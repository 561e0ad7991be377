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
from rtl_gen.spec.operation import SpecError
from rtl_gen.spec.parse import load_design

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
OTHERS = ("tpu", "shidiannao")  # of the rest of what ships, the first of each kind in every run
LONG_OTHERS = tuple(
    name
    for name in sorted(path.stem for path in DATAFLOWS.glob("*.yaml"))
    if name not in (*CONVOLUTIONS, *PRODUCTS, *OTHERS)
    and not load_design(DATAFLOWS / f"{name}.yaml").dataflow.tagged  # test_tagged_layers.py
)
WITH = {  # with what else is tried on an odd array
    "tpu": {"post_lanes": 4},
    "no_local_reuse": {"bus_bits": 64, "reach": {"O": 2}},
    "conv3d": {"bus_bits": 64},
    "nvdla": {"multiplier_registers": 1, "reach": {"I": 2, "O": 3}},
    "conv1d_weight_stationary": {"post_lanes": 2},
    "conv1d_s_w": {"bus_bits": 64},
    "conv1d_w_s": {"multiplier_registers": 1},
    "mttkrp": {"post_lanes": 2, "multiplier_registers": 1},
}
ODD = ((3, 4), (2, 5), (5, 3), (9, 4))
"""Odd arrays, of which a dataflow takes one that holds its loops."""
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


def odd_machine(dataflow: str, **others):
    """A dataflow on an odd array, the same in every run."""
    first = LONG_OTHERS.index(dataflow) % 3 if dataflow in LONG_OTHERS else 0
    for rows, columns in (*ODD[first:3], *ODD[3:]):
        try:
            return small_machine(dataflow, rows, columns, **others, **WITH.get(dataflow, {}))
        except SpecError as error:
            refused = error
    raise refused


def run_modes(machine, count, limits, tell, *, seed, ragged):
    """Random layers of each of a design's dataflows on one build."""
    cases = []
    for mode in machine.alone:
        cases += (own := draw(mode, count, limits, tell))
        assert all_ragged(own) >= ragged
    run_cases(machine, cases, tell, seed=seed, links=True)


@pytest.mark.parametrize(
    "dataflow",
    [*OTHERS, *(pytest.param(name, marks=pytest.mark.long) for name in LONG_OTHERS)],
)
def test_other_dataflows_on_an_odd_array(dataflow, tell):
    machine = odd_machine(dataflow, buffers=2 * KIB)
    limits = Limits(pixels=8, channels=40, macs=200_000)
    run_modes(machine, 10, limits, tell, seed=1, ragged=4)


@pytest.mark.long
@pytest.mark.parametrize("array", ["own", "odd"])
@pytest.mark.parametrize("dataflow", [*PRODUCTS, *OTHERS, *LONG_OTHERS])
def test_other_dataflows_on_two_arrays(dataflow, array, tell):
    if array == "odd":
        machine = odd_machine(dataflow, buffers=4 * KIB)
        limits = Limits(pixels=10, channels=50, macs=300_000)
    else:
        design = load_design(DATAFLOWS / f"{dataflow}.yaml")
        machine = small_machine(dataflow, *design.shape, buffers=16 * KIB)
        limits = Limits(pixels=24, channels=50, macs=1_000_000)  # two tiles where q lies on 16 PEs
    run_modes(machine, 100, limits, tell, seed=2, ragged=30)


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
