"""Loops in the PE: registers for several words, and sums that leave in pieces or one by one."""

import random
import sys
from pathlib import Path

import pytest
from designs import run_cases
from random_layers import Limits, draw_case

from rtl_gen.mapping.levels import cut_dimension
from rtl_gen.reuse.machine import Machine
from rtl_gen.spec.design import KIB, Buffers, Design
from rtl_gen.spec.layer import Layer

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "hw" / "array"))
from named_nests import flow
from random_nests import CONV2D, MATMUL

LIMITS = Limits(pixels=8, channels=20, macs=60_000)


def machine(dataflow, rows: int, columns: int, **others) -> Machine:
    buffers = Buffers(
        input=2 * KIB, weights=2 * KIB, output=2 * KIB, parameters=1 * KIB, accumulators=128
    )
    return Machine(
        Design(name="d", dataflow=dataflow, rows=rows, columns=columns, buffers=buffers, **others)
    )


def weights_kept() -> Machine:
    """Six weights a PE; products of up to three taps are added there, for two channels in turn."""
    dataflow = flow(CONV2D, "n g k c r s p q", "c", "k", pe=[("s", 3), ("k", 2)], skew=(1, 0))
    found = machine(dataflow, 3, 2, multiplier_registers=1, post_lanes=2)
    assert (found.weight_depth, found.reuse.output.depth, found.sums_pieces) == (6, 2, True)
    return found


def inputs_kept() -> Machine:
    """Four inputs a PE, each of another channel or row of the window."""
    dataflow = flow(
        CONV2D,
        "n g p q c r s k",
        "c",
        "q",
        pe=[("c", 2), ("r", 2)],
        skew=(1, 0),
        shift={"I": 1},
    )
    found = machine(dataflow, 2, 3)
    assert (found.input_depth, found.sums_pieces) == (4, True)
    return found


def sums_kept() -> Machine:
    """Sums of three channels stay in a PE; each is shifted out when it is complete."""
    dataflow = flow(CONV2D, "n g p q k r s c", "q", "k", pe=[("k", 3)], shift={"O": 0})
    found = machine(dataflow, 3, 2, post_lanes=1)
    assert (found.reuse.output.depth, found.drains, found.sums_pieces) == (3, 3, False)
    return found


def steps_in_a_tick() -> Machine:
    """A pixel that moves from tap to tap serves two output channels before it goes on."""
    dataflow = flow(CONV2D, "n g k c r p q", "s", "k", pe=[("k", 2)], moving=("I",), skew=(0, 0))
    found = machine(dataflow, 3, 2)
    assert (found.moving.tick, found.moving.within, found.weight_depth) == ("q", ("k",), 2)
    return found


def ticks_in_the_pe() -> Machine:
    """Pixels move past kept sums as the loop over the taps goes on in the PE."""
    dataflow = flow(CONV2D, "n g p q k r c", "q", "k", pe=[("s", 3), ("k", 2)], moving=("I",))
    found = machine(dataflow, 3, 2)
    assert (found.moving.tick, found.moving.within, found.drains) == ("s", ("k",), 3)
    return found


DESIGNS = {  # the first in every run
    "weights": weights_kept,
    "inputs": inputs_kept,
    "sums": sums_kept,
    "steps in a tick": steps_in_a_tick,
    "ticks in the PE": ticks_in_the_pe,
}


@pytest.mark.parametrize(
    "made", ["weights", *(pytest.param(name, marks=pytest.mark.long) for name in [*DESIGNS][1:])]
)
def test_layers(made, tell):
    found = DESIGNS[made]()
    cases = [draw_case(found, seed, tiled=seed % 5 < 2, limits=LIMITS) for seed in range(10)]
    inside = [level for case in cases for level in case.mapping.levels if level.in_pe]
    ragged = sum(level.last < level.bound for level in inside)
    tell(f"{len(inside)} loops in the PE, {ragged} with a smaller last bound")
    assert {level.dimension for level in inside} == {x.dimension for x in found.design.dataflow.pe}
    assert ragged >= 1
    run_cases(found, cases, tell, seed=1, links=True)


@pytest.mark.parametrize("seed", range(40))
def test_trips_in_the_pe_cover_a_dimension_once(seed):
    """No more trips than declared; every piece in one trip of one tile, of its own block."""
    rng = random.Random(seed)
    most, side = rng.randint(1, 7), rng.randint(1, 7)
    dataflow = flow(MATMUL, "m n k", "k", "n", pe=[("k", most), ("m", rng.randint(1, 5))])
    found = machine(dataflow, side, 3)
    for dimension, step in (("k", 16), ("m", 1)):
        size = rng.randint(1, 90)
        tile = min(size, step * rng.randint(1, 6))
        layer = Layer(name="x", operation="matmul", sizes={"m": size, "n": 1, "k": size})
        levels = cut_dimension(found, layer, dimension, tile)
        allowed = {loop.dimension: loop.maximum for loop in dataflow.pe}[dimension]
        assert all(level.bound <= allowed for level in levels if level.in_pe)
        unit = found.spatial_size(dimension)
        starts = list(walk(levels))
        covered = [at for start in starts for at in range(start, min(start + unit, size))]
        # A piece ends with its block, what lies behind in the lanes meets weights of 0.
        if dimension == "k":
            covered = [at for s in starts for at in range(s, min(s + unit, -(-(s + 1) // 16) * 16))]
            covered = [at for at in covered if at < size]
        assert covered == list(range(size)), levels


def walk(levels, at=0, ends=True):
    """The first value of each piece, in the order of the trips."""
    if not levels:
        yield at
        return
    level, *inside = levels
    trips = level.last if ends else level.bound
    for trip in range(trips):
        yield from walk(inside, at + trip * level.unit, ends and trip == trips - 1)
