"""Products of two activations, and heads of attention in one program, against numpy."""

import numpy as np
import pytest
from attention import (
    attention_machine,
    golden_product,
    product_layer,
    product_sums,
    spread,
)
from designs import CONDITIONS, small_machine
from random_layers import random_addition

from rtl_gen.mapping.chain import ChainedLayer, Operand, chain_layers
from rtl_gen.mapping.mapping import MappingError
from rtl_gen.mapping.program import LayerData
from rtl_gen.reuse.machine import Machine
from rtl_gen.sim.layers import golden_output, random_data
from rtl_gen.sim.programs import build_machine, run_programs
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.layer import Layer, Quantization, conv2d

ZEROS = [(0, 0), (5, 0), (-128, 0), (0, 7), (-128, -128), (127, -127)]


def random_product(
    seed: int, along: str, zeros: tuple[int, int]
) -> tuple[ChainedLayer, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows, heads, batch = (int(x) for x in (rng.integers(1, 20), rng.integers(1, 4), 1 + seed % 2))
    c, k = (int(x) for x in 8 * rng.integers(1, 5, 2))
    layer = product_layer(
        f"seed{seed}",
        rows=rows,
        c=c,
        k=k,
        heads=heads,
        batch=batch,
        quantization=Quantization(
            input_zero=zeros[0],
            output_zero=int(rng.integers(-20, 20)),
            rounding=str(rng.choice(["double", "single"])),
        ),
    )
    a = rng.integers(-128, 128, (batch, heads, 1, rows, c)).astype(np.int8)
    b = rng.integers(-128, 128, (batch, heads, c, k)).astype(np.int8)
    sums = product_sums(layer, a, b, zeros[1])
    data = spread(rng, sums)
    chained = ChainedLayer(layer, data, a, operand=Operand(b, along, zeros[1]))
    return chained, golden_product(layer, sums, data)


def random_heads(machine: Machine, seed: int, tokens=16, width=32, heads=2, batch=1):
    """Projections of an input, two products for each head, a projection, and the input added."""
    rng = np.random.default_rng(seed)
    zeros = [int(z) for z in rng.integers(-20, 20, 5)]
    zeros[3] = -128  # as softmax gives
    depth = width // heads

    def projection(name: str, given: int, gives: int) -> Layer:
        how = Quantization(input_zero=given, output_zero=gives)
        return conv2d(
            name=name, n=batch, k=width, c=width, h=1, w=tokens, r=1, s=1, quantization=how
        )

    def product(name: str, c: int, k: int, given: int, gives: int) -> Layer:
        how = Quantization(input_zero=given, output_zero=gives)
        return product_layer(
            name, rows=tokens, c=c, k=k, heads=heads, batch=batch, quantization=how
        )

    x = rng.integers(-128, 128, (batch, 1, 1, tokens, width)).astype(np.int8)
    chain, golden = [], []
    for n, name in enumerate(("query", "key", "value")):
        layer = projection(name, zeros[4], zeros[n])
        _, data = random_data(machine.operation, layer, seed + n)
        chain.append(ChainedLayer(layer, data, x))
        golden.append(golden_output(machine.operation, layer, x, data))

    def split(y: np.ndarray) -> np.ndarray:  # (n, 1, 1, tokens, width) by heads
        return y.reshape(batch, 1, tokens, heads, depth).transpose(0, 3, 1, 2, 4)

    query, key, value = map(split, golden)
    scores = product("scores", depth, tokens, zeros[0], zeros[3])
    sums = product_sums(scores, query, key[:, :, 0].transpose(0, 1, 3, 2), zeros[1])
    data = spread(rng, sums)
    chain.append(ChainedLayer(scores, data, 0, operand=Operand(1, "c", zeros[1])))
    golden.append(golden_product(scores, sums, data))
    mix = product("mix", tokens, depth, zeros[3], zeros[4])
    sums = product_sums(mix, golden[3], value[:, :, 0], zeros[2])
    data = spread(rng, sums)
    chain.append(ChainedLayer(mix, data, 3, operand=Operand(2, "k", zeros[2])))
    mixed = golden_product(mix, sums, data)
    golden.append(mixed)
    joined = mixed.transpose(0, 2, 3, 1, 4).reshape(batch, 1, 1, tokens, width)
    out, addition = projection("out", zeros[4], 0), random_addition(rng)
    _, data = random_data(machine.operation, out, seed + 9)
    chain.append(ChainedLayer(out, data, 4, x, addition))
    golden.append(addition.golden(golden_output(machine.operation, out, joined, data), x))
    return chain, golden


def check(machine: Machine, chains: list, rights: list) -> None:
    """Chains, all stored or as they are, under stalls; every output must be right."""
    programs = [chain_layers(machine, c, store_all=s) for c in chains for s in (True, False)]
    simulation, failures = Simulation(build_machine(machine), seed=3), []
    for n, conditions in enumerate(CONDITIONS):
        chosen = list(range(n, len(programs), len(CONDITIONS)))
        named = [(f"chain{k}", programs[k]) for k in chosen]
        done = run_programs(simulation, named, fetched=(True, False), **conditions)
        for k, result in zip(chosen, done, strict=True):
            failures += [f"chain {k // 2}, {conditions}: {x}" for x in result.problems]
            for step, output, right in zip(programs[k].steps, result.outputs, rights[k // 2]):
                if output is not None and (output.reshape(right.shape) != right).any():
                    wrong = int((output.reshape(right.shape) != right).sum())
                    failures.append(f"chain {k // 2}: {step.mapping.layer.name}: {wrong} wrong")
    assert not failures, "\n".join(failures)


def products(seeds: range):
    found = [random_product(seed, "ck"[seed % 2], ZEROS[seed // 2 % len(ZEROS)]) for seed in seeds]
    return [[layer] for layer, _ in found], [[right] for _, right in found]


@pytest.mark.long
def test_products_and_heads(tell):
    """Either way the operand may lie, with all kinds of zero points; heads in one program."""
    machine = attention_machine(post_add=True)
    chains, rights = products(range(12))
    for seed in (1, 2):
        chain, golden = random_heads(machine, seed, batch=seed)
        chains.append(chain)
        rights.append(golden)
    spreads = [y.std() for right in rights for y in right[:5]]  # not of the random addition
    assert min(spreads) > 15, "else wrong outputs hide in the clamp"
    check(machine, chains, rights)
    steps = chain_layers(machine, chains[-1]).steps
    modes = {s.mapping.layer.name: s.mapping.machine.design.dataflow.name for s in steps}
    assert (modes["scores"], modes["mix"]) == ("nvdla", "by_rows")
    assert steps[3].mapping.placing.source and steps[4].mapping.placing.source, "else not on chip"


@pytest.mark.long
def test_many_products_and_heads():
    """With tiles of the operand too, where memories are small."""
    for buffers in (1024, 4096):
        machine = attention_machine(post_add=True, buffers=buffers)
        chains, rights = products(range(100, 124))
        for seed in range(10, 14):
            chain, golden = random_heads(machine, seed, tokens=24, width=48, batch=1 + seed % 2)
            chains.append(chain)
            rights.append(golden)
        check(machine, chains, rights)


def test_what_cannot_be_read_as_weights_is_refused():
    machine = attention_machine()
    (layer, _), (across, _) = (random_product(2, along, (0, 0)) for along in "ck")

    def chained(machine, layer, message, **changes):
        sizes = layer.layer.sizes | {k: v for k, v in changes.items() if k in layer.layer.sizes}
        changed = product_layer(
            "it",
            rows=sizes["q"],
            c=sizes["c"],
            k=sizes["k"],
            heads=sizes["g"],
            batch=sizes["n"],
        )
        shape = (sizes["n"], sizes["g"], sizes["c"], sizes["k"])
        n = sizes["g"] * sizes["k"]
        data = LayerData(None, *(np.zeros(n, np.int64),) * 3)
        operand = Operand(np.zeros(shape, np.int8), changes.get("along", layer.operand.along))
        source = np.zeros((sizes["n"], sizes["g"], 1, sizes["q"], sizes["c"]), np.int8)
        with pytest.raises(MappingError, match=message):
            chain_layers(machine, [ChainedLayer(changed, data, source, operand=operand)])

    chained(machine, layer, "it: .*c must be a multiple of 8, not 12, and its tiles", c=12)
    chained(machine, across, "it: .*k must be a multiple of 8, not 20, and its tiles", k=20)
    chained(machine, layer, "must lie along one of g c k, not 'q'", along="q")
    other = small_machine("weight_stationary", 3, 5)
    chained(other, layer, "in whole blocks of 16, and W were shifted in along the other .links.sh")
    one_way = small_machine("weight_stationary", 16, 16)
    chained(one_way, across, "whose words lie along 'k', which this array cannot load", c=16, k=16)
    streams = small_machine("output_stationary", 8, 8)
    chained(streams, layer, "W is an activation, and the array must hold it")
    with pytest.raises(MappingError, match="must have either weights or an operand"):
        weights = random_data(machine.operation, layer.layer, 1)[1]
        chain_layers(
            machine, [ChainedLayer(layer.layer, weights, layer.source, operand=layer.operand)]
        )
