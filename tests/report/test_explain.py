"""Explanations: golden files of the dataflows that ship, and numbers that must agree."""

import dataclasses
import json
from fractions import Fraction
from math import prod
from pathlib import Path

import pytest

import rtl_gen
from rtl_gen.mapping.levels import cut_dimension
from rtl_gen.report import explain as explain_module
from rtl_gen.report.explain import explain, explanation_text, plain
from rtl_gen.report.explain_fused import explain_fused, fused_plain, fused_text
from rtl_gen.report.explain_tagged import tagged_plain, tagged_text
from rtl_gen.report.reuse_facts import LinkFacts, describe_pes
from rtl_gen.report.sentences import link_rows
from rtl_gen.report.word_facts import HeldWords, StreamWords
from rtl_gen.reuse.machine import Machine
from rtl_gen.spec.dataflow import SpatialLoop
from rtl_gen.spec.design import Buffers, Formats
from rtl_gen.spec.layer_text import find_layer
from rtl_gen.spec.operation import SpecError
from rtl_gen.spec.parse import load_design

FLOWS = Path(__file__).parents[2] / "dataflows"
GOLDEN = Path(__file__).parent / "golden"
SHIPPED = {path.stem: load_design(path) for path in sorted(FLOWS.glob("*.yaml"))}
NAMES = [
    name for name, design in SHIPPED.items() if not design.others and not design.dataflow.tagged
]
FUSED = [name for name, design in SHIPPED.items() if design.others]


def shipped(name, **changes):
    return dataclasses.replace(load_design(FLOWS / f"{name}.yaml"), **changes)


@pytest.mark.parametrize("name", ["weight_stationary", "output_stationary", "input_stationary"])
def test_golden_text(name):
    """To renew a file after a change that is meant: `rtl-gen explain dataflows/X.yaml > X.txt`."""
    assert explanation_text(explain(shipped(name))) == (GOLDEN / f"{name}.txt").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_fits_a_terminal_and_json(name):
    facts = explain(shipped(name))
    assert max(map(len, explanation_text(facts).splitlines())) <= 100
    data = json.loads(json.dumps(plain(facts)))
    assert [tensor["name"] for tensor in data["tensors"]] == [
        tensor.name for tensor in facts.design.dataflow.operation.tensors
    ]


@pytest.mark.parametrize("name", FUSED)
def test_fused_fits_a_terminal_and_json(name):
    facts = explain_fused(SHIPPED[name])
    text = fused_text(facts)
    assert max(map(len, text.splitlines())) <= 100
    for part in facts.parts:  # all of what each says alone stands in it
        assert explanation_text(part).rstrip() in text
    data = json.loads(json.dumps(fused_plain(facts)))
    names = [flow.name for flow in SHIPPED[name].dataflows]
    assert [flow["name"] for flow in data["dataflows"]] == names
    assert data["refused"] is None


def test_fused_says_what_is_chosen():
    """Of 4 x 4 PEs those at the border take what enters there in both modes."""
    design = shipped("weight_and_output_stationary", rows=4, columns=4)
    facts = explain_fused(design)
    assert [(x.what, x.pes, x.sources) for x in facts.choices] == [
        ("input", 12, 2),
        ("weights", 12, 2),
        ("sum", 16, 2),
    ]
    assert facts.waits == (("output_stationary_transposed", "weight_stationary"),)
    assert "one multiplier, 1 adder" in fused_text(facts)


def test_fused_without_an_accelerator(tmp_path):
    file = tmp_path / "mixed.yaml"
    names = [str(FLOWS / f"{name}_stationary.yaml") for name in ("weight", "input")]
    file.write_text(f"dataflows: [{', '.join(names)}]\n")
    text = fused_text(explain_fused(load_design(file)))
    assert "Only the array can be built: dataflows[1]: weight_stationary and" in text


def summed_together(design) -> int:
    """Products in the widest sum in the array, from the nest alone; outputs have plain ranks.

    Sums that stay are of all products that the formats allow; others of the PEs along the spatial
    loops that do not index the output.
    """
    dataflow, formats = design.dataflow, design.formats
    product = 128 ** len(design.dataflow.operation.operands)
    limit = ((1 << (formats.accumulator_bits - 1)) - 1) // product
    most = min(formats.max_reduction or limit, limit)
    if dataflow.inner not in dataflow.operation.output.dimensions:
        return most
    count = 1
    for loop in dataflow.spatial:
        if loop.dimension not in dataflow.operation.output.dimensions:
            folded = len(dataflow.on_axis(loop.axis)) > 1
            assert loop.size or not folded
            count *= loop.size or design.shape[loop.axis]
    return min(most, count)


