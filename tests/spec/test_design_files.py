"""Dataflow and design files: what ships, what may be left out, and what overrides what."""

import re
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from rtl_gen.spec.dataflow import Dataflow, PELoop, SpatialLoop
from rtl_gen.spec.design import LIMITS, Buffers, Design, Formats
from rtl_gen.spec.operation import SpecError
from rtl_gen.spec.operations import shipped_operation
from rtl_gen.spec.parse import Place, load_design, place, read_design

DATAFLOWS = Path(__file__).resolve().parents[2] / "dataflows"

BATCHED = "O[b, m, n] += A[b, m, k] * B[b, k, n]"
CONV1D = "O[n, q, k] += I[n, w=v*q+e*s-l, c] * W[s, c, k]"
CONV3D = "O[n, o, p, q, k] += I[n, z=x*o+f*m-a, h=u*p+d*r-t, w=v*q+e*s-l, c] * W[m, r, s, c, k]"
BY_OUTPUT = "O[n, q, k] += I[n, x=w-l, c] * W[s=w-q, c, k]"
BY_TAP = "O[n, q=w-e*s, k] += I[n, x=w-l, c] * W[s, c, k]"
MTTKRP = "O[i, f] += X[i, k, l] * B[k, f] * C[l, f]"

SHIPPED = [
    ("weight_stationary", "n g k c r s p q", "c", "k", (1, 0), {"W": 1}),
    ("output_stationary", "n g p q k r s c", "q", "k", (0, 0), {"O": 0}),
    ("input_stationary", "n g p q c r s k", "c", "q", (1, 0), {"I": 1}),
    ("matmul_weight_stationary", "n k m", "k", "n", (1, 0), {"B": 1}),
    ("matmul_output_stationary", "m n k", "m", "n", (0, 0), {"O": 0}),
    ("matmul_input_stationary", "m k n", "k", "m", (1, 0), {"A": 1}),
    ("output_stationary_transposed", "n g p q k r s c", "k", "q", (1, 0), {"O": 1}),
    ("weight_stationary_upwards", "n g k c r s p q", "c", "k", (-1, 0), {"W": 1}),
    ("tpu", "n g k c r s p q", "c", "k", (1, 1), {"W": 0}),
    ("nvdla", "n g k c r s p q", "c", "k", (0, 0), {"W": 1}),
    ("no_local_reuse", "n p q k c r s g", "c", "k", (0, 0), {}),
]
OWN_OPERATIONS = [
    ("batched_matmul", BATCHED, "b n k m", "k", "n", (1, 0), {"B": 1}),
    ("conv1d_output_stationary", CONV1D, "n q k s c", "q", "k", (0, 0), {"O": 0}),
    ("conv1d_weight_stationary", CONV1D, "n k c s q", "c", "k", (1, 0), {"W": 1}),
    ("conv1d_q_w", BY_OUTPUT, "n k q c w", "q", "k", (0, 0), {"O": 0}),
    ("conv1d_w_q", BY_OUTPUT, "n k c w q", "c", "w", (1, 0), {"I": 1}),
    ("conv1d_s_w", BY_TAP, "n k c s w", "c", "k", (1, 0), {"W": 1}),
    ("conv1d_w_s", BY_TAP, "n k c w s", "c", "k", (1, 0), {"I": None}),
    ("mttkrp", MTTKRP, "f l k i", "l", "f", (1, 0), {"B": 1, "C": 1}),
    ("conv3d", CONV3D, "n k c m r s o p q", "c", "k", (1, 0), {"W": 1}),
]

MATMUL = """
operation: matmul
nest:
  - {for: m}
  - {for: n}
  - {for: k}
  - {spatial: k, on: rows}
  - {spatial: n, on: columns}
"""


def write(folder, name, text):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(("name", "nest", "rows", "columns", "skew", "shift"), SHIPPED)
def test_shipped_dataflows(name, nest, rows, columns, skew, shift):
    path = DATAFLOWS / f"{name}.yaml"
    operation = shipped_operation("matmul" if name.startswith("matmul") else "conv2d")
    dataflow = Dataflow(
        name=name,
        operation=operation,
        temporal=tuple(nest.split()),
        spatial=(SpatialLoop(rows, 0), SpatialLoop(columns, 1)),
        skew=skew,
        shift=shift,
    )
    # A dataflow file alone means the reference design, which is what `Design`'s defaults are.
    assert load_design(path) == Design(name=name, dataflow=dataflow)
    assert path.read_text().startswith("# ")


