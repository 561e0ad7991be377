"""The two files that the bench's HDL and Python both map: memory, and the host's script.

Their layout is written down once more, for C++, in ``testbench/storage.cpp``.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .job import MAX_WINDOWS

__all__ = ["HostFile", "MemoryFile"]

# 64-bit words of the host file
RESULTS, CYCLES, POSITION = range(3)
WRITABLE, READABLE = 3, 6
"""Of windows: bytes moved outside them, the address of the first, how many windows there are."""
ACTIVITY = 9
BOUNDS = {WRITABLE: 16, READABLE: 16 + 2 * MAX_WINDOWS}
SCRIPT = 4096
NOTE_WORDS = 26
assert BOUNDS[READABLE] + 2 * MAX_WINDOWS <= SCRIPT


class MemoryFile:
    """The accelerator's DRAM.

    Parameters
    ----------
    path
        A file as long as the memory; :meth:`create` makes one, without using disk space.
    base
        Address of its first byte.
    """

    def __init__(self, path: Path, base: int = 0):
        self.base = base
        self.bytes = np.memmap(path, np.uint8, "r+")

    @classmethod
    def create(cls, path: Path, size: int, base: int = 0) -> "MemoryFile":
        """Make a file of ``size`` zero bytes (a multiple of 4096) and map it."""
        _create(path, size)
        return cls(path, base)

    def check(self, what: str, address: int, size: int) -> None:
        """Raise ValueError unless ``size`` bytes from ``address`` on lie in memory."""
        end = self.base + len(self.bytes)
        if size < 0 or address < self.base or address + size > end:
            raise ValueError(
                f"{what} at {address:#x}..{address + size:#x} is outside "
                f"the memory, {self.base:#x}..{end:#x}"
            )

    def write(self, address: int, data: bytes | np.ndarray) -> None:
        """Put ``data`` at ``address``."""
        flat = np.frombuffer(data, np.uint8)
        self.check("image", address, len(flat))
        self.bytes[address - self.base :][: len(flat)] = flat

    def read(self, address: int, size: int) -> np.ndarray:
        """A copy of ``size`` bytes from ``address`` on, uint8."""
        self.check("region", address, size)
        return np.array(self.bytes[address - self.base :][:size])


class HostFile:
    """Script, results and progress of the bench's host; what engines did.

    The file has three parts of one size: head and script, results, activity.
    """

    def __init__(self, path: Path):
        self.words = np.memmap(path, np.uint64, "r+")

    @classmethod
    def create(cls, path: Path, entries: int) -> "HostFile":
        """Make a file with room for ``entries`` words of script, of results and of activity."""
        part = -(-(entries + SCRIPT) * 8 // 4096) * 4096
        _create(path, 3 * part)
        return cls(path)

    @property
    def capacity(self) -> int:
        """Words a script may have."""
        return self._part - SCRIPT

    def load(
        self,
        script: np.ndarray,
        windows: Sequence[tuple[int, int]],
        readable: Sequence[tuple[int, int]] = (),
    ) -> None:
        """Put in an encoded script and the windows (address, bytes) to be written and read."""
        if len(script) > self.capacity:
            raise ValueError(f"script must be at most {self.capacity} words, not {len(script)}")
        self.words[SCRIPT:][: len(script)] = script
        for place, allowed in ((WRITABLE, windows), (READABLE, readable)):
            self.words[place + 2] = len(allowed)
            for index, (address, size) in enumerate(allowed):
                self.words[BOUNDS[place] + 2 * index :][:2] = (address, address + size - 1)

    def results(self) -> list[int]:
        """What the host noted in this job, in order."""
        return [int(value) for value in self.words[self._part :][: int(self.words[RESULTS])]]

    def activity(self) -> np.ndarray:
        """A row for each note: the cycle, and the counts of all engines, two in a word; uint64."""
        words = self.words[2 * self._part :][: int(self.words[ACTIVITY])]
        return np.array(words).reshape(-1, NOTE_WORDS)

    @property
    def _part(self) -> int:
        return len(self.words) // 3

    def strays(self) -> tuple[int, int]:
        """Bytes written outside the windows, and the address of the first."""
        return int(self.words[WRITABLE]), int(self.words[WRITABLE + 1])

    def stray_reads(self) -> tuple[int, int]:
        """Bytes read outside what may be read, and the address of the first."""
        return int(self.words[READABLE]), int(self.words[READABLE + 1])

    def progress(self) -> tuple[int, int]:
        """Cycles of the running job (as of the last 65536), and the script's position."""
        return int(self.words[CYCLES]), int(self.words[POSITION])


def _create(path: Path, size: int) -> None:
    if size <= 0 or size % 4096:
        raise ValueError(f"file size must be a positive multiple of 4096 bytes, not {size!r}")
    with open(path, "wb") as file:
        file.truncate(size)
