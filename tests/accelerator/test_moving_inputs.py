"""Inputs that move from PE to PE: depthwise layers, and pixels that move past kept sums."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from designs import run_cases, small_machine
from random_layers import Case, Limits, draw_case, is_ragged

from rtl_gen.mapping.chain import ChainedLayer, chain_layers
from rtl_gen.mapping.mapper import choose_mapping
from rtl_gen.nn.to_program import runs_as
from rtl_gen.reuse.machine import Machine
from rtl_gen.sim.layers import golden_output, random_data
from rtl_gen.sim.programs import build_machine, run_programs
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.design import KIB
from rtl_gen.spec.layer import Layer, conv2d
from rtl_gen.spec.parse import load_design

DESIGNS = Path(__file__).resolve().parents[1] / "designs"
LIMITS = Limits(pixels=12, channels=40, macs=200_000)
SHAPES = {(9, 16): {"buffers": 8 * KIB}, (10, 5): {"bus_bits": 64, "post_lanes": 2}}


def depthwise(columns: int = 4, **others) -> Machine:
    machine = small_machine(
        "depthwise", 9, columns, **{"buffers": 4 * KIB, "post_lanes": 4} | others
    )
    assert (machine.input_reads, machine.banks, machine.moving.size) == (3, 4, 3)
    return machine


def draw(machine, count, tell):
    cases = [draw_case(machine, n, tiled=n % 5 < 2, limits=LIMITS) for n in range(count)]
    for name in "rs":
        sizes = sorted({case.layer.sizes[name] for case in cases})
        tell(f"{machine.design.name}: kernel {name} {sizes}")
    symbols = {(case.layer.symbols["v"], case.layer.symbols["e"]) for case in cases}
    tell(f"{machine.design.name}: stride and dilation of columns {sorted(symbols)}")
    return cases


def test_depthwise_layers(tell):
    machine = depthwise()
    cases = draw(machine, 10, tell)
    assert sum(is_ragged(case.mapping, "q") for case in cases) >= 3
    run_cases(machine, cases, tell, seed=1)


@pytest.mark.long
def test_wide_strides_along_moving_taps():
    """Of the words that go by only some are used; of sums that stay some take none in a phase."""
    machine = depthwise()
    layers = [layer_of(20, 13, 5, stride=3), layer_of(5, 14, 7, stride=4), layer_of(16, 9, 2, 5)]
    run_cases(machine, [_mapped(machine, layer) for layer in layers], print, seed=1)
    machine = Machine(load_design(DESIGNS / "moving_pixels.yaml"))
    layers = [
        conv2d(name=f"stride {v}", k=5, c=3, h=9, w=17, r=2, s=s, stride=(1, v), pad=(0, 0, 2, 1))
        for v, s in ((3, 3), (4, 5), (4, 4), (5, 7), (6, 2))
    ]
    cases = [_mapped(machine, layer) for layer in layers]
    assert any(level.phase and level.bound >= 4 for case in cases for level in case.mapping.levels)
    run_cases(machine, cases, print, seed=1)


def _mapped(machine: Machine, layer: Layer) -> Case:
    return Case(0, choose_mapping(machine, layer), *random_data(machine.operation, layer, 1))


def layer_of(c: int, size: int, r: int, stride: int = 1) -> Layer:
    layer = conv2d(
        name=f"{r}x{r}",
        k=c,
        c=c,
        groups=c,
        h=size,
        w=size,
        r=r,
        s=r,
        stride=(stride, stride),
        pad=(r // 2,) * 4,
    )
    return runs_as(layer, depthwise().operation)


def test_a_chain_of_depthwise_layers_takes_a_tick_a_word(tell):
    """Each reads on chip what the one before left; only the first and the last use the bus."""
    machine = depthwise()
    inside = [layer_of(24, 8, 3), layer_of(24, 8, 3), layer_of(24, 8, 3, stride=2)]
    layers = [layer_of(24, 8, 1), *inside, layer_of(24, 4, 1)]
    data = [random_data(machine.operation, layer, n) for n, layer in enumerate(layers)]
    chain = [
        ChainedLayer(layer, numbers, n - 1 if n else array)
        for n, (layer, (array, numbers)) in enumerate(zip(layers, data))
    ]
    output, programs = data[0][0], []
    for layer, (_, numbers) in zip(layers, data):
        output = golden_output(machine.operation, layer, output, numbers)
    for chosen in (chain, [*chain[:2], *_moved(chain[3:])]):  # all, and without one in the middle
        programs.append(chain_layers(machine, chosen))
        assert all(step.mapping.placing.source for step in programs[-1].steps[1:])
    simulation = Simulation(build_machine(machine), seed=1)
    done, less = run_programs(simulation, [("all", programs[0]), ("less", programs[1])])
    assert not done.problems and not less.problems
    np.testing.assert_array_equal(done.outputs[-1], output)
    steps, cycles = 6 * 64, done.cycles - less.cycles
    tell(f"3x3, 8x8 pixels, 24 channels on 4 columns: {steps} steps in {cycles} cycles")
    assert steps <= cycles < steps + 80  # some 60 cycles from layer to layer


def _moved(layers):
    """Layers of a chain that come one earlier."""
    return [dataclasses.replace(layer, source=layer.source - 1) for layer in layers]


@pytest.mark.long
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape[0]}x{shape[1]}")
def test_depthwise_layers_on_other_shapes(shape, tell):
    machine = small_machine("depthwise", *shape, **SHAPES[shape])
    run_cases(machine, draw(machine, 100, tell), tell, seed=2)


@pytest.mark.long
def test_a_word_for_each_tap(tell):
    """Without the moving link a step takes nine words, of sixteen banks."""
    design = load_design(DESIGNS.parents[1] / "dataflows" / "depthwise.yaml")
    design = dataclasses.replace(design, dataflow=dataclasses.replace(design.dataflow, moving=()))
    design = dataclasses.replace(design, columns=4, buffers=depthwise().design.buffers)
    machine = Machine(design)
    assert (machine.input_reads, machine.banks, machine.moving) == (9, 16, None)
    run_cases(machine, draw(machine, 20, tell), tell, seed=1)


@pytest.mark.long
def test_pixels_that_move(tell):
    """Sums stay in the PEs; a pixel enters at the last of them."""
    machine = Machine(load_design(DESIGNS / "moving_pixels.yaml"))
    limits = Limits(pixels=12, macs=300_000)
    cases = [draw_case(machine, n, tiled=n % 5 < 2, limits=limits) for n in range(24)]
    run_cases(machine, cases, tell, seed=1)
