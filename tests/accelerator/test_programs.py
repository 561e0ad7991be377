"""Programs of several random layers, of which some read what earlier ones wrote."""

import random

import numpy as np
import pytest
from designs import CONDITIONS, FETCHED, RESET_EVERY, small_machine
from random_layers import Limits, draw_case, draw_data, draw_mapping, draw_quantization

from rtl_gen.mapping.program import Program
from rtl_gen.sim.layers import golden_output
from rtl_gen.sim.programs import build_machine, run_programs
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.design import KIB
from rtl_gen.spec.layer import conv2d

CONVOLUTIONS = ("weight_stationary", "output_stationary", "input_stationary")
LIMITS = Limits(pixels=12, macs=60_000)


def draw_reader(rng, machine, before, name):
    """A legal mapping of a layer that reads the output of another; None if none is found soon."""
    s = before.sizes
    for _ in range(50):
        try:
            layer = conv2d(
                name=name,
                n=s["n"],
                groups=s["g"],
                c=s["g"] * s["k"],
                k=s["g"] * rng.randint(1, 40 // s["g"]),
                h=s["p"],
                w=s["q"],
                r=rng.randint(1, 3),
                s=rng.randint(1, 3),
                stride=(rng.randint(1, 2), rng.randint(1, 2)),
                pad=tuple(rng.randint(0, 2) for _ in range(4)),
                quantization=draw_quantization(rng),
            )
        except ValueError:
            continue  # the image is smaller than the filter
        mapping = draw_mapping(rng, machine, layer, tiled=False)
        if mapping is not None and layer.macs <= 2 * LIMITS.macs:
            return mapping
    return None


def draw_program(machine, seed):
    """A program of 2 to 7 layers and the output of each."""
    rng, program, outputs = random.Random(seed), Program(), []
    for n in range(rng.randint(2, 7)):
        mapping = None
        if program.steps and rng.random() < 0.6:
            k = rng.randrange(len(program.steps))
            mapping = draw_reader(rng, machine, program.steps[k].mapping.layer, f"layer{n}")
        if mapping is not None:
            _, data = draw_data(rng, machine, mapping.layer)
            source, step = outputs[k], program.steps[k]
        else:
            case = draw_case(machine, 10 * seed + n, tiled=n % 3 == 0, limits=LIMITS)
            mapping, data, source = case.mapping, case.data, case.source
            step = source
        program.add(mapping, data, source=step)
        outputs.append(golden_output(machine.operation, mapping.layer, source, data))
    return program, outputs


def run_programs_of(dataflow, count):
    machine = small_machine(dataflow, 4, 4, buffers=2 * KIB)
    drawn = {f"program seed {seed}": draw_program(machine, seed) for seed in range(count)}
    assert any(step.after for program, _ in drawn.values() for step in program.steps)
    waves = dataflow == "weight_stationary"
    build = build_machine(machine, waves=waves, links=not waves)  # those of random layers
    for n, conditions in enumerate(CONDITIONS):
        named = [(name, drawn[name][0]) for name in list(drawn)[n :: len(CONDITIONS)]]
        simulation = Simulation(build, seed=1)
        results = run_programs(
            simulation, named, reset_every=RESET_EVERY, fetched=FETCHED, **conditions
        )
        for (name, _), done in zip(named, results):
            assert not done.problems, f"{name}, {conditions}: {done.problems}"
            assert len(done.outputs) == len(drawn[name][1])
            for layer, (got, right) in enumerate(zip(done.outputs, drawn[name][1])):
                np.testing.assert_array_equal(got, right, err_msg=f"{name}, layer {layer}")


@pytest.mark.parametrize(
    "dataflow",
    [CONVOLUTIONS[0], *(pytest.param(one, marks=pytest.mark.long) for one in CONVOLUTIONS[1:])],
)
def test_programs(dataflow):
    run_programs_of(dataflow, 8)


@pytest.mark.long
@pytest.mark.parametrize("dataflow", CONVOLUTIONS)
def test_many_programs(dataflow):
    run_programs_of(dataflow, 100)


def test_programs_follow_each_other_without_a_reset():
    """The same build and memory: each program starts from the registers the one before left."""
    machine = small_machine("weight_stationary", 4, 4, buffers=2 * KIB)
    drawn = [draw_program(machine, seed) for seed in (1, 2, 1)]
    named = [(f"program {n}", program) for n, (program, _) in enumerate(drawn)]
    simulation = Simulation(build_machine(machine, waves=True), seed=1)
    results = run_programs(simulation, named, reset_every=len(named))
    for (_, outputs), done in zip(drawn, results, strict=True):
        assert not done.problems
        assert done.counters["COMPLETED"] == len(outputs)
        for got, right in zip(done.outputs, outputs, strict=True):
            np.testing.assert_array_equal(got, right)
    # Counters too begin anew with each start: alike in the first run and the third.
    assert results[0].counters == results[2].counters
