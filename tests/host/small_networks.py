"""Small networks with inputs and outputs that lie in memory in different ways."""

from pathlib import Path

import numpy as np

from rtl_gen.nn.graph import Graph
from rtl_gen.nn.model_file import read_model
from rtl_gen.nn.tflite import read_tflite
from tests.nn.onnx_models import ModelBuilder
from tests.nn.tflite_models import File, convolution

__all__ = ["DIGITS", "PROJECT", "TINY", "digits", "flat", "images", "two_inputs", "upsampled"]

PROJECT = Path(__file__).resolve().parents[2]
TINY = PROJECT / "tests" / "designs" / "tiny.yaml"
DIGITS = PROJECT / "examples" / "digits" / "digits.onnx"


def digits(batch: int = 1) -> Graph:
    return read_model(DIGITS, batch=batch)


def images(count: int) -> np.ndarray:
    """Digits in the model's order, (n, channels, rows, columns)."""
    with np.load(DIGITS.with_name("digits.npz")) as file:
        return file["images"][:count].transpose(0, 3, 1, 2)


def flat(folder: Path, batch: int = 2) -> Graph:
    """40 channels of 3 x 4 pixels as (c, h, w); the output is flattened from (c, h, w) again."""
    model = ModelBuilder(batch, 40, 3, 4)
    model.conv("first", (37, 40, 3, 3), pads=[1, 1, 1, 1])
    model.reshape("flatten", batch, -1)
    return read_model(model.save(folder), batch=batch)


def upsampled(folder: Path) -> Graph:
    """A transposed convolution of strides 3 and 2, whose phases are of several sizes."""
    file = File()
    x = file.tensor((1, 3, 4, 5), name="x", scale=0.5, zero=3)
    weight = file.constant(np.ones((20, 3, 3, 5), np.int8), scale=0.01)
    y = file.tensor((1, 8, 7, 20), name="y", scale=0.4)
    shape = file.constant(np.array([1, 8, 7, 20], np.int32))
    fields = {"Padding": 0, "StrideH": 3, "StrideW": 2}
    file.operator("TRANSPOSE_CONV", [shape, weight, x], [y], "TransposeConvOptions", **fields)
    file.inputs, file.outputs = [x], [y]
    (folder / "up.tflite").write_bytes(file.bytes())
    return read_tflite(folder / "up.tflite")


def two_inputs(folder: Path) -> Graph:
    """A convolution of one input, to which another of 18 channels is added."""
    file = File()
    x = file.tensor((1, 5, 4, 18), name="x", scale=0.5, zero=3)
    more = file.tensor((1, 5, 4, 18), name="more", scale=0.25, zero=-4)
    file.inputs = [x, more]
    y = convolution(file, x, k=18, c=18, out=(1, 5, 4, 18))
    z = file.tensor((1, 5, 4, 18), scale=0.4, zero=2, name="z")
    file.operator("ADD", [y, more], [z], "AddOptions")
    file.outputs = [z]
    (folder / "two.tflite").write_bytes(file.bytes())
    return read_tflite(folder / "two.tflite")
