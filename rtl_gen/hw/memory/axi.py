"""AXI4 channels as streams, and the flat ports that tools look for.

Source: ARM IHI 0022, "AMBA AXI and ACE Protocol Specification", chapters A2 (signals) and A3
(bursts). Left out: exclusive access, quality of service, regions, narrow and unaligned transfers.
"""

from amaranth.hdl import Const, unsigned
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

__all__ = [
    "ADDRESS",
    "ADDRESS_BITS",
    "ID_BITS",
    "PAGE_BYTES",
    "READ_ADDRESS",
    "RESPONSE",
    "connect_flat",
    "flat_ports",
    "read_data",
    "write_data",
]

ADDRESS_BITS = 64
ID_BITS = 4
PAGE_BYTES = 4096
"""No burst crosses a multiple of this address (A3.4.1)."""

CACHE = 0b0011
"""AxCACHE: normal memory, not cacheable, bufferable (A4.4)."""

PROTECTION = 0b000
"""AxPROT: data, secure, unprivileged (A4.7). An SoC that wants otherwise ties it at the port."""

ADDRESS = data.StructLayout({"address": unsigned(ADDRESS_BITS), "length": unsigned(8)})
"""AW: ``length`` is the number of beats less one. Every burst is INCR, its beats are as wide as the
bus. Writes have id 0, so that their responses come back in order."""

READ_ADDRESS = data.StructLayout(
    {"address": unsigned(ADDRESS_BITS), "length": unsigned(8), "id": unsigned(ID_BITS)}
)
"""AR: the same, and an id. Bursts of one id come back in order, those of different ids may come in
any order, and their beats between each other (A5.3)."""

RESPONSE = data.StructLayout({"response": unsigned(2)})
"""B: the upper bit is set for SLVERR and DECERR."""


def read_data(bus_bits: int) -> data.StructLayout:
    """R: the same code for errors as B; the id of the burst."""
    return data.StructLayout(
        {"data": unsigned(bus_bits), "response": unsigned(2), "last": 1, "id": unsigned(ID_BITS)}
    )


def write_data(bus_bits: int) -> data.StructLayout:
    """W: a bit of ``strobe`` for each byte."""
    return data.StructLayout(
        {"data": unsigned(bus_bits), "strobe": unsigned(bus_bits // 8), "last": 1}
    )


def flat_ports(bus_bits: int, prefix: str = "m_axi") -> dict:
    """Members of a signature, by the names of a manager's Verilog ports."""
    address = {"id": ID_BITS, "addr": ADDRESS_BITS, "len": 8, "size": 3, "burst": 2}
    address |= {"lock": 1, "cache": 4, "prot": 3, "qos": 4, "valid": 1}
    write = {"data": bus_bits, "strb": bus_bits // 8, "last": 1, "valid": 1}
    read = {"id": ID_BITS, "data": bus_bits, "resp": 2, "last": 1, "valid": 1}
    respond = {"id": ID_BITS, "resp": 2, "valid": 1}
    channels = (("ar", address, Out), ("r", read, In), ("aw", address, Out), ("w", write, Out))
    ports = {}
    for channel, signals, flow in (*channels, ("b", respond, In)):
        for name, bits in signals.items():
            ports[f"{prefix}_{channel}{name}"] = flow(bits)
        ports[f"{prefix}_{channel}ready"] = Out(1) if flow is In else In(1)
    return ports


def connect_flat(m, component, *, bus_bits: int, ar, r, aw, w, b, prefix: str = "m_axi") -> None:
    """Join streams inside ``component`` with its ports :func:`flat_ports`.

    Parameters
    ----------
    ar, aw, w
        Streams that leave; payloads ``READ_ADDRESS``, ``ADDRESS``, ``write_data(bus_bits)``.
    r, b
        Streams that enter, as the part of the design that takes them shows them; payloads
        ``read_data(bus_bits)`` and ``RESPONSE``.
    """

    def pin(name):
        return getattr(component, f"{prefix}_{name}")

    size = Const((bus_bits // 8).bit_length() - 1, 3)
    for channel, source in (("ar", ar), ("aw", aw)):
        m.d.comb += [
            pin(f"{channel}id").eq(source.payload.id if channel == "ar" else 0),
            pin(f"{channel}addr").eq(source.payload.address),
            pin(f"{channel}len").eq(source.payload.length),
            pin(f"{channel}size").eq(size),
            pin(f"{channel}burst").eq(1),
            pin(f"{channel}lock").eq(0),
            pin(f"{channel}cache").eq(CACHE),
            pin(f"{channel}prot").eq(PROTECTION),
            pin(f"{channel}qos").eq(0),
            pin(f"{channel}valid").eq(source.valid),
            source.ready.eq(pin(f"{channel}ready")),
        ]
    m.d.comb += [
        pin("wdata").eq(w.payload.data),
        pin("wstrb").eq(w.payload.strobe),
        pin("wlast").eq(w.payload.last),
        pin("wvalid").eq(w.valid),
        w.ready.eq(pin("wready")),
        r.payload.data.eq(pin("rdata")),
        r.payload.response.eq(pin("rresp")),
        r.payload.last.eq(pin("rlast")),
        r.payload.id.eq(pin("rid")),
        r.valid.eq(pin("rvalid")),
        pin("rready").eq(r.ready),
        b.payload.response.eq(pin("bresp")),
        b.valid.eq(pin("bvalid")),
        pin("bready").eq(b.ready),
    ]
