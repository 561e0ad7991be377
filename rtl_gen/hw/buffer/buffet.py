"""Buffets: buffers with explicit decoupled fill, read and shrink.

Source: Pellauer et al., "Buffets: An Efficient and Composable Storage Idiom for Explicit Decoupled
Data Orchestration" (ASPLOS 2019). Fill, read (index from the head), shrink and credit keep their
meaning, with two changes. A fill may come out of order before it is committed, so that a tile
becomes readable as a whole. And an update names its word by the ticket that came with the word,
not by an index: the head may have moved in between, and where an index would then point is a matter
of luck.
"""

from dataclasses import dataclass

from amaranth.hdl import Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..place import place
from .banks import Banks
from .memory import Memory, address_bits
from .scoreboard import Scoreboard

__all__ = ["Buffet", "BuffetParams"]


@dataclass(frozen=True)
class BuffetParams:
    """The sizes of a buffet, and from them what its streams carry.

    Parameters
    ----------
    width
        Bits of a word.
    depth
        Words, at least 1; not only powers of two.
    tag_bits
        Bits that go from each request to its response; 0: no tag.
    lanes
        Parts of a word that can be written alone; they divide its width.
    updates
        Words that may wait for their update at a time; 0: no updates. One more than there are
        cycles from a request to its update lets a word be updated in each cycle.
    in_order
        Whether words are filled one behind the other, each readable when it is written; else a
        tile is written in any order and becomes readable as a whole, by a commit.

    Raises
    ------
    ValueError
        If a number is too small, or the lanes do not divide the width.
    """

    width: int
    depth: int
    tag_bits: int = 0
    lanes: int = 1
    updates: int = 0
    in_order: bool = False

    def __post_init__(self):
        if self.width < 1:
            raise ValueError(f"buffet width must be at least 1 bit, not {self.width!r}")
        if self.depth < 1:
            raise ValueError(f"buffet depth must be at least 1 word, not {self.depth!r}")
        if self.lanes < 1 or self.width % self.lanes:
            raise ValueError(
                f"buffet lanes must divide the width of {self.width} bits, not {self.lanes!r}"
            )
        for name, value in (("tag", self.tag_bits), ("updates", self.updates)):
            if value < 0:
                raise ValueError(f"buffet {name} must be 0 or more, not {value!r}")

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
    def granule(self) -> int:
        """Bits of a lane; 0: words are written whole."""
        return self.width // self.lanes if self.lanes > 1 else 0

    @property
    def _word(self) -> dict:
        strobe = {"strobe": unsigned(self.lanes)} if self.lanes > 1 else {}
        return {"data": unsigned(self.width)} | strobe

    @property
    def _ticket(self) -> dict:
        return {"ticket": unsigned(max(1, (self.updates - 1).bit_length()))} if self.updates else {}

    @property
    def write(self) -> data.StructLayout:
        index = {} if self.in_order else {"index": self.index}
        return data.StructLayout(index | self._word)

    @property
    def commit(self) -> data.StructLayout:
        return data.StructLayout({"count": self.amount})

    @property
    def request(self) -> data.StructLayout:
        mark = {"will_update": 1} if self.updates else {}
        return data.StructLayout(
            {"index": self.index, "read": 1} | mark | {"shrink": self.amount} | self._tag
        )

    @property
    def response(self) -> data.StructLayout:
        return data.StructLayout(
            {"data": unsigned(self.width), "read": 1} | self._ticket | self._tag
        )

    @property
    def update(self) -> data.StructLayout:
        return data.StructLayout(self._ticket | self._word)


