"""A plain cocotb test: one layer on the accelerator's ports, with cocotbext-axi as memory and host.

A start for tests of your own: `make -C testbench DATAFLOW=... COCOTB_TEST_MODULES=my_module`.
"""

import logging
import os
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiRam

from rtl_gen.isa.registers import BY_NAME
from rtl_gen.mapping.mapper import choose_mapping
from rtl_gen.mapping.program import Program
from rtl_gen.reuse.machine import Machine
from rtl_gen.sim.layers import golden_output, random_data
from rtl_gen.sim.programs import host_script
from rtl_gen.sim.script import WaitInterrupt, Write
from rtl_gen.spec.layer_text import parse_layer
from rtl_gen.spec.parse import load_design

LAYERS = {
    "conv2d": "conv2d:k=20,c=20,p=5,q=5,r=3,s=3,pad=1",
    "matmul": "matmul:m=6,k=20,n=20",
}


def stalls(rate: float):
    """Endless random pauses of a bus channel."""
    while True:
        yield random.random() < rate


async def reset(dut):
    """Two clock cycles of reset."""
    dut.clear.value = 0
    dut.aresetn.value = 0
    await ClockCycles(dut.aclk, 2)
    dut.aresetn.value = 1


@cocotb.test()
async def layer(dut):
    """The layer of LAYER is bit-exact although every channel of the memory stalls at random."""
    machine = Machine(load_design(os.environ["RTL_GEN_DATAFLOW"]))
    operation = machine.operation
    text = os.environ.get("LAYER") or LAYERS.get(operation.name)
    assert text, f"LAYER must say sizes of {operation.name}"
    spec = parse_layer(text, operations=(operation,))
    source, data = random_data(operation, spec, seed=cocotb.RANDOM_SEED)
    program = Program()
    step = program.add(choose_mapping(machine, spec), data, source=source)

    for bus in ("m_axi", "s_axi"):
        logging.getLogger(f"cocotb.watched.{bus}").setLevel(logging.WARNING)
    Clock(dut.aclk, 10, unit="ns", impl="gpi").start()
    clocking = {"clock": dut.aclk, "reset": dut.aresetn, "reset_active_level": False}
    ram = AxiRam(AxiBus.from_prefix(dut, "m_axi"), size=program.end, **clocking)
    host = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), **clocking)
    for channel in (ram.read_if.ar_channel, ram.read_if.r_channel, ram.write_if.w_channel):
        channel.set_pause_generator(stalls(0.2))
    for address, image in program.images().items():
        ram.write(address, image)
    await reset(dut)
    for entry in host_script(program):
        if isinstance(entry, Write):
            await host.write_dword(entry.address, entry.data)
        if isinstance(entry, WaitInterrupt):
            if not dut.host_interrupt.value:
                await with_timeout(RisingEdge(dut.host_interrupt), 10, "ms")
            break
    cycles = await host.read_dword(BY_NAME["CYCLES_LOW"].offset)

    got = step.output.tensor.unpack(ram.read(step.output_address, step.output.tensor.bytes))
    wrong = (got != golden_output(operation, spec, source, data)).sum()
    dut._log.info(
        f"{text}: {spec.macs} MACs in {cycles} cycles, {wrong} outputs of {got.size} wrong"
    )
    assert wrong == 0