def test_shipped_design_of_two_dataflows():
    design = load_design(DATAFLOWS / "weight_and_output_stationary.yaml")
    names = ["weight_stationary", "output_stationary_transposed"]
    flows = [load_design(DATAFLOWS / f"{name}.yaml").dataflow for name in names]
    assert design == Design(name=design.name, dataflow=flows[0], others=(flows[1],))
    assert [operation.name for operation in design.operations] == ["conv2d"]


@pytest.mark.parametrize(
    ("name", "einsum", "nest", "rows", "columns", "skew", "shift"), OWN_OPERATIONS
)
def test_shipped_dataflows_of_their_own_operations(name, einsum, nest, rows, columns, skew, shift):
    dataflow = load_design(DATAFLOWS / f"{name}.yaml").dataflow
    assert dataflow.operation.einsum == einsum
    assert dataflow.temporal == tuple(nest.split())
    assert dataflow.spatial == (SpatialLoop(rows, 0), SpatialLoop(columns, 1))
    assert (dataflow.skew, dataflow.shift) == (skew, shift)


def test_every_shipped_dataflow_is_tested_here():
    assert {path.stem for path in DATAFLOWS.glob("*.yaml")} == {
        *(row[0] for row in (*SHIPPED, *OWN_OPERATIONS)),
        "adaptive",
        "depthwise",
        "row_stationary",
        "shidiannao",
        "weight_and_output_stationary",
    }


def test_what_is_left_out(tmp_path):
    design = load_design(write(tmp_path, "2-by.me.yaml", MATMUL))
    assert design.name == design.dataflow.name == "_2_by_me"
    assert design == Design(name=design.name, dataflow=design.dataflow)
    assert design.dataflow.skew is None
    assert (design.dataflow.shift, design.dataflow.moving) == ({}, ())


SECOND = MATMUL.replace("{for: m}\n  - {for: n}", "{for: n}\n  - {for: m}")


def test_what_several_files_say(tmp_path):
    """Together; the design's file decides where they differ, and which skew all have."""
    write(tmp_path, "one.yaml", MATMUL + "array: {rows: 4}\nbus: {width: 64}\n")
    write(tmp_path, "two.yaml", SECOND + "array: {rows: 8, columns: 5}\nbuffers: {input: 4 KiB}\n"
          "links: {skew: {rows: 0, columns: 0}}\n")  # fmt: skip
    text = "dataflows: [one.yaml, two.yaml]\narray: {rows: 7}\n"
    design = load_design(write(tmp_path, "both.yaml", text))
    assert (design.name, design.shape, design.bus_bits) == ("both", (7, 5), 64)
    assert design.buffers == Buffers(input=4096)
    assert [flow.name for flow in design.dataflows] == ["one", "two"]
    assert [flow.skew for flow in design.dataflows] == [None, (0, 0)]
    text += "links: {skew: {rows: 1, columns: -1}}\n"
    design = load_design(write(tmp_path, "both.yaml", text))
    assert [flow.skew for flow in design.dataflows] == [(1, -1), (1, -1)]


def test_no_more_dataflows_than_descriptors_can_name(tmp_path):
    for n in range(9):
        write(tmp_path, f"flow{n}.yaml", MATMUL)
    names = ", ".join(f"flow{n}.yaml" for n in range(9))
    path = write(tmp_path, "many.yaml", f"dataflows: [{names}]\n")
    with pytest.raises(SpecError, match=r"dataflows\[8\]: 9 dataflows on one array; at most 8 are"):
        load_design(path)


