"""A network's inputs and outputs in ``.npz`` files."""

import io
import zipfile
from pathlib import Path

import numpy as np

from ..nn.graph import ModelError
from ..operands import DAMAGED
from .whole_file import write_whole

__all__ = ["named_array", "read_arrays", "write_arrays"]


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, each with an image or more; ModelError if it is none."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from None
    except (*DAMAGED, AttributeError, TypeError):
        raise ModelError(f"{path}: not an .npz file of plain arrays") from None
    for name, array in arrays.items():
        if array.ndim < 1 or not len(array):
            raise ModelError(f"{path}: {name} must have an image or more, not {array.shape}")
    return arrays


def named_array(arrays: dict[str, np.ndarray], name: str, wanted: int, path: Path) -> np.ndarray:
    """The array for one of ``wanted`` inputs; of one that is alone on both sides no name counts.

    Raises
    ------
    ModelError
        If it is missing.
    """
    if wanted == len(arrays) == 1:
        return next(iter(arrays.values()))
    if name not in arrays:
        names = ", ".join(arrays) or "none"
        raise ModelError(f"{path}: the array {name} is missing; it has {names}")
    return arrays[name]


def write_arrays(outputs: dict[str, np.ndarray], path: Path) -> None:
    """A network's outputs, by the model's names, as an ``.npz`` file.

    numpy's own ``savez`` takes names as keywords, of which it has some itself.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, array in outputs.items():
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, np.asarray(array), allow_pickle=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content.getvalue())
