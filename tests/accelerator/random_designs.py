"""Whole designs that no file ships: a random nest on a small array, with what stands around it."""

import random
import re
import sys
from pathlib import Path

from rtl_gen.reuse.fused_machine import machine_of
from rtl_gen.reuse.machine import Machine
from rtl_gen.spec.design import KIB, Buffers, Design
from rtl_gen.spec.operation import parse_einsum

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "hw" / "array"))
from random_nests import CONV1D, CONV2D, DEPTHWISE, MATMUL, STRIDE_1, draw_nest

__all__ = ["FEATURES", "OPERATIONS", "draw_design", "features", "message"]

BATCHED = parse_einsum("O[b,m,n] += A[b,m,k] * B[k,n]", name="shared_weights", batch=("b",))
CONV3D = parse_einsum(
    "O[n,z,p,q,k] += I[n,d=z+t,h=u*p+r,w=q+s,c] * W[t,r,s,c,k]",
    name="conv3d",
    symbols=("u",),
    batch=("n",),
)
OPERATIONS = (CONV2D, CONV2D, DEPTHWISE, MATMUL, CONV1D, STRIDE_1, BATCHED, CONV3D)


def draw_design(rng: random.Random) -> Design:
    """A nest on 2 x 2 to 4 x 4 PEs; widths, post-processing and pipeline registers at random."""
    shape = rows, columns = rng.randint(2, 4), rng.randint(2, 4)
    dataflow, _ = draw_nest(rng, OPERATIONS, shape=shape)
    bus = rng.choice([64, 128])
    block = rng.choice([16, 16, 8]) if bus == 64 else 16
    return Design(
        name="drawn",
        dataflow=dataflow,
        # a side without a loop has one PE
        rows=rows if dataflow.on_axis(0) else 1,
        columns=columns if dataflow.on_axis(1) else 1,
        block=block,
        buffers=Buffers(
            input=16 * KIB, weights=4 * KIB, output=8 * KIB, parameters=1 * KIB, accumulators=256
        ),
        bus_bits=bus,
        post_lanes=rng.choice([1, 2, 4, 8]),
        multiplier_registers=rng.choice([0, 0, 1, 2]),
        levels=16,
        queue_words=512,
    )


def message(error: Exception) -> str:
    """What a refusal says, without the names and numbers of the design."""
    text = re.sub(r"'[^']*'|\[[^]]*\]|\([^)]*\)|-?\d+", "_", str(error))
    return re.sub(r"\b(?:[A-Z]|rows|columns)\b", "_", text)


FEATURES = {
    "loops in the PE": lambda flow, machine: flow.pe,
    "folded": lambda flow, machine: any(len(flow.on_axis(axis)) > 1 for axis in (0, 1)),
    "one dimension on both axes": lambda flow, machine: _on_both_axes(flow),
    "input held": lambda flow, machine: machine.input_held,
    "several inputs held": lambda flow, machine: machine.input_depth > 1,
    "weights held": lambda flow, machine: machine.weights_held,
    "several weights held": lambda flow, machine: machine.weight_depth > 1,
    "sums stay in the PEs": lambda flow, machine: machine.reuse.output.stationary,
    "several sums kept": lambda flow, machine: machine.reuse.output.depth > 1,
    "sums leave in pieces": lambda flow, machine: machine.sums_pieces,
    "drained": lambda flow, machine: machine.drains,
    "drained and gathered": lambda flow, machine: machine.drains and machine.gathers,
    "outputs gathered": lambda flow, machine: machine.gathers,
    "several words a step": lambda flow, machine: machine.input_reads > 1,
    "inputs move": lambda flow, machine: machine.moving is not None,
    "skew -1": lambda flow, machine: -1 in machine.reuse.skew,
    "skew 0": lambda flow, machine: 0 in machine.reuse.skew,
    "skew 1": lambda flow, machine: 1 in machine.reuse.skew,
}
"""What a dataflow alone may have. Sums of several exits are added only where dataflows share an
array (``test_fused``): in one, links join all PEs of an output."""


def features(design: Design) -> set[str]:
    """What a design exercises: the operation's name and some of ``FEATURES``."""
    machine: Machine = machine_of(design)
    there = {name for name, found in FEATURES.items() if found(design.dataflow, machine)}
    return {design.dataflow.operation.name} | there


def _on_both_axes(flow) -> bool:
    dims = [loop.dimension for loop in flow.spatial]
    return len(set(dims)) < len(dims)
