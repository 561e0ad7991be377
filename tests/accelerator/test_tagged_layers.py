"""Layers on arrays with tagged buses, bit-exact: any folding, any stride, dilation and padding."""

from pathlib import Path

import numpy as np
import pytest
from designs import run_cases
from random_layers import Limits
from tagged_layers import coverage_of_foldings, draw_tagged, tagged_machine

from rtl_gen.mapping.mapper import choose_mapping
from rtl_gen.mapping.program import Program
from rtl_gen.sim.layers import golden_output, random_data
from rtl_gen.sim.programs import build_machine, run_programs
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.layer import conv2d

PROJECT = Path(__file__).resolve().parents[2]
SMALL = {"rows": 3, "columns": 5, "inputs": 13, "weights": 52}


def run_drawn(machine, count, limits, tell):
    cases = draw_tagged(machine, count, limits)
    found = coverage_of_foldings(cases)
    tell(f"{machine.design.rows}x{machine.design.columns}, {count} layers: {found}")
    run_cases(machine, cases, tell, seed=3, links=True)
    return found


def test_layers_on_a_small_array(tell):
    found = run_drawn(tagged_machine(**SMALL), 16, Limits(pixels=10, macs=80_000), tell)
    assert min(found.values()) >= 2


def test_layers_follow_each_other():
    """Programs of four layers, the last of which reads what the one before has stored."""
    machine = tagged_machine(**SMALL)
    cases = draw_tagged(machine, 12, Limits(pixels=8, channels=40, macs=30_000))
    programs, outputs = [], []
    for n in range(0, len(cases), 3):
        program, rights = Program(), []
        for case in cases[n : n + 3]:
            step = program.add(case.mapping, case.data, source=case.source)
            rights.append(golden_output(machine.operation, case.layer, case.source, case.data))
        sizes = cases[n + 2].layer.sizes
        image = {"n": sizes["n"], "c": sizes["g"] * sizes["k"], "h": sizes["p"], "w": sizes["q"]}
        image |= {"groups": sizes["g"], "k": 9 * sizes["g"]}
        reader = conv2d(name=f"reader{n}", r=2, s=2, pad=(1, 1, 1, 1), **image)
        _, data = random_data(machine.operation, reader, n)
        program.add(choose_mapping(machine, reader), data, source=step)
        rights.append(golden_output(machine.operation, reader, rights[-1], data))
        programs.append((f"program {n}", program))
        outputs.append(rights)
    simulation = Simulation(build_machine(machine, links=True), seed=4)  # built above
    results = run_programs(simulation, programs, reset_every=2, fetched=(False, True))
    for (name, _), done, rights in zip(programs, results, outputs, strict=True):
        assert not done.problems, f"{name}: {done.problems}"
        for n, (got, right) in enumerate(zip(done.outputs, rights, strict=True)):
            np.testing.assert_array_equal(got, right, err_msg=f"{name}, layer {n}")


@pytest.mark.long
@pytest.mark.parametrize("shape", [(3, 5), (12, 14)], ids=lambda shape: f"{shape[0]}x{shape[1]}")
def test_layers_on_two_arrays(shape, tell):
    sizes = SMALL if shape == (3, 5) else {"rows": 12, "columns": 14, "inputs": 24, "weights": 256}
    limits = Limits(macs=500_000 if shape == (3, 5) else 2_000_000)
    found = run_drawn(tagged_machine(**sizes), 100, limits, tell)
    assert min(found.values()) >= 15


@pytest.mark.long
def test_alexnet_in_fewer_cycles_than_eyeriss(tell, monkeypatch):
    """Batch 4, bit-exact, from start to interrupt, memory included; the model is within 1 %."""
    monkeypatch.syspath_prepend(str(PROJECT / "benchmarks"))
    import alexnet

    for measure in alexnet.measures():
        tell(f"{measure.name}: {measure.value:.10g} {measure.unit} (mark {measure.mark})")
        assert measure.holds, measure
        if measure.name.endswith("estimate"):
            assert abs(measure.value - 1) <= 0.01, measure
