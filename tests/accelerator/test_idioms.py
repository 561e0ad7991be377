"""Whole accelerators with each storage idiom for input and for weights, bit by bit."""

from dataclasses import replace

import numpy as np
import pytest
from designs import CONDITIONS, run_cases, small_machine
from random_layers import Limits, draw_case
from test_programs import draw_program

from rtl_gen.reuse.machine import Machine
from rtl_gen.sim.programs import build_machine, run_programs
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.design import KIB

PAIRS = (("double_buffer", "fifo"), ("fifo", "scratchpad"), ("scratchpad", "double_buffer"))
"""Idioms of input and weights: each of the three once for each."""
SOME = (PAIRS[0], *(pytest.param(pair, marks=pytest.mark.long) for pair in PAIRS[1:3]))

FIRST_SEED = 2000


def machine_with(dataflow: str, idioms: tuple[str, str]) -> Machine:
    """An array of 3 x 5 whose buffers are of these idioms."""
    design = small_machine(dataflow, 3, 5, buffers=2 * KIB, bus_bits=64, post_lanes=2).design
    buffers = replace(design.buffers, input_idiom=idioms[0], weights_idiom=idioms[1])
    return Machine(replace(design, buffers=buffers))


def draw(machine: Machine, count: int):
    limits = Limits(pixels=12, macs=300_000)
    seeds = range(FIRST_SEED, FIRST_SEED + count)
    return [draw_case(machine, seed, tiled=seed % 5 < 2, limits=limits) for seed in seeds]


@pytest.mark.parametrize("idioms", SOME, ids=lambda idioms: "-".join(idioms))
def test_convolutions_of_every_idiom(idioms, tell):
    machine = machine_with("weight_stationary", idioms)
    run_cases(machine, draw(machine, 12), tell, seed=1)


@pytest.mark.parametrize("idioms", SOME, ids=lambda idioms: "-".join(idioms))
def test_layers_follow_each_other_in_every_idiom(idioms):
    """Loads of a layer begin while the buffers hold tiles of the one before, of another size."""
    machine = machine_with("weight_stationary", idioms)
    simulation = Simulation(build_machine(machine), seed=1)
    for seed, conditions in enumerate(CONDITIONS[:2]):
        program, outputs = draw_program(machine, seed)
        (done,) = run_programs(simulation, [(f"program {seed}", program)], **conditions)
        assert not done.problems, f"program {seed}, {conditions}: {done.problems}"
        for layer, (got, right) in enumerate(zip(done.outputs, outputs, strict=True)):
            np.testing.assert_array_equal(got, right, err_msg=f"program {seed}, layer {layer}")


@pytest.mark.long
@pytest.mark.parametrize("idioms", PAIRS, ids="-".join)
@pytest.mark.parametrize(
    "dataflow", ["output_stationary", "input_stationary", "matmul_weight_stationary"]
)
def test_other_dataflows_of_every_idiom(dataflow, idioms, tell):
    if dataflow == "input_stationary" and idioms[0] == "fifo":
        idioms = ("scratchpad", "scratchpad")  # what is held is not read in the order of memory
    machine = machine_with(dataflow, idioms)
    run_cases(machine, draw(machine, 40), tell, seed=2)


@pytest.mark.long
@pytest.mark.parametrize("idioms", PAIRS, ids="-".join)
def test_many_convolutions_of_every_idiom(idioms, tell):
    machine = machine_with("weight_stationary", idioms)
    run_cases(machine, draw(machine, 60), tell, seed=3)
