"""What keeps a design from being built, and the smallest tiles that a buffer must hold."""

from dataclasses import replace
from math import prod
from pathlib import Path

import pytest
from named_nests import flow
from random_nests import CONV2D, MATMUL

from rtl_gen.mapping.input_engines import InputEngines
from rtl_gen.mapping.linear_engines import parameter_engines, weight_engines
from rtl_gen.mapping.mapping import Mapping
from rtl_gen.mapping.output_engines import OutputEngines
from rtl_gen.reuse import Placement, analyse, check_links
from rtl_gen.reuse.fused_machine import machine_of
from rtl_gen.reuse.machine import Machine
from rtl_gen.spec.dataflow import SpatialLoop
from rtl_gen.spec.design import Buffers, Design
from rtl_gen.spec.layer import Layer
from rtl_gen.spec.operation import SpecError, parse_einsum
from rtl_gen.spec.parse import load_design

DATAFLOWS = sorted((Path(__file__).parents[2] / "dataflows").glob("*.yaml"))


def design(dataflow, rows=4, columns=4, **other) -> Design:
    return Design(name="d", dataflow=dataflow, rows=rows, columns=columns, **other)


WEIGHT = flow(CONV2D, "n g k c r s p q", "c", "k", skew=(1, 0))
OUTPUT = flow(CONV2D, "n g p q k r s c", "q", "k", skew=(0, 0))
TRIPLE = parse_einsum("O[m,n] += A[m,k] * B[k,n] * C[m,n]", name="triple")
MOVING = flow(CONV2D, "n g p q k c r s", "q", "k", moving=("I",))
TWICE = parse_einsum("O[q,k] += I[w=q+2*s, k] * W[s,k]", name="twice")
PLAIN1D = parse_einsum("O[q] += I[w=q+s] * W[s]", name="plain")

BESIDE = parse_einsum("O[m,n] += A[m,k] * B[k,n,l] * C[k,n]", name="beside")
SCATTERED = parse_einsum("O[q=w-s,k] += I[w,k] * W[s,k]", name="scattered")

