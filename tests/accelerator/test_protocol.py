"""Layers between cocotbext-axi's AxiRam and AxiLiteMaster: peers that were not written here.

All five channels of the memory port stall at random, and those of the control port, at the rates of
``RATES``; the same rates with the memory in HDL, which is a hundred times as fast, are the other
part. A failure prints the seed of its layer and that of the simulation.
"""

import time

import pytest
from designs import small_machine
from random_layers import Limits, draw_case

from rtl_gen.sim.explain_mismatch import explain
from rtl_gen.sim.job import MemoryTiming
from rtl_gen.sim.layers import check_layers, random_data
from rtl_gen.sim.programs import build_machine
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.design import KIB
from rtl_gen.spec.layer import conv2d

DATAFLOWS = [
    "weight_stationary",
    pytest.param("output_stationary", marks=pytest.mark.long),
    pytest.param("input_stationary", marks=pytest.mark.long),
]


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_layers_are_exact_on_the_protocol_bench(dataflow):
    """All channels of memory and control port stall at random; the second starts unreset
    and is fetched."""
    machine = small_machine(dataflow, 4, 4, buffers=2 * KIB)
    simulation = Simulation(build_machine(machine, bench="protocol"), seed=3)
    layers = [
        conv2d(name="padded", k=20, c=20, h=5, w=5, r=3, s=3, pad=(1, 1, 1, 1)),
        conv2d(name="strided", k=9, c=17, h=7, w=8, r=2, s=3, stride=(2, 1), dilation=(1, 2)),
    ]
    work = [(layer, *random_data(machine.operation, layer, n)) for n, layer in enumerate(layers)]
    checks = check_layers(
        machine,
        simulation,
        work,
        timing=MemoryTiming.stalling(300),
        host_stall=300,
        reset_every=len(work),
        fetched=(False, True),
    )
    for check, (_, source, data) in zip(checks, work, strict=True):
        assert check.exact, explain(check, source, data)


RATES = (100, 300, 600)
"""Cycles in 1000 in which a channel stalls."""

LAYERS = {"weight_stationary": 34, "output_stationary": 33, "input_stationary": 33}
"""A hundred; five hundred with the memory in HDL."""


def run_stalled(dataflow, bench, count, first_seed, limits, tell):
    """Random layers on a 3x5 array, a third of them at each rate."""
    machine = small_machine(dataflow, 3, 5, bus_bits=64, post_lanes=2)
    build = build_machine(machine, bench=bench)
    seeds = range(first_seed, first_seed + count)
    cases = [draw_case(machine, seed, tiled=seed % 5 < 2, limits=limits) for seed in seeds]
    began, cycles, failures = time.perf_counter(), 0, []
    for n, rate in enumerate(RATES):
        simulation, chosen = Simulation(build, seed=n), cases[n :: len(RATES)]
        checks = check_layers(
            machine,
            simulation,
            [(case.layer, case.source, case.data) for case in chosen],
            mappings=[case.mapping for case in chosen],
            timing=MemoryTiming.stalling(rate),
            host_stall=rate,
            reset_every=2,
        )
        assert len(checks) == len(chosen)
        cycles += sum(check.done.result.cycles for check in checks)
        failures += [
            f"stalls of {rate} per mille, simulation seed {simulation.seed}\n{case}\n"
            + explain(check, case.source, case.data)
            for case, check in zip(chosen, checks)
            if not check.exact
        ]
    seconds = time.perf_counter() - began
    tell(
        f"{dataflow}, 3 x 5 PEs, {bench} bench: {count} layers, seeds {seeds[0]} to {seeds[-1]}, "
        f"{cycles:,} cycles in {seconds:.0f} s"
    )
    assert not failures, f"{len(failures)} of {count} layers fail\n" + failures[0]


@pytest.mark.long
@pytest.mark.parametrize("dataflow", LAYERS)
def test_random_layers_on_the_protocol_bench(dataflow, tell):
    limits = Limits(pixels=10, channels=32, macs=40_000)
    run_stalled(dataflow, "protocol", LAYERS[dataflow], 3000, limits, tell)


@pytest.mark.long
@pytest.mark.parametrize("dataflow", LAYERS)
def test_random_layers_with_the_same_stalls_of_the_memory_in_hdl(dataflow, tell):
    limits = Limits(pixels=12, channels=40, macs=200_000)
    run_stalled(dataflow, "memory", 5 * LAYERS[dataflow], 4000, limits, tell)