SHAPES = [(16, 16), (3, 5), (12, 14), (1, 7), (7, 1)]
TAPS = 9  # of the depthwise file, on its rows


@pytest.mark.parametrize("most", [None, 4, 100])
@pytest.mark.parametrize(
    "name, rows, columns",
    [
        (name, *shape)
        for name in NAMES
        for shape in SHAPES
        if name != "depthwise" or shape[0] >= TAPS
        if name != "shidiannao" or shape[1] > 1  # inputs move from column to column
    ],
)
def test_the_formula_of_the_psum_gives_its_width(name, rows, columns, most):
    """Products and formula are worked out here once more, not taken from the analysis."""
    formats = Formats(max_reduction=most)
    design = shipped(name, rows=rows, columns=columns, formats=formats)
    output, products = explain(design).output, summed_together(design)
    extreme = products * 128 ** len(design.dataflow.operation.operands)
    assert -(1 << (output.psum_bits - 1)) <= -extreme
    assert extreme < 1 << (output.psum_bits - 1)
    assert extreme >= 1 << (output.psum_bits - 2)  # a bit less would not do
    assert f"their sum {extreme} < 2^{output.psum_bits - 1}" in output.psum_because
    assert f"{output.psum_bits - 1} + 1 bits" in output.psum_because


def test_the_psum_says_what_caps_it():
    output = explain(shipped("weight_stationary", formats=Formats(max_reduction=4))).output
    assert output.psum_because.startswith(
        "a sum that leaves the array is of 16 PEs with 1 product each, but no layer sums more than "
        "4 (formats.max_reduction); a product is at most 16384, their sum 65536 < 2^17"
    )
    assert "no layer" not in explain(shipped("weight_stationary")).output.psum_because


def test_a_word_of_few_channels_serves_several_steps():
    facts = explain(shipped("output_stationary", rows=12, columns=4))
    assert facts.words["I"] == StreamWords(words=12, steps=16, along="c")
    assert facts.words["W"] == StreamWords(words=1, steps=4, along="c")
    assert facts.words["I"].per_step == Fraction(3, 4)
    assert facts.output.idle_steps == 12


def test_words_of_a_step_come_from_banks():
    facts = explain(shipped("weight_stationary", rows=32))
    assert facts.words["I"].per_step == facts.words["I"].at_once == 2
    assert facts.steps_per_cycle == 1
    banks = {buffer.name: buffer.banks for buffer in facts.buffers}
    assert banks == {name: 2 if name in ("input", "output") else 1 for name in banks}
    assert "2 words changed a step over 2 words read a cycle: at most 1 step" in flat(facts)
    assert "I, 16 elements along c a word; 2 banks" in flat(facts)
    assert "by each bank (the lowest bits of its address)" in flat(facts)


def test_words_of_a_step_that_come_one_by_one_bound_the_rate():
    buffers = Buffers(input_idiom="fifo")
    facts = explain(shipped("weight_stationary", rows=32, buffers=buffers))
    assert facts.words["I"].per_step == 2
    assert facts.steps_per_cycle == Fraction(1, 2)
    assert "at most 1/2 step a cycle: the words of I are the bound" in explanation_text(facts)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rows, columns", [(16, 16), (32, 16), (3, 5)])
def test_a_design_of_full_rate_is_one_that_explain_finds_at_full_rate(name, rows, columns):
    if name == "depthwise" and rows < TAPS:
        return
    design = shipped(name, rows=rows, columns=columns)
    facts = explain(design)
    if not facts.words:
        return
    machine = Machine(design)
    for operand in facts.reuse.operands:
        if isinstance(words := facts.words[operand.name], StreamWords):
            assert machine.words_per_step(operand) == words.per_step
    if facts.steps_per_cycle == 1:
        Machine(dataclasses.replace(design, full_rate=True))
        return
    with pytest.raises(
        SpecError, match="words a step, its buffer gives 1 a cycle: at most 1 step in"
    ) as error:
        Machine(dataclasses.replace(design, full_rate=True))
    assert error.value.key == "full_rate"


def flat(facts) -> str:
    return " ".join(explanation_text(facts).split())


def test_written_words_bound_the_steps_that_complete_outputs():
    """32 columns of pixels: 32 words in 16 steps of k are complete, and one is written a cycle."""
    facts = explain(shipped("input_stationary", columns=32, post_lanes=16, block=16))
    assert facts.words["O"].per_step == 2
    assert facts.completion_cycles == 2
    assert facts.steps_per_cycle == 1, "other steps write nothing"
    assert "Of steps that complete outputs at most 1/2 step a cycle" in flat(facts)
    assert "complete outputs at most" not in flat(explain(shipped("input_stationary")))


