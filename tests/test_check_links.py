"""`rtl-gen check FILE --array OTHER`: what keeps an array from carrying another nest, in words."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rtl_gen.cli import app

DATAFLOWS = Path(__file__).parents[1] / "dataflows"
WEIGHTS = DATAFLOWS / "weight_stationary.yaml"


def check(nest, array, *options):
    return CliRunner().invoke(app, ["check", str(nest), "--array", str(array), *options])


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
    result = check(WEIGHTS, DATAFLOWS / "output_stationary.yaml", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["carried"] is False
    assert (
        "PEs (0, 0) and (1, 0) both give O[k=0] by exits of their own, and nothing adds the two"
        in found["reasons"]
    )


def test_more_words_than_a_pe_holds(tmp_path):
    head = "operation: conv1d\narray: {rows: 1, columns: 4}\n"
    nest = "nest: [{for: s}, {for: q}, {spatial: s, on: columns}%s]\n"
    one = written(tmp_path, "one", head + nest % "")
    many = written(tmp_path, "many", head + nest % ", {for: s, in: pe, max: 3}")
    assert check(many, many).exit_code == 0
    result = check(many, one)
    assert result.exit_code == 1 and "  a PE holds 1 words of W, not 3\n" in result.stdout


def test_an_array_that_is_too_small():
    result = check(DATAFLOWS / "conv3d.yaml", DATAFLOWS / "depthwise.yaml")
    assert "the nest needs (16, 16) PEs, the array has (9, 16)" in result.stdout


def test_what_cannot_be_compared(tmp_path):
    result = check(DATAFLOWS / "row_stationary.yaml", WEIGHTS)
    assert result.exit_code == 2 and "row_stationary.yaml:30: links.tagged: links" in result.stderr
    result = check(WEIGHTS, WEIGHTS, "resnet")
    assert result.exit_code == 2
