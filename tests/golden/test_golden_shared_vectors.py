"""Golden against results that were not written here: TFLite's reference kernels and CMSIS-NN."""

import json

import numpy as np
import pytest

from rtl_gen.golden.convolution import conv2d_int8, depthwise_int8, fully_connected_int8
from rtl_gen.golden.elementwise import add, add_factors
from rtl_gen.golden.pooling import average_pool, max_pool
from rtl_gen.golden.quantize import requantize
from rtl_gen.golden.softmax import softmax, softmax_factor
from rtl_gen.golden.window import same_padding

pytestmark = pytest.mark.shared_data

POOLS = {"AVERAGE_POOL_2D": average_pool, "MAX_POOL_2D": max_pool}


@pytest.mark.parametrize("rounding", ["double", "single"])
def test_requantization_vectors(shared_data, rounding):
    with np.load(shared_data / "vectors" / "requant.npz") as vectors:
        acc, multiplier, shift = (vectors[name] for name in ("acc", "multiplier", "shift"))
        expected = vectors[f"{rounding}_rounding"]
    assert acc.shape == (20_000,)
    np.testing.assert_array_equal(requantize(acc, multiplier, shift, rounding), expected)


# --- one operation each, TFLite ---------------------------------------------------------------


@pytest.fixture(scope="module")
def single_ops(shared_data):
    with np.load(shared_data / "vectors" / "single_ops_shared.npz") as file:
        meta = json.loads(str(file["meta_json"]))
        arrays = {name: file[name] for name in file.files}
    assert len(meta) == 130
    return meta, arrays


@pytest.mark.parametrize("rounding", ["double", "single"])
@pytest.mark.parametrize("case", range(130))
def test_single_operation(single_ops, case, rounding):
    meta, arrays = single_ops
    prefix = f"c{case:03d}_"
    tensors = {name.removeprefix(prefix): array for name, array in arrays.items() if prefix in name}
    expected = tensors["y" if rounding == "double" else "y_single_rounding"]
    result = run_single(meta[case], tensors, rounding)
    assert result.dtype == np.int8
    np.testing.assert_array_equal(result, expected)


def run_single(meta, tensors, rounding):
    operation, x = meta["op"], tensors["x"]
    if operation == "SOFTMAX":
        multiplier, left_shift, diff_min = softmax_factor(meta["x_scale"], meta["beta"])
        return softmax(x, multiplier=multiplier, left_shift=left_shift, diff_min=diff_min)
    clamps = {"act_min": meta["act_min"], "act_max": meta["act_max"]}
    if operation in POOLS:
        return POOLS[operation](
            x,
            kernel=meta["kernel"],
            stride=meta["stride"],
            pad=padding(meta, x, meta["kernel"], (1, 1)),
            **clamps,
        )
    quantized = clamps | {"output_zero": meta["y_zp"], "rounding": rounding}
    if operation == "ADD":
        factors = add_factors(meta["x_scale"], meta["b_scale"], meta["y_scale"])
        zeros = {"first_zero": meta["x_zp"], "second_zero": meta["b_zp"]}
        return add(x, tensors["x2"], factors, **zeros, **quantized)
    quantized["input_zero"] = meta["x_zp"]
    data = (x, tensors["w"], tensors["b"], tensors["multiplier"], tensors["shift"])
    if operation == "FULLY_CONNECTED":
        return fully_connected_int8(*data, **quantized)
    quantized |= {
        "stride": meta["stride"],
        "dilation": meta["dilation"],
        "pad": padding(meta, x, tensors["w"].shape[1:3], meta["dilation"]),
    }
    if operation == "DEPTHWISE_CONV_2D":
        return depthwise_int8(*data, **quantized)
    assert operation == "CONV_2D"
    return conv2d_int8(*data, groups=meta["groups"], **quantized)


def padding(meta, x, kernel, dilation):
    if meta["padding"] == "VALID":
        return (0, 0, 0, 0)
    assert meta["padding"] == "SAME"
    (top, bottom), (left, right) = (
        same_padding(x.shape[1 + a], kernel[a], stride=meta["stride"][a], dilation=dilation[a])
        for a in range(2)
    )
    return top, left, bottom, right


# --- CMSIS-NN's unit tests --------------------------------------------------------------------


@pytest.fixture(scope="module")
def cmsis(shared_data):
    with np.load(shared_data / "vectors" / "cmsis_nn_int8.npz") as file:
        meta = json.loads(str(file["meta_json"]))
        arrays = {name: file[name] for name in file.files}
    assert len(meta) == 65
    return meta, arrays


@pytest.mark.parametrize("case", range(65))
def test_cmsis_case(cmsis, case):
    meta, arrays = cmsis
    name, defines = meta[case]["name"], meta[case]["config"]
    tensors = {n.removeprefix(name + "/"): a for n, a in arrays.items() if n.startswith(name + "/")}
    # A case of fully_connected also holds arrays named `output` of an older run of theirs.
    expected = tensors["output_ref"] if "output_ref" in tensors else tensors["output"]
    result = run_cmsis(name, defines, tensors)
    assert result.dtype == np.int8
    np.testing.assert_array_equal(result.ravel(), expected, err_msg=name)


