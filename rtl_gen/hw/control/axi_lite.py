"""An AXI4-Lite slave in front of registers.

Source: AMBA AXI and ACE Protocol Specification (ARM IHI 0022), part B: AXI4-Lite.
"""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...isa.registers import ADDRESS_BITS

__all__ = ["AXI_LITE_PORTS", "AxiLiteSlave"]

DATA_BITS = 32
OKAY, SLVERR = 0b00, 0b10

AXI_LITE_PORTS = {
    "s_axi_awaddr": In(ADDRESS_BITS),
    "s_axi_awprot": In(3),
    "s_axi_awvalid": In(1),
    "s_axi_awready": Out(1),
    "s_axi_wdata": In(DATA_BITS),
    "s_axi_wstrb": In(DATA_BITS // 8),
    "s_axi_wvalid": In(1),
    "s_axi_wready": Out(1),
    "s_axi_bresp": Out(2),
    "s_axi_bvalid": Out(1),
    "s_axi_bready": In(1),
    "s_axi_araddr": In(ADDRESS_BITS),
    "s_axi_arprot": In(3),
    "s_axi_arvalid": In(1),
    "s_axi_arready": Out(1),
    "s_axi_rdata": Out(DATA_BITS),
    "s_axi_rresp": Out(2),
    "s_axi_rvalid": Out(1),
    "s_axi_rready": In(1),
}
"""The pins of the port, named as tools infer them. ``prot`` is not looked at (B1.1)."""


class AxiLiteSlave(wiring.Component):
    """Turns AXI4-Lite transfers into one register access a cycle at most.

    A write's address and data may come in either order. One write and one read are under way at a
    time; each takes 2 cycles if nobody waits. No combinational path from an AXI input to an AXI
    output. Only whole words are written: one with a strobe missing is answered SLVERR and has no
    effect. The two lowest address bits are not looked at.

    Members
    -------
    s_axi_*
        :data:`AXI_LITE_PORTS`.
    write_valid, write_word, write_data : ``Out``
        A write to the register with this word index (the address by four) waits to be done.
    write_ready, write_error : ``In(1)``
        It is done in this cycle; it is answered SLVERR.
    read_valid, read_word : ``Out``
        A read of the register with this word index waits to be done.
    read_ready, read_data : ``In``
        It is done in this cycle, with this value.
    """

    module_name = "axi_lite_slave"

    def __init__(self):
        super().__init__(
            {
                **AXI_LITE_PORTS,
                "write_valid": Out(1),
                "write_word": Out(ADDRESS_BITS - 2),
                "write_data": Out(DATA_BITS),
                "write_ready": In(1),
                "write_error": In(1),
                "read_valid": Out(1),
                "read_word": Out(ADDRESS_BITS - 2),
                "read_ready": In(1),
                "read_data": In(DATA_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        self._elaborate_write(m)
        self._elaborate_read(m)
        return m

    def _elaborate_write(self, m):
        """Hold address and data until both are there, do the write, hold the response."""
        address_held = Signal()
        data_held = Signal()
        whole = Signal()  # all strobes were set
        both = Signal()
        done = Signal()

        m.d.comb += [
            self.s_axi_awready.eq(~address_held),
            self.s_axi_wready.eq(~data_held),
            both.eq(address_held & data_held & ~self.s_axi_bvalid),
            self.write_valid.eq(both & whole),
            done.eq(both & (self.write_ready | ~whole)),
        ]
        with m.If(self.s_axi_awvalid & self.s_axi_awready):
            m.d.sync += [address_held.eq(1), self.write_word.eq(self.s_axi_awaddr[2:])]
        with m.If(self.s_axi_wvalid & self.s_axi_wready):
            m.d.sync += [
                data_held.eq(1),
                self.write_data.eq(self.s_axi_wdata),
                whole.eq(self.s_axi_wstrb.all()),
            ]
        with m.If(self.s_axi_bready):
            m.d.sync += self.s_axi_bvalid.eq(0)
        with m.If(done):
            m.d.sync += [
                address_held.eq(0),
                data_held.eq(0),
                self.s_axi_bvalid.eq(1),
                self.s_axi_bresp[1].eq(self.write_error | ~whole),
            ]

    def _elaborate_read(self, m):
        """Hold the address until the read is done, then the data until they are taken."""
        held = Signal()
        done = Signal()

        m.d.comb += [
            self.s_axi_arready.eq(~held),
            self.read_valid.eq(held & ~self.s_axi_rvalid),
            done.eq(self.read_valid & self.read_ready),
            self.s_axi_rresp.eq(OKAY),
        ]
        with m.If(self.s_axi_arvalid & self.s_axi_arready):
            m.d.sync += [held.eq(1), self.read_word.eq(self.s_axi_araddr[2:])]
        with m.If(self.s_axi_rready):
            m.d.sync += self.s_axi_rvalid.eq(0)
        with m.If(done):
            m.d.sync += [
                held.eq(0),
                self.s_axi_rvalid.eq(1),
                self.s_axi_rdata.eq(self.read_data),
            ]
