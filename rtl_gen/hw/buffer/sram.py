"""Memories as instances of one wrapper module, for designs with ``memories: sram``."""

from ...spec.design import SRAM_MODULE
from ..rtlil_text import cell_text

__all__ = ["wrapper_rtlil"]


def wrapper_rtlil(params, name: str) -> str:
    """A memory's module as RTLIL: nothing but an instance of ``flow/rtl_gen_sram.v``.

    Parameters
    ----------
    params
        A :class:`~rtl_gen.hw.buffer.memory.MemoryParams`, not asynchronous.
    """
    ports = {
        "clk": ("input", 1),
        "write_enable": ("input", params.granules),
        "write_address": ("input", params.address_bits),
        "write_data": ("input", params.width),
        "read_address": ("input", params.address_bits),
        "read_enable": ("input", 1),
        "read_data": ("output", params.width),
    }
    sizes = {
        "WORDS": params.depth,
        "WIDTH": params.width,
        "GRANULE": params.granule or params.width,
    }
    lines = [
        f"module \\{name}",
        *(
            f"  wire width {bits} {way} {n} \\{port}"
            for n, (port, (way, bits)) in enumerate(ports.items(), 1)
        ),
        *cell_text(f"\\{SRAM_MODULE} \\sram", sizes, {port: f"\\{port}" for port in ports}),
        "end",
    ]
    return "\n".join(lines) + "\n"
