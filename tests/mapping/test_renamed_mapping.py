"""What is mapped does not depend on the names of dimensions: tiles, orders, descriptors."""

import random
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reuse"))
sys.path.insert(0, str(Path(__file__).parents[1] / "hw" / "array"))

from test_renaming import renamed

from rtl_gen.mapping.encode import encode_layer
from rtl_gen.mapping.mapper import choose_mapping, loop_orders
from rtl_gen.reuse.machine import Machine
from rtl_gen.spec.dataflow import PELoop
from rtl_gen.spec.design import Buffers
from rtl_gen.spec.layer import Layer, conv2d
from rtl_gen.spec.parse import load_design

FLOWS = Path(__file__).parents[2] / "dataflows"
BUFFERS = Buffers(input=4096, weights=4096, parameters=1024, output=4096, accumulators=128)


def renamed_layer(layer: Layer, other, back) -> Layer:
    """The layer in the new names of its dimensions, ranks and symbols."""
    names = {old: new for new, old in back.items()}
    ranks = {
        old.name: new.name
        for tensor, like in zip(OPERATION.tensors, other.tensors, strict=True)
        for old, new in zip(tensor.ranks, like.ranks, strict=True)
    }
    symbols = {s: f"s{n}" for n, s in enumerate(reversed(OPERATION.symbols))}
    return replace(
        layer,
        operation=other.name,
        sizes={names[d]: size for d, size in layer.sizes.items()},
        symbols={symbols[s]: value for s, value in layer.symbols.items()},
        extents={ranks[rank]: extent for rank, extent in layer.extents.items()},
    )


OPERATION = load_design(FLOWS / "weight_stationary.yaml").dataflow.operation


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("inside", [(), ("s", "k"), ("c",)], ids=["", "s k in the PE", "c"])
@pytest.mark.parametrize("name", ["weight_stationary", "output_stationary", "input_stationary"])
def test_mapping_is_the_same(name, inside, seed):
    rng = random.Random(f"{name} {seed}")
    design = replace(load_design(FLOWS / f"{name}.yaml"), rows=4, columns=4, buffers=BUFFERS)
    loops = tuple(PELoop(dimension, rng.randint(2, 4)) for dimension in inside)
    design = replace(design, dataflow=replace(design.dataflow, pe=loops))
    flow, back = renamed(design.dataflow, rng)
    machines = Machine(design), Machine(replace(design, dataflow=flow))
    layer = conv2d(
        name="one",
        k=rng.randint(1, 60),
        c=rng.randint(1, 60),
        h=rng.randint(6, 20),
        w=rng.randint(6, 20),
        r=rng.randint(1, 4),
        s=rng.randint(1, 4),
        stride=(rng.randint(1, 2), rng.randint(1, 2)),
        pad=(rng.randint(0, 1),) * 4,
    )
    layers = layer, renamed_layer(layer, flow.operation, back)
    ours, theirs = map(choose_mapping, machines, layers)
    assert ours.tiles == {back[d]: size for d, size in theirs.tiles.items()}
    assert ours.order == tuple(back[d] for d in theirs.order)
    assert encode_layer(ours) == encode_layer(theirs)


def test_the_first_order_tried_is_the_dataflows_own():
    design = load_design(FLOWS / "weight_stationary.yaml")
    assert loop_orders(Machine(design))[0] == ("k", "c", "r", "s", "p", "q")
