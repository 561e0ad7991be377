"""Memories with one write and one read port, each a Verilog module of its own."""

from dataclasses import dataclass

from amaranth.hdl import Module
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..rtlil_text import cell_text
from .sram import wrapper_rtlil

__all__ = ["Memory", "MemoryParams", "address_bits"]


def address_bits(depth: int) -> int:
    """Bits that number ``depth`` words; at least 1, as Verilog has no wire of no bits."""
    return max(1, (depth - 1).bit_length())


@dataclass(frozen=True)
class MemoryParams:
    """The kind of a memory.

    Parameters
    ----------
    width, depth
        Bits of a word; words, at least 2.
    granule
        Bits that one bit of ``write_enable`` writes; 0: the whole word.
    asynchronous
        Whether reading takes no clock edge.

    Raises
    ------
    ValueError
        If there are fewer than 2 words, or granules that do not fill a word.
    """

    width: int
    depth: int
    granule: int = 0
    asynchronous: bool = False

    def __post_init__(self):
        if self.width < 1:
            raise ValueError(f"memory width must be at least 1 bit, not {self.width!r}")
        if self.depth < 2:
            raise ValueError(f"memory depth must be at least 2 words, not {self.depth!r}")
        if self.granule < 0 or (self.granule and self.width % self.granule):
            raise ValueError(
                f"memory granule must divide the width of {self.width} bits, or be 0, "
                f"not {self.granule!r}"
            )

    @property
    def granules(self) -> int:
        """Parts of a word that can be written alone."""
        return self.width // self.granule if self.granule else 1

    @property
    def address_bits(self) -> int:
        return address_bits(self.depth)

    @property
    def name(self) -> str:
        name = f"memory_{self.depth}x{self.width}"
        name += f"_g{self.granule}" if self.granule else ""
        return name + ("_async" if self.asynchronous else "")


class Memory(wiring.Component):
    """Words of which one is written and one is read in a cycle.

    The read word is there in the cycle after its address and stays until the next read; where
    ``asynchronous``, it is there in the same cycle, and the memory becomes LUT RAM or registers
    instead of block RAM.

    Reading the word that is being written gives the old one, the new one or a mixture, so that
    block RAM needs no logic around it.

    No word is defined before it is written: the Verilog has no initial values, so that the module
    is also the wrapper of an SRAM. The module's name says its size.

    Parameters
    ----------
    width, depth, granule, asynchronous
        See :class:`MemoryParams`.

    Members
    -------
    write_enable : ``In(granules)``
    write_address, write_data : ``In``
    read_enable : ``In(1)``
        Not where ``asynchronous``.
    read_address : ``In``
    read_data : ``Out(width)``
    """

    def __init__(
        self,
        width: int,
        depth: int,
        granule: int = 0,
        asynchronous: bool = False,
    ):
        params = MemoryParams(width, depth, granule, asynchronous)
        self._params = params
        self.module_name = params.name
        members = {
            "write_enable": In(params.granules),
            "write_address": In(params.address_bits),
            "write_data": In(width),
            "read_address": In(params.address_bits),
            "read_data": Out(width),
        }
        super().__init__(members if asynchronous else members | {"read_enable": In(1)})

    def elaborate(self, platform):
        """The memory in Amaranth's simulator; Verilog comes from :meth:`rtlil`."""
        m, params = Module(), self._params
        words = memory.Memory(shape=params.width, depth=params.depth, init=[])
        m.submodules.words = words
        write = words.write_port(granularity=params.granule or params.width)
        read = words.read_port(domain="comb" if params.asynchronous else "sync")
        m.d.comb += [
            write.en.eq(self.write_enable),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            read.addr.eq(self.read_address),
            self.read_data.eq(read.data),
        ]
        if not params.asynchronous:
            m.d.comb += read.en.eq(self.read_enable)
        return m

    def rtlil(self, name: str, library) -> str:
        """The module as RTLIL.

        Amaranth would write a line of Verilog to clear each word, and take a second over each
        128 KiB. Where the design's memories are SRAMs, those that are read in a clock edge are
        instances of the wrapper.
        """
        params, width, address = self._params, self._params.width, self._params.address_bits
        if library.memories == "sram" and not params.asynchronous:
            return wrapper_rtlil(params, name)
        granules, size = params.granules, width // params.granules
        # one bit for each bit of the word, the highest first
        enables = " ".join(
            f"\\write_enable [{n}]" for n in reversed(range(granules)) for _ in range(size)
        )
        undefined = f"{width}'" + "x" * width
        clocked = not params.asynchronous
        lines = [f"module \\{name}"]
        if clocked:
            lines.append("  attribute \\no_rw_check 1")
        lines += [
            f"  memory width {width} size {params.depth} \\words",
            "  wire input 1 \\clk",
            f"  wire width {granules} input 2 \\write_enable",
            f"  wire width {address} input 3 \\write_address",
            f"  wire width {width} input 4 \\write_data",
            f"  wire width {address} input 5 \\read_address",
            *(["  wire input 6 \\read_enable"] if clocked else []),
            f"  wire width {width} output 7 \\read_data",
            *cell_text(
                "$memwr_v2 \\write",
                {
                    "MEMID": '"\\\\words"',
                    "ABITS": address,
                    "WIDTH": width,
                    "CLK_ENABLE": 1,
                    "CLK_POLARITY": 1,
                    "PORTID": 0,
                    "PRIORITY_MASK": 0,
                },
                {
                    "ADDR": "\\write_address",
                    "DATA": "\\write_data",
                    "EN": f"{{ {enables} }}",
                    "CLK": "\\clk",
                },
            ),
            *cell_text(
                "$memrd_v2 \\read",
                {
                    "MEMID": '"\\\\words"',
                    "ABITS": address,
                    "WIDTH": width,
                    "TRANSPARENCY_MASK": "1'0",
                    "COLLISION_X_MASK": "1'0",
                    "ARST_VALUE": undefined,
                    "SRST_VALUE": undefined,
                    "INIT_VALUE": undefined,
                    "CE_OVER_SRST": 0,
                    "CLK_ENABLE": int(clocked),
                    "CLK_POLARITY": 1,
                },
                {
                    "ADDR": "\\read_address",
                    "DATA": "\\read_data",
                    "ARST": "1'0",
                    "SRST": "1'0",
                    "EN": "\\read_enable" if clocked else "1'1",
                    "CLK": "\\clk" if clocked else "1'0",
                },
            ),
            "end",
        ]
        return "\n".join(lines) + "\n"
