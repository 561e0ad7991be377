"""Layers as text and files of them."""

import csv
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl_gen.spec.layer import Layer, Quantization, conv2d, matmul
from rtl_gen.spec.layer_text import LAYERS_FILE, find_layer, load_layers, parse_layer
from rtl_gen.spec.operation import SpecError, parse_einsum
from rtl_gen.spec.yaml_lines import SpecFileError

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits" / "digits.onnx"


def test_input_given():
    text = "conv2d:k=64,c=3,h=224,w=200,r=7,s=5,stride=2,pad=3"
    expected = conv2d(
        name=text, k=64, c=3, h=224, w=200, r=7, s=5, stride=(2, 2), pad=(3, 3, 3, 3)
    )  # fmt: skip
    assert parse_layer(text) == expected
    assert (expected.sizes["p"], expected.sizes["q"]) == (112, 101)


def test_output_given_means_the_smallest_input():
    layer = parse_layer("conv2d:k=32,c=16,p=14,q=14,r=3,s=3,stride=2,pad=1", name="mine")
    assert layer.name == "mine"
    assert layer.extents == {"h": 27, "w": 27}
    assert (layer.sizes["p"], layer.sizes["q"]) == (14, 14)


def test_pairs_and_four_paddings():
    layer = parse_layer(
        "conv2d: k=4, c=6, n=2, groups=2, h=20, w=30, r=3, s=2, "
        "stride=1x3, dilation=2x1, pad=1x2x3x4, "
        "input_zero=-128, output_zero=5, act_min=5, act_max=100, rounding=single"
    )
    assert layer.sizes == {"n": 2, "g": 2, "k": 2, "c": 3, "p": 20, "q": 12, "r": 3, "s": 2}
    assert layer.symbols == {"u": 1, "v": 3, "d": 2, "e": 1, "t": 1, "l": 2}
    assert layer.quantization == Quantization(
        input_zero=-128, output_zero=5, act_min=5, act_max=100, rounding="single"
    )
    rows_and_columns = parse_layer("conv2d:k=1,c=1,h=8,w=8,r=3,s=3,pad=1x2")
    assert (rows_and_columns.sizes["p"], rows_and_columns.sizes["q"]) == (8, 10)


def test_depthwise_is_a_convolution_of_single_channels():
    layer = parse_layer("depthwise:c=144,h=56,w=56,r=3,s=3,stride=2,pad=0x0x1x1", name="dw")
    pad = (0, 0, 1, 1)
    assert layer == conv2d(
        name="dw", k=144, c=144, groups=144, h=56, w=56, r=3, s=3, stride=(2, 2), pad=pad
    )
    assert layer.macs == 1016064


def test_what_a_convolution_has_unless_told_otherwise():
    layer = conv2d(k=2, c=3, h=5, w=6, r=3, s=2)
    assert layer == Layer(
        name="conv2d",
        operation="conv2d",
        sizes={"n": 1, "g": 1, "k": 2, "c": 3, "p": 3, "q": 5, "r": 3, "s": 2},
        symbols={"u": 1, "v": 1, "d": 1, "e": 1, "t": 0, "l": 0},
        extents={"h": 5, "w": 6},
        quantization=Quantization(
            input_zero=0, output_zero=0, act_min=-128, act_max=127, rounding="double"
        ),
    )


def test_matmul():
    assert parse_layer("matmul:m=4,k=32,n=8,output_zero=-3", name="fc") == matmul(
        name="fc", m=4, k=32, n=8, quantization=Quantization(output_zero=-3)
    )


def test_any_operation():
    assert parse_layer("conv1d:q=10,s=3", name="x") == Layer(
        name="x", operation="conv1d", sizes={"q": 10, "s": 3}, extents={"w": 12}
    )
    assert parse_layer("conv1d:q=10,s=3,w=11").extents == {"w": 11}
    assert parse_layer("conv1d:q=1,s=1").extents == {"w": 1}
    strided = parse_einsum(
        "O[p,k] += I[h = u*p - r + t, c] * W[r,c,k]", name="strided", symbols=("u", "t")
    )
    layer = parse_layer("strided:p=4,k=2,r=3,c=5,u=2,t=2", operations=[strided])
    assert layer.sizes == {"p": 4, "k": 2, "r": 3, "c": 5}
    assert layer.symbols == {"u": 2, "t": 2}
    assert layer.extents == {"h": 9}  # 2 * 3 - 0 + 2, and one more


