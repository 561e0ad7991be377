"""The JSON schema accepts what the parser accepts, key by key."""

import copy
import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl_gen.spec.keys import DATAFLOW_FILE
from rtl_gen.spec.schema import schema, sweep_schema
from rtl_gen.spec.yaml_lines import CoreLoader, SpecFileError, parse_source

BAD = Path(__file__).parent / "bad"
DATAFLOWS = Path(__file__).resolve().parents[2] / "dataflows"

DESIGNS = jsonschema.Draft202012Validator(schema())
SWEEPS = jsonschema.Draft202012Validator(sweep_schema())

# Wrong only when all keys are seen together, or the file with another: for the parser alone.
SEMANTIC = [
    "axis_overfilled", "axis_overfilled_by_one", "axis_two_whole", "axis_unused",
    "batch_unknown", "blocked_unknown", "design_of_bad_dataflow", "design_of_design",
    "design_of_itself", "design_of_nothing", "design_too_small", "dimension_missing",
    "dimension_unknown", "einsum_one_operand", "einsum_rank_without_name",
    "einsum_sign_too_many", "einsum_tensor_twice", "einsum_two_dimensions",
    "einsum_without_sum", "fused_bad_links", "fused_disagrees", "fused_of_bad_dataflow",
    "fused_of_design", "fused_of_nothing", "fused_same_name", "fused_too_small",
    "lanes_beyond_block", "link_of_unknown_tensor", "loop_inside_pe_loop",
    "loop_twice", "moving_unknown_tensor", "nothing_outside_pe", "nothing_spatial",
    "operation_unknown", "output_dimension_unread", "reach_of_unknown_tensor",
    "scratchpads_without_tags", "shift_none_of_output",
    "shipped_name_taken", "spatial_twice",
    "symbol_unused", "weights_unknown", "width_overflow",
    "buffer_too_large",  # a mebibyte too many in a text, which a pattern cannot see
]  # fmt: skip
# Wrong before there are keys and values.
SYNTAX = [
    "yaml_tab", "yaml_unclosed", "yaml_two_documents", "yaml_list_as_key", "yaml_tag",
    "yaml_control_character", "yaml_duplicate_key", "yaml_duplicate_key_in_section", "not_utf8",
]  # fmt: skip
STRUCTURAL = sorted(p.stem for p in BAD.glob("*.yaml") if p.stem not in [*SEMANTIC, *SYNTAX])

GOOD = """
{"name": "any",
 "operation": {"name": "product", "einsum": "O[m,n] += A[m,k] * B[k,n]", "symbols": [],
               "weights": "B", "batch": ["m"], "blocked": {"A": "m"}},
 "nest": [{"for": "m"}, {"for": "k", "in": "pe", "max": 4}, {"for": "n"},
          {"spatial": "k", "on": "rows", "size": 8}, {"spatial": "n", "on": "columns"}],
 "array": {"rows": 8, "columns": 8},
 "links": {"skew": {"rows": 1, "columns": 0}, "shift": {"B": "columns"}, "moving": ["A"]},
 "formats": {"operand_bits": 8, "max_reduction": 16, "accumulator_bits": 32},
 "buffers": {"input": {"size": "8 KiB", "idiom": "fifo"}, "weights": "4 KiB", "output": 4096},
 "bus": {"width": 64}, "post": {"lanes": 4}, "multiplier_registers": 0, "block": 16,
 "levels": 12, "queue_words": 256, "memories": "sram"}
"""
# In place of any value: all types, numbers inside and outside limits, words known and unknown.
OTHERS = [0, -1, 1, 4, 8, 64, 100, 300, 1 << 20, 1 << 40, 1.5, True, False, None, "", " ", "m"]
OTHERS += [
    "inferred",
    "sram",
    "pe",
    "rows",
    "columns",
    "16",
    "a b",
    "4 KiB",
    "4 KB",
    "-4 KiB",
    "0x10",
    "é",
    "1e3",
]
OTHERS += [[], ["A"], ["A", "A"], [1], {}, {"for": "m"}, {"B": "rows"}, {"B": 1}, {"a b": "rows"}]
NAMES = [
    "rows",
    "memories",
    "for",
    "in",
    "max",
    "on",
    "size",
    "spatial",
    "name",
    "dataflow",
    "x",
    "Rows",
]


