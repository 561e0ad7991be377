"""Layers chained on chip, residuals added where outputs leave, against golden and TFLite."""

import dataclasses
import random
from dataclasses import replace

import numpy as np
import pytest
from designs import CONDITIONS, small_machine
from random_layers import random_addition

from rtl_gen.isa.registers import BY_NAME
from rtl_gen.mapping.chain import ChainedLayer, chain_layers
from rtl_gen.mapping.mapping import MappingError
from rtl_gen.reuse.machine import Machine
from rtl_gen.sim.layers import golden_output, random_data
from rtl_gen.sim.programs import (
    build_machine,
    host_script,
    program_job,
    run_programs,
)
from rtl_gen.sim.run import Simulation
from rtl_gen.sim.script import Idle, Poll, Stamp, WaitInterrupt, Write
from rtl_gen.spec.design import KIB
from rtl_gen.spec.layer import Layer, Quantization, conv2d

DATAFLOW_NAMES = ("weight_stationary", "output_stationary", "input_stationary")
LARGE, SMALL = 4 * KIB, 512  # bytes of each activation memory: most outputs fit, or none


def random_chain(machine: Machine, seed: int, length: int) -> list[ChainedLayer]:
    """Convolutions that read what is before them, with residuals on chip, or from arrays."""
    rng = np.random.default_rng(seed)
    layers: list[ChainedLayer] = []
    shapes: list[tuple[int, ...]] = []
    for n in range(length):
        source: int | np.ndarray = int(rng.integers(max(0, n - 2), n)) if n else -1
        fresh = n == 0 or rng.random() < 0.25  # an input of its own
        if fresh:
            h, w, c = (int(x) for x in rng.integers(3, 11, 3))
        else:
            _, _, h, w, c = shapes[source]
        r, s = (int(x) for x in rng.choice([1, 3], 2))
        layer = conv2d(
            name=f"seed{seed}_{n}",
            k=int(rng.choice([4, 13, 16, 28])) if n == 0 or n % 3 == 2 else int(shapes[-1][-1]),
            c=c,
            h=h,
            w=w,
            r=r,
            s=s,
            stride=tuple(int(x) for x in rng.choice([1, 1, 1, 1, 2], 2)),
            pad=(r // 2, s // 2, r // 2, s // 2),
            quantization=Quantization(
                input_zero=int(rng.integers(-128, 128)),
                output_zero=int(rng.integers(-128, 128)),
                rounding=str(rng.choice(["double", "single"])),
            ),
        )
        array, data = random_data(machine.operation, layer, seed * 100 + n)
        shape = output_shape(layer)
        same = [k for k in range(n) if shapes[k] == shape]
        residual: int | np.ndarray | None = None
        if rng.random() < 0.6:
            residual = int(rng.choice(same)) if same and rng.random() < 0.8 else None
            if residual is None:
                residual = rng.integers(-128, 128, shape).astype(np.int8)
        addition = None if residual is None else random_addition(rng)
        layers.append(ChainedLayer(layer, data, array if fresh else source, residual, addition))
        shapes.append(shape)
    return layers


def output_shape(layer: Layer) -> tuple[int, ...]:
    return tuple(layer.sizes[d] for d in "ngpqk")


def golden_chain(machine: Machine, chain: list[ChainedLayer]) -> list[np.ndarray]:
    outputs: list[np.ndarray] = []
    for layer in chain:
        source = outputs[layer.source] if isinstance(layer.source, int) else layer.source
        output = golden_output(machine.operation, layer.layer, source, layer.data)
        if layer.addition is not None:
            known = isinstance(layer.residual, int)
            output = layer.addition.golden(
                output, outputs[layer.residual] if known else layer.residual
            )
        outputs.append(output)
    return outputs


def run_chains(machine: Machine, seeds: range, tell) -> None:
    """Chains of random layers, their outputs also stored, or only those that nobody reads."""
    chains = [random_chain(machine, seed, 3 + seed % 4) for seed in seeds]
    golden = [golden_chain(machine, chain) for chain in chains]
    programs = [chain_layers(machine, c, store_all=s) for c in chains for s in (True, False)]
    steps = [step for program in programs for step in program.steps]
    every = [layer for chain in chains for _ in (True, False) for layer in chain]
    resident = sum(step.mapping.placing.source is not None for step in steps)
    loaded = sum(step.added is not None and step.added.address is not None for step in steps)
    added = sum(step.added is not None for step in steps)
    # Loads that wait for no input of theirs, but for what lies where they would write.
    held = sum(isinstance(c.source, np.ndarray) and s.after > 0 for c, s in zip(every, steps))
    tell(
        f"{machine.design.name}: {len(steps)} layers in {len(programs)} chains, {resident} read "
        f"on chip, {held} loads held from it, {added} add a residual, {loaded} of them load it"
    )
    assert loaded
    if machine.design.buffers.input == SMALL:
        assert resident < len(steps) / 2 and any(s.input_address and s.after for s in steps)
    else:
        assert held and resident > len(steps) / 3 and added > loaded
    build, failures = build_machine(machine), []
    for n, conditions in enumerate(CONDITIONS):
        chosen = list(range(n, len(programs), len(CONDITIONS)))
        named = [(f"chain{k}", programs[k]) for k in chosen]
        simulation = Simulation(build, seed=3)
        done = run_programs(simulation, named, fetched=(True, False, False), **conditions)
        for k, result in zip(chosen, done, strict=True):
            where = f"seed {seeds[k // 2]}, {'all' if k % 2 == 0 else 'some'} stored, {conditions}"
            failures += [f"{where}: {problem}" for problem in result.problems]
            for step, output, right in zip(programs[k].steps, result.outputs, golden[k // 2]):
                if output is not None and (output != right).any():
                    wrong = int((output != right).sum())
                    failures.append(f"{where}: {step.mapping.layer.name}: {wrong} wrong")
    assert not failures, "\n".join(failures)
    assert (resident and added > loaded > 0) or machine.design.buffers.input == SMALL


def chain_machine(dataflow: str, buffers: int, rows: int = 4, columns: int = 4) -> Machine:
    return small_machine(dataflow, rows, columns, buffers=buffers, post_add=True)


@pytest.mark.parametrize(
    "dataflow",
    [DATAFLOW_NAMES[0], *(pytest.param(one, marks=pytest.mark.long) for one in DATAFLOW_NAMES[1:])],
)
def test_random_chains(dataflow, tell):
    run_chains(chain_machine(dataflow, LARGE), range(1, 4), tell)


@pytest.mark.long
def test_chains_that_do_not_fit_go_through_memory(tell):
    machine = chain_machine("weight_stationary", SMALL)
    run_chains(machine, range(10, 14), tell)


@pytest.mark.long
@pytest.mark.parametrize("buffers", [LARGE, SMALL])
@pytest.mark.parametrize("dataflow", DATAFLOW_NAMES)
def test_many_random_chains(dataflow, buffers, tell):
    run_chains(chain_machine(dataflow, buffers, 3, 5), range(100, 140), tell)


def one_by_one(name: str, size: int, c: int, k: int, filter_size: int = 1) -> Layer:
    r = filter_size
    return conv2d(name=name, h=size, w=size, c=c, k=k, r=r, s=r)


def test_an_output_that_fills_its_memory_begins_at_its_first_word(tell):
    """Behind one whose tiles went round the same memory; and again, in a run without a reset."""
    machine = chain_machine("weight_stationary", LARGE)
    layers = [one_by_one("tiles", 20, 4, 16), one_by_one("whole", 20, 16, 16, 5)]
    layers.append(one_by_one("reader", 16, 16, 4))
    data = [random_data(machine.operation, layer, n) for n, layer in enumerate(layers)]
    chain = [
        ChainedLayer(layer, numbers, n - 1 if n else array)
        for n, (layer, (array, numbers)) in enumerate(zip(layers, data))
    ]
    program = chain_layers(machine, chain)
    tiles, whole, reader = program.steps
    assert tiles.output_place == whole.output_place, "else the case is another"
    assert tiles.output_address and not whole.output_address and reader.output_address
    right = golden_chain(machine, chain)[-1]
    named = [(f"run{n}", program) for n in range(3)]
    simulation = Simulation(build_machine(machine), seed=1)
    for done in run_programs(simulation, named, reset_every=3):
        assert not done.problems
        np.testing.assert_array_equal(done.outputs[-1], right)


def check_resets(seeds: range, cycles: int) -> None:
    """Chains that are reset in the middle, and run behind that: kept words, claims that wait."""
    machine = chain_machine("weight_stationary", LARGE)
    chains = [random_chain(machine, seed, 4) for seed in seeds]
    jobs, rights, rng = [], [], random.Random(5)
    for chain in chains:
        program = chain_layers(machine, chain)
        again = host_script(program)
        runs = [type(one) for one in again].index(WaitInterrupt)
        for _ in range(cycles):
            begin = [one for one in again[:runs] if not isinstance(one, Stamp)]
            begin += [Idle(rng.randrange(3000)), Write(BY_NAME["CONTROL"].offset, 4)]
            begin += [Poll(BY_NAME["CONTROL"].offset, 4, 0), Write(BY_NAME["INTERRUPT"].offset, 3)]
            jobs.append(replace(program_job(program, "reset"), script=[*begin, *again]))
            rights.append((program.steps[-1], golden_chain(machine, chain)[-1]))
    results = Simulation(build_machine(machine), seed=1).run(jobs)
    for (step, right), result in zip(rights, results, strict=True):
        assert not [one for one in result.problems if "had no response" not in one]
        last = f"output{len(result.regions) - 1}"
        np.testing.assert_array_equal(step.output.tensor.unpack(result.regions[last]), right)


def test_chains_are_right_behind_a_reset_in_the_middle():
    check_resets(range(3), 4)


@pytest.mark.long
def test_many_chains_behind_a_reset():
    check_resets(range(20, 30), 20)


def test_chains_that_cannot_be_are_refused():
    machine = chain_machine("weight_stationary", LARGE)
    layer = conv2d(name="one", k=4, c=4, h=5, w=5, r=1, s=1)
    array, data = random_data(machine.operation, layer, 1)
    one, how = ChainedLayer(layer, data, array), random_addition(np.random.default_rng(1))
    wide = conv2d(name="wide", k=4, c=4, h=5, w=5, r=3, s=3)
    other = ChainedLayer(wide, random_data(machine.operation, wide, 2)[1], 0, 0, how)
    for chain, message in (
        ([one, dataclasses.replace(one, source=1)], "its source must be a layer before it, not n"),
        ([dataclasses.replace(one, residual=-1)], "its residual must be a layer before it, not n"),
        ([one, dataclasses.replace(one, residual=0)], "how its residual is added must be given"),
        ([one, other], "wide: its residual must be .1, 1, 3, 3, 4. like its output, not .1, 1, 5"),
    ):
        with pytest.raises(MappingError, match=message):
            chain_layers(machine, chain)
    with pytest.raises(MappingError, match=r"which the design cannot; post.add: true is needed$"):
        plain = small_machine("weight_stationary", 4, 4)
        chain_layers(plain, [one, dataclasses.replace(one, residual=0, addition=how)])


def test_all_layers_that_do_not_fit_are_named():
    machine, chain = chain_machine("weight_stationary", LARGE), []
    for n, name in enumerate(("first", "second", "third", "fourth")):
        how = Quantization(raw=True) if n in (1, 3) else Quantization()
        layer = conv2d(name=name, c=8, k=8, h=4, w=4, r=1, s=1, quantization=how)
        array, data = random_data(machine.operation, layer, n)
        chain.append(ChainedLayer(layer, data, array))
    with pytest.raises(MappingError) as caught:
        chain_layers(machine, chain)
    title, *lines = str(caught.value).splitlines()
    assert title == f"{machine.design.name} cannot run 2 layers:"
    for line, name in zip(lines, ("second", "fourth"), strict=True):
        assert line.startswith(f"  {name}: gives its sums as int32, which the design cannot;")
    with pytest.raises(MappingError, match=r"^second: gives its sums as int32"):
        chain_layers(machine, chain[:3])
