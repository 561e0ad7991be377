"""The cocotb side of the protocol bench: runs the jobs that come through a pipe, as run_jobs.py."""

import os
from multiprocessing.connection import Connection
from pathlib import Path

import cocotb
from protocol_bench import ProtocolBench

from rtl_gen.sim.files import MemoryFile


@cocotb.test()
async def run_protocol(dut):
    """Run the jobs that come through the channel until it says that there are no more."""
    channel = Connection(int(os.environ["RTL_GEN_CHANNEL"]))
    memory = MemoryFile(Path("memory.bin"), int(os.environ["RTL_GEN_MEMORY_BASE"]))
    bench = ProtocolBench(dut, memory)
    while (request := channel.recv()) is not None:
        channel.send(await bench.run(*request))