@pytest.mark.parametrize("lanes, cycles", [(16, 1), (8, 2), (4, 4), (1, 16)])
def test_post_processing_bounds_the_steps_that_complete_outputs(lanes, cycles):
    facts = explain(shipped("weight_stationary", post_lanes=lanes))
    assert facts.completion_cycles == cycles
    text = flat(facts)
    assert f"the 16 sums of a step, once complete, take {cycles} cycle" in text
    said = f"Of steps that complete outputs at most 1/{cycles} step a cycle: post-processing is the"
    assert (said in text) == (cycles > 1)
    assert plain(facts)["post"] == {"lanes": lanes, "cycles": cycles}


@pytest.mark.parametrize("lanes, idle", [(16, 16), (4, 64)])
def test_draining_waits_for_post_processing(lanes, idle):
    text = flat(explain(shipped("output_stationary", post_lanes=lanes)))
    assert f"After each tile of sums the array idles for {idle} cycles" in text


def test_a_buffer_of_another_idiom_is_said():
    lines = explanation_text(
        explain(shipped("weight_stationary", buffers=Buffers(weights_idiom="double_buffer")))
    ).splitlines()
    assert [line.split()[0] for line in lines if "(double_buffer)" in line] == ["weights"]


def test_a_buffer_that_is_too_small_is_not_called_an_array_alone():
    text = flat(explain(shipped("input_stationary", columns=64, buffers=Buffers(input=256))))
    assert "No accelerator can be built with this size: buffers.input: " in text
    assert "Only the array" not in text


@pytest.mark.parametrize("key", ["buffers.input", "bus.width", "block", "post.lanes"])
def test_the_key_of_an_error_says_whether_only_the_array_can_be_built(key, monkeypatch):
    """Not its text, which may change."""

    def refuse(key):
        def machine(_):
            raise SpecError("block: too small", key=key)

        monkeypatch.setattr(explain_module, "Machine", machine)
        return flat(explain(shipped("weight_stationary")))

    assert f"No accelerator can be built with this size: {key}: block: too small" in refuse(key)
    assert "Only the array can be built" in refuse("links.moving")
    assert "Only the array can be built" in refuse("")


PIECES_12_14 = {
    "weight_stationary": {
        "I": (2, 4, "rows", Fraction(2, 3)),
        "O": (2, 2, "columns", Fraction(4, 7)),
    },
    "output_stationary": {"O": (2, 2, "columns", Fraction(4, 7))},
    "input_stationary": {"I": (2, 4, "rows", Fraction(2, 3))},
}


@pytest.mark.parametrize("name, pieces", PIECES_12_14.items())
def test_blocks_that_the_array_does_not_divide(name, pieces):
    facts = explain(shipped(name, rows=12, columns=14))
    found = {t: (x.steps, x.last, x.on, x.use) for t, x in facts.pieces.items()}
    assert found == pieces
    in_json = {t["name"]: t["pieces"]["use"] for t in plain(facts)["tensors"] if t["pieces"]}
    assert in_json == {tensor: float(use) for tensor, (*_, use) in pieces.items()}


def test_pieces_are_said_with_what_they_leave_idle():
    text = flat(explain(shipped("weight_stationary", rows=12, columns=14)))
    assert (
        "pieces a block of 16 along c takes 2 steps, the second with 4 of 12 rows: whole blocks "
        "keep 67 % of the rows at work"
    ) in text
    assert (
        "pieces a block of 16 along k takes 2 steps, the second with 2 of 14 columns: whole blocks "
        "keep 57 % of the columns at work"
    ) in text
    text = flat(explain(shipped("weight_stationary", rows=3, columns=8)))
    assert "takes 6 steps, the last with 1 of 3 rows: whole blocks keep 89 % of the rows" in text
    assert text.count(" pieces a block") == 1, "8 columns divide 16"


def test_pieces_of_a_dimension_that_shares_its_axis():
    design = shipped("weight_stationary", rows=9)
    loops = (SpatialLoop("c", 0, 3), SpatialLoop("r", 0, 3), *design.dataflow.spatial[1:])
    flow = dataclasses.replace(design.dataflow, spatial=loops)
    facts = explain(dataclasses.replace(design, dataflow=flow))
    assert "the last with 1 of 3 PEs along c: whole blocks keep 89 % of the PEs along c" in (
        flat(facts)
    )


