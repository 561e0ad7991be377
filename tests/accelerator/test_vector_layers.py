"""Layers of the vector unit in networks, through Verilator: every tensor is numpy's."""

from designs import small_machine
from vector_networks import Networks

from rtl_gen.networks import map_graph, run_network
from rtl_gen.sim.programs import build_machine
from rtl_gen.sim.run import Simulation

SEED = 11


def everything(seed, batch=1):
    """Each function behind the array and before it, in chains on chip and through main memory."""
    network = Networks((9, 8, 20), seed, batch)
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


def check(machine, network, **conditions):
    simulation = Simulation(build_machine(machine), seed=SEED)
    run = run_network(map_graph(machine, network.graph(), network.inputs()), simulation)
    wrong = {one.name: one.wrong for one in run.layers if one.wrong}
    assert run.exact, f"seed {SEED}: {run.problems} {wrong}"
    return run


def test_everything_on_a_small_array():
    machine = small_machine("weight_stationary", 3, 5, vector_lanes=2, post_lanes=4)
    run = check(machine, everything(SEED))
    for one in run.layers:
        print(one.name, one.step.mapping.machine.design.name, one.cycles, one.estimate)
