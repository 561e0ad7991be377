"""Word registers: the words that one step uses together, the next ones gathering behind."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..buffer.buffet import BuffetParams
from ..buffer.shadow_words import ShadowWords
from ..place import place

__all__ = ["WordSet"]


class WordSet(wiring.Component):
    """Holds ``count`` words until they are used up, while the next set comes in.

    With one response a set there is no shadow: a set used up is replaced by the response that
    waits. One response a cycle either way, of one word or, where a request asks for several, of the
    whole set. A word that was not read is ``fill``, repeated.

    Parameters
    ----------
    buffet
        Where the words come from.
    count
        Words of a set.
    fill_bits
        Low bits of the tag that stand in for the bytes of a word that was not read; 0: zero.

    Members
    -------
    response : ``In(stream.Signature(buffet.response))``
    valid : ``Out(1)``
        A set is there.
    waiting : ``Out(1)``
        The set after it is there too; never for sets of one word.
    words : ``Out(count * width)``
        The first word lowest.
    tag : ``Out(tag_bits)``
        Of the set's last word; absent without tags.
    inside : ``Out(1)``
        Whether the first word was read; only with ``tells_inside``.
    done : ``In(1)``
        The set is used up; allowed only while ``valid``.
    """

    def __init__(
        self,
        buffet: BuffetParams,
        count: int,
        fill_bits: int = 0,
        name: str = "words",
        tells_inside: bool = False,
    ):
        self._buffet, self._count, self._fill_bits = buffet, count, fill_bits
        self._tells_inside = tells_inside
        self._reads = getattr(buffet, "reads", 1)
        if self._reads not in (1, count):
            raise ValueError(f"a set of {count} words cannot come {self._reads} at a time")
        self.module_name = name
        ports = {
            "response": In(stream.Signature(buffet.response)),
            "valid": Out(1),
            "waiting": Out(1),
            "words": Out(count * buffet.width),
            "done": In(1),
        }
        if buffet.tag_bits:
            ports["tag"] = Out(buffet.tag_bits)
        if tells_inside:
            if count != self._reads:
                raise ValueError("only of words that come together is known which were read")
            ports["inside"] = Out(1)
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        response = self.response.payload
        word = Signal(self._buffet.width * self._reads)
        fill = Const(0, self._buffet.width)
        if self._fill_bits:
            copies = self._buffet.width // self._fill_bits
            fill = Cat([response.tag[: self._fill_bits]] * copies)
        if self._reads > 1:
            pairs = zip(response.read, response.data)
            m.d.comb += word.eq(Cat(Mux(read, data, fill) for read, data in pairs))
        else:
            m.d.comb += word.eq(Mux(response.read, response.data, fill))
        free = Signal()  # the present set is gone after this cycle
        m.d.comb += free.eq(~self.valid | self.done)
        if self._count == self._reads:
            m.d.comb += self.response.ready.eq(free)
            with m.If(free):
                m.d.sync += [self.valid.eq(self.response.valid), self.words.eq(word)]
                self._keep_tag(m, response)
                if self._tells_inside:
                    m.d.sync += self.inside.eq(response.read[0])
        else:
            self._elaborate_shadow(m, platform, word, free)
        return m

    def _elaborate_shadow(self, m, platform, word, free):
        """Gather a set word by word; hand it over whole."""
        position = Signal(range(self._count))
        move, arrives = Signal(), Signal()
        last = self._is_last(position)
        write = Signal(self._count)
        place(
            m,
            platform,
            "sets",
            ShadowWords,
            (self._buffet.width,) * self._count,
            False,
            f"{self.module_name}_registers",
            tied={"word": word, "write": write, "take": move, "words": self.words},
        )
        m.d.comb += [
            write.eq(arrives << position),
            move.eq(self.waiting & free),
            self.response.ready.eq(~self.waiting | move),
            arrives.eq(self.response.valid & self.response.ready),
        ]
        with m.If(arrives):
            with m.If(last):
                m.d.sync += position.eq(0)
            with m.Else():
                m.d.sync += position.eq(position + 1)
        with m.If(arrives & last):
            m.d.sync += self.waiting.eq(1)
        with m.Elif(move):
            m.d.sync += self.waiting.eq(0)
        with m.If(free):
            m.d.sync += self.valid.eq(self.waiting)
        if self._buffet.tag_bits:
            behind = Signal(self._buffet.tag_bits)
            with m.If(arrives):
                m.d.sync += behind.eq(self.response.payload.tag)
            with m.If(move):
                m.d.sync += self.tag.eq(behind)

    def _is_last(self, position):
        """Whether a word completes its set."""
        return position == self._count - 1

    def _keep_tag(self, m, response):
        if self._buffet.tag_bits:
            m.d.sync += self.tag.eq(response.tag)
