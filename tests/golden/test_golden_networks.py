"""Golden against TFLite's own intermediate tensors, every operation of two networks."""

import json
import zlib
from dataclasses import dataclass

import numpy as np
import pytest

from rtl_gen.golden.convolution import conv2d_int8, depthwise_int8, fully_connected_int8
from rtl_gen.golden.elementwise import add, add_factors
from rtl_gen.golden.pooling import average_pool
from rtl_gen.golden.quantize import quantize_multiplier
from rtl_gen.golden.softmax import softmax, softmax_factor

pytestmark = pytest.mark.shared_data

OPERATIONS = [("ic_resnet8", i) for i in range(16)] + [("kws_dscnn", i) for i in range(13)]


@dataclass(frozen=True)
class Network:
    graph: dict
    weights: dict
    io: dict
    trace: dict


@pytest.fixture(scope="module")
def networks(shared_data):
    return {name: read_network(shared_data / name, name) for name in ("ic_resnet8", "kws_dscnn")}


def read_network(folder, name):
    parts = {}
    for part in ("weights", "io", "trace"):
        with np.load(folder / f"{name}_{part}.npz") as file:
            parts[part] = {key: file[key] for key in file.files}
    return Network(graph=json.loads((folder / "graph.json").read_text()), **parts)


def run_operation(operation, inputs, weights):
    """One operation of graph.json on its input tensors."""
    kind, x = operation["op"], inputs[0]
    if kind == "RESHAPE":
        return x.reshape(x.shape[0], *operation["out_shape"][1:])
    if kind == "SOFTMAX":
        return softmax(
            x,
            multiplier=operation["input_multiplier"],
            left_shift=operation["input_left_shift"],
            diff_min=operation["diff_min"],
        )
    clamps = {"act_min": operation["act_min"], "act_max": operation["act_max"]}
    if kind == "AVERAGE_POOL_2D":
        window = {"kernel": operation["kernel"], "stride": operation["stride"]}
        return average_pool(x, pad=operation["pad_tlbr"], **window, **clamps)
    quantized = clamps | {"output_zero": operation["y_zp"]}
    if kind == "ADD":
        factors = operation["m1"], operation["m2"], operation["mo"]
        zeros = {"first_zero": operation["x_zp"], "second_zero": operation["x2_zp"]}
        return add(*inputs, factors, **zeros, **quantized)
    name = f"op{operation['i']:02d}"
    data = (x, weights[f"{name}_w"], weights[f"{name}_b"])
    data += (np.array(operation["multiplier"]), np.array(operation["shift"]))
    quantized["input_zero"] = operation["x_zp"]
    if kind == "FULLY_CONNECTED":
        return fully_connected_int8(*data, **quantized)
    function = {"CONV_2D": conv2d_int8, "DEPTHWISE_CONV_2D": depthwise_int8}[kind]
    quantized |= {"stride": operation["stride"], "dilation": operation["dilation"]}
    return function(*data, pad=operation["pad_tlbr"], **quantized)


def activations(operation):
    """Number of an operation's inputs that are activations."""
    return 2 if operation["op"] == "ADD" else 1


@pytest.mark.parametrize("name, index", OPERATIONS)
def test_operation_against_trace(networks, name, index):
    """Each operation alone, on TFLite's tensors, so that no error hides behind another."""
    network = networks[name]
    tensors = {network.graph["inputs"][0]: network.io["x"][:6]}
    for operation in network.graph["ops"]:
        key = f"op{operation['i']:02d}_{operation['op']}"
        tensors[operation["output"]] = network.trace[key]
    operation = network.graph["ops"][index]
    inputs = [tensors[tensor] for tensor in operation["inputs"][: activations(operation)]]
    result = run_operation(operation, inputs, network.weights)
    assert result.dtype == np.int8
    np.testing.assert_array_equal(result, tensors[operation["output"]])


@pytest.mark.parametrize("name", ["ic_resnet8", "kws_dscnn"])
def test_network_end_to_end(networks, name):
    """All twelve inputs from pixels to classes; the checksum of every operation's output."""
    network = networks[name]
    tensors = {network.graph["inputs"][0]: network.io["x"]}
    for operation in network.graph["ops"]:
        inputs = [tensors[tensor] for tensor in operation["inputs"][: activations(operation)]]
        result = run_operation(operation, inputs, network.weights)
        tensors[operation["output"]] = result
        checksums = [zlib.crc32(np.ascontiguousarray(image).tobytes()) for image in result]
        expected = network.io["op_crc32"][:, operation["i"]].tolist()
        assert checksums == expected, f"op {operation['i']} {operation['op']}"
    np.testing.assert_array_equal(tensors[network.graph["outputs"][0]], network.io["y"])


@pytest.mark.parametrize("name", ["ic_resnet8", "kws_dscnn"])
def test_factors_from_scales(networks, name):
    """Multipliers and shifts, worked out from the scales of the model file."""
    for operation in networks[name].graph["ops"]:
        kind = operation["op"]
        if kind == "ADD":
            scales = operation["x_scale"], operation["x2_scale"], operation["y_scale"]
            expected = [tuple(operation[part]) for part in ("m1", "m2", "mo")]
            assert list(add_factors(*scales)) == expected
        elif kind == "SOFTMAX":
            parts = ("input_multiplier", "input_left_shift", "diff_min")
            expected = tuple(operation[part] for part in parts)
            assert softmax_factor(operation["x_scale"], operation["beta"]) == expected
        elif "multiplier" in operation:
            product = operation["x_scale"] * np.array(operation["w_scale"], np.float64)
            if kind == "FULLY_CONNECTED":
                product = np.float64(np.float32(product))
            multiplier, shift = quantize_multiplier(product / operation["y_scale"])
            assert multiplier.tolist() == operation["multiplier"]
            assert shift.tolist() == operation["shift"]
