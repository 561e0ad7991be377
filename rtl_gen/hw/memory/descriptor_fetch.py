"""The fetch of a program: descriptors from main memory to the engines' queues."""

from dataclasses import dataclass
from functools import cached_property

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...isa import errors
from ...isa.fields import WORD_BITS, Field, Record, nest_fields
from ...isa.registers import DESCRIPTOR_BITS, PROGRAM_WORDS_BITS
from ..buffer.buffet import Buffet
from ..control.packets import PACKET_WORD, PacketReader
from ..place import place
from .axi import ADDRESS
from .load import LoadEngine
from .load_params import LoadParams
from .program import PROGRAM

__all__ = ["DescriptorFetch", "FetchParams"]

BURSTS_AHEAD = 2
"""Bursts in the buffer of the fetch: one is taken apart while the next is on its way."""


@dataclass(frozen=True)
class FetchParams:
    """What the fetch of programs is built for.

    Parameters
    ----------
    bus_bits, burst_beats
        Data width of the bus, 32 to 256; beats of a burst at most.
    queue_words
        Words of each descriptor queue.
    lengths
        Per engine, in the order of their numbers: words of its record; 0 of one that is not there.

    Raises
    ------
    ValueError
        If a queue does not hold the longest descriptor, which would wait for room for ever.
    """

    bus_bits: int
    burst_beats: int
    queue_words: int
    lengths: tuple[int, ...]

    def __post_init__(self):
        longest = 1 + max(self.lengths)
        if longest > self.queue_words:
            raise ValueError(
                f"queue words must be at least {longest}, the longest descriptor, "
                f"not {self.queue_words!r}"
            )

    @property
    def words_per_beat(self) -> int:
        return self.bus_bits // WORD_BITS

    @cached_property
    def load(self) -> LoadParams:
        """A load engine whose words are beats, and whose descriptor is one run of them."""
        run = nest_fields(
            levels=1,
            forms={"offset": 1},
            events={},
            bound_bits=PROGRAM_WORDS_BITS - (self.words_per_beat.bit_length() - 1),
        )
        return LoadParams(
            record=Record("load_program", (Field("base", 64), *run)),
            block=self.bus_bits // 8,
            bus_bits=self.bus_bits,
            burst_beats=self.burst_beats,
            capacity=BURSTS_AHEAD * self.burst_beats,
        )


class DescriptorFetch(wiring.Component):
    """Reads a program from its first word to its last and fills the queues with it.

    A load engine fills a buffer with bursts, each asked for once its room is reserved; the beats
    are cut into words, and :class:`PacketReader` checks and hands on these. A word a cycle but for
    the checksums, unless a queue is full.

    Parameters
    ----------
    params
        See :class:`FetchParams`.

    Members
    -------
    start : ``In(1)``, program : ``In(PROGRAM)``
        A program of at least one word is to be fetched; allowed while ``busy`` is low. ``program``
        is looked at in that cycle and the next, in which the load engine takes its one run.
    busy : ``Out(1)``
        From the cycle after ``start`` until the last word is in a queue; for good after an error.
    moved : ``Out(1)``
        A word went to a queue.
    request : ``Out(stream.Signature(ADDRESS))``
    beats : ``In(stream.Signature(unsigned(params.bus_bits)))``
    o : ``Out(stream.Signature(PACKET_WORD))``
    error : ``Out(ERROR_BITS)``
        Of the program's address or of a packet; stays until reset.
    packet : ``Out(16)``
        The number of the packet.
    """

    def __init__(self, params: FetchParams):
        self._params = params
        self.module_name = "descriptor_fetch"
        super().__init__(
            {
                "start": In(1),
                "program": In(PROGRAM),
                "busy": Out(1),
                "moved": Out(1),
                "request": Out(stream.Signature(ADDRESS)),
                "beats": In(stream.Signature(unsigned(params.bus_bits))),
                "o": Out(stream.Signature(PACKET_WORD)),
                "error": Out(errors.ERROR_BITS),
                "packet": Out(DESCRIPTOR_BITS),
            }
        )

    def elaborate(self, platform):
        m, params = Module(), self._params
        reader = place(
            m,
            platform,
            "reader",
            PacketReader,
            params.lengths,
            tied={"start": self.start, "words": self.program.words},
        )
        beats = self._elaborate_load(m, platform, reader)
        self._elaborate_words(m, beats, reader)
        wiring.connect(m, reader.o, wiring.flipped(self.o))
        m.d.comb += [
            self.busy.eq(reader.busy),
            self.moved.eq(self.o.valid & self.o.ready),
            self.packet.eq(reader.packet),
        ]
        return m

    def _elaborate_load(self, m, platform, reader):
        """Bring the program into a buffer; returns the stream of its beats."""
        params = self._params
        load = place(
            m,
            platform,
            "load",
            LoadEngine,
            params.load,
            tied={"request": self.request, "beats": self.beats},
        )
        buffet = place(
            m,
            platform,
            "buffet",
            Buffet,
            8 * params.load.block,
            params.load.capacity,
            tied={"write": load.write, "commit": load.commit, "space": load.space},
        )
        last_word = Signal(PROGRAM_WORDS_BITS)
        m.d.comb += [
            last_word.eq(self.program.words - 1),
            load.start.eq(self.start),
            load.config.base.eq(self.program.address),
            load.config.bound0.eq(last_word >> (params.words_per_beat.bit_length() - 1)),
            # Whatever is in the buffer is wanted, and nothing is read twice.
            buffet.request.valid.eq(1),
            buffet.request.payload.read.eq(1),
            buffet.request.payload.shrink.eq(1),
            self.error.eq(Mux(load.unaligned, errors.UNALIGNED, reader.error)),
        ]
        return buffet.response

    def _elaborate_words(self, m, beats, reader):
        """Hand on the words of each beat, the lowest first, up to the end of the program."""
        words, count = reader.i, self._params.words_per_beat
        number = Signal(range(max(2, count)))  # of the word in its beat
        takes = Signal()
        ends = Signal()  # the word is the last of its beat that is wanted
        m.d.comb += [
            ends.eq((number == count - 1) | reader.last),
            words.valid.eq(beats.valid),
            words.payload.eq(beats.payload.data.word_select(number, WORD_BITS)),
            takes.eq(words.valid & words.ready),
            beats.ready.eq(takes & ends),
        ]
        with m.If(takes):
            m.d.sync += number.eq(Mux(ends, 0, number + 1))
