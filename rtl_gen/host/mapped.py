"""An accelerator in a system on chip, reached through files that are mapped."""

import mmap
import os
import select
import struct
import time
from pathlib import Path

from ..isa.program_format import PAGE
from ..isa.registers import ADDRESS_BITS, BY_NAME
from .backend import DeviceError

__all__ = ["MappedDevice"]

POLL_SECONDS = 0.0005


class MappedDevice:
    """Registers and memory in files such as ``/dev/mem``, ``/dev/uio0`` or ``/dev/udmabuf0``.

    Memory is taken to be coherent, or mapped without a cache (``/dev/mem`` with O_SYNC is).

    Parameters
    ----------
    registers, registers_at
        The file that has the registers, and the byte at which they begin there.
    memory, memory_at, memory_bytes
        The same of memory that the accelerator reads and writes: pages side by side on the bus.
    address
        Where that memory begins on the bus.
    interrupt
        A UIO file, whose reads return at an interrupt; by default INTERRUPT is polled.
    seconds
        That a wait for the interrupt may take.

    Raises
    ------
    OSError
        If a file cannot be opened or mapped.
    ValueError
        If a number is no multiple of a page.
    """

    def __init__(
        self,
        registers: str | Path,
        memory: str | Path,
        *,
        address: int,
        memory_bytes: int,
        registers_at: int = 0,
        memory_at: int = 0,
        interrupt: str | Path | None = None,
        seconds: float = 60.0,
    ):
        for name, value in (
            ("address", address),
            ("memory_bytes", memory_bytes),
            ("registers_at", registers_at),
            ("memory_at", memory_at),
        ):
            if value < 0 or value % PAGE:
                raise ValueError(f"{name} must be a multiple of {PAGE} bytes, not {value:#x}")
        self.address, self.memory_bytes, self.seconds = address, memory_bytes, seconds
        self._registers = _map(registers, registers_at, 1 << ADDRESS_BITS)
        # A register is read and written as one word, which slices of bytes would not be.
        self._words = memoryview(self._registers).cast("I")
        self._memory = _map(memory, memory_at, memory_bytes)
        self._interrupt = os.open(interrupt, os.O_RDWR) if interrupt else None

    def read32(self, offset: int) -> int:
        return self._words[offset // 4]

    def write32(self, offset: int, value: int) -> None:
        self._words[offset // 4] = value

    def read_memory(self, offset: int, size: int) -> bytes:
        self._check(offset, size)
        return self._memory[offset : offset + size]

    def write_memory(self, offset: int, data: bytes) -> None:
        self._check(offset, len(data))
        self._memory[offset : offset + len(data)] = bytes(data)

    def wait_interrupt(self) -> None:
        deadline = time.monotonic() + self.seconds
        register = BY_NAME["INTERRUPT"].offset
        while not self.read32(register):
            if time.monotonic() > deadline:
                raise DeviceError(f"no interrupt came within {self.seconds:g} s")
            if self._interrupt is None:
                time.sleep(POLL_SECONDS)
            else:
                os.write(self._interrupt, struct.pack("=I", 1))  # UIO: let it come again
                _readable(self._interrupt, deadline)

    def close(self) -> None:
        self._words.release()
        self._registers.close()
        self._memory.close()
        if self._interrupt is not None:
            os.close(self._interrupt)

    def __enter__(self) -> "MappedDevice":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _check(self, offset: int, size: int) -> None:
        if offset < 0 or offset + size > self.memory_bytes:
            raise ValueError(
                f"bytes {offset}..{offset + size} lie outside the memory of {self.memory_bytes}"
            )


def _map(path: str | Path, at: int, size: int) -> mmap.mmap:
    file = os.open(path, os.O_RDWR | os.O_SYNC)
    try:
        return mmap.mmap(file, size, offset=at)
    finally:
        os.close(file)


def _readable(file: int, deadline: float) -> None:
    """Wait for a UIO interrupt, and take it."""
    ready, _, _ = select.select([file], [], [], max(0.0, deadline - time.monotonic()))
    if ready:
        os.read(file, 4)
