"""From descriptor words to an engine's configuration, the next one loading behind the present."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...isa import errors
from ...isa.descriptors import ENGINES, HEADER, VERSION
from ...isa.fields import WORD_BITS, Record
from ..buffer.shadow_words import ShadowWords
from ..layouts import layout_of
from ..place import place

__all__ = ["DescriptorPort"]


class DescriptorPort(wiring.Component):
    """Gathers descriptors into a shadow configuration and hands it over whole.

    A descriptor is a header, then words; fields in words that are not sent are 0. One word a cycle;
    ``ready_config`` rises in the cycle after the last word. A header of another version, of another
    engine, or with more words than the record has, stops the port for good before any of it takes
    effect.

    Registers only for bits that fields use, twice: shadow and active. A field stands in ``config``
    as the layout of the record says.

    Parameters
    ----------
    record
        The engine's descriptor; its name is one of :data:`~rtl_gen.isa.descriptors.ENGINES`.

    Members
    -------
    words : ``In(stream.Signature(32))``
    ready_config : ``Out(1)``
        The shadow holds a whole descriptor.
    loading : ``Out(1)``
        It holds a part of one.
    take : ``In(1)``
        Copies the shadow into ``config`` and frees it; allowed while ``ready_config`` is high.
    config : ``Out(layout_of(record.fields))``
        Changes only in the cycle after ``take``.
    error : ``Out(ERROR_BITS)``
        Code of the header that stopped the port; stays.
    """

    def __init__(self, record: Record):
        self._record = record
        self.module_name = f"descriptor_port_{record.name}"
        super().__init__(
            {
                "words": In(stream.Signature(WORD_BITS)),
                "ready_config": Out(1),
                "loading": Out(1),
                "take": In(1),
                "config": Out(layout_of(record.fields)),
                "error": Out(errors.ERROR_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()

        payload = Signal(layout_of(HEADER.fields))  # the word offered, seen as a header
        illegal = Signal(errors.ERROR_BITS)
        position = Signal(range(max(2, self._record.words)))
        remaining = Signal(range(self._record.words + 1))
        taken = Signal()

        m.d.comb += [
            payload.eq(self.words.payload),
            self.words.ready.eq(~self.ready_config & (self.error == errors.NONE)),
            taken.eq(self.words.valid & self.words.ready),
        ]
        with m.If(payload.version != VERSION):
            m.d.comb += illegal.eq(errors.BAD_VERSION)
        with m.Elif(payload.engine != ENGINES.index(self._record.name)):
            m.d.comb += illegal.eq(errors.BAD_ENGINE)
        with m.Elif(payload.words > self._record.words):
            m.d.comb += illegal.eq(errors.DESCRIPTOR_TOO_LONG)

        with m.If(taken & ~self.loading):
            m.d.sync += [
                self.error.eq(illegal),
                position.eq(0),
                remaining.eq(payload.words),
                self.loading.eq(payload.words != 0),
                self.ready_config.eq((illegal == errors.NONE) & (payload.words == 0)),
            ]
        with m.Elif(taken):
            m.d.sync += [
                position.eq(position + 1),
                remaining.eq(remaining - 1),
                self.loading.eq(remaining != 1),
                self.ready_config.eq(remaining == 1),
            ]
        with m.Elif(self.take):
            m.d.sync += self.ready_config.eq(0)

        used = _used_bits(self._record)
        write = Signal(len(used))
        m.d.comb += write.eq((taken & self.loading) << position)
        place(
            m,
            platform,
            "registers",
            ShadowWords,
            used,
            True,
            f"{self._record.name}_registers",
            tied={
                "word": self.words.payload[: max(used)],
                "write": write,
                "take": self.take,
                # Fields lie in the words without gaps and in the layout's order.
                "words": self.config.as_value(),
            },
        )
        return m


def _used_bits(record: Record) -> tuple[int, ...]:
    """How many bits of each word, from the lowest, fields lie in."""
    used = [0] * record.words
    for placed in record.places:
        end = placed.bit + placed.field.bits
        for n in range(placed.word, record.words):
            used[n] = max(used[n], min(WORD_BITS, end))
            end -= WORD_BITS
            if end <= 0:
                break
    return tuple(used)
