"""What a store engine is built for."""

from dataclasses import dataclass

from amaranth.lib import data

from ...isa.fields import Record
from ..buffer.buffet import BuffetParams
from ..control.nest import NestParams
from .axi import ADDRESS_BITS
from .bursts import BurstParams
from .nests import nest_of

__all__ = ["FORMED", "StoreParams"]

FORMED = data.StructLayout({"address": ADDRESS_BITS, "length": 8, "end": 1})
"""A burst: AXI's address and length, and whether it is the last of its descriptor."""


@dataclass(frozen=True, kw_only=True)
class StoreParams:
    """The record, the buffet and the bus of a store engine.

    Parameters
    ----------
    record
        Fields of its descriptor: ``base`` and a nest with the forms ``offset`` and ``index`` and
        the event ``shrink``.
    block, bus_bits, burst_beats
        See :class:`BurstParams`.
    buffet
        Of the buffer that it reads.
    bursts
        Bursts at most whose responses are awaited.
    """

    record: Record
    block: int
    bus_bits: int
    buffet: BuffetParams
    burst_beats: int = 16
    bursts: int = 32

    def __post_init__(self):
        if self.buffet.width != 8 * self.bus.block:
            raise ValueError(
                f"buffet width must be that of a word, {8 * self.block} bits, "
                f"not {self.buffet.width!r}"
            )
        if self.bursts < 2:
            raise ValueError(f"bursts in flight must be at least 2, not {self.bursts!r}")

    @property
    def bus(self) -> BurstParams:
        return BurstParams(block=self.block, bus_bits=self.bus_bits, burst_beats=self.burst_beats)

    @property
    def nest(self) -> NestParams:
        return nest_of(self.record)

    @property
    def tag(self) -> data.StructLayout:
        """Of a run: its first word's index, what is retired with its last, whether none follows."""
        return data.StructLayout(
            {"index": self.buffet.index, "shrink": self.buffet.amount, "end": 1}
        )