def test_every_key(tmp_path):
    path = write(
        tmp_path,
        "all.yaml",
        """
name: every_key
operation:
  name: correlate
  einsum: O[q,k] += X[w = 2*q + s - l, c] * F[c, s, k]
  symbols: [l]
  weights: X
  batch: [q]
  blocked: {F: c}
nest:
  - {for: k}
  - {for: q}
  - {for: c, in: pe, max: 4}
  - {for: s, in: pe, max: 3}
  - {spatial: c, on: rows, size: 2}
  - {spatial: q, on: rows, size: 3}
  - {spatial: k, on: columns}
array: {rows: 7, columns: 5}
links: {skew: {rows: -1, columns: 1}, shift: {F: columns, O: rows}, moving: [X]}
formats: {operand_bits: 8, max_reduction: 12, accumulator_bits: 20}
buffers: {input: 4 KiB, weights: 1MiB, output: 512 B, parameters: 300, accumulators: 64}
bus: {width: 64}
post: {lanes: 2}
multiplier_registers: 2
block: 8
levels: 9
queue_words: 128
memories: sram
full_rate: true
""",
    )
    design = load_design(path)
    operation = design.dataflow.operation
    assert operation.einsum == "O[q, k] += X[w=2*q+s-l, c] * F[c, s, k]"
    assert (operation.symbols, operation.weights, operation.batch) == (("l",), "X", ("q",))
    assert operation.tensor("F").blocked == "c"
    assert design == Design(
        name="every_key",
        dataflow=Dataflow(
            name="every_key",
            operation=operation,
            temporal=("k", "q"),
            pe=(PELoop("c", 4), PELoop("s", 3)),
            spatial=(SpatialLoop("c", 0, 2), SpatialLoop("q", 0, 3), SpatialLoop("k", 1)),
            skew=(-1, 1),
            shift={"F": 1, "O": 0},
            moving=("X",),
        ),
        rows=7,
        columns=5,
        block=8,
        formats=Formats(operand_bits=8, max_reduction=12, accumulator_bits=20),
        buffers=Buffers(
            input=4096, weights=1 << 20, output=512, parameters=300, accumulators=64
        ),
        bus_bits=64,
        post_lanes=2,
        multiplier_registers=2,
        levels=9,
        queue_words=128,
        memories="sram",
        full_rate=True,
    )  # fmt: skip


def test_words_that_yaml_1_1_takes_for_truth_values(tmp_path):
    text = MATMUL.replace("matmul", "{name: no, einsum: 'O[m,n] += on[m,k] * off[k,n]'}")
    design = load_design(write(tmp_path, "words.yaml", text))
    assert design.dataflow.operation.name == "no"
    assert [tensor.name for tensor in design.dataflow.operation.operands] == ["on", "off"]


def test_a_design_overrides_its_dataflow_key_by_key(tmp_path):
    write(tmp_path, "below.yaml", f"{MATMUL}array: {{rows: 4, columns: 8}}\nbus: {{width: 64}}\n")
    (tmp_path / "designs").mkdir()
    text = "dataflow: ../below.yaml\narray: {rows: 12}\nblock: 32\nbuffers: {input: 1 KiB}\n"
    design = load_design(write(tmp_path / "designs", "tall.yaml", text))
    assert (design.name, design.dataflow.name) == ("tall", "below")
    assert design.shape == (12, 8)
    assert (design.bus_bits, design.block, design.buffers) == (64, 32, Buffers(input=1024))


def test_a_buffer_may_be_written_with_its_idiom(tmp_path):
    below = "buffers: {input: {size: 4 KiB, idiom: double_buffer}, weights: {idiom: fifo}}\n"
    design = load_design(write(tmp_path, "below.yaml", MATMUL + below))
    assert design.buffers == Buffers(input=4096, input_idiom="double_buffer", weights_idiom="fifo")
    assert [design.buffers.idiom(name) for name in ("input", "weights", "output")] == [
        "double_buffer",
        "fifo",
        "buffet",
    ]
    # Size and idiom are keys of their own: one overrides without the other.
    above = "buffers: {input: 1 KiB, weights: {size: 2 KiB}, output: 4 KiB}\n"
    design = load_design(write(tmp_path, "above.yaml", "dataflow: below.yaml\n" + above))
    assert design.buffers == Buffers(
        input=1024, weights=2048, output=4096, input_idiom="double_buffer", weights_idiom="fifo"
    )
    plain = write(tmp_path, "plain.yaml", MATMUL + "buffers: {input: 1 KiB}\n")
    above = "dataflow: plain.yaml\nbuffers: {input: {idiom: scratchpad}}\n"
    assert load_design(plain).buffers == Buffers(input=1024)
    design = load_design(write(tmp_path, "pad.yaml", above))
    assert design.buffers == Buffers(input=1024, input_idiom="scratchpad")


