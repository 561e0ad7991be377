"""ResNet-50 and MobileNetV2 of 224x224 pixels, whole, in RTL, each one program: every tensor is
numpy's, and each layer takes about the cycles that the cost model gives it.
"""

import time

import pytest
from designs import ADAPTIVE
from test_network_programs import check_estimates

from rtl_gen.networks import map_graph, run_network
from rtl_gen.nn.random_networks import mobilenetv2, random_input, resnet50
from rtl_gen.reuse.fused_machine import machine_of
from rtl_gen.sim.programs import build_machine
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.parse import load_design


def run(graph, tell):
    """A network on the adaptive design of 16x16 PEs."""
    machine = machine_of(load_design(ADAPTIVE))
    simulation, begun = Simulation(build_machine(machine), seed=1), time.monotonic()
    done = run_network(map_graph(machine, graph, random_input(graph)), simulation)
    assert done.exact, done.problems or done.explain()
    worst = max(done.layers, key=lambda layer: abs(layer.estimate_error))
    tell(
        f"{graph.name}: {done.done.cycles} cycles, {done.network.estimated_cycles} estimated, MAC "
        f"use {100 * done.mac_use:.1f} %, {time.monotonic() - begun:.0f} s; the worst layer, "
        f"{worst.name}, {worst.cycles} cycles, {worst.estimate} estimated"
    )
    return done


@pytest.mark.long
@pytest.mark.parametrize("make, least", [(resnet50, 0.95), (mobilenetv2, 0.70)])
def test_whole(make, least, tell):
    """All layers, pools and additions; MAC use as the marks ask."""
    done = run(make(), tell)
    check_estimates(done)
    assert done.mac_use >= least


@pytest.mark.long
@pytest.mark.parametrize(
    "make, sizes",
    [
        (resnet50, {"size": 32, "first": 16, "stages": ((1, 16, 1), (2, 32, 2)), "classes": 10}),
        (resnet50, {"size": 48, "first": 40, "stages": ((2, 24, 1), (1, 72, 2)), "classes": 30}),
        (
            mobilenetv2,
            {"size": 32, "first": 16, "bottlenecks": ((1, 16, 1, 1), (6, 24, 2, 2))}
            | {"head": 64, "classes": 10},
        ),
        (
            mobilenetv2,
            {"size": 96, "first": 24, "bottlenecks": ((1, 8, 1, 1), (4, 40, 2, 2), (3, 72, 2, 2))}
            | {"head": 200, "classes": 50},
        ),
    ],
)
def test_smaller(make, sizes, tell):
    """Other sizes than the model was measured on."""
    check_estimates(run(make(**sizes), tell))
