"""An accelerator between cocotbext-axi's memory and host, for conformance.

Slow (Python acts on every clock edge: some 10,000 cycles a second), but these peers were not
written here. The same jobs run as on bench.sv; of a job's timing only the stalls and the errors
count, as this memory answers at once.
"""

import logging
import random
import time
from collections.abc import Iterator, Sequence

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, SimTimeoutError, with_timeout
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiRam, AxiResp

from rtl_gen.sim.files import MemoryFile
from rtl_gen.sim.job import ErrorRange, Job
from rtl_gen.sim.result import COUNTERS, NO_CYCLE, Observation, Result, engine_counts
from rtl_gen.sim.script import Entry, Idle, Poll, Read, Stamp, WaitInterrupt, Write

PERIOD = 10  # ns
MEMORY_BYTES = 1 << 62  # AxiRam takes addresses modulo this; len() can say no more


class BusError(Exception):
    """An access that the memory answers with SLVERR."""


class Strays:
    """Bytes moved outside windows (address, bytes), and the address of the first; none: all may."""

    def __init__(self, windows: Sequence[tuple[int, int]]):
        self.windows = windows
        self.found = (0, 0)

    def note(self, address: int, length: int) -> None:
        inside = [range(first, first + size) for first, size in self.windows]
        for byte in range(address, address + length) if inside else ():
            if not any(byte in window for window in inside):
                count, first = self.found
                self.found = (count + 1, first if count else byte)


class Dram:
    """The bytes behind cocotbext-axi's AxiRam, with windows and errors.

    AxiRam takes slices of it, a beat each, and answers SLVERR where that raises.
    """

    def __init__(self, memory: MemoryFile):
        self.memory = memory
        self.bytes_written, self.bytes_read = Strays(()), Strays(())
        self.error: ErrorRange | None = None

    def begin(self, job: Job) -> None:
        self.bytes_written, self.bytes_read = Strays(job.windows), Strays(job.readable)
        self.error = job.timing.error

    def check(self, address: int) -> None:
        if self.error and self.error.first <= address <= self.error.last:
            raise BusError

    def __len__(self) -> int:
        return MEMORY_BYTES

    def __getitem__(self, span: slice) -> bytes:
        self.check(span.start)
        length = span.stop - span.start
        self.bytes_read.note(span.start, length)
        return self.memory.read(span.start, length).tobytes()

    def __setitem__(self, span: slice, data: bytes) -> None:
        self.bytes_written.note(span.start, len(data))
        self.check(span.start)
        self.memory.write(span.start, data)


class Host:
    """Plays a script through cocotbext-axi's AXI4-Lite master."""

    def __init__(self, dut, master: AxiLiteMaster):
        self.dut = dut
        self.master = master

    async def play(self, script: Sequence[Entry]) -> None:
        self.position, self.noted, self.errors = 0, [], (0, 0)
        for entry in script:
            await self.act(entry)
            self.position += len(entry.words())

    async def act(self, entry: Entry) -> None:
        match entry:
            case Write(address, data):
                answer = await self.master.write(address, data.to_bytes(4, "little"))
                self.note_response(answer.resp)
            case Read(address):
                self.noted.append(await self.read(address))
            case Poll(address, mask, expected, at_least):
                value = await self.read(address) & mask
                while value < expected if at_least else value != expected:
                    value = await self.read(address) & mask
            case WaitInterrupt():
                if not self.dut.host_interrupt.value:
                    await RisingEdge(self.dut.host_interrupt)
            case Idle(cycles):
                await ClockCycles(self.dut.aclk, cycles)
            case Stamp():
                self.noted.append(self.dut.cycles.value.to_unsigned())

    async def read(self, address: int) -> int:
        answer = await self.master.read(address, 4)
        self.note_response(answer.resp)
        return int.from_bytes(answer.data, "little")

    def note_response(self, response: AxiResp) -> None:
        if response != AxiResp.OKAY:
            count, first = self.errors
            self.errors = (count + 1, first if count else self.position)


