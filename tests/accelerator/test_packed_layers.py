"""Layers whose input is a packed image, its windows folded into channels on the way in."""

import dataclasses
import random

import pytest
from designs import run_cases, small_machine
from random_layers import Case, Limits, draw_conv2d, draw_data, is_legal

from rtl_gen.mapping.mapping import Mapping, MappingError
from rtl_gen.mapping.packed_image import packed_image
from rtl_gen.mapping.placing import OWN_INPUT
from rtl_gen.reuse.machine import Machine
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


@pytest.mark.long
@pytest.mark.parametrize("shape", [(3, 5), (16, 16)])
@pytest.mark.parametrize("dataflow", CONVOLUTIONS)
def test_many_packed_images(dataflow, shape, tell):
    run_packed(unfolding_machine(dataflow, *shape, post_lanes=4), range(100, 200), tell)
