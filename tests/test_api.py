"""rtl-gen from Python, and a tiny design from its file to a layer in RTL."""

import dataclasses
import itertools
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

import rtl_gen
from rtl_gen.flow.design import SRAM_FILE
from rtl_gen.golden.convolution import conv2d as golden_conv2d
from rtl_gen.golden.quantize import output_int8
from rtl_gen.mapping.mapping import MappingError
from rtl_gen.nn.graph import ModelError
from rtl_gen.operands import random_operands, read_operands
from rtl_gen.report.verilog_files import memory_lines
from rtl_gen.sim.layers import golden_output, random_data
from rtl_gen.spec.layer_text import parse_layer
from rtl_gen.spec.operation import SpecError
from rtl_gen.spec.operations import shipped_operation
from rtl_gen.spec.parse import load_design

FLOWS = Path(__file__).parents[1] / "dataflows"
TINY = Path(__file__).parent / "designs" / "tiny.yaml"


@pytest.fixture(scope="module")
def tiny():
    return rtl_gen.load(TINY)


def convolution(rng, *, n=2, h=6, w=5, c=4, k=6, groups=2):
    """The arrays of a convolution 3 x 3, padded by one, as a user has them."""
    return {
        "x": rng.integers(-128, 128, (n, h, w, c), np.int8),
        "w": rng.integers(-128, 128, (k, 3, 3, c // groups), np.int8),
        "b": rng.integers(-1000, 1000, k, np.int32),
        "multiplier": rng.integers(1 << 30, (1 << 31) - 1, k, np.int32),
        "shift": rng.integers(-11, -8, k, np.int32),
    }


CONVOLUTION = "conv2d:k=6,c=4,groups=2,n=2,h=6,w=5,r=3,s=3,pad=1,input_zero=3,output_zero=-7"


def convolved(arrays):
    """What CONVOLUTION gives on these arrays: TFLite's kernels, written in other terms."""
    sums = golden_conv2d(
        arrays["x"], arrays["w"], arrays["b"], pad=(1, 1, 1, 1), groups=2, input_zero=3
    )
    return output_int8(sums, arrays["multiplier"], arrays["shift"], output_zero=-7)


def test_the_package_says_what_it_offers():
    assert set(rtl_gen.__all__) <= {
        *dir(rtl_gen),
        "Accelerator",
        "LayerFit",
        "LayerResult",
        "LoadedDesign",
        "load",
    }
    with pytest.raises(AttributeError, match=r"^module 'rtl_gen' has no attribute 'laod'$"):
        _ = rtl_gen.laod


def test_a_design_says_what_it_is(tiny):
    assert repr(tiny) == "LoadedDesign(tiny: conv2d on 4 x 4 PEs)"
    assert tiny.explain().startswith("tiny: conv2d on 4 x 4 PEs")
    assert tiny.explain_data()["array"] == {"rows": 4, "columns": 4}


def test_an_error_of_the_whole_design_has_file_and_line(tmp_path):
    file = tmp_path / "narrow.yaml"
    file.write_text(f"dataflow: {FLOWS}/weight_stationary.yaml\nblock: 8\nbus: {{width: 128}}\n")
    design = rtl_gen.load(file)
    with pytest.raises(SpecError) as caught:
        design.check()
    assert re.match(rf"^{re.escape(str(file))}:\d: \S+: .+$", str(caught.value))
    with pytest.raises(SpecError):
        design.verilog()


def test_check_says_which_layers_run(tiny):
    fits = tiny.check(["digits_conv0", "digits_dense", "conv1d:q=4,s=2"])
    assert [fit.fits for fit in fits] == [True, True, False]
    assert fits[0].cycles > fits[0].layer.macs / 16
    assert fits[2].reason == "a design that computes conv2d does not run conv1d"
    with pytest.raises(SpecError, match=r"^the layer 'digit_conv0' is unknown; did you mean"):
        tiny.check(["digit_conv0"])


def test_verilog_is_written_whole_with_its_description(tiny, tmp_path):
    files = tiny.write_verilog(tmp_path)
    text = files.verilog.read_text()
    assert text == tiny.verilog()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.json", "tiny.v"]
    facts = json.loads(files.description.read_text())
    assert facts == files.facts
    assert f"module {facts['top']}(" in text
    assert f"// Design hash: {facts['design_hash']}" in text
    ports = {port["name"]: (port["direction"], port["bits"]) for port in facts["ports"]}
    assert ports["m_axi_rdata"] == ("input", 128)
    assert ports["s_axi_awaddr"][0] == "input"
    assert ports["interrupt"] == ("output", 1)
    counts = {}
    for memory in facts["memories"]:
        shape = (memory["words"], memory["bits"])
        counts[shape] = counts.get(shape, 0) + memory["count"]
    assert counts[256, 128] == 3  # input, weights, output: 4 KiB of 16-byte words each
    assert counts[64, 4 * 32] >= 1  # accumulators behind four exits, parameters
    assert counts[256, 32] == 8  # a descriptor queue for each engine
    [output] = [one for one in facts["memories"] if one["write_bits"]]
    assert (output["bits"], output["write_bits"], output["read"]) == (128, 8, "synchronous")
    assert any(one["read"] == "asynchronous" for one in facts["memories"])
    lines = memory_lines(facts)
    assert "   2 x    256 words of 128 bits, written by 8, read in a cycle (block RAM)" in lines
    bits = sum(words * width * count for (words, width), count in counts.items())
    total = f"{sum(counts.values()):4} memories of {len(facts['memories'])} kinds, "
    assert lines[-1] == f"{total}{bits / 8192:,.1f} KiB"


def test_a_design_with_srams_comes_with_their_module(tmp_path):
    """What the user made of it is not written over."""
    design = rtl_gen.LoadedDesign(None, dataclasses.replace(load_design(TINY), memories="sram"))
    files = design.write_verilog(tmp_path)
    assert files.wrapper == tmp_path / "rtl_gen_sram.v"
    assert files.wrapper.read_text() == SRAM_FILE.read_text()
    plain = rtl_gen.load(TINY).write_verilog(tmp_path / "plain")
    assert plain.wrapper is None and not (tmp_path / "plain" / "rtl_gen_sram.v").exists()
    assert files.facts["design_hash"] != plain.facts["design_hash"]

    def shapes(facts):
        keys = ("count", "words", "bits", "write_bits", "read")
        return [[memory[key] for key in keys] for memory in facts["memories"]]

    assert shapes(files.facts) == shapes(plain.facts)
    for memory in files.facts["memories"]:
        assert memory["wrapper"] == (None if memory["read"] == "asynchronous" else "rtl_gen_sram")
    assert not any(memory["wrapper"] for memory in plain.facts["memories"])
    line = "   2 x    256 words of 128 bits, written by 8, read in a cycle (rtl_gen_sram)"
    assert line in memory_lines(files.facts)

    files.wrapper.write_text("// macros\n")
    assert design.write_verilog(tmp_path).wrapper.read_text() == "// macros\n"
    assert design.write_verilog(tmp_path, array=True).wrapper is None


def test_a_design_is_not_called_like_the_module_of_srams():
    with pytest.raises(SpecError, match=r"^name: is the name of the memories' module$"):
        dataclasses.replace(load_design(TINY), memories="sram", name="rtl_gen_sram")


def test_the_bare_array_is_another_file(tiny, tmp_path):
    files = tiny.write_verilog(tmp_path, array=True)
    assert files.verilog.name == "tiny_array.v"
    assert files.facts["memories"] == []
    assert memory_lines(files.facts) == []
    assert len(files.verilog.read_text()) < len(tiny.verilog()) / 10


def test_the_header_of_an_array_tells_it_from_another(tmp_path):
    """Loops in the PE, sizes on a folded axis, and what was derived."""
    file = tmp_path / "folded.yaml"
    file.write_text(
        "operation: conv2d\n"
        "nest: [{for: n}, {for: g}, {for: k}, {for: r}, {for: p}, {for: q}, "
        "{for: c, in: pe, max: 3}, {spatial: s, on: rows, size: 2}, {spatial: c, on: rows}, "
        "{spatial: k, on: columns}]\n"
        "array: {rows: 7, columns: 4}\n"
    )
    header = rtl_gen.load(file).verilog(array=True).split("\n\n")[0]
    assert "//   in_pe: ['c, at most 3']" in header
    assert "//   spatial: [s on 2 rows, c on 3 rows, k on 4 columns]" in header
    assert "//   shift: {W: columns}" in header
    file.write_text(
        "operation: conv2d\n"
        "nest: [{for: n}, {for: g}, {for: k}, {for: p}, {for: q}, {for: r}, {for: c}, {for: s}, "
        "{spatial: q, on: rows}, {spatial: k, on: columns}]\n"
        "links: {skew: {rows: 0, columns: 0}, moving: [I]}\n"
        "array: {rows: 4, columns: 4}\n"
    )
    header = rtl_gen.load(file).verilog(array=True).split("\n\n")[0]
    assert "//   moving: [I]" in header and "//   phases: [I.h, I.w]" in header


# Numbers of a layer


def test_a_matmul_has_the_same_numbers_on_a_conv2d_design():
    layer = parse_layer("matmul:m=3,k=10,n=5,input_zero=4")
    matmul = random_operands(shipped_operation("matmul"), layer, seed=9)
    conv = random_operands(shipped_operation("conv2d"), layer, seed=9)
    assert conv.layer.operation == "conv2d" and conv.layer.macs == layer.macs
    assert (conv.layer.sizes["q"], conv.layer.sizes["c"], conv.layer.sizes["k"]) == (3, 10, 5)
    assert (conv.source.reshape(3, 10) == matmul.source).all()
    assert (conv.data.weights.reshape(10, 5) == matmul.data.weights).all()
    assert (conv.data.bias == matmul.data.bias.reshape(-1)).all()


def test_a_seed_gives_the_same_numbers_and_another_others():
    layer = parse_layer("conv2d:k=4,c=6,h=5,w=5,r=3,s=3,groups=2")
    conv2d = shipped_operation("conv2d")
    one, same, other = (random_operands(conv2d, layer, seed) for seed in (1, 1, 2))
    assert (one.source == same.source).all() and (one.data.weights == same.data.weights).all()
    assert (one.source != other.source).any()


def test_frameworks_shapes_and_back_change_nothing():
    layer = parse_layer("conv2d:k=4,c=6,h=5,w=5,r=2,s=3,groups=2,n=2")
    conv2d = shipped_operation("conv2d")
    source, data = random_data(conv2d, layer, 1)
    operands = random_operands(conv2d, layer, 1)
    assert (operands.source == source).all()
    assert (operands.data.weights == data.weights).all()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"w": None}, r"w is missing; the file must have x, w, b, multiplier, shift, it has x, b,"),
        ({"x": np.zeros((2, 6, 5, 3), int)}, r"x must have the shape \(2, 6, 5, 4\), not \(2, 6"),
        ({"w": np.zeros((6, 3, 3, 2))}, r"w must hold integers, not float64$"),
        ({"shift": np.full(6, 31)}, r"shift must lie within -31..30, not 31..31$"),
        ({"multiplier": np.full(6, -1)}, r"multiplier must lie within 0..2147483647, not -1..-1$"),
        ({"b": np.zeros(5, int)}, r"b must have the shape \(6,\), not \(5,\)$"),
    ],
)
def test_data_that_do_not_fit_are_refused(tmp_path, change, message):
    arrays = convolution(np.random.default_rng(0)) | change
    file = tmp_path / "data.npz"
    np.savez(file, **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(ModelError, match=rf"^{re.escape(str(file))}: {message}"):
        read_operands(shipped_operation("conv2d"), parse_layer(CONVOLUTION), file)


def test_files_that_hold_no_arrays_are_refused(tmp_path):
    layer, conv2d = parse_layer(CONVOLUTION), shipped_operation("conv2d")
    text, single = tmp_path / "text.npz", tmp_path / "single.npy"
    text.write_text("hello")
    np.save(single, np.zeros(3))
    for file, message in (
        (tmp_path / "none.npz", "No such file or directory"),
        (text, "not an .npz file of plain arrays"),
        (single, "an .npz file with several arrays is expected, not .npy"),
    ):
        with pytest.raises(ModelError, match=rf"^{re.escape(str(file))}: {message}$"):
            read_operands(conv2d, layer, file)


def damaged(file, arrays, *, name="x", raw=None, method=None, flip=False):
    """An .npz file whose member ``name`` is not as numpy writes it."""
    np.savez_compressed(file, **arrays)
    with zipfile.ZipFile(file) as old:
        members = {info.filename: old.read(info) for info in old.infolist()}
    if raw is not None:
        members.pop(f"{name}.npy")
        members[name] = raw
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for member, content in members.items():
            new.writestr(member, content)
    with zipfile.ZipFile(file) as new:
        info = new.getinfo(name if raw is not None else f"{name}.npy")
        central, begin = new.start_dir, info.header_offset + 30 + len(info.filename)
    content = bytearray(file.read_bytes())
    if method is not None:  # in the local header and in the directory at the end
        entry = content.index(info.filename.encode(), central) - 46
        content[info.header_offset + 8] = content[entry + 10] = method
    if flip:
        content[begin : begin + 16] = bytes(16 * [0xFF])
    file.write_bytes(content)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"raw": b"no array"}, r"x is no array in numpy's \.npy format$"),
        ({"flip": True}, r"x cannot be read: Error -3 while decompressing data: .+$"),
        ({"method": 99}, r"x cannot be read: .*compression.*$"),
    ],
)
def test_damaged_members_are_refused_and_others_not_looked_at(tmp_path, change, message):
    layer, conv2d = parse_layer(CONVOLUTION), shipped_operation("conv2d")
    file = tmp_path / "data.npz"
    arrays = convolution(np.random.default_rng(0))
    damaged(file, arrays, **change)
    with pytest.raises(ModelError, match=rf"^{re.escape(str(file))}: {message}"):
        read_operands(conv2d, layer, file)
    damaged(file, arrays | {"note": np.zeros(3)}, name="note", **change)
    assert read_operands(conv2d, layer, file).layer == layer


