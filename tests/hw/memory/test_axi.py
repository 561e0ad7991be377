"""The flat ports of an AXI4 manager."""

import re

import pytest
from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from rtl_gen.flow.verilog import emit
from rtl_gen.hw.memory.axi import (
    ADDRESS,
    READ_ADDRESS,
    RESPONSE,
    connect_flat,
    flat_ports,
    read_data,
    write_data,
)
from rtl_gen.hw.memory.streams import join

BUS_BITS = 64
OUTGOING = {"ar": READ_ADDRESS, "aw": ADDRESS, "w": write_data(BUS_BITS)}
INCOMING = {"r": read_data(BUS_BITS), "b": RESPONSE}


class Manager(wiring.Component):
    """Flat ports on one side, streams on the other."""

    module_name = "manager"

    def __init__(self):
        streams = {name: In(stream.Signature(layout)) for name, layout in OUTGOING.items()}
        streams |= {name: Out(stream.Signature(layout)) for name, layout in INCOMING.items()}
        super().__init__(streams | flat_ports(BUS_BITS))

    def elaborate(self, platform):
        m = Module()
        streams = {name: getattr(self, name) for name in (*OUTGOING, *INCOMING)}
        connect_flat(m, self, bus_bits=BUS_BITS, **streams)
        return m


def test_every_signal_has_its_port():
    dut, seen = Manager(), {}
    address = {"id": 0, "addr": 0x1234_5678_9ABC_DEF0, "len": 15, "size": 3, "burst": 1, "valid": 1}
    address |= {"lock": 0, "cache": 0b0011, "prot": 0b000, "qos": 0}

    async def testbench(ctx):
        for name, port in (("ar", dut.ar), ("aw", dut.aw)):
            number = {"id": 11} if name == "ar" else {}
            ctx.set(port.payload, {"address": 0x1234_5678_9ABC_DEF0, "length": 15} | number)
            ctx.set(port.valid, 1)
            for pin in address:
                seen[name + pin] = ctx.get(getattr(dut, f"m_axi_{name}{pin}"))
            ctx.set(port.valid, 0)
            assert not ctx.get(getattr(dut, f"m_axi_{name}valid"))
        ctx.set(dut.w.payload, {"data": 0xFEDC_BA98_7654_3210, "strobe": 0x81, "last": 1})
        for pin in ("data", "strb", "last", "valid"):
            seen["w" + pin] = ctx.get(getattr(dut, f"m_axi_w{pin}"))
        for pin, value in (("rdata", 0x55AA), ("rresp", 2), ("rlast", 1), ("rid", 9), ("bresp", 3)):
            ctx.set(getattr(dut, f"m_axi_{pin}"), value)
        seen["r"] = tuple(ctx.get(dut.r.payload[name]) for name in INCOMING["r"].members)
        seen["b"] = ctx.get(dut.b.payload.response)
        for name in (*OUTGOING, *INCOMING):
            outgoing = name in OUTGOING
            inside, flat = getattr(dut, name), f"m_axi_{name}"
            ready = getattr(dut, flat + "ready"), inside.ready
            valid = getattr(dut, flat + "valid"), inside.valid
            source, sink = ready if outgoing else ready[::-1]
            ctx.set(source, 1)
            assert ctx.get(sink), f"{name} ready"
            source, sink = valid[::-1] if outgoing else valid
            ctx.set(source, 1)
            assert ctx.get(sink), f"{name} valid"

    simulator = Simulator(dut)
    simulator.add_testbench(testbench)
    simulator.run()
    for channel in ("ar", "aw"):
        number = {"id": 11} if channel == "ar" else {}
        assert {pin: seen[channel + pin] for pin in address} == address | number
    assert seen["wdata"] == 0xFEDC_BA98_7654_3210
    assert (seen["wstrb"], seen["wlast"], seen["wvalid"]) == (0x81, 1, 0)
    assert seen["r"] == (0x55AA, 2, 1, 9)
    assert seen["b"] == 3


def test_the_ports_are_those_that_tools_look_for():
    header = re.search(r"module manager\((.*?)\);", emit(Manager), re.DOTALL)
    flat = set(re.findall(r"m_axi_(\w+)", header[1]))
    address = {"id", "addr", "len", "size", "burst", "lock", "cache", "prot", "qos"}
    address |= {"valid", "ready"}
    assert flat == (
        {f"{channel}{name}" for channel in ("ar", "aw") for name in address}
        | {f"w{name}" for name in ("data", "strb", "last", "valid", "ready")}
        | {f"r{name}" for name in ("id", "data", "resp", "last", "valid", "ready")}
        | {f"b{name}" for name in ("id", "resp", "valid", "ready")}
    )


def test_streams_of_different_widths_do_not_join():
    narrow = stream.Signature(data.StructLayout({"n": 4})).create()
    wide = stream.Signature(data.StructLayout({"n": 5})).create()
    with pytest.raises(ValueError, match=r"^a stream of 4 bits cannot flow into one of 5 bits$"):
        join(None, narrow, wide)
