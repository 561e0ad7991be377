"""Layers of real networks on the accelerator, against TFLite's own intermediate tensors."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from designs import DATAFLOWS

from rtl_gen.mapping.levels import tile_step
from rtl_gen.mapping.mapper import choose_mapping
from rtl_gen.mapping.mapping import Mapping
from rtl_gen.nn.to_program import to_operation
from rtl_gen.nn.traced import read_traced
from rtl_gen.reuse.machine import Machine
from rtl_gen.sim.explain_mismatch import explain
from rtl_gen.sim.layers import check_layers
from rtl_gen.sim.programs import build_machine
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.design import KIB, Buffers
from rtl_gen.spec.layer import Layer
from rtl_gen.spec.parse import load_design

pytestmark = pytest.mark.shared_data

NETWORKS = ("ic_resnet8", "kws_dscnn")


def reference() -> Machine:
    return Machine(load_design(DATAFLOWS / "weight_stationary.yaml"))


def with_small_buffers() -> Machine:
    """The reference design with 8 KiB for inputs, weights and outputs each."""
    small = Buffers(input=8 * KIB, weights=8 * KIB, output=8 * KIB)
    return Machine(dataclasses.replace(reference().design, buffers=small))


def all_tiled(machine: Machine, layer: Layer) -> Mapping:
    """A mapping that cuts every dimension of images and channels that can be cut."""
    tiles = {}
    for dimension in "kcpq":
        step, size = tile_step(machine, dimension), layer.sizes[dimension]
        tiles[dimension] = min(size, step if step > 1 else 3)
    return Mapping(machine, layer, tiles, tuple("pkqc"))


def run_layers(machine: Machine, folder: Path, images: int, choose=choose_mapping) -> list[Mapping]:
    """Run all layers of a network that the design computes; returns how they were mapped."""
    layers = read_traced(folder)
    nodes = [to_operation(layer.node, machine.operation) for layer in layers]
    mappings = [choose(machine, node.layer) for node in nodes]
    work = [
        (layer, node, mapping, node.source(layer.inputs[n : n + 1]), n)
        for layer, node, mapping in zip(layers, nodes, mappings)
        for n in range(images)
    ]
    checks = check_layers(
        machine,
        Simulation(build_machine(machine), seed=1),
        [(node.layer, source, node.data) for _, node, _, source, _ in work],
        mappings=[mapping for _, _, mapping, _, _ in work],
    )
    assert len(checks) == images * len(layers)
    for check, (layer, node, _, source, n) in zip(checks, work):
        assert check.exact, f"image {n}\n{explain(check, source, node.data)}"
        got = node.result(check.done.outputs[0])
        np.testing.assert_array_equal(got[0], layer.outputs[n], err_msg=node.layer.name)
    return mappings


@pytest.mark.long
@pytest.mark.parametrize("network", NETWORKS)
def test_layers_equal_tflite(network, shared_data):
    run_layers(reference(), shared_data / network, images=1)


@pytest.mark.long
def test_tiled_layers_equal_tflite(shared_data):
    """With buffers that hold no layer whole, and tiles as small as they can be."""
    folder = shared_data / "ic_resnet8"
    for mapping in run_layers(with_small_buffers(), folder, images=1, choose=all_tiled):
        for dimension, size in mapping.layer.sizes.items():
            step = tile_step(mapping.machine, dimension)
            if dimension in "kcpq" and size > max(step, 3):
                assert mapping.tile(dimension) < size


@pytest.mark.long
def test_layers_that_the_mapper_tiles_equal_tflite(shared_data):
    """The same buffers, with the tiles that the mapper takes."""
    mappings = run_layers(with_small_buffers(), shared_data / "ic_resnet8", images=1)
    cut = [m for m in mappings if any(m.tile(d) < size for d, size in m.layer.sizes.items())]
    assert len(cut) > len(mappings) / 2


@pytest.mark.long
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("choose", [choose_mapping, all_tiled])
@pytest.mark.parametrize("machine", [reference, with_small_buffers])
def test_all_images_equal_tflite(machine, choose, network, shared_data):
    run_layers(machine(), shared_data / network, images=6, choose=choose)