LARGE_SHIFT = {"shift": np.full(6, 20), "x": np.full((2, 6, 5, 4), 100, np.int8)}


@pytest.mark.parametrize(
    "change, message",
    [
        (LARGE_SHIFT, r"shift: a sum of conv2d:\S+, shifted left, is -?\d+, beyond int32;"),
        ({"b": np.full(6, (1 << 31) - 1)}, r"b: a sum of conv2d:\S+ is \d+, beyond int32;"),
        (
            {"b": np.full(6, -(1 << 31)), "w": np.full((6, 3, 3, 2), 127), "x": np.full(
                (2, 6, 5, 4), 3)},
            r"b: conv2d:\S+: a bias without the input's zero point exceeds int32$",
        ),
    ],
)  # fmt: skip
def test_numbers_without_a_result_are_refused_before_anything_is_built(
    tiny, tmp_path, monkeypatch, change, message
):
    def build(*_, **__):
        raise AssertionError("nothing may be built for such numbers")

    monkeypatch.setattr(rtl_gen.api, "build_machine", build)
    file = tmp_path / "data.npz"
    np.savez(file, **convolution(np.random.default_rng(5)) | change)
    with pytest.raises(ModelError, match=rf"^{re.escape(str(file))}: {message}"):
        tiny.simulate(CONVOLUTION, data=file)


