"""Tables of TensorFlow Lite's unary operators, against what its reference kernels give."""

import zlib

import numpy as np
import pytest
from tflite_models import File

from rtl_gen.nn.graph import ModelError
from rtl_gen.nn.tflite import read_tflite

TFLITE = [
    ("GELU", (0.05, 3), (0.03, -100), 3399269505),
    ("GELU", (0.02, -20), (0.02, -110), 3394261205),  # approximate
    ("HARD_SWISH", (0.9, 5), (0.4, -100), 1909411105),
    ("HARD_SWISH", (0.003, 0), (0.001, -30), 542072886),
    ("HARD_SWISH", (0.24, -17), (0.11, -128), 2037273754),
    ("HARD_SWISH", (3.1, 0), (1.7, 0), 495333718),
    ("HARD_SWISH", (0.05, 3), (0.03, -100), 1210404669),
    ("HARD_SWISH", (0.02, -20), (0.02, -110), 2796492512),
    ("HARD_SWISH", (0.1, -128), (0.09, -120), 1166425318),
    ("HARD_SWISH", (0.0471, 12), (0.0235, -113), 2845803039),
    ("LEAKY_RELU", (0.05, 3), (0.05, 3), 9967695),
    ("LEAKY_RELU", (0.02, -20), (0.03, -10), 2792830592),
    ("LOGISTIC", (0.05, 3), (1 / 256, -128), 3661578188),
    ("LOGISTIC", (0.12, -128), (1 / 256, -128), 3095430728),
    ("LOGISTIC", (0.7, 127), (1 / 256, -128), 2237237180),
    ("LOGISTIC", (0.013, -9), (1 / 256, -128), 2716896870),
    ("LOGISTIC", (0.0235, 0), (1 / 256, -128), 3207372848),
    ("TANH", (0.05, 3), (1 / 128, 0), 1959743278),
    ("TANH", (0.02, -128), (1 / 128, 0), 3130254526),
    ("TANH", (0.3, 127), (1 / 128, 0), 1909554640),
    ("TANH", (0.0123, -7), (1 / 128, 0), 1778042295),
]
"""Operator, scale and zero point of input and output, and zlib.crc32 of the outputs for -128 to 127
as ai-edge-litert 2.3.0 (``BUILTIN_REF``) gives them."""


def table_of(folder, kind, own, made) -> np.ndarray:
    file = File()
    x = file.tensor((1, 4), scale=own[0], zero=own[1])
    y = file.tensor((1, 4), scale=made[0], zero=made[1])
    options = {
        "GELU": ("GeluOptions", {"Approximate": own[0] == 0.02}),
        "LEAKY_RELU": ("LeakyReluOptions", {"Alpha": 0.1}),
    }
    name, fields = options.get(kind, (None, {}))
    file.operator(kind, [x], [y], name, **fields)
    file.inputs, file.outputs = [x], [y]
    path = folder / "model.tflite"
    path.write_bytes(file.bytes())
    (node,) = read_tflite(path).nodes
    return node.table


@pytest.mark.parametrize(("kind", "own", "made", "crc"), TFLITE)
def test_tables_are_tflites(kind, own, made, crc, tmp_path):
    assert zlib.crc32(table_of(tmp_path, kind, own, made).tobytes()) == crc


def test_hard_swish_that_the_kernel_refuses(tmp_path):
    with pytest.raises(ModelError, match="hard swish needs an output scale of at least 1/128"):
        table_of(tmp_path, "HARD_SWISH", (0.5, 0), (0.001, 0))