REFUSED = {
    "weights of which a PE would hold other numbers": (
        design(flow(BESIDE, "k n l m", "k", "n", pe=[("l", 2)], shift={"B": 1, "C": 1})),
        "nest.pe.l: B and C come side by side, but of the two the loop over 'l', which lies in the "
        "PE, indexes one alone; an accelerator holds as many words of either",
    ),
    "a loop in the PE where outputs are found by several": (
        design(flow(SCATTERED, "w", "k", "", pe=[("s", 2)], skew=(0, 0)), columns=1),
        "nest.pe.s: the loop over 's' lies in the PE, and products go to other outputs of q=w-s as "
        "loops advance; an accelerator is built for one of the two",
    ),
    "more words in a PE than can be told": (
        design(flow(CONV2D, "n g k c r s p q", "c", "k", pe=[("r", 32), ("s", 32)])),
        "nest.pe.r: the loops in the PE would keep 1024 words of W there; in an accelerator at "
        "most 1023 are allowed",
    ),
    "three operands": (
        design(flow(TRIPLE, "k n m", "k", "n")),
        "nest: B stays in the PEs while 'm' runs, and C does not; an accelerator brings them side "
        "by side, so both or neither may",
    ),
    "bus": (
        design(WEIGHT, block=8, post_lanes=8),
        "bus.width: 128 bits are more than a block of 8 bytes; at most 64 are allowed",
    ),
    "blocked rank": (
        design(flow(PLAIN1D, "q s", "q", ""), columns=1),
        "operation.blocked.I: the blocked rank of I must be one dimension, not w=q+s",
    ),
    "moving": (
        design(replace(OUTPUT, moving=("I",))),
        "links.moving: no PE uses what its neighbour used in an earlier tick of 'c'; I has no "
        "moving link",
    ),
    "phases in an accelerator": (
        design(flow(CONV2D, "n g p q k c r s", "q", "k", phases=("I",))),
        "links.phases: an accelerator feeds every lane in every step, the input I alone may move; "
        "other links that move, or hold in phases only, are built in an array alone",
    ),
    "moving out of a FIFO": (
        design(
            flow(CONV2D, "n g k c r p q", "s", "k", moving=("I",), skew=(0, 0)),
            buffers=Buffers(input_idiom="fifo"),
        ),
        "buffers.input.idiom: a FIFO gives a word at a time, but I moves; a buffet, a "
        "double_buffer or a scratchpad can feed it",
    ),
    "moving two places a tick": (
        design(flow(TWICE, "k s q", "s", "k", moving=("I",), skew=(0, 0))),
        "links.moving: I moves by (-1, 0) in 2 ticks of 'q'; an accelerator is built where it "
        "moves along one loop, a place a tick, towards the loop's first PE",
    ),
    "links that a stride would break": (
        design(flow(CONV2D, "n g k c r s p q", "r2 s2", "p", moving=("I",), skew=(-1, 0))),
        "links.moving: a stride would break other links of I than the moving one; such links are "
        "built in an array alone",
    ),
    "moving sums": (
        design(replace(OUTPUT, moving=("O",))),
        "links.moving: sums of O do not move with the ticks; only operands do",
    ),
    "phases without a stride": (
        design(replace(OUTPUT, phases=("W",))),
        "links.phases: W has no phases: no rank of W has a stride or a dilation",
    ),
    "not stationary": (
        design(replace(WEIGHT, shift={"I": 0})),
        "links.shift.I: I is not stationary, the inner loop 'q' indexes it; only what stays in "
        "the PEs can be shifted",
    ),
    "nothing to shift": (
        design(flow(MATMUL, "n k m", "k", "m", shift={"B": 1})),
        "links.shift.B: B is the same all along the columns; there is nothing to shift",
    ),
    "chain": (
        design(flow(MATMUL, "m n k", "k", "n", shift={"O": 1})),
        "links.shift.O: sums of O are added from PE to PE and leave there; there is nothing to "
        "shift",
    ),
    "drained along words": (
        design(replace(OUTPUT, shift={"O": 1})),
        "links.shift.O: O cannot be shifted out along 'k', along which its words lie; rows are "
        "left",
    ),
    "shifted along words": (
        design(flow(MATMUL, "m k n", "k", "m", skew=(0, 0), shift={"A": 0})),
        "links.shift.A: A cannot be shifted along 'k', along which its words lie; columns are left",
    ),
    "wider than a block": (
        design(WEIGHT, columns=20),
        "array.columns: 20 outputs along 'k' do not fit a block; at most 16 are allowed",
    ),
    "input": (
        design(OUTPUT, rows=17, buffers=Buffers(input=256)),
        "buffers.input: 16 words of 16 bytes are less than the smallest tile; at least 272 bytes "
        "are needed",
    ),
    "weights": (
        design(WEIGHT, rows=20, columns=32, block=32, buffers=Buffers(weights=512)),
        "buffers.weights: 16 words of 32 bytes are less than the smallest tile; at least 1024 "
        "bytes are needed",
    ),
    "parameters": (
        design(WEIGHT, block=64, buffers=Buffers(parameters=512)),
        "buffers.parameters: 8 words of 64 bytes are less than the smallest tile; at least 576 "
        "bytes are needed",
    ),
    "input below a burst": (
        design(WEIGHT, block=32, bus_bits=256, buffers=Buffers(input=256)),
        "buffers.input: 8 words of 32 bytes are less than a burst of the bus; at least 512 bytes "
        "are needed",
    ),
    "weights below a burst": (
        design(WEIGHT, block=32, bus_bits=256, buffers=Buffers(weights=511)),
        "buffers.weights: 15 words of 32 bytes are less than a burst of the bus; at least 512 "
        "bytes are needed",
    ),
    "parameters below a burst": (
        design(WEIGHT, block=32, bus_bits=256, buffers=Buffers(parameters=480)),
        "buffers.parameters: 15 words of 32 bytes are less than a burst of the bus; at least 512 "
        "bytes are needed",
    ),
    "rows that are no whole words": (
        design(WEIGHT, rows=20),
        "array.rows: 20 inputs along 'c' are more than a block of 16 and no multiple of it; a "
        "multiple, or a larger block, is needed",
    ),
    "rows that are no whole words by one": (
        design(WEIGHT, rows=17),
        "array.rows: 17 inputs along 'c' are more than a block of 16 and no multiple of it; a "
        "multiple, or a larger block, is needed",
    ),
    "output": (
        design(OUTPUT, rows=17, buffers=Buffers(output=256)),
        "buffers.output: 16 words of 16 bytes are less than the smallest tile; at least 272 "
        "bytes are needed",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    refused, message = REFUSED[case]
    with pytest.raises(SpecError) as caught:
        _ = Machine(refused).reuse
    assert str(caught.value) == message
    assert caught.value.key == message.split(":")[0]


def test_placements_refuse_what_does_not_fit():
    def placed(*loops):
        dataflow = replace(WEIGHT, spatial=tuple(SpatialLoop(*loop) for loop in loops))
        return Placement(dataflow, (4, 4))

    for loops, message in (
        (
            [("c", 0), ("r", 0)],
            "nest.rows.r: the loops over c and r each take what is left of the rows; only one "
            "may be without a size",
        ),
        (
            [("c", 1, 3), ("k", 1, 2)],
            "nest.columns.k: the columns are filled beyond their number: the loops on them take "
            "6 PEs; at most 4 are allowed",
        ),
    ):
        with pytest.raises(SpecError) as caught:
            placed(*loops)
        assert str(caught.value) == message
        assert caught.value.key == message.split(":")[0]


@pytest.mark.parametrize(
    "path, shape",
    [
        (path, shape)
        for path in DATAFLOWS
        for shape in [(16, 16), (3, 5), (12, 14), (1, 7)]
        if path.stem != "depthwise" or shape[0] >= 9  # its taps
        if "dataflows:" not in path.read_text()  # of several, each is a machine of its own
        if "tagged:" not in path.read_text()  # what lies in a piece each layer chooses
    ],
    ids=lambda value: getattr(value, "stem", None),
)
def test_a_layer_of_one_piece_takes_the_smallest_tiles(path, shape):
    """The mapping counts the same words, for a layer that fills the array once."""
    whole = machine_of(replace(load_design(path), rows=shape[0], columns=shape[1]))
    for machine in getattr(whole, "modes", (whole,)):
        check_smallest_tiles(machine)


def check_smallest_tiles(machine):
    operation = machine.operation
    sizes = {d: machine.spatial_size(d) for d in operation.dimensions}
    symbols = {s: int(s not in "tl") for s in operation.symbols}
    extents = {
        rank.name: 1
        + sum(max(0, rank.coefficient(d, symbols)) * (sizes[d] - 1) for d in rank.dimensions)
        for tensor in operation.tensors
        for rank in tensor.ranks
        if not rank.is_plain
    }
    mapping = Mapping(machine, Layer(name="one", operation=operation.name, sizes=sizes,
                                     symbols=symbols, extents=extents))  # fmt: skip
    source = InputEngines(mapping)
    assert machine.smallest_tiles == {
        # without what is added for the sake of the banks, where there is room
        "input": prod(source._used(name) for name in source.order),
        "weights": weight_engines(mapping).set_words,
        "parameters": parameter_engines(mapping).set_words,
        "output": OutputEngines(mapping).tile_words,
    }


def reasons(array, nest, shape=(4, 4), nest_shape=None):
    return check_links(analyse(Placement(array, shape)), Placement(nest, nest_shape or shape))


def test_reasons_against_running_a_nest():
    taps = flow(CONV2D, "n g k c r s p q", "r", "k", skew=(1, 0))
    assert reasons(WEIGHT, taps) == []
    assert reasons(taps, WEIGHT) == []
    assert reasons(WEIGHT, OUTPUT) != []
    assert reasons(WEIGHT, WEIGHT, (4, 4), (5, 4)) == [
        "the nest needs 5 x 4 PEs, the array has 4 x 4"
    ]
    assert reasons(WEIGHT, flow(TRIPLE, "m k n", "k", "n")) == [
        "the array multiplies 2 operands, the nest 3: O[m, n] += A[m, k] * B[k, n] * C[m, n]"
    ]


@pytest.mark.parametrize(
    ("array", "nest", "reason"),
    [
        (
            flow(MATMUL, "n k m", "k", "n", skew=(1, 0)),
            flow(MATMUL, "n k m", "m", "n"),
            "the reduce_forward link of O from PE (0, 0) to (1, 0) adds O[m=0,n=0] to O[m=1,n=0]",
        ),
        (
            flow(MATMUL, "m n k", "m", "n", skew=(0, 0)),
            flow(MATMUL, "m n k", "m", "m"),
            "the multicast link of A from PE (0, 0) to (0, 1) carries A[m=0], but the second uses "
            "A[m=1]",
        ),
        (
            flow(MATMUL, "n k m", "k", "n", skew=(1, 0)),
            flow(MATMUL, "m k n", "k", "n"),
            "B is held, but the inner loop 'n' indexes it",
        ),
        (
            flow(MATMUL, "n k m", "k", "n", pe=[("k", 2)], skew=(1, 0)),
            flow(MATMUL, "n k m", "k", "n", pe=[("k", 3)], skew=(1, 0)),
            "the nest keeps 3 words of B in a PE, which holds 2",
        ),
        (
            flow(MATMUL, "m n k", "m", "n", skew=(0, 0)),
            flow(MATMUL, "m k n", "m", "n", skew=(0, 0)),
            "sums of O must stay, but the inner loop 'n' moves on",
        ),
        (
            flow(MATMUL, "m n k", "m", "n", skew=(0, 0)),
            flow(MATMUL, "m n k", "m", "n", pe=[("n", 2)], skew=(0, 0)),
            "the nest keeps 2 sums of O in a PE, which has 1",
        ),
        (
            flow(MATMUL, "n k m", "k", "n", pe=[("k", 2)], skew=(1, 0)),
            flow(MATMUL, "n k m", "k", "n", pe=[("k", 9)], skew=(1, 0)),
            "sums of O take 21 bits, not 19",
        ),
        (
            flow(MATMUL, "m n k", "m", "n", skew=(0, 0)),
            flow(MATMUL, "m n k", "m", "k", skew=(0, 0)),
            "PEs (0, 0) and (0, 1) both give O[m=0] by exits of their own, and nothing adds the "
            "two",
        ),
    ],
)
def test_each_reason(array, nest, reason):
    assert check_links(analyse(Placement(array, (4, 4))), Placement(array, (4, 4))) == []
    found = reasons(array, nest)
    assert any(one.startswith(reason) for one in found), found


@pytest.mark.parametrize(
    ("rows", "columns", "refused"),
    [("g", "k", "rows"), ("c", "g", "columns"), ("n", "k", ""), ("c", "k", ""), ("q", "k", "")],
)
def test_outputs_that_leave_together_take_the_parameters_of_one_block(rows, columns, refused):
    dataflow = flow(CONV2D, "n g p q k r s c", rows, columns, skew=(0, 0))
    made = design(dataflow, rows=2, columns=3)
    if not refused:
        Machine(made)
        return
    with pytest.raises(
        SpecError, match="would need biases of several; in an accelerator only 'k'"
    ) as error:
        Machine(made)
    assert error.value.key == f"nest.{refused}.g"
    # A loop that takes one PE needs nothing.
    Machine(replace(made, **{refused: 1}))