def test_a_layer_that_no_memory_holds_is_mapped_but_not_drawn(tiny):
    text = "conv2d:k=10000,c=100000,h=1,w=1,r=1,s=1"
    assert tiny.check([text])[0].cycles > 0
    with pytest.raises(MappingError, match=r"elements; at most 134,217,728 can be simulated$"):
        tiny.simulate(text)


def test_a_layer_of_another_operation_is_refused():
    layer = parse_layer("conv2d:k=4,c=6,h=5,w=5,r=3,s=3", name="mine")
    with pytest.raises(
        MappingError, match=r"^mine: a design that computes matmul does not run conv2d$"
    ):
        random_operands(shipped_operation("matmul"), layer, seed=0)


# In RTL


def test_random_numbers_in_rtl(tiny):
    result = tiny.simulate("conv2d:k=6,c=5,h=6,w=5,r=3,s=3,stride=2,pad=1", seed=7)
    assert result.exact and result.first_wrong is None and result.problems == ()
    assert result.output.shape == (1, 3, 3, 6)
    assert result.macs / 16 <= result.cycles == result.counters["CYCLES_LOW"]
    assert result.mac_use == pytest.approx(result.macs / 16 / result.cycles)
    assert re.fullmatch(
        r"LayerResult\(conv2d:.*: bit-exact, 2,430 MACs, [\d,]+ cycles, MAC use \d+\.\d%, seed 7\)",
        repr(result),
    )


