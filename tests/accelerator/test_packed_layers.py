"""Layers whose input is a packed image, its windows folded into channels on the way in."""

import dataclasses
import random

import numpy as np
import pytest
from designs import CONDITIONS, run_cases, small_machine
from random_layers import Case, Limits, draw_conv2d, draw_data, is_legal

from rtl_gen.mapping.mapping import Mapping, MappingError
from rtl_gen.mapping.packed_image import packed_image
from rtl_gen.mapping.placing import OWN_INPUT, Place
from rtl_gen.mapping.program import Program
from rtl_gen.reuse.machine import Machine
from rtl_gen.sim.layers import golden_output
from rtl_gen.sim.programs import build_machine, run_programs
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.design import KIB

CONVOLUTIONS = ("weight_stationary", "output_stationary", "input_stationary")
FEW = Limits(pixels=14, channels=24, macs=300_000)


def unfolding_machine(dataflow: str, rows: int, columns: int, **others) -> Machine:
    machine = small_machine(dataflow, rows, columns, buffers=4 * KIB, **others)
    buffers = dataclasses.replace(machine.design.buffers, image=KIB)
    return Machine(dataclasses.replace(machine.design, buffers=buffers))


def draw_packed(machine: Machine, seed: int) -> Case:
    """A layer of few channels more often than not, its tiles and the order of its loops drawn."""
    rng = random.Random(f"packed {machine.design.name}/{seed}")
    while True:
        limits = dataclasses.replace(FEW, channels=rng.choice((4, 4, FEW.channels)))
        layer = draw_conv2d(rng, f"seed{seed}", limits)
        image = layer and packed_image(machine, layer)
        if image is None or layer.macs > limits.macs:
            continue
        sizes = image.folded.sizes
        tiles = {d: rng.randint(1, sizes[d]) for d in ("p", "n")}
        if rng.random() < 0.5:
            tiles["k"] = 16
        order = tuple(rng.sample(("n", "k", "p"), 3))
        placing = dataclasses.replace(OWN_INPUT, image=image)
        try:
            mapping = Mapping(machine, image.folded, tiles, order, placing)
        except MappingError:
            continue
        if is_legal(mapping):
            return Case(seed, mapping, *draw_data(rng, machine, layer))


def run_packed(machine: Machine, seeds: range, tell) -> None:
    cases = [draw_packed(machine, seed) for seed in seeds]
    tiled = [case for case in cases if case.mapping.tile("p") < case.layer.sizes["p"]]
    again = [c for c in tiled if c.mapping.tile("k") < c.layer.sizes["k"]]
    padded = [c for c in cases if c.layer.symbols["t"] or c.layer.symbols["l"]]
    tell(
        f"{machine.design.name}: {len(cases)} layers with packed images, {len(tiled)} in tiles of "
        f"rows, {len(again)} of these also of channels, {len(padded)} padded"
    )
    assert len(tiled) >= len(cases) // 4 and padded
    run_cases(machine, cases, tell, seed=3)


def test_packed_images_on_a_small_array(tell):
    run_packed(unfolding_machine("weight_stationary", 3, 5), range(12), tell)


def mixed_program(machine: Machine, seed: int):
    """Six layers in one program, packed and not, whose inputs lie in one half of the memory or the
    other; and the output of each."""
    rng, program, expected = random.Random(seed), Program(), []
    half = machine.buffer_words("input") // 2
    while len(expected) < 6:
        layer = draw_conv2d(rng, f"layer {len(expected)}", dataclasses.replace(FEW, channels=6))
        image = layer and packed_image(machine, layer)
        if image is None or layer.macs > 100_000:
            continue
        placing = dataclasses.replace(
            OWN_INPUT, image=image if rng.random() < 0.6 else None, input_words=half
        )
        mapped = image.folded if placing.image else layer
        mapping = Mapping(machine, mapped, {"p": 1, "n": 1}, ("n", "k", "p"), placing)
        if not is_legal(mapping):
            continue
        source, data = draw_data(rng, machine, layer)
        place = Place(0, half * rng.randrange(2), half)
        program.add(mapping, data, source=source, input_place=place)
        expected.append(golden_output(machine.operation, layer, source, data))
    return program, expected


def test_packed_and_other_inputs_in_turn():
    machine = unfolding_machine("weight_stationary", 3, 5)
    drawn = {f"seed {seed}": mixed_program(machine, seed) for seed in range(16)}
    simulation = Simulation(build_machine(machine), seed=4)
    for n, conditions in enumerate(CONDITIONS):
        names = list(drawn)[n :: len(CONDITIONS)]
        programs = [(name, drawn[name][0]) for name in names]
        for name, done in zip(names, run_programs(simulation, programs, **conditions)):
            assert not done.problems, f"{name}, {conditions}: {done.problems}"
            for got, right in zip(done.outputs, drawn[name][1], strict=True):
                np.testing.assert_array_equal(got, right, err_msg=f"{name}, {conditions}")


@pytest.mark.long
@pytest.mark.parametrize("shape", [(3, 5), (16, 16)])
@pytest.mark.parametrize("dataflow", CONVOLUTIONS)
def test_many_packed_images(dataflow, shape, tell):
    run_packed(unfolding_machine(dataflow, *shape, post_lanes=4), range(100, 200), tell)
