"""The C driver as a shared object, its accesses going to a back end of Python."""

import ctypes
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rtl_gen.api import load
from rtl_gen.host.driver_files import write_driver
from rtl_gen.isa.program_format import SHAPE, STATUS

__all__ = ["FLAGS", "CDriver", "build_driver"]

FLAGS = [
    *("-std=c99", "-O2", "-ffreestanding", "-Wall", "-Wextra", "-Werror", "-pedantic"),
    *("-Wconversion", "-Wshadow", "-Wcast-align", "-Wundef"),
    *("-Wstrict-prototypes", "-Wmissing-prototypes"),
]

READ = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32)
WRITE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32)
CACHE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
WAIT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)


class Port(ctypes.Structure):
    _fields_ = [
        ("context", ctypes.c_void_p),
        ("read32", READ),
        ("write32", WRITE),
        ("clean", CACHE),
        ("invalidate", CACHE),
        ("wait", WAIT),
    ]


class Error(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("code", "engine", "descriptor")]


class Device(ctypes.Structure):
    _fields_ = [
        ("port", ctypes.POINTER(Port)),
        ("memory", ctypes.c_void_p),
        ("address", ctypes.c_uint64),
        ("bytes", ctypes.c_size_t),
        ("file", ctypes.c_void_p),
        ("error", Error),
    ]


class Tensor(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("offset", ctypes.c_uint64),
        ("bytes", ctypes.c_uint64),
        ("elements", ctypes.c_uint64),
        ("rank", ctypes.c_uint32),
        ("shape", ctypes.c_uint32 * SHAPE),
        ("zero", ctypes.c_int32),
        ("scale", ctypes.c_double),  # its bits
        ("element", ctypes.c_uint32),
        ("element_bytes", ctypes.c_uint32),
        ("entry", ctypes.c_void_p),
    ]


def build_driver(folder: Path, design: Path) -> Path:
    """The driver that `rtl-gen driver` writes, compiled for this machine."""
    write_driver(load(design).machine, folder, pages=False)
    made = folder / "rtl_gen.so"
    command = ["gcc", *FLAGS, "-fPIC", "-shared", "-o", str(made), str(folder / "rtl_gen.c")]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return made


class CDriver:
    """The driver with a device.

    Parameters
    ----------
    library
        What :func:`build_driver` made.
    backend
        Its registers and interrupt.
    memory
        Bytes of the device's memory. The processor sees them through a cache that writes nothing
        back, and reads nothing again, unless the driver says so.
    interrupt
        Whether the driver waits for the interrupt; else it polls.
    """

    def __init__(self, library: Path, backend, memory: np.ndarray, *, interrupt: bool = True):
        self.library, self.backend = ctypes.CDLL(str(library)), backend
        self.memory, self.cached = memory, np.array(memory)
        self.raised: Exception | None = None
        self.cleaned = 0
        names = ("status_text", "error_text", "engine_name")
        for name in names:
            getattr(self.library, f"rtl_gen_{name}").restype = ctypes.c_char_p
        self.library.rtl_gen_cycles.restype = ctypes.c_uint64
        begin = self.cached.ctypes.data

        def clean(_, start, size):
            self.cleaned += size
            self.memory[start - begin :][:size] = self.cached[start - begin :][:size]

        def invalidate(_, start, size):
            self.cached[start - begin :][:size] = self.memory[start - begin :][:size]

        self.port = Port(
            None,
            READ(self._guard(lambda _, offset: backend.read32(offset), 0xFFFF_FFFF)),
            WRITE(self._guard(lambda _, offset, value: backend.write32(offset, value))),
            CACHE(self._guard(clean)),
            CACHE(self._guard(invalidate)),
            WAIT(self._guard(self._wait, 1)) if interrupt else WAIT(),
        )
        self.device = Device()

    def _wait(self, _) -> int:
        self.backend.wait_interrupt()
        return 0

    def _guard(self, function: Callable, failed=None) -> Callable:
        """An exception must not pass through C: it is kept, and raised behind the call."""

        def guarded(*arguments):
            try:
                return function(*arguments)
            except Exception as error:
                self.raised = self.raised or error
                return failed

        return guarded

    def call(self, name: str, *arguments) -> str:
        """Call a function of the driver; the name of its status."""
        status = getattr(self.library, f"rtl_gen_{name}")(ctypes.byref(self.device), *arguments)
        if self.raised:
            raise self.raised
        return list(STATUS)[status]

    def open(self) -> str:
        return self.call(
            "open",
            ctypes.byref(self.port),
            ctypes.c_void_p(self.cached.ctypes.data),
            ctypes.c_uint64(self.backend.address),
            ctypes.c_size_t(len(self.cached)),
        )

    def load(self, file: bytes) -> str:
        self.file = ctypes.create_string_buffer(file, len(file))
        return self.call("load", self.file, ctypes.c_size_t(len(file)))

    def write_input(self, name: str, array: np.ndarray) -> str:
        array = np.ascontiguousarray(array)
        place = ctypes.c_void_p(array.ctypes.data)
        return self.call("write_input", name.encode(), place, ctypes.c_size_t(array.nbytes))

    def read_output(self, name: str, array: np.ndarray) -> str:
        place = ctypes.c_void_p(array.ctypes.data)
        return self.call("read_output", name.encode(), place, ctypes.c_size_t(array.nbytes))

    def tensors(self, direction: int) -> list[Tensor]:
        found: list[Tensor] = []
        while True:
            tensor = Tensor()
            place = (ctypes.c_uint32(direction), ctypes.c_uint32(len(found)), ctypes.byref(tensor))
            if self.call("tensor_at", *place) != "OK":
                return found
            found.append(tensor)

    def cycles(self) -> int:
        return self.library.rtl_gen_cycles(ctypes.byref(self.device))

    def text(self, name: str, number: int) -> str:
        return getattr(self.library, f"rtl_gen_{name}")(number).decode()
