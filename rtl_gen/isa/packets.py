"""Programs in memory: descriptors as the accelerator fetches them, each with its checksum.

A program is a sequence of packets in the order of the layers, one behind the other without a gap.
A packet is a descriptor with a word put in behind its header: the checksum of all its other words.
Words are 32 bits, the lowest byte first.

The checksum is the CRC-32 of ISO 3309 (HDLC; Ethernet, zlib) over the bytes of the words. A sum
would cost an adder less than the XORs of a CRC that takes a word at a time, about a thousand gates;
but what sums pass is what goes wrong here: words that changed places, two writes that were lost,
a pattern that is added twice. A CRC-32 finds every error within 32 bits, and every three wrong
bits of a packet (Koopman, "32-Bit Cyclic Redundancy Codes for Internet Applications", DSN 2002:
up to 91,607 bits; a packet is at most half a queue of 4,096 words and its checksum, 65,568 bits).
And a driver has it in its library.
"""

from collections.abc import Iterable, Sequence
from zlib import crc32

__all__ = ["CRC_BITS", "CRC_POLYNOMIAL", "PACKET_OVERHEAD", "checksum", "packet", "program_image"]

CRC_BITS = 32
CRC_POLYNOMIAL = 0xEDB8_8320
"""Coefficients of the generator, that of x^31 lowest: bits are taken lowest first. The register
begins as all ones and is inverted at the end."""

PACKET_OVERHEAD = 2
"""Words of a packet beside those of the record: header and checksum."""


def _bytes(words: Iterable[int]) -> bytes:
    return b"".join(word.to_bytes(4, "little") for word in words)


def checksum(words: Iterable[int]) -> int:
    """The checksum of a descriptor, its header included."""
    return crc32(_bytes(words))


def packet(words: Sequence[int]) -> list[int]:
    """A descriptor, header first, as it stands in a program in memory."""
    return [words[0], checksum(words), *words[1:]]


def program_image(descriptors: Iterable[Sequence[int]]) -> bytes:
    """Descriptors in the order in which they are to be fetched, as they lie in memory."""
    return b"".join(_bytes(packet(words)) for words in descriptors)
