"""Sweep files: which points they make, and what is refused."""

from pathlib import Path

import pytest

from rtl_gen.spec.design import Buffers
from rtl_gen.spec.layer import matmul
from rtl_gen.spec.operation import SpecError
from rtl_gen.spec.parse import load_design
from rtl_gen.spec.sweep import load_sweep
from rtl_gen.spec.yaml_lines import SpecFileError

SMALL = Path(__file__).resolve().parents[2] / "dataflows" / "sweeps" / "small.yaml"

MATMUL = """operation: matmul
nest: [{for: m}, {for: n}, {for: k}, {spatial: k, on: rows}, {spatial: n, on: columns}]
"""
LAYERS = "layers: ['matmul:m=2,k=3,n=4']\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "one.yaml").write_text(MATMUL)
    (tmp_path / "two.yaml").write_text(MATMUL + "block: 8\n")
    return tmp_path


def sweep(folder, text):
    path = folder / "sweep.yaml"
    path.write_text(text)
    return load_sweep(path)


def test_the_shipped_sweep():
    found = load_sweep(SMALL)
    assert (found.name, len(found.points), found.refused) == ("small", 12, ())
    first, last = found.points[0], found.points[-1]
    assert first.name == "weight_stationary_4x4_bus_width_64"
    assert first.values == (
        ("dataflow", "weight_stationary"),
        ("array", "4x4"),
        ("bus.width", "64"),
    )
    assert last.name == "input_stationary_8x8_bus_width_128"
    assert (last.design.shape, last.design.bus_bits) == ((8, 8), 128)
    assert last.design.buffers.input == 8192
    assert len({point.name for point in found.points}) == 12
    dataflows = {point.design.dataflow.name for point in found.points}
    assert dataflows == {"weight_stationary", "output_stationary", "input_stationary"}
    for point in found.points:
        assert point.design.name == point.name
        assert point.layers == first.layers
    assert [layer.operation for layer in first.layers] == ["conv2d", "conv2d"]


def test_every_combination_with_the_first_slowest(folder):
    found = sweep(
        folder,
        "name: mine\n"
        "fixed: {array: {columns: 3}, buffers: {input: 1 KiB}}\n"
        "parameters: {dataflow: [one.yaml, two.yaml], array.rows: [1, 5], "
        "buffers.weights: [512 B, 4 KiB], block: [16]}\n" + LAYERS,
    )
    assert found.name == "mine"
    assert [p.name for p in found.points] == [
        f"{dataflow}_array_rows_{rows}_buffers_weights_{size}_block_16"
        for dataflow in ("one", "two")
        for rows in (1, 5)
        for size in (512, 4096)
    ]
    point = found.points[-1]
    assert point.design.shape == (5, 3)
    assert point.design.buffers == Buffers(input=1024, weights=4096)
    assert point.design.block == 16
    # Nothing but the name and what was swept or fixed differs from the dataflow file.
    assert point.design.dataflow == load_design(folder / "two.yaml").dataflow
    assert point.layers == (matmul(name="matmul:m=2,k=3,n=4", m=2, k=3, n=4),)


def test_names_of_layers_come_from_a_file(folder):
    (folder / "mine.yaml").write_text("fc: matmul:m=1,k=2,n=3\n")
    text = "fixed: {dataflow: one.yaml}\nparameters: {block: [8]}\n"
    found = sweep(folder, f"{text}layer_file: mine.yaml\nlayers: [fc]\n")
    assert found.points[0].layers == (matmul(name="fc", m=1, k=2, n=3),)
    found = sweep(folder, f"{text}layers: [digits_dense]\n")
    assert found.points[0].layers[0].sizes == {"m": 1, "k": 640, "n": 10}


def test_layers_of_an_operation_of_ones_own(folder):
    own = MATMUL.replace("matmul", "{name: product, einsum: 'O[m,n] += A[m,k] * B[k,n]'}")
    (folder / "own.yaml").write_text(own)
    found = sweep(
        folder,
        "parameters: {dataflow: [own.yaml]}\nlayers: ['product:m=2,n=3,k=4']\n",
    )
    assert found.points[0].layers[0].operation == "product"


def test_a_point_that_is_no_design_does_not_stop_the_others(folder):
    found = sweep(
        folder,
        "fixed: {dataflow: one.yaml}\nparameters:\n  block: [8, 16]\n  post.lanes:\n"
        "    - 4\n    - 16\n" + LAYERS,
    )
    assert [point.name for point in found.points] == [
        "one_block_8_post_lanes_4",
        "one_block_16_post_lanes_4",
        "one_block_16_post_lanes_16",
    ]
    (refused,) = found.refused
    assert refused.name == "one_block_8_post_lanes_16"
    assert refused.values == (("block", "8"), ("post.lanes", "16"))
    assert str(refused.error) == (
        f"{folder}/sweep.yaml:6: post.lanes: must be at most the block of 8 channels, not 16"
    )


def test_an_error_that_is_found_later_has_its_place_in_the_sweep_file(folder):
    found = sweep(
        folder,
        "fixed:\n  dataflow: one.yaml\nparameters:\n  bus.width:\n    - 64\n    - 128\n" + LAYERS,
    )
    error = found.points[1].placed(SpecError("too wide", key="bus.width"))
    assert str(error) == f"{folder}/sweep.yaml:6: bus.width: too wide"
    error = found.points[1].placed(SpecError("not so", key="nest.rows.k"))
    assert str(error).startswith(f"{folder}/one.yaml:")