def test_an_idiom_from_python_is_checked_too():
    with pytest.raises(SpecError, match=r"^buffers.input.idiom: must be buffet, .* not 'cache'$"):
        Buffers(input_idiom="cache")


def test_one_folded_loop_may_take_what_the_others_leave(tmp_path):
    folded = "{spatial: m, on: rows, size: 4}\n  - {spatial: k, on: rows}"
    text = MATMUL.replace("{spatial: k, on: rows}", folded)
    design = load_design(write(tmp_path, "folded.yaml", text))
    assert design.dataflow.on_axis(0) == (SpatialLoop("m", 0, 4), SpatialLoop("k", 0))


def test_an_axis_without_loops_has_one_pe(tmp_path):
    text = "operation: conv1d\nnest: [{for: s}, {for: q}, {spatial: s, on: columns}]\n"
    assert load_design(write(tmp_path, "row.yaml", text)).shape == (1, 16)
    text += "array: {columns: 3}\n"
    assert load_design(write(tmp_path, "row.yaml", text)).shape == (1, 3)


@pytest.mark.parametrize(("block", "lanes"), [(8, 8), (16, 16), (32, 16)])
def test_lanes_follow_a_smaller_block(tmp_path, block, lanes):
    path = write(tmp_path, "block.yaml", f"{MATMUL}block: {block}\n")
    assert load_design(path).post_lanes == lanes


def test_where_a_key_is_written(tmp_path):
    below = write(tmp_path, "below.yaml", MATMUL + "links:\n  shift:\n    B: rows\n")
    above = write(tmp_path, "above.yaml", "\ndataflow: below.yaml\narray:\n  rows: 12\n")
    for key, path, line in (
        ("operation", below, 2),
        ("nest", below, 3),
        ("nest[1]", below, 5),
        ("nest[1].for", below, 5),
        ("nest.for.k", below, 6),
        ("nest.rows.k", below, 7),
        ("nest.columns.n", below, 8),
        ("nest.columns.m", below, 3),
        ("links.shift.B", below, 11),
        ("links.shift.A", below, 10),
        ("links.skew.rows", below, 9),
        ("dataflow", above, 2),
        ("array", above, 3),
        ("array.rows", above, 4),
        ("array.columns", above, 3),
        ("buffers.input", above, 1),
        ("", above, 1),
    ):
        assert read_design(above).place_of(key) == Place(str(path), line), key


def test_errors_of_other_parts_get_their_place(tmp_path):
    path = write(tmp_path, "shift.yaml", MATMUL + "links:\n  shift: {B: rows}\n")
    error = place(SpecError("no link along rows; columns has one", key="links.shift.B"), path)
    assert str(error) == f"{path}:10: links.shift.B: no link along rows; columns has one"
    assert place(error, path) is error


def make(**changes):
    fields = {"name": "any", "operation": shipped_operation("matmul"), "temporal": ("m", "n", "k")}
    return Dataflow(**fields | {"spatial": (SpatialLoop("k", 0),)} | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pe": (PELoop("k", 0),)}, "nest.pe.k: must be 1..65536 trips, not 0"),
        ({"pe": (PELoop("k", True),)}, "nest.pe.k: must be 1..65536 trips, not True"),
        ({"pe": (PELoop("x", 1),)}, "nest.pe.x: matmul has no dimension 'x'; it has m, n, k"),
        ({"spatial": (SpatialLoop("k", 2),)}, "axis must be 0 (rows) or 1 (columns), not 2"),
        ({"spatial": (SpatialLoop("k", 0, 0),)}, "nest.rows.k: must be 1..256 PEs, not 0"),
        ({"skew": (0, 2)}, "links.skew.columns: must be -1, 0 or 1 cycles, not 2"),
        ({"shift": {"B": 2}}, "links.shift.B: axis must be 0 (rows) or 1 (columns), not 2"),
        ({"shift": {"W": 0}}, "links.shift.W: matmul has no tensor 'W'; it has A, B, O"),
    ],
)
def test_dataflows_made_in_python(changes, message):
    with pytest.raises(SpecError, match=rf"^{re.escape(message)}$"):
        make(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": 0}, "array.rows: must be 1..256 PEs, not 0"),
        ({"rows": 16.0, "columns": 1}, "array.rows: must be 1..256 PEs, not 16.0"),
        ({"columns": 2}, "array.columns: no loop is laid out on the columns, so there must be 1, "
         "not 2"),
        ({"columns": 1, "bus_bits": 32}, "bus.width: must be 64, 128 or 256 bits, not 32"),
        ({"columns": 1, "post_lanes": 3}, "post.lanes: must be 1, 2, 4, 8, 16, 32 or 64 lanes, "
         "not 3"),
        ({"columns": 1, "levels": 21}, "levels: must be 6..20 levels, not 21"),
    ],
)  # fmt: skip
def test_designs_made_in_python(changes, message):
    with pytest.raises(SpecError, match=rf"^{re.escape(message)}$"):
        Design(name="any", dataflow=make(), **changes)


