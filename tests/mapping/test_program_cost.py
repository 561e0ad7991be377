"""The cost model of programs: what overlaps, what waits for what. (How near it comes to the RTL is
measured where networks run, ``tests/accelerator/test_network_programs.py``.)
"""

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest

from rtl_gen.mapping.chain import ChainedLayer, chain_layers
from rtl_gen.mapping.cost import LATENCY, estimate, work_of
from rtl_gen.mapping.program import Program
from rtl_gen.mapping.program_cost import LayerTime, array_latency, estimate_program
from rtl_gen.reuse.fused_machine import machine_of
from rtl_gen.reuse.machine import Machine
from rtl_gen.sim.layers import random_data
from rtl_gen.spec.design import KIB
from rtl_gen.spec.layer import Layer, conv2d
from rtl_gen.spec.parse import load_design

FLOWS = Path(__file__).parents[2] / "dataflows"
WAY = 16 + 4 + 5 + 7
"""Cycles from a step of 16x16 PEs to its output: array, sums, post-processing, residual adders."""


@pytest.fixture(scope="module")
def adaptive() -> Machine:
    return machine_of(load_design(FLOWS / "adaptive.yaml"))


def pointwise(c: int, k: int, size: int = 8) -> Layer:
    return conv2d(name=f"{c} to {k}", k=k, c=c, h=size, w=size, r=1, s=1)


def program(machine: Machine, layers: list[Layer], **options) -> Program:
    """Layers of which each reads the one before."""
    chain = []
    for n, layer in enumerate(layers):
        source, data = random_data(machine.operation_of(layer), layer, n)
        chain.append(ChainedLayer(layer, data, n - 1 if n else source))
    return chain_layers(machine, chain, **options)


def cycles(machine: Machine, layers: list[Layer], **options) -> list[int]:
    return [one.cycles for one in estimate_program(program(machine, layers, **options))]


def test_a_layer_on_chip_takes_its_steps_and_the_way_through_the_array(adaptive):
    """It begins three cycles after the one before is complete, with its weights in the PEs."""
    _, second, third, _ = cycles(adaptive, [pointwise(16, 16)] * 4)
    assert second == third == 64 + WAY + 3
    # Four sets of weights and as many outputs a pixel.
    _, wide, _ = cycles(adaptive, [pointwise(16, 16), pointwise(16, 64), pointwise(64, 16)])
    assert wide == 4 * 64 + WAY + 3


def test_the_way_out_of_memory_is_a_latency_and_the_last_tile(adaptive):
    layers = [pointwise(16, 16)] * 3
    kept, stored = (cycles(adaptive, layers, store_all=x)[1] for x in (False, True))
    assert stored == kept + LATENCY + 3 + 64  # the whole output is one tile


def test_times_follow_each_other(adaptive):
    times = estimate_program(program(adaptive, [pointwise(16, 32), pointwise(32, 48)]))
    assert sum(one.cycles for one in times) == times[-1].complete
    assert all(a.complete <= b.begin for a, b in itertools.pairwise(times))


def test_weights_that_are_not_loaded_ahead_take_the_bus(adaptive):
    """Of 256 x 4096 weights, used once each, the buffer holds a sixteenth before the layer begins;
    RTL takes 67,835 cycles.
    """
    made = program(adaptive, [pointwise(16, 256, 1), pointwise(256, 4096, 1)])
    work, room = work_of(made.steps[1].mapping), adaptive.buffer_words("weights")
    words = work.weight_words + work.parameter_words
    assert (work.weight_words, work.parameter_words) == (256 * 256, 256 * 9)
    second = estimate_program(made)[1].cycles
    assert words - room < second < words + LATENCY + WAY
    assert second == pytest.approx(67_835, rel=0.01)


def test_layers_are_no_faster_than_their_descriptors(adaptive):
    made = program(adaptive, [pointwise(16, 16, 1)] * 40)
    words = len(made.descriptor_image()) // 4
    times = [one.cycles for one in estimate_program(made)]
    # Those of the first layers are fetched before the first one's data is there.
    assert max(times[1:4]) < words / 40 < min(times[5:])
    assert sum(times) == pytest.approx(3480, rel=0.05)  # of RTL


def test_what_is_alone_takes_about_what_it_is_estimated_alone(adaptive):
    layer = conv2d(name="3x3", k=32, c=32, h=20, w=20, r=3, s=3, pad=(1, 1, 1, 1))
    made = program(adaptive, [layer])
    alone = estimate(made.steps[0].mapping).cycles
    assert estimate_program(made)[-1].complete == pytest.approx(alone, rel=0.02)


DESIGNS = ("weight_stationary", "nvdla", "output_stationary", "input_stationary", "row_stationary")


@pytest.mark.parametrize("name", DESIGNS)
def test_every_design_has_an_estimate(name):
    """Chains whose outputs go through memory as well, with small buffers."""
    design = load_design(FLOWS / f"{name}.yaml")
    machine = machine_of(design)
    layer = conv2d(name="l", k=16, c=16, h=8, w=8, r=3, s=3, pad=(1, 1, 1, 1))
    times = estimate_program(program(machine, [layer] * 2, store_all=True))
    steps = layer.macs / (design.rows * design.columns)
    assert all(one.cycles >= steps for one in times)
    assert np.all(np.diff([one.complete for one in times]) > 0)
    assert array_latency(program(machine, [layer]).steps[0].mapping) >= 0


@pytest.mark.parametrize("idiom", ["scratchpad", "double_buffer", "fifo"])
def test_every_storage_idiom_has_an_estimate(idiom):
    design = load_design(FLOWS / "weight_stationary.yaml")
    buffers = dataclasses.replace(
        design.buffers, input=8 * KIB, weights=8 * KIB, weights_idiom=idiom
    )
    machine = machine_of(dataclasses.replace(design, buffers=buffers))
    times = estimate_program(program(machine, [pointwise(32, 32, 12)] * 2))
    assert times[-1].cycles >= 4 * 144


def test_times_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="not at 5, 3 and 9"):
        LayerTime(5, 3, 9, 9)
