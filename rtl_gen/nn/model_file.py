"""Model files of any format that is read."""

from pathlib import Path

from rtl_gen.golden.quantize import Rounding
from rtl_gen.nn.graph import Graph, ModelError

__all__ = ["read_model"]


def read_model(path: str | Path, *, batch: int = 1, rounding: Rounding = "double") -> Graph:
    """Read a network by its file's ending: ``.onnx`` or ``.tflite``.

    Parameters and errors are those of `read_onnx` and `read_tflite`; ModelError also if the ending
    is another.
    """
    # The packages that know the formats are read when one of their files is.
    match Path(path).suffix.lower():
        case ".onnx":
            from rtl_gen.nn.onnx import read_onnx

            return read_onnx(path, batch=batch, rounding=rounding)
        case ".tflite":
            from rtl_gen.nn.tflite import read_tflite

            return read_tflite(path, batch=batch, rounding=rounding)
        case ending:
            raise ModelError(f"{path}: must be a .tflite or .onnx file, not {ending or 'without'}")
