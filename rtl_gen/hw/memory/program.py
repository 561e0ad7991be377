"""Where a program lies in memory."""

from amaranth.lib import data

from ...isa.registers import PROGRAM_WORDS_BITS
from .axi import ADDRESS_BITS

__all__ = ["PROGRAM"]

PROGRAM = data.StructLayout({"address": ADDRESS_BITS, "words": PROGRAM_WORDS_BITS})
"""Address of the first byte, and words of 32 bits."""
