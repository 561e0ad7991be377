"""A network's layers on a design: what is fused, what is refused and how."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rtl_gen.golden.elementwise import add_factors
from rtl_gen.mapping.addition import Addition
from rtl_gen.nn.fuse import fuse_additions
from rtl_gen.nn.graph import Graph, ModelError
from rtl_gen.nn.lower import lower
from rtl_gen.nn.operators import AdditionNode
from rtl_gen.nn.tflite import read_tflite
from rtl_gen.reuse.machine import Machine
from rtl_gen.spec.parse import load_design
from tests.nn.tflite_models import File, convolution

DATAFLOWS = Path(__file__).parents[2] / "dataflows"


def machine() -> Machine:
    design = load_design(DATAFLOWS / "weight_stationary.yaml")
    return Machine(replace(design, post_add=True))


def graph_of(folder, file: File, *outputs: int) -> Graph:
    file.outputs = list(outputs)
    (folder / "model.tflite").write_bytes(file.bytes())
    return read_tflite(folder / "model.tflite")


def small() -> tuple[File, int]:
    file = File()
    x = file.tensor((1, 4, 1, 16), name="x")
    file.inputs = [x]
    return file, x


def refusals(graph: Graph) -> list[str]:
    with pytest.raises(ModelError) as caught:
        lower(graph, machine())
    return str(caught.value).splitlines()[1:]


def test_all_nodes_that_cannot_run_are_named(tmp_path):
    file, x = small()
    y = file.tensor((1, 3, 1, 16))
    window = {"Padding": 1, "StrideH": 1, "StrideW": 1, "FilterHeight": 2, "FilterWidth": 1}
    file.operator("MAX_POOL_2D", [x], [y], "Pool2DOptions", **window)
    z = file.tensor((1, 3, 1, 16), scale=1 / 256, zero=-128)
    file.operator("SOFTMAX", [y], [z], "SoftmaxOptions", Beta=1.0)
    assert refusals(graph_of(tmp_path, file, z)) == [
        "  op00_MAX_POOL_2D: a maximum pool needs a vector unit, which the design has not "
        "(vector: {lanes: 4})",
        "  op01_SOFTMAX: softmax needs a vector unit, which the design has not "
        "(vector: {lanes: 4})",
    ]


def test_a_reshape_that_would_move_data(tmp_path):
    """64 channels of 4 pixels lie by blocks of channels: as 4 x 4 pixels of 16 they would not."""
    file, x = small()
    a = convolution(file, x, k=64, r=1, s=1, c=16, out=(1, 4, 1, 64))
    b = file.tensor((1, 4, 4, 16), scale=0.1, zero=-3)
    file.operator("RESHAPE", [a], [b])
    c = convolution(file, b, k=8, c=16, out=(1, 4, 4, 8))
    (line,) = refusals(graph_of(tmp_path, file, c))
    assert line.startswith(
        "  op02_CONV_2D: takes images of (4, 4, 16) that lie in memory as (4, 1, 64); such a "
    )


def test_a_reshape_by_ones_only(tmp_path):
    file, x = small()
    a = convolution(file, x, k=16, r=1, s=1, c=16, out=(1, 4, 1, 16))
    b = file.tensor((1, 1, 4, 16), scale=0.1, zero=-3)
    file.operator("RESHAPE", [a], [b])
    c = convolution(file, b, k=8, r=1, s=1, c=16, out=(1, 1, 4, 8))
    assert len(lower(graph_of(tmp_path, file, c), machine()).nodes) == 2


def test_a_fully_connected_layer_takes_the_image_as_it_lies(tmp_path):
    """Behind a sum of flattened images the filter is as large as the image of its layers."""
    file, x = small()
    parts = []
    for _ in range(2):
        a = convolution(file, x, k=16, r=1, s=1, c=16, out=(1, 4, 1, 16))
        parts.append(file.tensor((1, 64), scale=0.1, zero=-3))
        file.operator("RESHAPE", [a], [parts[-1]])
    s = file.tensor((1, 64), scale=0.2)
    file.operator("ADD", parts, [s], "AddOptions")
    weight = file.constant(np.ones((5, 64), np.int8), scale=0.25)
    y = file.tensor((1, 5), scale=0.3)
    file.operator("FULLY_CONNECTED", [s, weight], [y], "FullyConnectedOptions")
    lowered = lower(graph_of(tmp_path, file, y), machine())
    assert list(lowered.fused) == [1] and lowered.name(1) == "op02_CONV_2D + op04_ADD"
    assert {d: lowered.nodes[2].layer.sizes[d] for d in "rsc"} == {"r": 4, "s": 1, "c": 16}


def added(*nodes, outputs="abc", inputs="x", read="") -> tuple[dict, list[str]]:
    """Additions written as sum=first+second, of layers that give a, b and c."""
    addition = Addition(factors=add_factors(1, 1, 1), own_zero=1, residual_zero=2)
    made = []
    for n, text in enumerate(nodes):
        output, operands = text.split("=")
        pair = tuple(operands.split("+"))
        made.append(AdditionNode(name=f"add{n}", addition=addition, inputs=pair, output=output))
    return fuse_additions(outputs, made, inputs=inputs, read=read)


def test_the_later_of_two_layers_adds():
    fused, problems = added("s=a+c")
    assert not problems and fused[2].residual == "a"
    assert (fused[2].addition.own_zero, fused[2].addition.residual_zero) == (2, 1)
    fused, problems = added("s=c+a", "t=b+x")
    assert not problems and fused[2].residual == "a" and fused[1].residual == "x"
    assert (fused[2].addition.own_zero, fused[2].addition.residual_zero) == (1, 2)
    # A sum is the residual of another.
    fused, problems = added("s=a+b", "t=s+c")
    assert not problems and (fused[1].residual, fused[2].residual) == ("a", "s")


@pytest.mark.parametrize(
    "nodes, read, message",
    [
        (("s=a+b",), "b", "add0: b, to which it adds, is needed as it is as well"),
        (("s=a+b", "t=b+c"), "", "add0: b, to which it adds, is needed as it is as well"),
        (("s=b+c", "t=s+a"), "", "add1: the layer that gives s adds already"),
        (("s=x+x",), "", "add0: adds inputs of the network; one must be a layer's output"),
        (("s=a+a",), "", "add0: both operands, a and a, come from one layer"),
        (("s=a+d",), "", "add0: no layer gives its operand d"),
    ],
)
def test_additions_that_cannot_be_fused(nodes, read, message):
    assert added(*nodes, read=read)[1][0] == message


def test_outputs_that_cannot_be(tmp_path):
    file, x = small()
    y = convolution(file, x, k=16, r=1, s=1, c=16, out=(1, 4, 1, 16))
    assert refusals(graph_of(tmp_path, file, x, y)) == ["  output x: no layer gives it"]


def test_a_part_of_a_network_ends_with_a_node_it_has(tmp_path):
    file, x = small()
    a = convolution(file, x, k=16, r=1, s=1, c=16, out=(1, 4, 1, 16))
    b = convolution(file, a, k=8, r=1, s=1, c=16, out=(1, 4, 1, 8))
    graph = graph_of(tmp_path, file, b)
    assert [port.tensor for port in graph.until("op00_CONV_2D").outputs] == [graph.nodes[0].output]
    with pytest.raises(ModelError, match="has no node op99, but op00_CONV_2D, op01_CONV_2D"):
        graph.until("op99")
