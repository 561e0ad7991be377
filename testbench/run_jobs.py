"""The cocotb side of bench.sv: sets the knobs, starts the host, collects what came of it.

Python sleeps while a job runs: the HDL host plays the script, and one edge of ``host_done`` wakes
it. Jobs come through a pipe whose file descriptor is in RTL_GEN_CHANNEL (rtl_gen/sim/run.py).
"""

import os
import time
from multiprocessing.connection import Connection
from pathlib import Path

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge

from rtl_gen.sim.activity import read_notes
from rtl_gen.sim.files import HostFile, MemoryFile
from rtl_gen.sim.job import Job, MemoryTiming
from rtl_gen.sim.result import COUNTERS, Observation, Result, engine_counts
from rtl_gen.sim.script import encode

ENDED, TIMED_OUT = 1, 2  # host_status


@cocotb.test()
async def run_jobs(dut):
    """Run the jobs that come through the channel until it says that there are no more."""
    channel = Connection(int(os.environ["RTL_GEN_CHANNEL"]))
    memory = MemoryFile(Path("memory.bin"), int(os.environ["RTL_GEN_MEMORY_BASE"]))
    bench = Bench(dut, memory, HostFile(Path("host.bin")))
    while (request := channel.recv()) is not None:
        channel.send(await bench.run(*request))


class Bench:
    """bench.sv with its two files."""

    def __init__(self, dut, memory: MemoryFile, host: HostFile):
        self.dut = dut
        self.memory = memory
        self.host = host
        self.must_reset = True

    async def run(self, job: Job, index: int, seed: int) -> Result:
        """Run one job to its end or its cycle limit."""
        for address, data in job.images.items():
            self.memory.write(address, data)
        self.host.load(encode(job.script), job.windows, job.readable)
        self.set_timing(job.timing)
        self.dut.memory_seed.value = seed
        self.dut.host_seed.value = seed ^ 0x5DEECE66D
        self.dut.host_stall.value = job.host_stall
        self.dut.host_sample_every.value = job.sample_every
        self.dut.host_cycle_limit.value = job.cycle_limit
        self.dut.host_reset.value = job.reset or self.must_reset
        began = time.perf_counter()
        self.dut.host_start.value = 1
        await RisingEdge(self.dut.host_done)
        seen = self.observe(index, seed, time.perf_counter() - began)
        self.must_reset = seen.timed_out
        self.dut.host_start.value = 0
        await FallingEdge(self.dut.host_done)
        return seen.result(job, self.memory)

    def set_timing(self, timing: MemoryTiming) -> None:
        dut = self.dut
        dut.memory_latency.value = timing.latency
        dut.memory_bandwidth.value = round(timing.bandwidth * 256)
        for channel, per_mille in timing.stalls.items():
            getattr(dut, f"memory_stall_{channel}").value = per_mille
        error = timing.error
        dut.memory_error_first.value = error.first if error else 0
        dut.memory_error_last.value = error.last if error else 0
        dut.memory_error_response.value = error.response if error else 0

    def observe(self, index: int, seed: int, seconds: float) -> Observation:
        status = self.read("host_status")
        assert status in (ENDED, TIMED_OUT), f"the host ended with status {status}"
        return Observation(
            index=index,
            seed=seed,
            timed_out=status == TIMED_OUT,
            position=self.read("host_position"),
            noted=self.host.results(),
            cycles=self.read("host_cycles"),
            interrupt_cycle=self.read("host_interrupt_cycle"),
            counters={name: self.read(f"memory_{name}") for name in COUNTERS},
            engines=engine_counts(self.read("memory_engines")),
            violations=self.read("memory_violations"),
            violation_cycle=self.read("memory_violation_cycle"),
            strays=self.host.strays(),
            stray_reads=self.host.stray_reads(),
            errors=(self.read("host_errors"), self.read("host_error_position")),
            seconds=seconds,
            links=self.read("memory_links"),
            activity=read_notes(self.host.activity()),
        )

    def read(self, name: str) -> int:
        return getattr(self.dut, name).value.to_unsigned()
