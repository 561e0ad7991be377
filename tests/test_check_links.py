"""`rtl-gen check FILE --array OTHER`: what keeps an array from carrying another nest, in words."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rtl_gen.api import LoadedDesign, load
from rtl_gen.cli import app
from rtl_gen.spec.operation import SpecError

DATAFLOWS = Path(__file__).parents[1] / "dataflows"
WEIGHTS = DATAFLOWS / "weight_stationary.yaml"


def check(nest, array, *options):
    return CliRunner().invoke(app, ["check", str(nest), "--array", str(array), *options])


def reasons(nest, array):
    """Why the array does not carry the nest, as the machine-readable answer has it."""
    result = check(nest, array, "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 1 and found["carried"] is False
    text = check(nest, array).stdout
    assert text.splitlines()[1:] == [f"  {reason}" for reason in found["reasons"]]
    return found["reasons"]


def written(folder, name, text):
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("nest", "array"),
    [
        ("weight_stationary", "tpu"),
        ("matmul_weight_stationary", "weight_stationary"),
        ("depthwise", "adaptive"),
        ("adaptive", "adaptive"),
    ],
)
def test_links_that_carry_another_nest(nest, array):
    result = check(DATAFLOWS / f"{nest}.yaml", DATAFLOWS / f"{array}.yaml")
    assert result.exit_code == 0 and "carries it" in result.stdout


def test_which_link_brings_which_element():
    result = check(DATAFLOWS / "input_stationary.yaml", WEIGHTS)
    assert result.exit_code == 1
    assert "does not carry it:\n" in result.stdout
    assert (
        "  the multicast link of I from PE (0, 0) to (0, 1) carries I[w=0,c=0], but the second "
        "uses I[w=v,c=0]\n" in result.stdout
    )
    assert "  W is held, but the inner loop 'k' indexes it\n" in result.stdout


def test_two_exits_with_one_output():
    assert (
        "PEs (0, 0) and (1, 0) both give O[k=0] by exits of their own, and nothing adds the two"
        in reasons(WEIGHTS, DATAFLOWS / "output_stationary.yaml")
    )


HEAD = "operation: conv1d\narray: {rows: 1, columns: 4}\n"


def test_more_words_than_a_pe_holds(tmp_path):
    nest = HEAD + "nest: [{for: s}, {for: q}, {spatial: s, on: columns}%s]\n"
    one = written(tmp_path, "one", nest % "")
    many = written(tmp_path, "many", nest % ", {for: s, in: pe, max: 3}")
    assert check(many, many).exit_code == 0
    assert reasons(many, one) == ["the nest keeps 3 words of W in a PE, which holds 1"]


def test_more_sums_than_a_pe_keeps(tmp_path):
    nest = HEAD + "nest: [{for: q}, {for: s}, {spatial: q, on: columns}%s]\n"
    one = written(tmp_path, "one", nest % "")
    many = written(tmp_path, "many", nest % ", {for: q, in: pe, max: 2}")
    assert reasons(many, one) == ["the nest keeps 2 sums of O in a PE, which has 1"]


def test_an_array_that_is_too_small():
    found = reasons(DATAFLOWS / "conv3d.yaml", DATAFLOWS / "depthwise.yaml")
    assert found == ["the nest needs 16 x 16 PEs, the array has 9 x 16"]


def test_operands_of_another_number():
    assert reasons(DATAFLOWS / "mttkrp.yaml", WEIGHTS) == [
        "the array multiplies 2 operands, the nest 3: O[i, f] += X[i, k, l] * B[k, f] * C[l, f]"
    ]


def test_which_of_several_dataflows():
    """A nest must be carried by one of the array's dataflows; each says why not."""
    adaptive = DATAFLOWS / "adaptive.yaml"
    names = [flow.name for flow in load(adaptive).design.dataflows]
    found = reasons(DATAFLOWS / "conv1d_output_stationary.yaml", adaptive)
    assert {text.split(": ")[0] for text in found} == {f"as {name}" for name in names}
    assert "as depthwise: the nest needs 16 x 16 PEs, the array has 9 x 16" in found
    # One nest of two is carried: only the other has reasons, one for each that the array has.
    both = DATAFLOWS / "weight_and_output_stationary.yaml"
    found = reasons(adaptive, both)
    assert {text.split(": ")[0] for text in found} == {"depthwise"}
    assert {text.split(": ")[1] for text in found} == {
        f"as {flow.name}" for flow in load(both).design.dataflows
    }
    found = reasons(both, WEIGHTS)
    assert "output_stationary_transposed: W is held, but the inner loop 'c' indexes it" in found


TAGGED = (
    "row_stationary.yaml:30: links.tagged: tagged buses bring words to where the tags of a layer "
    "send them, so no link decides which nest they carry; `rtl-gen check` with this file and "
    "layers says which run\n"
)


def test_what_cannot_be_compared():
    tagged = DATAFLOWS / "row_stationary.yaml"
    for nest, array in ((tagged, WEIGHTS), (WEIGHTS, tagged)):
        result = check(nest, array)
        assert result.exit_code == 2 and result.stderr.endswith(TAGGED)
    design = load(tagged).design
    with pytest.raises(SpecError, match=r"^links\.tagged: tagged buses bring"):  # of no file
        LoadedDesign(None, design).check_links(load(WEIGHTS))
    result = check(WEIGHTS, WEIGHTS, "resnet")
    assert result.exit_code == 2
    assert "layers run on FILE's own array; leave them out, or --array" in result.stderr
