"""A CRC-32 that takes a word a cycle."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...isa.fields import WORD_BITS
from ...isa.packets import CRC_BITS, CRC_POLYNOMIAL

__all__ = ["Crc32"]

ONES = (1 << CRC_BITS) - 1


class Crc32(wiring.Component):
    """The checksum of :mod:`rtl_gen.isa.packets` over the words taken.

    Each bit of the next register is the XOR of those of the register and the word that its shift,
    done 32 times, would let through.

    Members
    -------
    word : ``In(32)``
    take, first : ``In(1)``
        The word is taken; no word before it counts.
    checksum : ``Out(32)``
        Of the words taken so far.
    """

    word: In(WORD_BITS)
    take: In(1)
    first: In(1)
    checksum: Out(CRC_BITS)

    module_name = "crc32"

    def elaborate(self, platform):
        m = Module()
        register = Signal(CRC_BITS)
        mixed = Signal(CRC_BITS)
        m.d.comb += [
            mixed.eq(Mux(self.first, ONES, register) ^ self.word),
            self.checksum.eq(~register),
        ]
        with m.If(self.take):
            m.d.sync += register.eq(Cat(mixed_bits(mixed, sources).xor() for sources in shifted()))
        return m


def shifted() -> list[set[int]]:
    """For each bit of the register, which bits it is the XOR of before 32 shifts."""
    sources = [{n} for n in range(CRC_BITS)]
    for _ in range(WORD_BITS):
        out = sources[0]
        sources = [*sources[1:], set()]
        for n in range(CRC_BITS):
            if CRC_POLYNOMIAL >> n & 1:
                sources[n] = sources[n] ^ out
    return sources


def mixed_bits(value, places: set[int]):
    """The bits of a value at some places."""
    return Cat(value[n] for n in sorted(places))
