"""Steps that take words of three image rows: read in one cycle, from banks, and exact."""

from pathlib import Path

import pytest
from designs import run_cases, small_machine
from random_layers import Limits, draw_case
from test_chain import run_chains

from rtl_gen.mapping.input_engines import InputEngines
from rtl_gen.mapping.mapper import choose_mapping
from rtl_gen.reuse.machine import Machine
from rtl_gen.sim.layers import check_layers, random_data
from rtl_gen.sim.programs import build_machine
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.design import KIB
from rtl_gen.spec.layer import conv2d
from rtl_gen.spec.parse import load_design

DESIGN = Path(__file__).resolve().parents[1] / "designs" / "three_rows.yaml"


def three_rows() -> Machine:
    machine = Machine(load_design(DESIGN))
    assert (machine.input_words, machine.input_reads, machine.banks) == (3, 3, 4)
    return machine


@pytest.mark.long
def test_random_layers(tell):
    machine = three_rows()
    limits = Limits(pixels=12, macs=300_000)
    cases = [draw_case(machine, seed, tiled=seed % 5 < 2, limits=limits) for seed in range(8)]
    assert {InputEngines(case.mapping).step_words.cycles for case in cases} >= {1, 2}
    run_cases(machine, cases, tell, seed=1)


@pytest.mark.long
def test_chains(tell):
    run_chains(three_rows(), range(4), tell)


@pytest.mark.long
def test_words_of_two_blocks(tell):
    machine = small_machine("weight_stationary", 32, 2, buffers=8 * KIB, post_lanes=2)
    assert (machine.input_reads, machine.banks) == (2, 2)
    limits = Limits(pixels=12, macs=300_000)
    cases = [draw_case(machine, seed, tiled=seed % 5 < 2, limits=limits) for seed in range(16)]
    run_cases(machine, cases, tell, seed=1)


@pytest.mark.long
def test_three_rows_a_cycle(tell):
    """Steps over the cycles of the computing engine, latencies included; at an even dilation two
    rows lie in one bank, whatever the pitch. Rows outside the image are not read.
    """
    machine = three_rows()
    shape = {"k": 8, "c": 16, "h": 14, "w": 14, "r": 3, "s": 3, "pad": (1, 1, 1, 1)}
    cases = [({}, 0.9), ({"stride": (2, 2)}, 0.75), ({"dilation": (3, 2)}, 0.85)]
    cases.append(({"dilation": (2, 1)}, 0.45))
    layers = [conv2d(**shape, **more) for more, _ in cases]
    runs = [(layer, *random_data(machine.operation, layer, 5)) for layer in layers]
    mappings = [choose_mapping(machine, layer) for layer in layers]
    simulation = Simulation(build_machine(machine), seed=1)
    checks = check_layers(machine, simulation, runs, mappings=mappings)
    for (more, least), mapping, check in zip(cases, mappings, checks, strict=True):
        counters = check.done.counters
        rate = counters["STEPS"] / counters["BUSY_COMPUTE"]
        cycles = InputEngines(mapping).step_words.cycles
        tell(f"{more or 'stride 1'}: {rate:.3f} steps a cycle, {cycles} cycles a set")
        assert check.exact
        assert least < rate and cycles == (2 if more.get("dilation") == (2, 1) else 1)
