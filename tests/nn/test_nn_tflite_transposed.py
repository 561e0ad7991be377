"""TRANSPOSE_CONV of TensorFlow Lite files: numbers as TFLite gives them, and what is refused."""

import zlib

import numpy as np
import pytest
from tflite_models import File

from rtl_gen.nn.golden_run import run_graph
from rtl_gen.nn.graph import ModelError
from rtl_gen.nn.tflite import read_tflite

SAME, VALID, RELU = 0, 1, 1

CASES = {
    # image, size, channels in and out, kernel, stride, padding, fused activation
    "same": ((5, 4), (10, 8), (3, 5), (3, 3), (2, 2), SAME, 0),
    "same_odd": ((5, 4), (9, 7), (4, 6), (4, 5), (2, 2), SAME, 0),
    "valid": ((4, 3), (9, 9), (7, 2), (3, 5), (2, 2), VALID, 0),
    "valid_longer": ((3, 3), (7, 7), (3, 4), (2, 2), (2, 2), VALID, 0),
    "strides_apart": ((2, 6), (6, 6), (5, 3), (5, 2), (3, 1), SAME, 0),
    "kernel_below_stride": ((3, 4), (9, 12), (6, 4), (2, 1), (3, 3), SAME, 0),
    "relu": ((3, 3), (6, 6), (4, 4), (4, 4), (2, 2), SAME, RELU),
}

TFLITE = {
    "same": 2459802030,
    "same_odd": 1427557753,
    "valid": 3642709846,
    "valid_longer": 89812458,
    "strides_apart": 1931312693,
    "kernel_below_stride": 3004094608,
    "relu": 2737108613,
}
"""zlib.crc32 of the outputs' bytes as ai-edge-litert 2.3.0 (``BUILTIN_REF``) gives them."""


def transposed(case: str) -> tuple[File, np.ndarray]:
    """A file with one operator, and an input."""
    image, size, (c, k), kernel, stride, padding, activation = CASES[case]
    rng, file = np.random.default_rng(list(CASES).index(case)), File()
    x = file.tensor((1, *image, c), scale=0.05, zero=int(rng.integers(-128, 128)), name="x")
    y = file.tensor((1, *size, k), scale=0.21, zero=int(rng.integers(-60, 60)), name="y")
    shape = file.constant(np.array([1, *size, k], np.int32))
    weight = file.constant(
        rng.integers(-127, 128, (k, *kernel, c)).astype(np.int8), scale=rng.uniform(0.01, 0.03, k)
    )
    bias = file.constant(rng.integers(-3000, 3000, k).astype(np.int32))
    fields = {"Padding": padding, "StrideH": stride[0], "StrideW": stride[1]}
    if activation:
        fields["FusedActivationFunction"] = activation
    operands = [shape, weight, x, bias] if case != "same_odd" else [shape, weight, x]
    file.operator("TRANSPOSE_CONV", operands, [y], "TransposeConvOptions", **fields)
    file.inputs, file.outputs = [x], [y]
    return file, rng.integers(-128, 128, (1, *image, c)).astype(np.int8)


def graph_of(folder, file: File):
    path = folder / "model.tflite"
    path.write_bytes(file.bytes())
    return read_tflite(path)


@pytest.mark.parametrize("case", CASES)
def test_as_tflite_gives_it(case, tmp_path):
    file, x = transposed(case)
    y = run_graph(graph_of(tmp_path, file), {"x": x})["y"]
    assert len(np.unique(y)) > 20
    assert zlib.crc32(y.tobytes()) == TFLITE[case]


def test_what_cannot_run_is_refused(tmp_path):
    for change, message in (
        ({"shape": (1, 9, 8, 5)}, r"output's shape must be \(n, p, q, 5\) like its output"),
        ({"channels": 4}, "the weights are for 4 channels, the input has 3"),
        ({"bias": 6}, r"the bias must have shape \(5,\), not \(6,\)"),
        ({"padding": 2}, "padding must be SAME or VALID, not number 2"),
        ({"stride": 0}, "StrideH and StrideW must be 1 or more, not 0 and 2"),
        ({"computed": True}, "the output's shape must be a constant of the file"),
    ):
        file = File()
        x = file.tensor((1, 5, 4, 3), name="x")
        y = file.tensor((1, 10, 8, 5), name="y")
        shape = file.constant(np.array(change.get("shape", (1, 10, 8, 5)), np.int32))
        if change.get("computed"):
            shape = file.tensor((4,), type=np.int32)
        weight = file.constant(np.ones((5, 3, 3, change.get("channels", 3)), np.int8))
        bias = file.constant(np.zeros(change.get("bias", 5), np.int32))
        fields = {"StrideH": change.get("stride", 2), "StrideW": 2}
        fields["Padding"] = change.get("padding", SAME)
        file.operator(
            "TRANSPOSE_CONV", [shape, weight, x, bias], [y], "TransposeConvOptions", **fields
        )
        file.inputs, file.outputs = [x], [y]
        with pytest.raises(ModelError, match=f"op00_TRANSPOSE_CONV: .*{message}"):
            graph_of(tmp_path, file)