@pytest.mark.parametrize("rows, columns", [(12, 14), (3, 5), (16, 16), (5, 8), (32, 16), (1, 1)])
@pytest.mark.parametrize("name", ["weight_stationary", "output_stationary", "input_stationary"])
def test_pieces_are_those_of_the_mapping(name, rows, columns):
    machine = Machine(shipped(name, rows=rows, columns=columns))
    layer = find_layer("conv2d:k=96,c=96,h=8,w=8,r=3,s=3,pad=1")
    pieces = explain(machine.design).pieces
    for tensor, d in ((machine.operation.activation, "c"), (machine.operation.output, "k")):
        steps = prod(level.bound for level in cut_dimension(machine, layer, d, 96))
        size = machine.spatial_size(d)
        assert steps == (6 * pieces[tensor.name].steps if tensor.name in pieces else 96 // size)


def test_held_words_name_the_loops_that_hide_their_load():
    held = explain(shipped("weight_stationary", rows=3, columns=5)).words["W"]
    assert held == HeldWords(words=1, ticks=5, hidden_by=("p", "q"))
    assert held.cycles == 5


def test_a_nest_with_a_loop_in_the_pe_is_explained_as_an_array(tmp_path):
    file = tmp_path / "in_pe.yaml"
    file.write_text(
        "operation: conv1d\n"
        "nest: [{for: q}, {for: s, in: pe, max: 3}, {spatial: q, on: columns}]\n"
        "array: {rows: 1, columns: 4}\n"
    )
    text = explanation_text(explain(load_design(file)))
    assert "for s      in the PE: a step each, at most 3" in text
    assert "Only the array can be built, no accelerator around it: " in text


def test_registers_of_ticks_and_of_the_skew_are_told_apart():
    def text(link):
        return " ".join(" ".join(link_rows((link,), ())).split())

    link = LinkFacts("moving", (-1, 0), 1, "of reuse", ticks=1)
    assert "1 register that advances on ticks, then 1 that always runs, because" in text(link)
    link = dataclasses.replace(link, ticks=2, delay=3)
    assert "2 registers that advance on ticks, then 3 that always run, because" in text(link)


def test_a_single_lane_is_said_once():
    text = flat(explain(shipped("weight_stationary", rows=1, columns=1)))
    assert "lanes 1, at PE (0, 0); 1 element enters in a step" in text


def test_moving_links_and_phases_are_explained():
    design = shipped("output_stationary")
    order = (*(d for d in design.dataflow.temporal if d != "s"), "s")
    flow = dataclasses.replace(design.dataflow, temporal=order, moving=("I",))
    text = " ".join(explanation_text(explain(dataclasses.replace(design, dataflow=flow))).split())
    assert "link moving along (-1, 0), delay 0: 1 register that advances on ticks, because" in text
    assert "the element 1 tick of s before, in each phase of stride 1" in text
    assert "warm-up 15 ticks without a step before each run of its ticks" in text
    assert "ticks the words of a run of s follow those of the run before" in text
    assert "Only the array can be built" not in text


@pytest.mark.parametrize(
    "pes, words",
    [
        ([(0, 0)], "at PE (0, 0)"),
        ([(0, 0), (1, 0)], "one a row, at column 0"),
        ([(1, 0), (1, 1), (1, 2)], "one a column, at row 1"),
        ([(i, j) for i in range(2) for j in range(3)], "one a PE"),
        ([(0, 0), (0, 1), (1, 0)], "at the PEs (0, 0), (0, 1), (1, 0)"),
    ],
)
def test_where_lanes_are(pes, words):
    assert describe_pes(tuple(pes), (2, 3)) == words


def test_tagged_fits_a_terminal_and_json():
    design = shipped("row_stationary")
    text = tagged_text(design)
    assert max(map(len, text.splitlines())) <= 100
    pads, operation = design.scratchpads, design.dataflow.operation
    for number in (pads.input, pads.weights, design.buffers.accumulators, design.post_lanes):
        assert f" {number} " in " ".join(text.split())
    data = json.loads(json.dumps(tagged_plain(design)))
    assert [tensor["name"] for tensor in data["tensors"]] == [x.name for x in operation.tensors]
    assert {tensor.get("scratchpad") for tensor in data["tensors"]} == {None, 24, 256}


def test_tagged_that_cannot_be_built_says_why():
    design = shipped("row_stationary", post_add=True)
    assert "post.add: residuals are not added" in tagged_text(design)
    assert tagged_plain(design)["refused"].startswith("post.add: ")


def test_tagged_has_an_array_of_its_own():
    design = rtl_gen.load(FLOWS / "row_stationary.yaml")
    text = design.verilog(array=True)
    assert "module row_stationary_tagged_array(" in text
    assert text.count("row_stationary_tagged_row row") == design.design.rows