def test_a_depthwise_layer_runs_as_groups(tiny):
    result = tiny.simulate("depthwise:c=5,h=6,w=6,r=3,s=3,pad=1", seed=2)
    assert result.exact and result.output.shape == (1, 6, 6, 5)
    assert result.macs == 5 * 6 * 6 * 9


DEPTHWISE = """
operation: depthwise
nest:
  - {for: n}
  - {for: c}
  - {for: s}
  - {for: p}
  - {for: q}
  - {spatial: r, on: rows}
  - {spatial: c, on: columns}
array: {rows: 3, columns: 4}
buffers: {input: 4 KiB, weights: 4 KiB, output: 4 KiB, parameters: 1 KiB, accumulators: 64}
post: {lanes: 4}
"""
DEPTHWISE_LAYERS = [
    "depthwise:c=20,h=7,w=7,r=3,s=3,pad=1",
    "depthwise:c=5,h=9,w=8,r=5,s=3,stride=2,pad=2,input_zero=5",
]


@pytest.mark.long
def test_a_depthwise_design_runs_depthwise_layers(tmp_path):
    """Weights held, channels on the columns, three taps added along the rows."""
    (tmp_path / "depthwise.yaml").write_text(DEPTHWISE)
    design = rtl_gen.load(tmp_path / "depthwise.yaml")
    others = ["conv2d:k=4,c=4,h=4,w=4,r=1,s=1", "matmul:m=2,k=2,n=2"]
    fits = design.check([*DEPTHWISE_LAYERS, "mobilenetv2_depthwise", *others])
    assert [fit.fits for fit in fits] == [True, True, True, False, False]
    assert "as many groups as channels; this one has 4 input and 4 output" in fits[3].reason
    results = design.simulate_layers(DEPTHWISE_LAYERS, seed=3)
    assert [result.verdict for result in results] == ["bit-exact"] * 2
    assert results[1].output.shape == (1, 5, 5, 5)