def test_the_reference_design():
    design = load_design(DATAFLOWS / "weight_stationary.yaml")
    assert (design.shape, design.block, design.post_lanes) == ((16, 16), 16, 16)
    assert (design.bus_bits, design.multiplier_registers) == (128, 0)
    assert (design.levels, design.queue_words) == (12, 256)
    assert design.memories == "inferred"
    buffers = design.buffers
    assert (buffers.input, buffers.weights, buffers.output) == (131072, 65536, 131072)
    assert (buffers.parameters, buffers.accumulators) == (16384, 1024)
    formats = design.formats
    assert (formats.operand_bits, formats.accumulator_bits) == (8, 32)
    assert formats.reduction == 131071


def test_limits():
    assert {key: str(limit) for key, limit in LIMITS.items()} == {
        "array.rows": "1..256 PEs",
        "array.columns": "1..256 PEs",
        "formats.operand_bits": "8 bits",
        "formats.max_reduction": f"1..{2**30 - 1} products",
        "formats.accumulator_bits": "18..32 bits",
        "buffers.input": "256 bytes to 16 MiB",
        "buffers.weights": "256 bytes to 16 MiB",
        "buffers.output": "256 bytes to 16 MiB",
        "buffers.parameters": "256 bytes to 16 MiB",
        "buffers.image": "256 bytes to 1 MiB",
        "buffers.accumulators": "1..65536 entries",
        "scratchpads.input": "2..255 words",
        "scratchpads.weights": "8..1020 words",
        "bus.width": "64, 128 or 256 bits",
        "post.lanes": "1, 2, 4, 8, 16, 32 or 64 lanes",
        "vector.lanes": "1, 2, 4, 8, 16, 32 or 64 lanes",
        "multiplier_registers": "0..4 registers",
        "block": "8, 16, 32 or 64 channels",
        "levels": "6..20 levels",
        "queue_words": "128, 256, 512, 1024, 2048 or 4096 words",
    }


def test_what_is_built_cannot_be_changed():
    dataflow = make()
    design = Design(name="any", dataflow=dataflow, columns=1)
    term = dataflow.operation.operands[0].ranks[0].terms[0]
    for frozen, field in (
        (design, "rows"),
        (design.buffers, "input"),
        (design.formats, "operand_bits"),
        (dataflow, "temporal"),
        (dataflow.spatial[0], "axis"),
        (PELoop("k", 3), "maximum"),
        (dataflow.operation, "name"),
        (dataflow.operation.operands[0].ranks[0], "name"),
        (term, "dimension"),
    ):
        with pytest.raises(FrozenInstanceError):
            setattr(frozen, field, 3)


def test_the_widest_sum_that_fits_is_allowed():
    formats = Formats(accumulator_bits=20)
    assert formats.reduction == 31
    assert Formats(accumulator_bits=20, max_reduction=31).reduction == 31
    # 31 products of -128 * -128 fit 20 bits, 32 do not: 32 * 2**14 = 2**19.
    assert formats.bits_for(31) == 20 and formats.bits_for(32) == 21
    with pytest.raises(SpecError, match=r"^formats.max_reduction: .* at most 31 are allowed$"):
        Formats(accumulator_bits=20, max_reduction=32)
