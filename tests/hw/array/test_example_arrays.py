"""The dataflows of examples/arrays and dataflows, on the array alone: exact, refused or not."""

import random
from pathlib import Path

import pytest
from array_bench import ArrayBench
from nest_layer import NestLayer
from random_nests import draw_layer

from rtl_gen.reuse import Placement, analyse
from rtl_gen.reuse.fused_machine import machine_of
from rtl_gen.reuse.machine import Machine
from rtl_gen.spec.operation import SpecError
from rtl_gen.spec.parse import load_design

PROJECT = Path(__file__).parents[3]
SHIPPED = sorted(PROJECT.glob("dataflows/*.yaml"))
ARRAYS = sorted(PROJECT.glob("examples/arrays/*.yaml"))
WIRED = [file for file in (*SHIPPED, *ARRAYS) if not load_design(file).dataflow.tagged]
SIDES = (4, 3)
"""Rows and columns at most; a folded axis takes what its loops ask for."""

REFUSED = {
    "batched_matmul_spatial": "nest.rows.b: the loop over 'b' lies on the rows, and B has other",
    "conv1d_w_q_moving": "links.moving: an accelerator feeds every lane in every step",
    "conv1d_w_s_columns": "nest.columns.w: the loop over 'w' lies on the columns and leads to",
    "mttkrp_output_stationary": "nest.rows.i: the loop over 'i' lies on the rows, and X has other",
    "row_stationary": "links.phases: an accelerator feeds every lane in every step",
    "row_stationary_folded": "links.phases: an accelerator feeds every lane in every step",
}


@pytest.mark.parametrize("file", WIRED, ids=lambda file: file.stem)
def test_layers_on_the_array(file):
    design = load_design(file)
    shape = []
    for axis, side in enumerate(SIDES):
        taken = 1
        for loop in design.dataflow.on_axis(axis):
            taken *= loop.size or 1
        shape.append(max(taken, min(side, design.shape[axis])))
    placement = Placement(design.dataflow, tuple(shape))
    rng = random.Random(file.stem)
    layers = [
        NestLayer(placement, draw_layer(rng, design.dataflow), f"{file.stem} {n}") for n in range(2)
    ]
    results = ArrayBench(analyse(placement), rng.randint(0, 2)).run(layers, file.stem)
    for layer, got in zip(layers, results, strict=True):
        assert (got == layer.golden()).all(), layer.shape


@pytest.mark.parametrize("file", ARRAYS, ids=lambda file: file.stem)
def test_what_keeps_an_accelerator_from_being_built(file):
    with pytest.raises(SpecError) as error:
        Machine(load_design(file))
    assert str(error.value).startswith(REFUSED[file.stem])


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_what_ships_is_an_accelerator(file):
    machine_of(load_design(file))