def load(path):
    return yaml.load(path.read_text(encoding="utf-8"), Loader=CoreLoader)


def test_schemas_are_schemas():
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.Draft202012Validator.check_schema(sweep_schema())
    assert json.loads(json.dumps(schema())) == schema()


@pytest.mark.parametrize("path", sorted(DATAFLOWS.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_files_are_valid(path):
    DESIGNS.validate(load(path))


@pytest.mark.parametrize(
    "path", sorted((DATAFLOWS / "sweeps").glob("*.yaml")), ids=lambda path: path.stem
)
def test_shipped_sweeps_are_valid(path):
    SWEEPS.validate(load(path))


@pytest.mark.parametrize("name", STRUCTURAL)
def test_structural_faults_are_refused_by_both(name):
    assert not DESIGNS.is_valid(load(BAD / f"{name}.yaml"))


@pytest.mark.parametrize("name", SEMANTIC)
def test_what_only_the_parser_finds(name):
    assert DESIGNS.is_valid(load(BAD / f"{name}.yaml"))


def test_every_key_has_a_doc_for_editors():
    def walk(node):
        for name, child in node.get("properties", {}).items():
            assert child["description"], name
            walk(child)

    walk(schema()["then"])
    walk(schema()["else"])


def places(value, path=()):
    """The path of every value inside a document, the document's own first."""
    yield path
    if isinstance(value, dict | list):
        for name in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[name], (*path, name))


@st.composite
def documents(draw):
    """A good document with a few values replaced, removed or added."""
    document = json.loads(GOOD)
    for _ in range(draw(st.integers(1, 3))):
        *path, last = draw(st.sampled_from(list(places(document))[1:]))
        holder = document
        for step in path:
            holder = holder[step]
        change = draw(st.sampled_from(["replace", "remove", "add"]))
        if change == "replace":
            holder[last] = copy.deepcopy(draw(st.sampled_from(OTHERS)))
        elif change == "remove" and len(document) > 1:
            del holder[last]
        elif isinstance(holder, dict):
            holder[draw(st.sampled_from(NAMES))] = copy.deepcopy(draw(st.sampled_from(OTHERS)))
    return document


def parser_accepts(document):
    source = parse_source(json.dumps(document, ensure_ascii=False), "any")
    try:
        DATAFLOW_FILE.read(source.root, "", source)
    except SpecFileError as error:
        assert str(error).startswith("any:1: ") and "\n" not in str(error)
        return False
    return True


@settings(max_examples=400, deadline=None)
@given(documents())
def test_schema_and_parser_agree(document):
    valid = jsonschema.Draft202012Validator(schema()["else"]).is_valid(document)
    assert parser_accepts(document) == valid


def test_the_good_document_is_good():
    assert parser_accepts(json.loads(GOOD))
    assert DESIGNS.is_valid(json.loads(GOOD))


@pytest.mark.parametrize(
    ("parameters", "valid"),
    [
        ({"array": [[4, 4]], "bus.width": [64], "buffers.input": ["1 KiB", 2048]}, True),
        ({"dataflow": ["a.yaml"]}, True),
        ({"buffers.weights": ["1 KiB", {"size": 2048, "idiom": "scratchpad"}]}, True),
        ({"buffers.output": [{"size": 2048, "idiom": "scratchpad"}]}, False),
        ({"array": [[4]]}, False),
        ({"array": [[4, 4, 4]]}, False),
        ({"array": [[4, 257]]}, False),
        ({"bus.width": 64}, False),
        ({"bus": [64]}, False),
        ({"name": ["a"]}, False),
        ({"block": []}, False),
        ({"block": [8, 8]}, False),
    ],
)
def test_parameters_of_sweeps(parameters, valid):
    sweep = {"parameters": parameters, "layers": ["matmul:m=1,k=2,n=3"]}
    assert SWEEPS.is_valid(sweep) == valid