class ProtocolBench:
    """watched.sv with cocotbext-axi's peers.

    Parameters
    ----------
    dut
        The top, ``watched``.
    memory
        The accelerator's DRAM.
    """

    def __init__(self, dut, memory: MemoryFile):
        logging.getLogger("cocotb.watched").setLevel(logging.WARNING)
        self.dut = dut
        self.memory = memory
        dut.clear.value = 0
        dut.aresetn.value = 0
        Clock(dut.aclk, PERIOD, unit="ns", impl="gpi").start()
        clocking = {"clock": dut.aclk, "reset": dut.aresetn, "reset_active_level": False}
        self.dram = Dram(memory)
        self.ram = AxiRam(AxiBus.from_prefix(dut, "m_axi"), mem=self.dram, **clocking)
        self.master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), **clocking)
        self.host = Host(dut, self.master)
        self.must_reset = True
        self.interrupt_cycle = NO_CYCLE
        cocotb.start_soon(self.watch_interrupt())

    async def run(self, job: Job, index: int, seed: int) -> Result:
        """Run one job to its end or its cycle limit."""
        for address, data in job.images.items():
            self.memory.write(address, data)
        self.dram.begin(job)
        self.stall(job, seed)
        if job.reset or self.must_reset:
            await self.reset()
        await self.clear()
        began = time.perf_counter()
        playing = cocotb.start_soon(self.host.play(job.script))
        try:
            await with_timeout(playing, job.cycle_limit * PERIOD, "ns")
            timed_out = False
        except SimTimeoutError:
            playing.cancel()
            timed_out = True
        self.must_reset = timed_out
        seen = self.observe(index, seed, timed_out, time.perf_counter() - began)
        return seen.result(job, self.memory)

    async def reset(self) -> None:
        self.dut.aresetn.value = 0
        await ClockCycles(self.dut.aclk, 16)
        self.dut.aresetn.value = 1
        await RisingEdge(self.dut.aclk)

    async def clear(self) -> None:
        """Set counters and cycles back."""
        self.dut.clear.value = 1
        await RisingEdge(self.dut.aclk)
        self.dut.clear.value = 0
        self.interrupt_cycle = NO_CYCLE

    async def watch_interrupt(self) -> None:
        while True:
            await RisingEdge(self.dut.host_interrupt)
            if self.interrupt_cycle == NO_CYCLE:
                self.interrupt_cycle = self.dut.cycles.value.to_unsigned()

    def stall(self, job: Job, seed: int) -> None:
        """Pause each channel at random, as often as the job says."""
        write, read = self.ram.write_if, self.ram.read_if
        control_write, control_read = self.master.write_if, self.master.read_if
        timing, host = job.timing, job.host_stall
        channels = [
            (write.aw_channel, timing.stall_aw),
            (write.w_channel, timing.stall_w),
            (write.b_channel, timing.stall_b),
            (read.ar_channel, timing.stall_ar),
            (read.r_channel, timing.stall_r),
            (control_write.aw_channel, host),
            (control_write.w_channel, host),
            (control_write.b_channel, host),
            (control_read.ar_channel, host),
            (control_read.r_channel, host),
        ]
        for number, (channel, per_mille) in enumerate(channels):
            pauses = _pauses(f"{seed}/{number}", per_mille) if per_mille else None
            channel.set_pause_generator(pauses)
            channel.pause = False

    def observe(self, index: int, seed: int, timed_out: bool, seconds: float) -> Observation:
        return Observation(
            index=index,
            seed=seed,
            timed_out=timed_out,
            position=self.host.position,
            noted=self.host.noted,
            cycles=self.read("cycles"),
            interrupt_cycle=self.interrupt_cycle,
            counters={name: self.read(f"memory_{name}") for name in COUNTERS},
            engines=engine_counts(self.read("memory_engines")),
            violations=self.read("memory_violations"),
            violation_cycle=self.read("memory_violation_cycle"),
            strays=self.dram.bytes_written.found,
            stray_reads=self.dram.bytes_read.found,
            errors=self.host.errors,
            seconds=seconds,
        )

    def read(self, name: str) -> int:
        return getattr(self.dut, name).value.to_unsigned()


def _pauses(seed: str, per_mille: int) -> Iterator[bool]:
    rng = random.Random(seed)
    while True:
        yield rng.randrange(1000) < per_mille