@given(
    st.integers(1, 30), st.integers(1, 5), st.integers(1, 3), st.integers(1, 2), st.integers(0, 2),
    st.integers(0, 2),
)  # fmt: skip
def test_derived_input_gives_the_output_and_no_smaller_one_does(p, r, stride, dilation, top, below):
    smallest = (p - 1) * stride + (r - 1) * dilation + 1 - top - below
    fixed = f"r={r},s=1,dilation={dilation},stride={stride},pad={top}x0x{below}x0"
    text = f"conv2d:k=1,c=1,p={p},q=1,{fixed}"
    if smallest < 1:
        with pytest.raises(SpecError, match="leaves no input"):
            parse_layer(text)
        return
    layer = parse_layer(text)
    assert (layer.sizes["p"], layer.extents["h"]) == (p, smallest)
    if smallest > 1 and p > 1:
        less = parse_layer(f"conv2d:k=1,c=1,h={smallest - 1},w=1,{fixed}")
        assert less.sizes["p"] == p - 1


CONV = "conv2d:k=4,c=4,r=3,s=3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("conv3d:k=4", "the kind 'conv3d' is unknown; did you mean 'conv2d'? allowed: conv2d, "
         "depthwise, matmul or conv1d"),
        (":", "the kind '' is unknown; allowed: conv2d, depthwise, matmul or conv1d"),
        ("conv2d", "a size is missing; key=value is expected, such as conv2d:k=32"),
        ("conv2d:", "a size is missing; key=value is expected, such as conv2d:k=32"),
        (f"{CONV},", "a size is missing; key=value is expected, such as conv2d:k=32"),
        (f"{CONV},p14", "'p14' must read key=value, such as conv2d:k=32"),
        (f"{CONV},p=", "'p=' must read key=value, such as conv2d:k=32"),
        (f"{CONV},k=5", "k stands twice; once is allowed"),
        (f"{CONV},strides=2", "unknown key 'strides'; did you mean 'stride'? conv2d has k, c, r, "
         "s, p, q, h, w, n, stride, dilation, pad, groups, input_zero, output_zero, "
         "act_min, act_max, rounding"),
        ("conv2d:k=4,c=4,r=3,p=4,q=4", "s is missing; conv2d needs k, c, r, s"),
        ("matmul:m=4,k=4", "n is missing; matmul needs m, k, n"),
        ("conv1d:q=4", "s is missing; conv1d needs q, s"),
        (CONV, "either p and q or h and w must be given, not none"),
        (f"{CONV},p=4", "either p and q or h and w must be given, not p"),
        (f"{CONV},p=4,w=4", "either p and q or h and w must be given, not p, w"),
        (f"{CONV},p=4,q=4,h=6,w=6", "either p and q or h and w must be given, not p, q, h, w"),
        (f"{CONV},p=4,q=0", "q must be at least 1, not 0"),
        (f"{CONV},p=4,q=4.5", "q must be a whole number, not '4.5'"),
        (f"{CONV},p=4,q=9999999999", "q must be a whole number, not '9999999999'"),
        (f"{CONV},p=4,q=4,stride=0", "stride must be at least 1, not 0"),
        (f"{CONV},p=4,q=4,stride=1x2x3", "stride must be a whole number or two as AxB, not "
         "'1x2x3'"),
        (f"{CONV},p=4,q=4,dilation=1x-1", "dilation must be at least 1, not -1"),
        (f"{CONV},p=4,q=4,pad=1x2x3", "pad must be a whole number, two as AxB or four as "
         "TxLxBxR, not '1x2x3'"),
        (f"{CONV},h=4,w=4,pad=-1", "pad must be at least 0, not -1"),
        (f"{CONV},h=2,w=4", "the padded image, 2 x 4, must not be smaller than the filter"),
        (f"{CONV},h=6,w=1,pad=3x0x4x1,dilation=8", "the padded image, 13 x 2, must not be"),
        (f"{CONV},p=1,q=1,pad=2", "p = 1 with this padding leaves no input; give h and w, or pad "
         "less"),
        (f"{CONV},p=4,q=4,groups=3", "groups must divide c = 4 and k = 4, not 3"),
        (f"{CONV},p=4,q=4,groups=0", "groups must be at least 1, not 0"),
        ("depthwise:c=4,p=4,q=4,r=3,s=3,k=8", "unknown key 'k'; depthwise has c, r, s"),
        (f"{CONV},p=4,q=4,output_zero=-129", "output_zero must be -128..127, not -129"),
        (f"{CONV},p=4,q=4,input_zero=128", "input_zero must be -128..127, not 128"),
        (f"{CONV},p=4,q=4,act_min=3,act_max=2", "act_min 3 must not exceed act_max 2"),
        (f"{CONV},p=4,q=4,rounding=up", "rounding must be 'double' or 'single', not 'up'"),
    ],
)  # fmt: skip
def test_what_is_refused(text, message):
    with pytest.raises(SpecError) as caught:
        parse_layer(text, name="mine")
    quoted = repr(text) if len(repr(text)) <= 60 else f"{text!r:.57}..."
    assert str(caught.value).startswith(f"layer {quoted}: {message}")


