"""What a load engine is built for."""

from dataclasses import dataclass

from amaranth.hdl import unsigned
from amaranth.lib import data

from ...isa.fields import Record
from ..buffer.buffet import BuffetParams
from ..control.nest import NestParams
from .bursts import RUN_BITS, BurstParams
from .nests import nest_of

__all__ = ["LoadParams"]


@dataclass(frozen=True, kw_only=True)
class LoadParams:
    """The record, the buffet and the bus of a load engine.

    Parameters
    ----------
    record
        Fields of its descriptor: ``base`` and a nest with the form ``offset``; with the form
        ``x`` and ``x_limit``, and ``y0`` and ``y0_limit`` and so on, where words that lie outside
        the tensor are not loaded.
    block, bus_bits, burst_beats
        See :class:`BurstParams`.
    capacity
        Words of the buffet; at least a burst.
    watermark
        Fewer words than this, filled or on their way, are urgent; 0: never.
    bursts
        Bursts in flight at most.
    in_flight_words
        Words in flight at most; 0: as the buffet has room.
    """

    record: Record
    block: int
    bus_bits: int
    capacity: int
    watermark: int = 0
    burst_beats: int = 16
    bursts: int = 32
    in_flight_words: int = 0

    def __post_init__(self):
        least = self.bus.words
        if self.capacity < max(2, least):
            raise ValueError(
                f"capacity must be at least {max(2, least)} words, a burst, not {self.capacity!r}"
            )
        if self.watermark not in range(self.capacity + 1):
            raise ValueError(
                f"watermark must be 0..{self.capacity} words, the capacity, not {self.watermark!r}"
            )
        if self.bursts < 2:
            raise ValueError(f"bursts in flight must be at least 2, not {self.bursts!r}")
        if self.in_flight_words < 0 or 0 < self.in_flight_words < least:
            raise ValueError(
                f"in-flight words must be at least {least}, a burst, or 0 for no limit, "
                f"not {self.in_flight_words!r}"
            )
        if not self.clips and self.checks:
            raise ValueError(f"record {self.record.name} must have the form x, as it has y0")

    @property
    def bus(self) -> BurstParams:
        return BurstParams(block=self.block, bus_bits=self.bus_bits, burst_beats=self.burst_beats)

    @property
    def nest(self) -> NestParams:
        return nest_of(self.record)

    @property
    def clips(self) -> bool:
        """Whether words outside the tensor are left out."""
        return any(name == "x" for name, _ in self.nest.forms)

    @property
    def checks(self) -> int:
        """Coordinates beside x."""
        return sum(name.startswith("y") for name, _ in self.nest.forms)

    @property
    def skip_unit(self) -> int:
        """Words skipped at once, at most: the largest power of two that the buffet holds."""
        return 1 << (self.capacity.bit_length() - 1)

    @property
    def amount(self):
        """Shape of a number of words of the buffet."""
        return unsigned(self.capacity.bit_length())

    @property
    def buffet(self) -> BuffetParams:
        return BuffetParams(8 * self.block, self.capacity)

    @property
    def tag(self) -> data.StructLayout:
        """Of a run: the words that are skipped before it and behind it."""
        return data.StructLayout({"skip": RUN_BITS, "after": RUN_BITS} if self.clips else {})

    @property
    def chunk(self) -> data.StructLayout:
        """``skip`` words that are not loaded, then a burst of ``words``; either may be 0.

        ``needs`` is their sum. Without words ``address`` means nothing and may change.
        """
        skip = {"skip": self.amount, "needs": self.amount} if self.clips else {}
        return data.StructLayout({"address": self.bus.address, "words": self.bus.count} | skip)

    @property
    def order(self) -> data.StructLayout:
        """What a chunk puts into the buffet."""
        skip = {"skip": self.amount} if self.clips else {}
        return data.StructLayout({"words": self.bus.count} | skip)