class Buffet(wiring.Component):
    """A circular buffer whose words are filled, committed, read in any order and retired.

    Words lie from the head, the oldest, to the tail. A write, a commit, a request and, with
    ``updates``, an update are taken in each cycle; a response is valid in the cycle after its
    request, and requests follow each other without a gap. What is committed or updated can be
    read, and what is retired can be written, in the next cycle. A request waits until all it asks
    for is there; those behind it wait too, so reads and shrinks keep their order.

    The ``ready`` of a stream depends on its payload, and that of ``request`` also on
    ``response.ready``. With updates, words lie in two banks by the lowest bit of their address; a
    write and an update of one bank take turns, so ``ready`` of each depends on ``valid`` of the
    other.

    Parameters
    ----------
    width, depth, tag_bits, lanes, updates, in_order
        See :class:`BuffetParams`.

    Members
    -------
    write : ``In(stream.Signature(params.write))``
        Puts ``data`` at ``tail + index``, once that word is free. A word may be written more than
        once before its commit. With ``in_order`` there is no index: the word becomes the last.
    commit : ``In(stream.Signature(params.commit))``
        Not with ``in_order``. Hands out the first ``count`` words behind the tail together, once
        so many are free; a write that is taken in the same cycle is among them.
    request : ``In(stream.Signature(params.request))``
        With ``read``, reads the word at ``head + index`` once it is filled and no update of it is
        awaited; with ``will_update`` besides, it awaits one from then on. Then retires ``shrink``
        words, once so many are filled and none awaits an update: a word to be updated must not be
        among them.
    response : ``Out(stream.Signature(params.response))``
        One for each request, in order. Where ``read`` is low, ``data`` is still the last word read.
    update : ``In(stream.Signature(params.update))``
        With ``updates``: puts ``data`` where the word of a ``ticket`` was read.
    space, filled : ``Out(params.amount)``
        Free words, the credit of who fills; committed words.
    """

    def __init__(
        self,
        width: int,
        depth: int,
        tag_bits: int = 0,
        lanes: int = 1,
        updates: int = 0,
        in_order: bool = False,
    ):
        self._params = params = BuffetParams(width, depth, tag_bits, lanes, updates, in_order)
        parts = {"tag": tag_bits, "lanes": lanes if lanes > 1 else 0, "updates": updates}
        self.module_name = f"buffet_{depth}x{width}" + "_in_order" * in_order
        self.module_name += "".join(f"_{name}{n}" for name, n in parts.items() if n)
        members = {
            "write": In(stream.Signature(params.write)),
            "request": In(stream.Signature(params.request)),
            "response": Out(stream.Signature(params.response)),
            "space": Out(params.amount),
            "filled": Out(params.amount),
        }
        if not in_order:
            members["commit"] = In(stream.Signature(params.commit))
        if updates:
            members["update"] = In(stream.Signature(params.update))
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        params = self._params
        head = Signal(address_bits(params.depth))
        retired = Signal(params.amount)
        after_fill = Signal(params.amount)
        waits = Const(0)
        if params.updates:
            memory = place(m, platform, "banks", Banks, params.width, params.depth, params.granule)
            waits = self._elaborate_updates(m, platform, memory, head, retired)
        else:
            rows = max(2, params.depth)
            memory = place(m, platform, "memory", Memory, params.width, rows, params.granule)
        self._elaborate_fill(m, memory, head, after_fill)
        self._elaborate_read(m, memory, head, retired, waits)
        m.d.comb += self.space.eq(params.depth - self.filled)
        m.d.sync += [
            head.eq(self._wrapped(m, "after_head", head, retired)),
            self.filled.eq(after_fill - retired),
        ]
        return m

    def _elaborate_fill(self, m, memory, head, after_fill):
        """Words behind the tail; the tail itself is ``head + filled``."""
        depth, write, side = self._params.depth, self.write, "write"
        turn, from_head, fits = Const(1), Signal(range(2 * depth)), Signal()
        if self._params.updates:
            turn, side = memory.fill_ready, "fill"
        ahead = 0 if self._params.in_order else write.payload.index
        address = self._wrapped(m, "write_place", head, from_head)
        m.d.comb += [
            from_head.eq(self.filled + ahead),
            fits.eq(from_head < depth),
            write.ready.eq(fits & turn),
            getattr(memory, f"{side}_enable").eq(
                Mux(write.valid & fits, _strobe(write.payload), 0)
            ),
            getattr(memory, f"{side}_address").eq(address),
            getattr(memory, f"{side}_data").eq(write.payload.data),
        ]
        if self._params.in_order:
            m.d.comb += after_fill.eq(self.filled + (write.valid & write.ready))
            return
        commit, committed = self.commit, Signal(range(2 * depth + 1))
        m.d.comb += [
            committed.eq(self.filled + commit.payload.count),
            # A commit may count on the write beside it, so it waits with it for the bank.
            commit.ready.eq((committed <= depth) & turn),
            after_fill.eq(Mux(commit.valid & commit.ready, committed, self.filled)),
        ]

    def _elaborate_updates(self, m, platform, memory, head, retired):
        """The scoreboard and the write that an update is; returns what a request waits for."""
        params, wanted, update = self._params, self.request.payload, self.update
        board = place(m, platform, "scoreboard", Scoreboard, params.updates, params.depth)
        marks = Signal()
        waits = Signal()
        m.d.comb += [
            marks.eq(wanted.read & wanted.will_update),
            waits.eq((wanted.read & board.marked) | board.kept | (marks & board.full)),
            board.index.eq(wanted.index),
            board.shrink.eq(wanted.shrink),
            board.retired.eq(retired),
            board.claim.eq(self.request.valid & self.request.ready & marks),
            board.settle.eq(update.valid & update.ready),
            board.settled.eq(update.payload.ticket),
            update.ready.eq(memory.update_ready),
            memory.update_enable.eq(Mux(update.valid & board.waiting, _strobe(update.payload), 0)),
            memory.update_address.eq(self._wrapped(m, "update_place", head, board.place)),
            memory.update_data.eq(update.payload.data),
        ]
        with m.If(self.request.valid & self.request.ready):
            m.d.sync += self.response.payload.ticket.eq(board.ticket)
        return waits

    def _elaborate_read(self, m, memory, head, retired, waits):
        """The memory's output register is the response; it holds while nothing is requested."""
        request, response = self.request, self.response
        wanted = request.payload
        possible = Signal()
        takes = Signal()
        m.d.comb += [
            possible.eq(
                (~wanted.read | (wanted.index < self.filled))
                & (wanted.shrink <= self.filled)
                & ~waits
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

    def _wrapped(self, m, name, head, distance):
        """The address so many words, fewer than two depths, behind the head."""
        depth, bits = self._params.depth, address_bits(self._params.depth)
        if depth == 1 << bits:
            return (head + distance)[:bits]
        total = Signal(range(3 * depth), name=name)
        m.d.comb += total.eq(head + distance)
        return Mux(total >= depth, total - depth, total)[:bits]


def _strobe(payload):
    """Which lanes of a word are written."""
    return payload.strobe if "strobe" in payload.shape().members else 1