def test_find_layer():
    layers = {"first": parse_layer("matmul:m=1,k=2,n=3")}
    assert find_layer("first", layers) is layers["first"]
    assert find_layer("matmul:m=1,k=2,n=3", {}) == layers["first"]
    message = "the layer 'frist' is unknown; did you mean 'first'? known: first; or text"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}"):
        find_layer("frist", layers)
    assert find_layer("digits_conv0") == load_layers()["digits_conv0"]


def test_the_file_of_names_is_read_only_for_a_name(monkeypatch, tmp_path):
    """A package without its checkout has no such file: text still works, a name is explained."""
    from rtl_gen.spec import layer_text

    monkeypatch.setattr(layer_text, "LAYERS_FILE", tmp_path / "none.yaml")
    assert find_layer("matmul:m=1,k=2,n=3").macs == 6
    with pytest.raises(SpecError, match=r"rtl-gen runs from its checkout \(pip install -e \.\)"):
        find_layer("digits_conv0")


def test_files_of_layers(tmp_path):
    path = tmp_path / "layers.yaml"
    path.write_text("one: matmul:m=1,k=2,n=3\ntwo: matmul:m=1,k=2,n=4\n")
    assert list(load_layers(path)) == ["one", "two"]
    assert load_layers(path)["two"] == matmul(name="two", m=1, k=2, n=4)
    for text, message in (
        ("one: matmul:m=1,k=2,n=3\ntwo: matmul:m=1,k=2\n", "2: two: n is missing; matmul needs"),
        (f"one: {CONV},p=4,q=4,groups=3\n", "1: one: groups must divide c = 4 and k = 4, not 3"),
        ("one: 3\n", "1: one: must be the text of a layer, not 3"),
        ("a b: matmul:m=1,k=2,n=3\n", "1: a b: a name of letters, digits and underscores is"),
    ):
        path.write_text(text)
        with pytest.raises(SpecFileError) as caught:
            load_layers(path)
        assert str(caught.value).startswith(f"{path}:{message}")


def test_the_shipped_layers_of_the_digits_are_those_of_the_model():
    import onnx

    model = onnx.load(DIGITS)
    shapes = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    weights = [shapes[node.input[3]] for node in model.graph.node if node.op_type == "QLinearConv"]
    dense = [shapes[node.input[3]] for node in model.graph.node if node.op_type == "QLinearMatMul"]
    layers = [v for name, v in load_layers().items() if name.startswith("digits_")]
    found = [[layer.sizes[d] for d in "kcrs"] for layer in layers if layer.operation == "conv2d"]
    assert found == weights
    assert [[v.sizes["k"], v.sizes["n"]] for v in layers if v.operation == "matmul"] == dense
    # Each layer's input is the output of the one before.
    sides = [(v.extents["h"], v.sizes["p"]) for v in layers if v.operation == "conv2d"]
    assert sides == [(8, 8), (8, 8), (8, 4)]


def test_the_shipped_file_has_one_of_each_kind():
    layers = load_layers()
    assert len(layers) >= 15
    resnet = [v for name, v in layers.items() if name.startswith("resnet50_")]
    mobilenet = [v for name, v in layers.items() if name.startswith("mobilenetv2_")]
    assert {v.sizes["r"] for v in resnet if v.operation == "conv2d"} == {1, 3, 7}
    assert {v.symbols["u"] for v in mobilenet if v.sizes.get("g", 1) > 1} == {1, 2}
    assert all(any(v.operation == "matmul" for v in net) for net in (resnet, mobilenet))
    assert LAYERS_FILE.read_text().startswith("# ")


@pytest.mark.shared_data
def test_the_shipped_layers_are_those_of_the_networks(shared_data):
    with (shared_data / "layers.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    fields = ["C", "K", "H", "W", "R", "S", "P", "Q", "MACs"]
    networks = {"resnet50": "resnet50_v1.5", "mobilenetv2": "mobilenet_v2_1.0_224"}
    known = {
        (row["network"], *(int(row[f]) for f in fields))
        for row in rows
        if row["network"] in networks.values()
    }
    checked = 0
    for name, layer in load_layers().items():
        network = networks.get(name.partition("_")[0])
        if network is None:
            continue
        size = layer.sizes
        if layer.operation == "matmul":
            shape = (size["k"], size["n"], 1, 1, 1, 1, 1, 1)
        else:
            shape = (size["c"] * size["g"], size["k"] * size["g"])
            shape += (*layer.extents.values(), *(size[d] for d in "rspq"))
        assert (network, *shape, layer.macs) in known, name
        checked += 1
    assert checked >= 12
