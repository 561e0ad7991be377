"""Layers of the vector unit in networks, through Verilator: every tensor is numpy's."""

import numpy as np
import pytest
from designs import ADAPTIVE, fused_machine, small_machine
from vector_networks import Networks

from rtl_gen.isa.counters import unit
from rtl_gen.mapping.cost import estimate
from rtl_gen.mapping.mapper import choose_mapping
from rtl_gen.mapping.placing import OWN_INPUT
from rtl_gen.mapping.program import Program
from rtl_gen.mapping.traffic import traffic
from rtl_gen.networks import map_graph, run_network
from rtl_gen.nn.vector_layers import vector_node
from rtl_gen.sim.job import MemoryTiming
from rtl_gen.sim.programs import build_machine, run_programs
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.design import KIB

SEED = 11

STALLS = MemoryTiming.stalling(300)


def everything(seed, batch=1, channels=20):
    """Each function behind the array and before it, in chains on chip and through main memory."""
    network = Networks((9, 8, channels), seed, batch)
    network.pool("max", (3, 3), (2, 2), (1, 1, 1, 1))  # of the network's own input
    first = network.convolution(13, 3)
    network.pool("max", (2, 3), (1, 2), (0, 1, 0, 1), act_min=-3)
    network.table("hard_swish")
    network.softmax()
    network.convolution(17, 1)
    network.pool("average", (3, 3), (1, 1), (1, 1, 1, 1))
    network.layer_norm()
    network.convolution(5, 1)
    network.softmax()
    network.table("gelu", source=first)
    network.layer_norm()
    return network


def alone(seed):
    """A layer of each function, large enough for several tiles."""
    for number, name in enumerate(("max", "average", "table", "softmax", "layer_norm")):
        network = Networks((13, 11, 37), seed + number)
        if name in ("max", "average"):
            network.pool(name, (3, 2), (2, 1), (1, 1, 0, 1))
        else:
            getattr(network, name)()
        yield network


def check(machine, networks):
    """Run networks on one build; every tensor must be right."""
    build, runs = build_machine(machine), []
    for network in networks:
        mapped = map_graph(machine, network.graph(), network.inputs())
        run = run_network(mapped, Simulation(build, seed=SEED))
        wrong = {one.name: one.wrong for one in run.layers if one.wrong}
        assert run.exact, f"seed {SEED}, {machine.design.name}: {run.problems} {wrong}"
        runs.append(run)
    return runs


def check_alone(machine, tell):
    """Layers alone, with stalls and without: outputs, words at every port, and cycles."""
    simulation = Simulation(build_machine(machine), seed=SEED)
    for network in alone(SEED):
        (node,), inputs = network.nodes, network.inputs()
        made = vector_node(node, 1, network.shapes["x"])
        mapping = choose_mapping(machine, made.layer, OWN_INPUT)
        for timing in (STALLS, MemoryTiming()):
            program = Program()
            program.add(mapping, made.data, source=made.source(inputs["x"]))
            (done,) = run_programs(simulation, [(node.name, program)], timing=timing)
            what = f"seed {SEED}, {made.layer.operation}, {mapping.tiles}"
            assert not done.problems, f"{what}: {done.problems}"
            np.testing.assert_array_equal(done.outputs[0], node.run(inputs["x"]), what)
        sizes = {"bus_bytes": machine.design.bus_bits // 8, "block": machine.block}
        for engine, words in traffic(mapping).buffers.items():
            counted = done.counters[f"BYTES_{engine.upper()}"]
            own = words * machine.block
            assert counted == own, f"{what}: {engine} {counted // unit(engine, **sizes)}"
        cycles, model = done.cycles, estimate(mapping).cycles
        tell(
            f"{what}: {cycles} cycles, the model says {model}, {100 * model / cycles - 100:+.1f} %"
        )
        assert abs(model - cycles) < 0.05 * cycles + 60, what


def test_a_network_beside_two_dataflows():
    """The depthwise one reads several words a step, of which the unit takes one."""
    check(fused_machine(10, 4, file=ADAPTIVE, image=1 * KIB), [everything(SEED + 1)])


@pytest.mark.long
def test_networks_and_layers_on_a_small_array():
    """3 x 5 PEs: pieces of 5 channels do not divide a word, 2 lanes do not divide a piece."""
    machine = small_machine("weight_stationary", 3, 5, vector_lanes=2, post_lanes=4)
    check(machine, [everything(SEED), everything(SEED + 2, batch=3, channels=16)])
    check_alone(machine, print)


@pytest.mark.long
def test_layers_alone_beside_two_dataflows():
    check_alone(fused_machine(10, 16, file=ADAPTIVE, image=2 * KIB), print)


@pytest.mark.long
@pytest.mark.parametrize("lanes", [1, 16])
def test_random_networks(lanes):
    machine = small_machine("weight_stationary", 4, 16, vector_lanes=lanes, post_lanes=16)
    check(machine, [everything(SEED + n, batch=1 + n % 2, channels=3 + 9 * n) for n in range(8)])