def test_depthwise_numbers_are_those_of_the_convolution_with_as_many_groups(tmp_path):
    """The golden output of both forms is one, so RTL is compared with what the user asked for."""
    layer = parse_layer(DEPTHWISE_LAYERS[1])
    outputs = []
    for name in ("conv2d", "depthwise"):
        operation = shipped_operation(name)
        operands = random_operands(operation, layer, seed=4)
        assert operands.layer.operation == name and operands.layer.macs == layer.macs
        output = golden_output(operation, operands.layer, operands.source, operands.data)
        outputs.append(operands.result(output))
    assert (outputs[0] == outputs[1]).all() and outputs[0].shape == (1, 5, 5, 5)


def test_ones_own_numbers_in_rtl(tiny, tmp_path):
    arrays = convolution(np.random.default_rng(5))
    file = tmp_path / "data.npz"
    np.savez(file, **arrays)
    result = tiny.simulate(CONVOLUTION, data=file)
    assert result.exact and result.seed is None
    assert (result.output == convolved(arrays)).all()


def test_a_wrong_output_is_found_and_explained(tiny, monkeypatch):
    """The golden model is bent at one place: the comparison and its explanation must show it."""
    from rtl_gen.sim import layers

    right = layers.golden_output

    def bent(*arguments):
        golden = right(*arguments)
        golden[0, 0, 2, 1, 3] ^= 1
        return golden

    monkeypatch.setattr(layers, "golden_output", bent)
    result = tiny.simulate("conv2d:k=4,c=5,h=4,w=4,r=1,s=1", seed=1)
    assert not result.exact
    assert result.first_wrong == {"n": 0, "g": 0, "p": 2, "q": 1, "k": 3}
    # Walk the loops: the last of the steps at p = 2, q = 1, one for each piece of c.
    levels = result.check.mapping.levels
    steps = []
    for number, trips in enumerate(itertools.product(*(range(level.bound) for level in levels))):
        at = dict.fromkeys("pq", 0)
        for level, trip in zip(levels, trips):
            at[level.dimension] = at.get(level.dimension, 0) + level.unit * trip
        if (at["p"], at["q"]) == (2, 1):
            steps.append(number)
    assert len(steps) == 2
    assert result.verdict == f"1 wrong, first at n=0 g=0 p=2 q=1 k=3 (step {steps[-1]})"
    assert "1 of 64 outputs are wrong" in result.explain()
    assert result.plain()["bit_exact"] is False
