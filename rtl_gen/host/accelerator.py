"""An accelerator from Python: load a program, write inputs, run, read outputs.

::

    import rtl_gen

    with rtl_gen.Accelerator("dataflows/weight_stationary.yaml") as accelerator:
        accelerator.load("net.bin")
        accelerator.write_input("image", x)
        accelerator.run()
        y = accelerator.read_output("scores")
"""

from contextlib import suppress
from pathlib import Path

import numpy as np

from ..api import LoadedDesign, load
from ..hw.accelerator_params import design_hash
from ..isa.counters import COUNTERS
from ..isa.program_file import FileTensor, ProgramFile
from ..isa.program_format import ProgramFileError
from ..isa.registers import BY_NAME, MAGIC, REGISTERS_VERSION, WINDOWS
from ..isa.status import describe_error
from ..nn.graph import ModelError
from .backend import Backend, DeviceError
from .layout import gather, scatter
from .simulated import SimulatedDevice

__all__ = ["Accelerator"]

EVENTS = 0x3
START, RESET = 1, 4
RESET_READS = 10_000


class Accelerator:
    """One accelerator, and the program that is loaded into it.

    Parameters
    ----------
    design
        A design, or its file. None: whatever stands behind the back end.
    backend
        How it is reached; by default a simulation of the design, which is built if need be.

    Raises
    ------
    DeviceError
        If there is no accelerator, or another than the design.
    SpecError, MissingPartError, BuildError
        Of the simulation, as ``LoadedDesign.build``.
    """

    def __init__(
        self, design: LoadedDesign | str | Path | None = None, backend: Backend | None = None
    ):
        if isinstance(design, (str, Path)):
            design = load(design)
        if backend is None:
            if design is None:
                raise ValueError("either a design or a back end must be given")
            backend = SimulatedDevice(design.build())
        self.backend = backend
        self.program: ProgramFile | None = None
        self.design_hash = self._identify()
        if design is not None and design_hash(design.design) != self.design_hash:
            raise DeviceError(
                f"the accelerator is the design {self.design_hash:016x}, not "
                f"{design_hash(design.design):016x}, which is {design.name}"
            )

    def __enter__(self) -> "Accelerator":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the back end."""
        self.backend.close()

    def load(self, program: ProgramFile | bytes | str | Path) -> None:
        """Put a program into memory: what it says from a file, its bytes, or as it was made.

        Raises
        ------
        ProgramFileError
            If it is no program file, damaged, made for another design, or wants more memory.
        DeviceError
            If a run is on.
        """
        name, program = _read(program)
        versions = self._fields("VERSIONS")
        try:
            program.check_design(self.design_hash, versions["descriptor"], versions["registers"])
            program.check_tables()
            if program.memory_bytes > self.backend.memory_bytes:
                raise ProgramFileError(
                    "LITTLE_MEMORY",
                    f"wants {program.memory_bytes} bytes of memory; there are "
                    f"{self.backend.memory_bytes}",
                )
            relocated = program.program_at(self.backend.address)
        except ProgramFileError as error:
            raise ProgramFileError(error.status, f"{name}: {error}") from None
        self._check_idle()
        for segment in program.segments[:-1]:
            self.backend.write_memory(segment.offset, segment.data)
        self.backend.write_memory(program.program_offset, relocated)
        self.program = program
        self._open_windows(program)
        self._write_address("PROGRAM", self.backend.address + program.program_offset)
        self._write("PROGRAM_WORDS", program.program_words)

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the program's inputs, by name."""
        return self._shapes("input")

    @property
    def outputs(self) -> dict[str, tuple[int, ...]]:
        """Shapes of its outputs, by name."""
        return self._shapes("output")

    @property
    def types(self) -> dict[str, np.dtype]:
        """Of the elements of the program's inputs and outputs, by name: int8, uint8 or int32."""
        tensors = self.program.tensors if self.program else ()
        return {tensor.name: np.dtype(tensor.element) for tensor in tensors}

    @property
    def meanings(self) -> dict[str, tuple[float, int]]:
        """Scale and zero point of inputs and outputs by name: real = scale * (value - zero)."""
        tensors = self.program.tensors if self.program else ()
        return {tensor.name: (tensor.scale, tensor.zero) for tensor in tensors}

    def write_input(self, name: str, array: np.ndarray) -> None:
        """Give an input, an array of its shape and type.

        Raises
        ------
        ModelError
            If there is no such input, or the array has another shape or type.
        """
        array = np.asarray(array)
        for tensor in self._tensors("input", name):
            if array.dtype != tensor.element or array.shape != tensor.shape:
                raise ModelError(
                    f"input {name}: must be {tensor.element} of shape {tensor.shape}, not "
                    f"{array.dtype} of {array.shape}"
                )
            data = scatter(array, tensor.layout, tensor.bytes, tensor.element)
            self.backend.write_memory(tensor.offset, data)

    def read_output(self, name: str) -> np.ndarray:
        """An output of the last run, of its shape and type.

        Raises
        ------
        ModelError
            If there is no such output.
        """
        tensor = self._tensors("output", name)[0]
        data = self.backend.read_memory(tensor.offset, tensor.bytes)
        return gather(data, tensor.layout, tensor.shape, tensor.element)

    def run(self) -> int:
        """Run the program to its end; returns the cycles from start to interrupt.

        Raises
        ------
        DeviceError
            If a run is on, or this one ends with an error, with what it means, or not at all; the
            accelerator is reset then.
        """
        if self.program is None:
            raise DeviceError("no program is loaded")
        self._check_idle()
        self._write("INTERRUPT", EVENTS)
        self._write("INTERRUPT_ENABLE", EVENTS)
        self._write("CONTROL", START)
        try:
            self.backend.wait_interrupt()
        except BaseException:  # the run may still be on, and would write behind the next one's back
            with suppress(DeviceError):
                self.reset()
            raise
        status = self._fields("STATUS")
        while status["running"]:  # an interrupt comes before the last engine is idle
            status = self._fields("STATUS")
        self._write("INTERRUPT", EVENTS)
        if status["error"]:
            self.reset()
            raise DeviceError(f"the accelerator reports: {describe_error(status)}")
        if status["overflow"]:
            raise DeviceError("a sum, or one with its bias, overflowed")
        counters = self.counters()
        return counters["CYCLES_HIGH"] << 32 | counters["CYCLES_LOW"]

    def counters(self) -> dict[str, int]:
        """Every counter of the last run, by name (``rtl-gen registers`` says what they mean)."""
        return {counter.name: self._read(counter.name) for counter in COUNTERS}

    def reset(self) -> None:
        """End whatever goes on; windows and the program stay.

        Raises
        ------
        DeviceError
            If the reset does not come to its end.
        """
        self._write("CONTROL", RESET)
        for _ in range(RESET_READS):
            if not self._fields("CONTROL")["reset"]:
                return
        raise DeviceError("a reset did not end: memory does not answer bursts under way")

    def _check_idle(self) -> None:
        if self._fields("STATUS")["running"]:
            raise DeviceError("a run is on: it must end, or the accelerator be reset, first")

    def _identify(self) -> int:
        """The hash of the design that answers."""
        found = self._read("IDENTITY")
        if found != MAGIC:
            raise DeviceError(f"there is no accelerator: IDENTITY is {found:#010x}")
        version = self._fields("VERSIONS")["registers"]
        if version != REGISTERS_VERSION:
            raise DeviceError(
                f"the accelerator has version {version} of the register map; this rtl-gen knows "
                f"{REGISTERS_VERSION}"
            )
        return self._read("HASH1") << 32 | self._read("HASH0")

    def _open_windows(self, program: ProgramFile) -> None:
        """Open the program's windows and close the others."""
        for n in range(WINDOWS):
            window = program.windows[n] if n < len(program.windows) else None
            if window:
                first = self.backend.address + window.offset
                self._write_address(f"WINDOW{n}_FIRST", first)
                self._write_address(f"WINDOW{n}_LAST", first + window.bytes - 1)
            self._write(f"WINDOW{n}_ACCESS", window.access if window else 0)

    def _shapes(self, direction: str) -> dict[str, tuple[int, ...]]:
        if self.program is None:
            return {}
        return {name: places[0].shape for name, places in self.program.named(direction).items()}

    def _tensors(self, direction: str, name: str) -> list[FileTensor]:
        if self.program is None:
            raise DeviceError("no program is loaded")
        found = self.program.named(direction)
        if name not in found:
            raise ModelError(f"there is no {direction} {name}, but {', '.join(found)}")
        return found[name]

    def _read(self, name: str) -> int:
        return self.backend.read32(BY_NAME[name].offset)

    def _fields(self, name: str) -> dict[str, int]:
        return BY_NAME[name].unpack(self._read(name))

    def _write(self, name: str, value: int) -> None:
        self.backend.write32(BY_NAME[name].offset, value)

    def _write_address(self, name: str, address: int) -> None:
        self._write(f"{name}_LOW", address & 0xFFFF_FFFF)
        self._write(f"{name}_HIGH", address >> 32)


def _read(program: ProgramFile | bytes | str | Path) -> tuple[str, ProgramFile]:
    """A program, and what messages call it."""
    if isinstance(program, ProgramFile):
        return "the program", program
    name, data = "the program", program
    if isinstance(program, (str, Path)):
        name, data = str(program), Path(program).read_bytes()
    try:
        return name, ProgramFile.from_bytes(data)
    except ProgramFileError as error:
        raise ProgramFileError(error.status, f"{name}: {error}") from None
