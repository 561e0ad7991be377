"""What a vector unit is not built for, and what its layers may not be."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rtl_gen.mapping.encode import encode_layer
from rtl_gen.mapping.mapper import choose_mapping
from rtl_gen.mapping.mapping import MappingError
from rtl_gen.mapping.program import LayerData, Program, VectorData
from rtl_gen.mapping.vector_mapping import VectorMapping
from rtl_gen.nn.graph import ModelError
from rtl_gen.nn.operators import PoolNode, SoftmaxNode, TableNode
from rtl_gen.nn.vector_layers import vector_node
from rtl_gen.reuse.fused_machine import machine_of
from rtl_gen.spec.operation import SpecError
from rtl_gen.spec.parse import load_design

DATAFLOWS = Path(__file__).resolve().parents[2] / "dataflows"


def design(dataflow, **others):
    return replace(load_design(DATAFLOWS / f"{dataflow}.yaml"), vector_lanes=4, **others)


@pytest.fixture(scope="module")
def machine():
    return machine_of(design("weight_stationary"))


@pytest.mark.parametrize(
    "dataflow, why",
    [
        ("output_stationary", "sums stay in the PEs"),
        ("input_stationary", "the outputs of a step do not lie side by side in one word"),
        ("matmul_weight_stationary", "matmul has no images of rows and columns"),
        ("depthwise", "no dataflow takes one word of the input a step"),
        ("row_stationary", "operands come on tagged buses"),
    ],
)
def test_arrays_that_have_none_beside_them(dataflow, why):
    with pytest.raises(SpecError, match=why) as caught:
        machine_of(design(dataflow))
    assert caught.value.key == "vector"


def softmax(channels):
    return SoftmaxNode(
        name="rows",
        shape=(channels,),
        multiplier=1 << 30,
        left_shift=20,
        diff_min=-200,
        input="x",
        output="y",
    )


def pool(kernel):
    return PoolNode(
        name="pool",
        kind="average",
        image=(40, 40, 16),
        kernel=kernel,
        stride=(1, 1),
        pad=(1, 1, 1, 1),
        act_min=-128,
        act_max=127,
        input="x",
        output="y",
    )


def test_rows_that_are_too_long(machine):
    with pytest.raises(MappingError, match="a row of 4096 elements is too long for softmax"):
        choose_mapping(machine, vector_node(softmax(4096), 1, (4096,)).layer)
    choose_mapping(machine, vector_node(softmax(4095), 1, (4095,)).layer)


def test_rows_that_do_not_lie_along_the_channels():
    with pytest.raises(ModelError, match="rows of 8 elements lie in memory as channels of"):
        vector_node(softmax(8), 1, (2, 2, 2))


def test_windows_that_are_too_large():
    with pytest.raises(ModelError, match="a window must have 1 to 255 taps, not 256"):
        vector_node(pool((16, 16)), 1, (40, 40, 16))
    vector_node(pool((15, 17)), 1, (40, 40, 16))


def test_images_of_more_dimensions():
    node = TableNode(name="t", input="x", output="y", table=np.zeros(256, np.int8))
    with pytest.raises(ModelError, match="more than rows, columns, channels"):
        vector_node(node, 1, (2, 2, 2, 2))


def test_rows_are_not_cut(machine):
    made = vector_node(softmax(64), 1, (64,))
    softmaxes = next(one for one in machine.vectors if one.function == "softmax")
    with pytest.raises(MappingError, match="softmax takes all 64 of c at once"):
        VectorMapping(softmaxes, made.layer, {"c": 32})


def test_a_maximum_has_no_table(machine):
    """No engine gets a descriptor for words that a layer has not."""
    largest = replace(pool((3, 3)), kind="max")
    made = vector_node(largest, 1, (40, 40, 16))
    words = encode_layer(choose_mapping(machine, made.layer))
    assert "load_weights" not in words and "feed_weights" not in words
    made = vector_node(pool((3, 3)), 1, (40, 40, 16))
    assert "load_weights" in encode_layer(choose_mapping(machine, made.layer))


def test_numbers_are_those_of_the_layer(machine):
    made = vector_node(softmax(16), 1, (16,))
    mapping = choose_mapping(machine, made.layer)
    data = LayerData(np.zeros((1, 1, 16)).astype(np.int8), *(np.zeros(16, int),) * 3)
    with pytest.raises(MappingError, match="its numbers are not those of softmax"):
        Program().add(mapping, data, source=np.zeros((1, 1, 1, 16), np.int8))
    with pytest.raises(ValueError, match="a table has 256 entries, not 255"):
        VectorData(np.zeros(255, np.int32), *(np.zeros(16, int),) * 3)
