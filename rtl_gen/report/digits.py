"""A hundred handwritten digits, the network that reads them, and how the hardware read them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..api import LoadedDesign
from ..networks import NetworkRun
from ..nn.graph import Graph
from ..nn.onnx import read_onnx
from .layer_result import LayerResult
from .verilog_files import VerilogFiles

__all__ = ["SHOWN", "Digits", "Show", "read_digits"]

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "digits"
SHOWN = 8
"""Digits that are shown as pictures."""


@dataclass(frozen=True, eq=False)
class Digits:
    """Images (n, rows, columns, 1) int8, their labels, and the network that reads them."""

    images: np.ndarray
    labels: np.ndarray
    graph: Graph

    @property
    def inputs(self) -> dict[str, np.ndarray]:
        return {self.graph.inputs[0].tensor: self.images}


@dataclass(frozen=True, eq=False)
class Show:
    """What was seen.

    Parameters
    ----------
    read
        The digit that the hardware read in each image.
    golden
        The digit that numpy reads.
    waves
        The layer whose waveform was written; None if none was.
    """

    design: LoadedDesign
    digits: Digits
    files: VerilogFiles
    run: NetworkRun
    read: np.ndarray
    golden: np.ndarray
    waves: LayerResult | None

    @property
    def exact(self) -> bool:
        """Whether every tensor was right, and the layer that was run again for its waveform."""
        return self.run.exact and (self.waves is None or self.waves.exact)

    @property
    def right(self) -> int:
        """Digits that were read as they are labelled."""
        return int((self.read == self.digits.labels).sum())

    @property
    def cycles(self) -> int:
        return self.run.done.cycles if self.run.done.counters else 0

    @property
    def accuracy(self) -> str:
        count = len(self.read)
        same = int((self.read == self.golden).sum())
        return (
            f"{self.right} of {count} digits right; numpy reads the same digit in {same} of {count}"
        )

    def shown(self) -> tuple[list[np.ndarray], list[str], list[bool]]:
        """Images, captions, and whether they are right: the first few, and all misread ones."""
        good = self.read == self.digits.labels
        chosen = [*range(SHOWN), *(n for n in np.flatnonzero(~good) if n >= SHOWN)]
        captions = [
            f"read {self.read[n]}" + ("" if good[n] else f", is {self.digits.labels[n]}")
            for n in chosen
        ]
        images = [self.digits.images[n, :, :, 0] for n in chosen]
        return images, captions, [bool(good[n]) for n in chosen]


def read_digits(folder: Path = FOLDER, count: int | None = None) -> Digits:
    """The images and the network of ``examples/digits``; only the first ``count`` images."""
    with np.load(folder / "digits.npz") as file:
        images, labels = file["images"][:count], file["labels"][:count]
    return Digits(images, labels, read_onnx(folder / "digits.onnx", batch=len(images)))
