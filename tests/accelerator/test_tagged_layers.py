"""Layers on arrays with tagged buses, bit-exact: any folding, any stride, dilation and padding."""

import pytest
from designs import run_cases
from random_layers import Limits
from tagged_layers import coverage_of_foldings, draw_tagged, tagged_machine

from rtl_gen.mapping.cost import estimate
from rtl_gen.mapping.mapper import choose_mapping
from rtl_gen.operands import random_operands
from rtl_gen.reuse.fused_machine import machine_of
from rtl_gen.sim.layers import check_layers
from rtl_gen.sim.programs import build_machine
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.layer_text import find_layer
from rtl_gen.spec.parse import load_design

SMALL = {"rows": 3, "columns": 5, "inputs": 13, "weights": 52}

ALEXNET = {
    # Eyeriss's measured cycles (Chen et al., JSSC 2017, table V: milliseconds at 200 MHz, batch 4)
    "conv1": ("n=4,k=96,c=3,h=227,w=227,r=11,s=11,stride=4", 3_300_000),
    "conv2": ("n=4,k=256,c=96,h=27,w=27,r=5,s=5,pad=2,groups=2", 7_840_000),
    "conv3": ("n=4,k=384,c=256,h=13,w=13,r=3,s=3,pad=1", 4_360_000),
    "conv4": ("n=4,k=384,c=384,h=13,w=13,r=3,s=3,pad=1,groups=2", 3_200_000),
    "conv5": ("n=4,k=256,c=384,h=13,w=13,r=3,s=3,pad=1,groups=2", 2_000_000),
}


def run_drawn(machine, count, limits, tell):
    cases = draw_tagged(machine, count, limits)
    found = coverage_of_foldings(cases)
    tell(f"{machine.design.rows}x{machine.design.columns}, {count} layers: {found}")
    run_cases(machine, cases, tell, seed=3)
    return found


def test_layers_on_a_small_array(tell):
    found = run_drawn(tagged_machine(**SMALL), 24, Limits(pixels=12, macs=200_000), tell)
    assert min(found.values()) >= 3


@pytest.mark.long
@pytest.mark.parametrize("shape", [(3, 5), (12, 14)], ids=lambda shape: f"{shape[0]}x{shape[1]}")
def test_layers_on_two_arrays(shape, tell):
    sizes = SMALL if shape == (3, 5) else {"rows": 12, "columns": 14, "inputs": 24, "weights": 256}
    limits = Limits(macs=500_000 if shape == (3, 5) else 2_000_000)
    found = run_drawn(tagged_machine(**sizes), 100, limits, tell)
    assert min(found.values()) >= 15


@pytest.mark.long
def test_alexnet_in_fewer_cycles_than_eyeriss(tell):
    """Batch 4, from start to interrupt, memory included; the model is within 1 %."""
    machine = machine_of(load_design("dataflows/row_stationary.yaml"))
    build, total = build_machine(machine), 0
    for name, (text, most) in ALEXNET.items():
        layer = find_layer(f"conv2d:{text}", operations=[machine.operation])
        operands = random_operands(machine.operation, layer, 1)
        mapping = choose_mapping(machine, operands.layer)
        numbers = (operands.layer, operands.source, operands.data)
        [check] = check_layers(machine, Simulation(build, seed=1), [numbers], mappings=[mapping])
        assert check.exact, f"{name}: {check.wrong} wrong, {check.done.problems}"
        cycles = check.done.cycles
        tell(f"{name}: {cycles} cycles, {100 * layer.macs / 168 / cycles:.1f} % of 168 PEs")
        assert cycles < most, name
        assert abs(estimate(mapping).cycles - cycles) <= cycles / 100, name
        total += cycles
    tell(f"all five: {total} cycles")
    assert total <= 18_000_000
