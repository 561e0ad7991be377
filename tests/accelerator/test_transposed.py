"""Transposed convolutions in networks, through Verilator: every tensor is numpy's."""

import numpy as np
import pytest
from test_chain import LARGE, chain_machine
from vector_networks import Networks

from rtl_gen.mapping.chain import ChainedLayer, Interleaved, Joined, chain_layers
from rtl_gen.mapping.mapping import MappingError
from rtl_gen.networks import map_graph, run_network
from rtl_gen.nn.products import JoinNode
from rtl_gen.nn.transposed import TransposedNode
from rtl_gen.sim.layers import random_data
from rtl_gen.sim.programs import build_machine
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.layer import Quantization, conv2d

SEED = 21


def add(network: Networks, k: int, kernel, *, size=None, groups=1, source=None, **window) -> str:
    """A transposed convolution; ``size`` None: all that its windows reach, less what is cut off."""
    h, w, c = network.shape(source)
    rng = network.rng
    stride, dilation = window.get("stride", (1, 1)), window.get("dilation", (1, 1))
    reach = [(n - 1) * u + (r - 1) * d + 1 for n, u, r, d in zip((h, w), stride, kernel, dilation)]
    size = size or tuple(x - b for x, b in zip(reach, window.get("before", (0, 0))))
    return network.add(
        TransposedNode,
        (*size, k),
        source,
        image=(h, w),
        size=size,
        weight=rng.integers(-128, 128, (k, *kernel, c // groups)).astype(np.int8),
        bias=rng.integers(-5000, 5000, k).astype(np.int32),
        multiplier=rng.integers(1 << 30, (1 << 31) - 1, k).astype(np.int32),
        shift=np.full(k, -9, np.int32),
        groups=groups,
        batch=network.batch,
        quantization=Quantization(
            input_zero=int(rng.integers(-128, 128)), output_zero=int(rng.integers(-9, 9))
        ),
        **window,
    )


def decoder(seed: int, batch: int = 1) -> Networks:
    """Up, with channels of another layer beside, and up again as what leaves the network."""
    network = Networks((5, 4, 8), seed, batch)
    first = network.convolution(16, 3)
    up = add(network, 16, (3, 3), stride=(2, 2), before=(1, 1), size=(9, 8))
    wide = add(network, 5, (2, 2), stride=(2, 2), source=first, size=(9, 8))
    network.nodes.append(JoinNode(name="join", inputs=(up, wide), output="join"))
    network.shapes["join"], network.last = (9, 8, 21), "join"
    network.convolution(12, 1)
    add(network, 7, (1, 3), stride=(3, 2), before=(0, 2))
    return network


def random_network(rng: np.random.Generator) -> Networks:
    """One that reads the network's input or a layer's output, and one behind it."""

    def pair(low, high):
        return tuple(int(x) for x in rng.integers(low, high, 2))

    image, channels = pair(1, 8), int(rng.integers(3, 41))
    network = Networks((*image, channels), int(rng.integers(1 << 30)), int(rng.integers(1, 3)))
    if rng.random() < 0.5:
        channels = int(rng.integers(3, 41))
        network.convolution(channels, 1)
    kernel, stride, dilation = pair(1, 6), pair(1, 4), pair(1, 3)
    reach = [(n - 1) * u + (r - 1) * d + 1 for n, u, r, d in zip(image, stride, kernel, dilation)]
    before = tuple(int(rng.integers(0, min(3, x))) for x in reach)
    size = tuple(
        max(1, int(x - b - rng.integers(0, 3) + rng.integers(0, u)))
        for x, b, u in zip(reach, before, stride)
    )
    k = int(rng.integers(3, 41))
    groups = 2 if channels % 32 == k % 32 == 0 else 1
    window = {"stride": stride, "dilation": dilation, "before": before, "size": size}
    add(network, k, kernel, groups=groups, **window)
    if rng.random() < 0.5:
        network.convolution(int(rng.integers(3, 20)), 1)
    return network


def run(machine, networks):
    """Run networks on one build; every tensor must be right."""
    simulation, runs = Simulation(build_machine(machine), seed=SEED), []
    for number, network in enumerate(networks):
        mapped = map_graph(machine, network.graph(), network.inputs())
        runs.append(run_network(mapped, simulation))
        wrong = {one.name: one.wrong for one in runs[-1].layers if one.wrong}
        assert runs[-1].exact, (
            f"seed {SEED}, network {number}: {network.nodes}: {runs[-1].problems} {wrong}"
        )
    return runs


def test_a_decoder(tell):
    machine = chain_machine("weight_stationary", LARGE)
    networks = [decoder(2, batch=2), random_network(np.random.default_rng(SEED))]
    done, _ = run(machine, networks)
    phases = [one for one in done.layers if "[" in one.name]
    assert len(phases) == 4 + 4 + 6
    assert sum(one.macs == 0 for one in phases) == 4  # two rows of three have no tap
    tell(
        f"{sum(one.macs for one in phases)} MACs in {len(phases)} phases, {done.done.cycles} cycles"
    )


@pytest.mark.long
@pytest.mark.parametrize("dataflow", ["weight_stationary", "output_stationary", "input_stationary"])
def test_random_transposed_convolutions(dataflow):
    rng = np.random.default_rng(SEED)
    networks = [random_network(rng) for _ in range(40)]
    run(chain_machine(dataflow, LARGE, 3, 5), networks)


def test_what_does_not_take_turns_is_refused():
    machine = chain_machine("weight_stationary", LARGE)

    def layer(name, k=8, size=(3, 3), source=None):
        made = conv2d(name=name, c=8, k=k, h=size[0], w=size[1], r=1, s=1)
        array, data = random_data(machine.operation, made, 1)
        return ChainedLayer(made, data, array if source is None else source)

    def reader(source, size=(6, 6)):
        return layer("reader", size=size, source=source)

    four = [layer(f"phase{n}") for n in range(4)]
    whole = Interleaved(((0, 1), (2, 3)))
    for chain, message in (
        ([layer("a", size=(4, 3)), *four[1:], reader(whole)], "phase1 gives .* not take turns"),
        ([layer("a", k=9), *four[1:], reader(whole)], "phase1 gives .* not take turns"),
        ([*four, reader(whole), reader(2, (3, 3))], "phase2: its pixels lie between those of"),
        ([*four, reader(whole), reader(Joined((whole,)))], "phase.: its output is joined with ot"),
        ([*four, reader(whole, (5, 6))], "reads the output of phase0, which is 1x1x6x6x8, not"),
    ):
        with pytest.raises(MappingError, match=message):
            chain_layers(machine, chain)