def run_cmsis(name, defines, tensors):
    if name == "add":
        return cmsis_add(defines, tensors)
    if "pooling" in name:
        return cmsis_pool(max_pool if name.startswith("max") else average_pool, defines, tensors)
    quantized = {
        "input_zero": -defines["INPUT_OFFSET"],
        "output_zero": defines["OUTPUT_OFFSET"],
        "act_min": defines["OUT_ACTIVATION_MIN"],
        "act_max": defines["OUT_ACTIVATION_MAX"],
    }
    if "ACCUMULATION_DEPTH" in defines:
        return cmsis_fully_connected(defines, tensors, quantized)
    return cmsis_convolution(defines, tensors, quantized)


def cmsis_add(defines, tensors):
    assert defines["LEFT_SHIFT"] == 20
    factors = [
        (defines[f"{part}_MULT"], defines[f"{part}_SHIFT"])
        for part in ("INPUT1", "INPUT2", "OUTPUT")
    ]
    return add(
        tensors["input1"],
        tensors["input2"],
        factors,
        first_zero=-defines["INPUT1_OFFSET"],
        second_zero=-defines["INPUT2_OFFSET"],
        output_zero=defines["OUTPUT_OFFSET"],
        act_min=defines["OUT_ACTIVATION_MIN"],
        act_max=defines["OUT_ACTIVATION_MAX"],
    )


def cmsis_pool(pool, defines, tensors):
    rows, columns = defines["INPUT_H"], defines["INPUT_W"]
    kernel = defines["FILTER_H"], defines["FILTER_W"]
    stride = defines["STRIDE_H"], defines["STRIDE_W"]
    # INPUT_N is 1 in a case of three images; BATCH_SIZE is what they run.
    x = tensors["input_tensor"].reshape(defines["BATCH_SIZE"], rows, columns, defines["INPUT_C"])
    before = defines["PADDING_H"], defines["PADDING_W"]
    outputs = defines["OUTPUT_H"], defines["OUTPUT_W"]
    result = pool(
        x,
        kernel=kernel,
        stride=stride,
        pad=cmsis_padding((rows, columns), kernel, stride, (1, 1), before, outputs),
        act_min=defines["ACTIVATION_MIN"],
        act_max=defines["ACTIVATION_MAX"],
    )
    assert result.shape[1:3] == outputs
    return result


def cmsis_fully_connected(defines, tensors, quantized):
    depth, k = defines["ACCUMULATION_DEPTH"], defines["OUT_CH"]
    if "PER_CHANNEL_QUANT" in defines:
        factors = tensors["output_multiplier"], tensors["output_shift"]
        bias = tensors["bias"]
    else:
        factors = defines["OUTPUT_MULTIPLIER"], defines["OUTPUT_SHIFT"]
        bias = tensors.get("biases")
    return fully_connected_int8(
        tensors["input"].reshape(defines["INPUT_BATCHES"], depth),
        tensors["weights"].reshape(k, depth),
        bias,
        *factors,
        weight_zero=-defines.get("FILTER_OFFSET", 0),
        **quantized,
    )


def cmsis_convolution(defines, tensors, quantized):
    rows, columns, c = defines["INPUT_H"], defines["INPUT_W"], defines["IN_CH"]
    x = tensors["input"].reshape(defines["INPUT_BATCHES"], rows, columns, c)
    kernel = defines["FILTER_Y"], defines["FILTER_X"]
    stride = defines["STRIDE_Y"], defines["STRIDE_X"]
    dilation = defines["DILATION_Y"], defines["DILATION_X"]
    before = defines["PAD_Y"], defines["PAD_X"]
    outputs = defines["OUTPUT_H"], defines["OUTPUT_W"]
    window = {
        "stride": stride,
        "dilation": dilation,
        "pad": cmsis_padding((rows, columns), kernel, stride, dilation, before, outputs),
    }
    factors = tensors["biases"], tensors["output_mult"], tensors["output_shift"]
    if "CH_MULT" in defines:
        w = tensors["weights"].reshape(1, *kernel, defines["OUT_CH"])
        result = depthwise_int8(x, w, *factors, **window, **quantized)
    else:
        depth = defines.get("FILTER_CH", c)
        w = tensors["weights"].reshape(defines["OUT_CH"], *kernel, depth)
        result = conv2d_int8(x, w, *factors, groups=c // depth, **window, **quantized)
    assert result.shape[1:3] == outputs
    return result


def cmsis_padding(extents, kernel, stride, dilation, before, outputs):
    """CMSIS-NN gives the padding before; what lies after is what the number of outputs takes."""
    after = [
        max(
            (outputs[a] - 1) * stride[a] + (kernel[a] - 1) * dilation[a] + 1
            - extents[a] - before[a],
            0,
        )
        for a in range(2)
    ]  # fmt: skip
    return before[0], before[1], after[0], after[1]
