"""Layers between cocotbext-axi's memory and host: peers that were not written here."""

import pytest
from designs import small_machine

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
