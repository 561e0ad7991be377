"""Cutting runs of words into AXI bursts."""

from dataclasses import dataclass

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .axi import ADDRESS_BITS, PAGE_BYTES

__all__ = ["RUN_BITS", "BurstParams", "Bursts"]

RUN_BITS = 17
"""A run of up to 65,536 words."""


def _is_power_of_two(value) -> bool:
    return isinstance(value, int) and value > 0 and not value & (value - 1)


@dataclass(frozen=True, kw_only=True)
class BurstParams:
    """Words, bus and bursts.

    Parameters
    ----------
    block
        Bytes of a word.
    bus_bits
        Data width of the bus, at most a word.
    burst_beats
        Beats of a burst at most.
    """

    block: int
    bus_bits: int
    burst_beats: int = 16

    def __post_init__(self):
        if not _is_power_of_two(self.block) or self.block > 256:
            raise ValueError(f"block must be a power of two up to 256 bytes, not {self.block!r}")
        if not _is_power_of_two(self.bus_bits) or not 8 <= self.bus_bits <= 8 * self.block:
            raise ValueError(
                f"bus width must be a power of two from 8 bits to a word of {8 * self.block} bits, "
                f"not {self.bus_bits!r}"
            )
        most = min(256, PAGE_BYTES // (self.bus_bits // 8))
        if not _is_power_of_two(self.burst_beats) or not self.beats <= self.burst_beats <= most:
            raise ValueError(
                f"burst beats must be a power of two from {self.beats}, a word, to {most}, "
                f"not {self.burst_beats!r}"
            )

    @property
    def beats(self) -> int:
        """Beats of a word."""
        return 8 * self.block // self.bus_bits

    @property
    def words(self) -> int:
        """Words of a burst at most."""
        return self.burst_beats // self.beats

    @property
    def page_words(self) -> int:
        """Words between two addresses that no burst crosses."""
        return PAGE_BYTES // self.block

    @property
    def shift(self) -> int:
        """Bits of a byte address below the word's."""
        return self.block.bit_length() - 1

    @property
    def address(self):
        """Shape of a word's address, in words."""
        return unsigned(ADDRESS_BITS - self.shift)

    @property
    def count(self):
        """Shape of the words of a burst."""
        return unsigned(self.words.bit_length())

    def run(self, tag_bits: int) -> data.StructLayout:
        """A run of consecutive words, and a tag if it has bits."""
        tag = {"tag": tag_bits} if tag_bits else {}
        return data.StructLayout({"address": self.address, "words": RUN_BITS} | tag)

    def burst(self, tag_bits: int) -> data.StructLayout:
        """A part of a run, whether it is its first and its last, and the run's tag."""
        tag = {"tag": tag_bits} if tag_bits else {}
        return data.StructLayout(
            {"address": self.address, "words": self.count, "first": 1, "last": 1} | tag
        )

    def length(self, words):
        """AXI's length, beats less one, of a burst of ``words``, at least one."""
        return ((words << (self.beats.bit_length() - 1)) - 1)[:8]


class Bursts(wiring.Component):
    """Cut runs of words into bursts that are as long as may be and cross no page.

    A run of no words becomes one burst of no words, so that its tag goes on. The first burst is
    valid in the cycle after its run came; a burst a cycle.

    Parameters
    ----------
    params
        Words and bursts.
    tag_bits
        Bits that go from a run to each of its bursts; 0: no tag.

    Members
    -------
    i : ``In(stream.Signature(params.run(tag_bits)))``
    o : ``Out(stream.Signature(params.burst(tag_bits)))``
    busy : ``Out(1)``
        A run is here.
    """

    def __init__(self, params: BurstParams, tag_bits: int):
        self._params, self._tag_bits = params, tag_bits
        tag = f"_tag{tag_bits}" if tag_bits else ""
        self.module_name = f"bursts_{params.words}x{params.block}{tag}"
        super().__init__(
            {
                "i": In(stream.Signature(params.run(tag_bits))),
                "o": Out(stream.Signature(params.burst(tag_bits))),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self._params
        self.left = run = Signal.like(self.i.payload)  # of the run
        valid = Signal()
        first = Signal()

        page = Signal(range(params.page_words + 1))  # words up to the end of the page
        most = Signal(params.count)
        fits = Signal()  # the rest is one burst
        m.d.comb += [
            page.eq(params.page_words - run.address[: params.page_words.bit_length() - 1]),
            most.eq(Mux(page < params.words, page, params.words)),
            fits.eq(run.words <= most),
            self.busy.eq(valid),
            self.o.valid.eq(valid),
            self.o.payload.address.eq(run.address),
            self.o.payload.words.eq(Mux(fits, run.words, most)),
            self.o.payload.first.eq(first),
            self.o.payload.last.eq(fits),
            self.i.ready.eq(~valid | (self.o.ready & fits)),
        ]
        if self._tag_bits:
            m.d.comb += self.o.payload.tag.eq(run.tag)
        with m.If(self.i.ready):
            m.d.sync += [valid.eq(self.i.valid), run.eq(self.i.payload), first.eq(1)]
        with m.Elif(self.o.ready):
            m.d.sync += [
                run.words.eq(run.words - most),
                run.address.eq(run.address + most),
                first.eq(0),
            ]
        return m
