"""An accelerator in a Verilator simulation, behind the calls of a device."""

from contextlib import ExitStack

from ..isa.program_format import PAGE
from ..sim.job import Job, MemoryTiming
from ..sim.result import Result
from ..sim.run import Simulation
from ..sim.script import Entry, Idle, Read, WaitInterrupt, Write
from ..sim.verilator import Build
from .backend import DeviceError

__all__ = ["SimulatedDevice"]

ACCESS_CYCLES = 10_000
"""More than any register access takes, with the engines idle or at work."""


class SimulatedDevice:
    """A design's simulation; the clock runs during register accesses and waits for the interrupt.

    Parameters
    ----------
    build
        What ``LoadedDesign.build`` made.
    memory_bytes
        Of memory: whole pages; only what is written takes space.
    address
        Where the host's part of it begins on the bus, of a page. It reaches up to the next multiple
        of ``memory_bytes``; the part before it nobody may touch.
    cycles
        That a wait for the interrupt may take.
    pause
        Cycles that pass before each register access: how slow the host is.
    timing
        Of the memory.
    seed
        Of its stalls; random by default.

    Raises
    ------
    ValueError, MissingPartError
        As :class:`rtl_gen.sim.run.Simulation`.
    """

    def __init__(
        self,
        build: Build,
        *,
        memory_bytes: int = 1 << 28,
        address: int = PAGE,
        cycles: int = 1 << 40,
        pause: int = 0,
        timing: MemoryTiming | None = None,
        seed: int | None = None,
    ):
        base = address // memory_bytes * memory_bytes
        self.address = address
        self.memory_bytes = base + memory_bytes - address
        self.cycles = cycles
        self.pause = pause
        self.timing = timing or MemoryTiming()
        self.interrupts = 0
        self._open = ExitStack()
        simulation = Simulation(build, memory_bytes=memory_bytes, memory_base=base, seed=seed)
        self._session = self._open.enter_context(simulation.session())
        self.memory = self._session.memory.bytes[address - base :]

    def read32(self, offset: int) -> int:
        return self._run(Read(offset), ACCESS_CYCLES).reads[0]

    def write32(self, offset: int, value: int) -> None:
        self._run(Write(offset, value), ACCESS_CYCLES)

    def read_memory(self, offset: int, size: int) -> bytes:
        return self._session.memory.read(self.address + offset, size).tobytes()

    def write_memory(self, offset: int, data: bytes) -> None:
        self._session.memory.write(self.address + offset, data)

    def wait_interrupt(self) -> None:
        self._run(WaitInterrupt(), self.cycles)
        self.interrupts += 1

    def close(self) -> None:
        self._open.close()

    def __enter__(self) -> "SimulatedDevice":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _run(self, entry: Entry, cycles: int) -> Result:
        space = [(self.address, self.memory_bytes)]
        result = self._session.run(
            Job(
                name=str(entry),
                script=[*([Idle(self.pause)] if self.pause else []), entry],
                cycle_limit=self.pause + cycles,
                windows=space,
                readable=space,
                timing=self.timing,
            )
        )
        if result.problems:
            raise DeviceError("; ".join(result.problems))
        return result
