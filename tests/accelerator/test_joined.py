"""Channels of several layers side by side, and some channels of one, by addressing alone."""

from itertools import pairwise

import numpy as np
import pytest
from designs import CONDITIONS
from random_layers import random_addition
from test_chain import LARGE, SMALL, chain_machine

from rtl_gen.mapping.chain import ChainedLayer, Joined, Part, chain_layers
from rtl_gen.mapping.mapping import MappingError
from rtl_gen.reuse.machine import Machine
from rtl_gen.sim.layers import golden_output, random_data
from rtl_gen.sim.programs import build_machine, run_programs
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.layer import Layer, conv2d


def convolution(name: str, c: int, k: int, *, n=1, groups=1, size=(5, 4), r=1) -> Layer:
    h, w = size
    pad = (r // 2,) * 4
    return conv2d(name=name, n=n, c=c, k=k, h=h, w=w, r=r, s=r, pad=pad, groups=groups)


def channels_last(y: np.ndarray) -> np.ndarray:
    """(n, g, p, q, k) as (n, p, q, channels)."""
    n, g, p, q, k = y.shape
    return y.transpose(0, 2, 3, 1, 4).reshape(n, p, q, g * k)


def golden_chain(machine: Machine, chain: list[ChainedLayer]) -> list[np.ndarray]:
    """Outputs as (n, p, q, channels)."""
    outputs: list[np.ndarray] = []

    def read(what):
        if isinstance(what, Part):
            return read(what.source)[..., what.first : what.first + what.channels]
        if isinstance(what, Joined):
            return np.concatenate([outputs[n] for n in what.sources], axis=-1)
        return outputs[what] if isinstance(what, int) else channels_last(what)

    for one in chain:
        sizes, x = one.layer.sizes, read(one.source)
        x = x.reshape(*x.shape[:3], sizes["g"], sizes["c"]).transpose(0, 3, 1, 2, 4)
        y = channels_last(golden_output(machine.operation, one.layer, x, one.data))
        if one.addition:
            y = one.addition.golden(y, read(one.residual))
        outputs.append(y)
    return outputs


def network(machine: Machine, seed: int, n: int, last: int = 16) -> list[ChainedLayer]:
    """Layers joined in another order than they run, parts of what is joined, and of a layer.

    ``last``: channels of the output that comes last in what is joined.
    """
    rng = np.random.default_rng(seed)
    total = 32 + 16 + last
    layers = [
        (convolution("one", 8, last, n=n, r=3), None),
        (convolution("two", last, 32, n=n), 0),
        (convolution("three", 32, 16, n=n), 1),
        (convolution("all", total, 48, n=n, r=3), Joined((1, 2, 0))),
        (convolution("middle", 32, 16, n=n), Part(Joined((1, 2, 0)), 16, 32)),
        (convolution("end", 32, 32, n=n, groups=2, r=3), Part(3, 16, 32)),
        (convolution("begin", 16, 16, n=n), Part(3, 0, 16)),
        (convolution("part", 16, 16, n=n), Part(Part(3, 16, 32), 16, 16)),
    ]
    residuals = {5: Part(3, 0, 32), 6: Part(Joined((1, 2, 0)), 32, 16), 7: Part(5, 16, 16), 4: 2}
    chain = []
    for number, (layer, source) in enumerate(layers):
        array, data = random_data(machine.operation, layer, 100 * seed + number)
        residual = residuals.get(number)
        addition = random_addition(rng) if residual is not None else None
        read = array if source is None else source
        chain.append(ChainedLayer(layer, data, read, residual, addition))
    return chain


def check(machine: Machine, chains: list) -> list:
    programs = [chain_layers(machine, c, store_all=s) for c in chains for s in (True, False)]
    rights = [golden_chain(machine, chain) for chain in chains]
    simulation, failures = Simulation(build_machine(machine), seed=3), []
    for n, conditions in enumerate(CONDITIONS):
        chosen = list(range(n, len(programs), len(CONDITIONS)))
        named = [(f"chain{k}", programs[k]) for k in chosen]
        for k, result in zip(chosen, run_programs(simulation, named, **conditions), strict=True):
            failures += [f"chain {k // 2}, {conditions}: {x}" for x in result.problems]
            for step, output, right in zip(programs[k].steps, result.outputs, rights[k // 2]):
                if output is not None and (channels_last(output) != right).any():
                    failures.append(f"chain {k // 2}, {conditions}: {step.mapping.layer.name}")
    assert not failures, "\n".join(failures)
    return programs


def test_joined_and_parts():
    """On the design that chains are tested on; of two images, with a part word at the end."""
    machine = chain_machine("weight_stationary", LARGE)
    programs = check(machine, [network(machine, 1, 1), network(machine, 2, 2, last=5)])
    steps = programs[1].steps
    joined = [steps[n] for n in (1, 2, 0)]
    addresses = [step.output_address for step in joined]
    assert [b - a for a, b in pairwise(addresses)] == [2 * 20 * 16, 20 * 16]
    assert steps[5].mapping.placing.source.place.first - steps[3].output_place.first == 20


@pytest.mark.long
def test_many_joined_and_parts():
    for dataflow in ("output_stationary", "input_stationary"):
        for buffers in (LARGE, SMALL):
            machine = chain_machine(dataflow, buffers, 3, 5)
            chains = [network(machine, s, 1 + s % 3, last=(16, 5, 32)[s % 3]) for s in range(6)]
            check(machine, chains)


def test_what_cannot_be_joined_is_refused():
    machine = chain_machine("weight_stationary", LARGE)
    layers = [
        convolution("odd", 8, 12),
        convolution("even", 8, 16),
        convolution("small", 8, 16, size=(3, 4)),
    ]
    chain = []
    for n, layer in enumerate(layers):
        array, data = random_data(machine.operation, layer, n)
        chain.append(ChainedLayer(layer, data, array))

    def reader(source, c, k=4, **others):
        layer = convolution("reader", c, k, **others)
        return ChainedLayer(layer, random_data(machine.operation, layer, 9)[1], source)

    for added, message in (
        ([reader(Joined((0, 1)), 28)], "reader: joins 12 channels of odd with others, which must"),
        ([reader(Joined((1, 2)), 32)], "small gives 1x3x4 pixels and even 1x5x4, whose chan"),
        ([reader(Joined((1, 0)), 28), reader(Joined((1,)), 16)], "even: its output is joined with"),
        ([reader(Part(1, 8, 8), 8)], "reads channels 8 to 15 of 16: no block of 16 begins with"),
        ([reader(Part(1, 0, 32), 32)], "reader: reads channels 0 to 31, of 16 there are"),
        ([reader(Joined((1, 7)), 32)], "its source must be a layer before it, not number 7"),
        ([reader(Joined((1, 0)), 16)], "reads the output of even, which is 1x1x5x4x28, not its"),
    ):
        with pytest.raises(MappingError, match=message):
            chain_layers(machine, [*chain, *added])