FIXED = "fixed: {dataflow: one.yaml}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LAYERS, "1: parameters: missing; a sweep file needs it: "),
        (f"{FIXED}parameters: {{block: [8]}}\n", "1: layers: missing; a sweep file needs it: "),
        (f"{FIXED}parameters: {{}}\n{LAYERS}", "2: parameters: empty; at least one key with"),
        (f"{FIXED}parameters: {{block: []}}\n{LAYERS}", "2: parameters.block: must be a list of "
         "values, not an empty list"),
        (f"{FIXED}parameters: {{block: 8}}\n{LAYERS}", "2: parameters.block: must be a list of "
         "values, not 8"),
        (f"{FIXED}parameters:\n  bus.witdh: [64]\n{LAYERS}", "3: parameters.bus.witdh: unknown "
         "key in the swept parameters; did you mean 'bus.width'? allowed: dataflow, array, "),
        (f"{FIXED}parameters: {{bus.width: [64, 100]}}\n{LAYERS}", "2: parameters.bus.width[1]: "
         "must be 64, 128 or 256 bits, not 100"),
        (f"{FIXED}parameters: {{block: [8, 8]}}\n{LAYERS}", "2: parameters.block[1]: 8 stands "
         "twice; once is allowed"),
        (f"{FIXED}parameters: {{buffers.input: [1 KiB, 1024]}}\n{LAYERS}", "2: "
         "parameters.buffers.input[1]: 1024 stands twice; once is allowed"),
        (f"{FIXED}parameters: {{array: [[4, 4], 8]}}\n{LAYERS}", "2: parameters.array[1]: must be "
         "a pair [rows, columns], not 8"),
        (f"{FIXED}parameters: {{array: [[8]]}}\n{LAYERS}", "2: parameters.array[0]: must be "
         "a pair [rows, columns], not a list of 1"),
        (f"{FIXED}parameters: {{array: [[4, 999]]}}\n{LAYERS}", "2: parameters.array[0][1]: must "
         "be 1..256 PEs, not 999"),
        (f"{FIXED}parameters: {{array: [[4, 4]], array.rows: [4]}}\n{LAYERS}", "2: "
         "parameters.array.rows: is set by parameters.array too; remove one"),
        (f"{FIXED}parameters: {{dataflow: [two.yaml]}}\n{LAYERS}", "2: parameters.dataflow: is "
         "set by fixed.dataflow too; remove one"),
        ("fixed: {array: {rows: 3}}\nparameters: {array: [[4, 4]]}\n" + LAYERS, "2: "
         "parameters.array: is set by fixed.array.rows too; remove one"),
        (f"parameters: {{block: [8]}}\n{LAYERS}", "1: parameters: no dataflow; give it here or in "
         "fixed"),
        (f"fixed:\n  dataflow: three.yaml\nparameters: {{block: [8]}}\n{LAYERS}", "2: "
         "fixed.dataflow: there is no file"),
        (f"parameters:\n  dataflow:\n    - one.yaml\n    - three.yaml\n{LAYERS}", "4: "
         "parameters.dataflow[1]: there is no file"),
        (f"parameters: {{dataflow: [one.yaml, ./one.yaml]}}\n{LAYERS}", "1: parameters.dataflow: "
         "two dataflows are called 'one'; rename one"),
        (f"{FIXED}fixed: {{}}\nparameters: {{block: [8]}}\n{LAYERS}", "2: fixed: stands twice"),
        (f"{FIXED}parameters: {{block: [8]}}\nlayers:\n  - digits_dens\n", "4: layers[0]: the "
         "layer 'digits_dens' is unknown; did you mean 'digits_dense'?"),
        (f"{FIXED}parameters: {{block: [8]}}\nlayers:\n  - matmul:m=3\n", "4: layers[0]: layer "
         "'matmul:m=3': k is missing; matmul needs m, k, n"),
        (f"{FIXED}parameters: {{block: [8]}}\nlayer_file: none.yaml\nlayers: [a]\n", "3: "
         "layer_file: there is no file"),
        (f"{FIXED}parameters: {{block: [8, 16]}}\n{LAYERS}".replace("parameters", "fixed2"),
         "2: fixed2: unknown key in a sweep file; did you mean 'fixed'? allowed: name, fixed, "),
        (f"fixed: {{dataflow: one.yaml, nest: []}}\nparameters: {{block: [8]}}\n{LAYERS}",
         "1: fixed.nest: unknown key in what all points share; allowed: dataflow, array, "),
        (f"{FIXED}parameters: {{block: [8], post.lanes: [16]}}\n{LAYERS}", "2: post.lanes: must be "
         "at most the block of 8 channels, not 16"),
    ],
)  # fmt: skip
def test_what_is_refused(folder, text, message):
    with pytest.raises(SpecFileError) as caught:
        sweep(folder, text)
    assert str(caught.value).startswith(f"{folder}/sweep.yaml:{message}")
    assert "\n" not in str(caught.value)


def test_more_points_than_anyone_waits_for(folder):
    sides = list(range(1, 102))
    with pytest.raises(SpecFileError, match=r"make 10201 points; at most 10000 are allowed$"):
        sweep(
            folder,
            f"{FIXED}parameters: {{array.rows: {sides}, array.columns: {sides}}}\n{LAYERS}",
        )


def test_a_fault_in_a_dataflow_file_is_told_where_it_is(folder):
    (folder / "bad.yaml").write_text(MATMUL + "block: 3\n")
    with pytest.raises(SpecFileError) as caught:
        sweep(folder, f"parameters: {{dataflow: [bad.yaml]}}\n{LAYERS}")
    assert str(caught.value).startswith(f"{folder}/bad.yaml:3: block: must be 8, 16, 32 or 64")
