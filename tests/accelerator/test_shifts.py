"""What is shifted along an axis comes in order: towards either end, and with no loop on it."""

import dataclasses

import pytest
from designs import run_cases, small_machine
from random_layers import Limits, draw_case

from rtl_gen.mapping.input_engines import InputEngines
from rtl_gen.mapping.output_engines import OutputEngines
from rtl_gen.reuse.machine import Machine

LIMITS = Limits(pixels=8, channels=40, macs=100_000)
SKEWED = {"output_stationary": (-1, 0), "input_stationary": (1, -1)}


def skewed(dataflow: str, skew) -> Machine:
    """A shipped dataflow whose steps go from PE to PE so."""
    machine = small_machine(dataflow, 3, 4, buffers=2048)
    flow = dataclasses.replace(machine.design.dataflow, skew=skew)
    return Machine(dataclasses.replace(machine.design, dataflow=flow))


def line() -> Machine:
    """Output stationary on a line of PEs: no loop on the rows, along which sums leave."""
    machine = small_machine("output_stationary", 1, 4, buffers=2048)
    spatial = machine.design.dataflow.on_axis(1)
    flow = dataclasses.replace(machine.design.dataflow, spatial=spatial, shift={"O": 0})
    return Machine(dataclasses.replace(machine.design, dataflow=flow))


def cases_of(machine: Machine, count: int) -> list:
    return [draw_case(machine, n, tiled=n % 5 < 2, limits=LIMITS) for n in range(count)]


@pytest.mark.parametrize("step", [1, -1])
def test_drains_begin_where_sums_leave_first(step):
    machine = skewed("output_stationary", (step, 0))
    for case in cases_of(machine, 5):
        fields = OutputEngines(case.mapping).compute()
        assert fields["stride0"] * step < 0
        assert fields["start"] == (-2 * fields["stride0"] if step > 0 else 0)


@pytest.mark.parametrize("step", [1, -1])
def test_held_inputs_come_for_the_farthest_first(step):
    machine = skewed("input_stationary", (1, step))
    shift = machine.input_operand.shift
    for case in cases_of(machine, 5):
        [(loop, backwards), *_] = InputEngines(case.mapping)._step_loops
        assert backwards == (machine.reuse.paces[shift].direction > 0)
        assert loop.bound == machine.load_ticks(machine.input_operand)


def test_a_line_drains_in_a_tick():
    machine = line()
    assert (machine.drains, machine.output_tick_loops, machine.output_tick_sizes) == (1, (), (1,))
    assert machine.records["compute"].unpack([0] * machine.records["compute"].words)["stride0"] == 0


@pytest.mark.long
@pytest.mark.parametrize("name", [*SKEWED, "line"])
def test_layers(name, tell):
    machine = line() if name == "line" else skewed(name, SKEWED[name])
    run_cases(machine, cases_of(machine, 20), tell, seed=1, links=True)
