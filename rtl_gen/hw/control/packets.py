"""From the words of a program to the engines' queues, each descriptor checked as a whole."""

from amaranth.hdl import Array, Module, Mux, Signal, unsigned
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from ...isa import errors
from ...isa.descriptors import HEADER, VERSION
from ...isa.fields import WORD_BITS
from ...isa.packets import PACKET_OVERHEAD
from ...isa.registers import DESCRIPTOR_BITS, PROGRAM_WORDS_BITS
from ..layouts import layout_of
from ..place import place
from .crc32 import Crc32

__all__ = ["PACKET_WORD", "PacketReader"]

PACKET_WORD = data.StructLayout({"word": WORD_BITS, "engine": unsigned(8)})
"""A word for the queue of an engine."""


class _Expects(enum.Enum, shape=unsigned(2)):
    """What the next word of the program is."""

    HEADER = 0
    CHECKSUM = 1
    BODY = 2


class PacketReader(wiring.Component):
    """Takes packets apart (:mod:`rtl_gen.isa.packets`) and hands their words to the queues.

    The header is looked at before a word goes on: version, engine, length, and whether the packet
    lies within the program. The last word of a descriptor goes only once the checksum of all is
    right. So of an illegal one the queue and the port behind it may have a part. It never becomes
    whole, and no part of it reaches an engine: the port hands over whole configurations. The reset
    after the error clears it.

    A word a cycle. A word leaves in the cycle after it came, the header in the cycle after the
    checksum; ``o.valid`` depends on registers only, ``i.ready`` on ``o.ready`` besides.

    Parameters
    ----------
    lengths
        Per engine, in the order of their numbers: words of its record; 0 of one that is not there.

    Members
    -------
    start : ``In(1)``, words : ``In(17)``
        A program of so many words begins, one at least; allowed while ``busy`` is low.
    i : ``In(stream.Signature(32))``
        Its words.
    o : ``Out(stream.Signature(PACKET_WORD))``
    busy : ``Out(1)``
        From the cycle after ``start`` until the last word has been taken from ``o``; for good after
        an error.
    error : ``Out(ERROR_BITS)``
        Why the packet was refused; stays. No word is taken any more, none is handed on.
    last : ``Out(1)``
        The next word of ``i`` is the program's last.
    packet : ``Out(16)``
        Packets handed on: the number of the one that an error is about.
    """

    def __init__(self, lengths: tuple[int, ...]):
        self._lengths = lengths
        self.module_name = "packet_reader"
        super().__init__(
            {
                "start": In(1),
                "words": In(PROGRAM_WORDS_BITS),
                "i": In(stream.Signature(WORD_BITS)),
                "o": Out(stream.Signature(PACKET_WORD)),
                "busy": Out(1),
                "error": Out(errors.ERROR_BITS),
                "last": Out(1),
                "packet": Out(DESCRIPTOR_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        crc = place(m, platform, "crc", Crc32, tied={"word": self.i.payload})
        expects = Signal(_Expects)
        left = Signal(PROGRAM_WORDS_BITS)  # words of the program that have not come
        checksum = Signal(WORD_BITS)
        valid = Signal()  # a word waits to be handed on
        ends = Signal()  # it is the last of its packet
        wrong = Signal()  # and the checksum is another
        illegal = Signal(errors.ERROR_BITS)  # why the word is no header
        takes = Signal()

        m.d.comb += [
            # Not of what is wrong, a long path: a header behind that is taken, and forgotten.
            self.i.ready.eq((left != 0) & (self.error == errors.NONE) & (~valid | self.o.ready)),
            takes.eq(self.i.valid & self.i.ready),
            wrong.eq(valid & ends & (crc.checksum != checksum)),
            self.o.valid.eq(valid & ~wrong),
            self.last.eq(left == 1),
            self.busy.eq((left != 0) | valid | (self.error != errors.NONE)),
            # The checksum is no part of what it is taken of.
            crc.take.eq(takes & (expects != _Expects.CHECKSUM)),
            crc.first.eq(expects == _Expects.HEADER),
        ]
        with m.If(self.start):
            m.d.sync += [left.eq(self.words), self.packet.eq(0)]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [valid.eq(0), self.packet.eq(self.packet + ends)]
        with m.If(takes):
            # The header waits for the checksum and goes in its place.
            m.d.sync += [left.eq(left - 1), valid.eq(expects != _Expects.HEADER)]
        with m.If(wrong):
            m.d.sync += self.error.eq(errors.BAD_CHECKSUM)
        with m.Elif(takes & (expects == _Expects.HEADER)):
            m.d.sync += self.error.eq(illegal)
        self._elaborate_header(m, left, illegal)
        self._elaborate_words(m, expects, takes, checksum, ends)
        return m

    def _elaborate_header(self, m, left, illegal):
        """What is wrong with the word, seen as a header."""
        header = Signal(layout_of(HEADER.fields))
        longest = Array(self._lengths)[header.engine]
        absent = Array(int(not words) for words in self._lengths)[header.engine]
        m.d.comb += header.eq(self.i.payload)
        with m.If(header.version != VERSION):
            m.d.comb += illegal.eq(errors.BAD_VERSION)
        with m.Elif((header.engine >= len(self._lengths)) | absent):
            m.d.comb += illegal.eq(errors.BAD_ENGINE)
        with m.Elif(header.words > longest):
            m.d.comb += illegal.eq(errors.DESCRIPTOR_TOO_LONG)
        with m.Elif(left < header.words + PACKET_OVERHEAD):
            m.d.comb += illegal.eq(errors.TRUNCATED_PROGRAM)

    def _elaborate_words(self, m, expects, takes, checksum, ends):
        """Follow the packet; what is handed on stands in ``o.payload``."""
        header = data.View(layout_of(HEADER.fields), self.i.payload)
        body = Signal(range(max(self._lengths) + 1))  # words of the packet that have not come
        last = Signal()  # the packet ends with this word, be it the checksum
        m.d.comb += last.eq(body == (expects == _Expects.BODY))
        with m.If(takes):
            with m.Switch(expects):
                with m.Case(_Expects.HEADER):
                    m.d.sync += [
                        self.o.payload.word.eq(self.i.payload),
                        self.o.payload.engine.eq(header.engine),
                        body.eq(header.words),
                        expects.eq(_Expects.CHECKSUM),
                    ]
                with m.Case(_Expects.CHECKSUM):
                    m.d.sync += checksum.eq(self.i.payload)
                with m.Case(_Expects.BODY):
                    m.d.sync += [self.o.payload.word.eq(self.i.payload), body.eq(body - 1)]
            with m.If(expects != _Expects.HEADER):
                m.d.sync += [
                    ends.eq(last),
                    expects.eq(Mux(last, _Expects.HEADER, _Expects.BODY)),
                ]
