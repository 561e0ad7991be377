"""Buffets: buffers with explicit decoupled fill, read and shrink.

Source: Pellauer et al., "Buffets: An Efficient and Composable Storage Idiom for Explicit Decoupled
Data Orchestration" (ASPLOS 2019). Fill, read (index from the head), shrink and credit keep their
meaning; a fill may come out of order before it is committed. Left out: update (accumulators have
memories of their own).
"""

from dataclasses import dataclass

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..place import place
from .memory import Memory, address_bits

__all__ = ["Buffet", "BuffetParams"]


@dataclass(frozen=True)
class BuffetParams:
    """The sizes of a buffet, and from them what its streams carry.

    Parameters
    ----------
    width
        Bits of a word; a multiple of 8 with ``strobes``.
    depth
        Words, at least 2; not only powers of two.
    tag_bits
        Bits that go from each request to its response; 0: no tag.
    strobes
        Whether a write may leave out bytes.
    """

    width: int
    depth: int
    tag_bits: int = 0
    strobes: bool = False

    def __post_init__(self):
        if self.width < 1 or (self.strobes and self.width % 8):
            rule = "a multiple of 8 bits" if self.strobes else "at least 1 bit"
            raise ValueError(f"buffet width must be {rule}, not {self.width!r}")
        if self.depth < 2:
            raise ValueError(f"buffet depth must be at least 2 words, not {self.depth!r}")
        if self.tag_bits < 0:
            raise ValueError(f"buffet tag must have 0 bits or more, not {self.tag_bits!r}")

    @property
    def index(self):
        """Shape of a word's place relative to the head or the tail."""
        return unsigned(address_bits(self.depth))

    @property
    def amount(self):
        """Shape of a number of words."""
        return unsigned(self.depth.bit_length())

    @property
    def _tag(self) -> dict:
        return {"tag": unsigned(self.tag_bits)} if self.tag_bits else {}

    @property
    def write(self) -> data.StructLayout:
        strobe = {"strobe": unsigned(self.width // 8)} if self.strobes else {}
        return data.StructLayout({"index": self.index, "data": unsigned(self.width)} | strobe)

    @property
    def commit(self) -> data.StructLayout:
        return data.StructLayout({"count": self.amount})

    @property
    def request(self) -> data.StructLayout:
        return data.StructLayout(
            {"index": self.index, "read": 1, "shrink": self.amount} | self._tag
        )

    @property
    def response(self) -> data.StructLayout:
        return data.StructLayout({"data": unsigned(self.width), "read": 1} | self._tag)


class Buffet(wiring.Component):
    """A circular buffer whose words are filled, committed, read in any order and retired.

    Words lie from the head, the oldest, to the tail. A write, a commit and a request are taken
    in each cycle; a response is valid in the cycle after its request, and requests follow each
    other without a gap. What is committed can be read, and what is retired can be written, in
    the next cycle. The ``ready`` of a stream depends on its payload, and that of ``request`` also
    on ``response.ready``.

    Parameters
    ----------
    width, depth, tag_bits, strobes
        See :class:`BuffetParams`.

    Members
    -------
    write : ``In(stream.Signature(params.write))``
        Puts ``data`` at ``tail + index``, once that word is free. A word may be written more than
        once before its commit.
    commit : ``In(stream.Signature(params.commit))``
        Hands out the first ``count`` words behind the tail together, once so many are free; a
        write of the same cycle is among them.
    request : ``In(stream.Signature(params.request))``
        With ``read``, reads the word at ``head + index`` once it is filled; then retires
        ``shrink`` words once so many are filled.
    response : ``Out(stream.Signature(params.response))``
        One for each request, in order. Where ``read`` is low, ``data`` is still the last word read.
    space, filled : ``Out(params.amount)``
        Free words; committed words.
    """

    def __init__(self, width: int, depth: int, tag_bits: int = 0, strobes: bool = False):
        self._params = params = BuffetParams(width, depth, tag_bits, strobes)
        tag = f"_tag{tag_bits}" if tag_bits else ""
        self.module_name = f"buffet_{depth}x{width}{tag}{'_strobes' if strobes else ''}"
        super().__init__(
            {
                "write": In(stream.Signature(params.write)),
                "commit": In(stream.Signature(params.commit)),
                "request": In(stream.Signature(params.request)),
                "response": Out(stream.Signature(params.response)),
                "space": Out(params.amount),
                "filled": Out(params.amount),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self._params
        memory = place(
            m, platform, "memory", Memory, params.width, params.depth, 8 if params.strobes else 0
        )
        head = Signal(params.index)
        tail = Signal(params.index)
        space = Signal(params.amount, init=params.depth)
        committed = Signal(params.amount)
        retired = Signal(params.amount)

        self._elaborate_fill(m, memory, tail, committed)
        self._elaborate_read(m, memory, head, retired)
        m.d.comb += self.space.eq(space)
        m.d.sync += [
            tail.eq(self._wrapped(m, "after_tail", tail, committed)),
            head.eq(self._wrapped(m, "after_head", head, retired)),
            self.filled.eq(self.filled + committed - retired),
            space.eq(space - committed + retired),
        ]
        return m

    def _elaborate_fill(self, m, memory, tail, committed):
        write, commit = self.write, self.commit
        writes = Signal()
        m.d.comb += [
            write.ready.eq(write.payload.index < self.space),
            writes.eq(write.valid & write.ready),
            memory.write_address.eq(self._wrapped(m, "write_place", tail, write.payload.index)),
            memory.write_data.eq(write.payload.data),
            commit.ready.eq(commit.payload.count <= self.space),
            committed.eq(Mux(commit.valid & commit.ready, commit.payload.count, 0)),
        ]
        if self._params.strobes:
            m.d.comb += memory.write_enable.eq(Mux(writes, write.payload.strobe, 0))
        else:
            m.d.comb += memory.write_enable.eq(writes)

    def _elaborate_read(self, m, memory, head, retired):
        """The memory's output register is the response; it holds while nothing is requested."""
        request, response = self.request, self.response
        wanted = request.payload
        possible = Signal()
        takes = Signal()
        m.d.comb += [
            possible.eq(
                (~wanted.read | (wanted.index < self.filled)) & (wanted.shrink <= self.filled)
            ),
            request.ready.eq(possible & (~response.valid | response.ready)),
            takes.eq(request.valid & request.ready),
            memory.read_enable.eq(takes & wanted.read),
            memory.read_address.eq(self._wrapped(m, "read_place", head, wanted.index)),
            response.payload.data.eq(memory.read_data),
            retired.eq(Mux(takes, wanted.shrink, 0)),
        ]
        with m.If(takes):
            m.d.sync += [response.valid.eq(1), response.payload.read.eq(wanted.read)]
            if self._params.tag_bits:
                m.d.sync += response.payload.tag.eq(wanted.tag)
        with m.Elif(response.ready):
            m.d.sync += response.valid.eq(0)

    def _wrapped(self, m, name, place_, distance):
        """The place so many words behind another; ``distance`` is at most the depth."""
        depth, bits = self._params.depth, address_bits(self._params.depth)
        if depth == 1 << bits:
            return (place_ + distance)[:bits]
        total = Signal(range(2 * depth), name=name)
        m.d.comb += total.eq(place_ + distance)
        return Mux(total >= depth, total - depth, total)[:bits]
