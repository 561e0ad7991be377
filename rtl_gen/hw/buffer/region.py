"""Regions: buffets that lie anywhere in one of the activation memories, for as long as a layer."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .buffet import BuffetParams
from .memory import address_bits

__all__ = ["GroupParams", "Region", "RegionParams"]


@dataclass(frozen=True)
class GroupParams(BuffetParams):
    """Of a buffet whose requests ask for several words, each with an ``index`` and a ``read``.

    Parameters
    ----------
    reads
        Words of a request, at least 2.
    """

    reads: int = 2

    @property
    def request(self) -> data.StructLayout:
        index = data.ArrayLayout(self.index, self.reads)
        return data.StructLayout(
            {"index": index, "read": self.reads, "shrink": self.amount} | self._tag
        )

    @property
    def response(self) -> data.StructLayout:
        words = data.ArrayLayout(unsigned(self.width), self.reads)
        return data.StructLayout({"data": words, "read": self.reads} | self._tag)


@dataclass(frozen=True)
class RegionParams:
    """What a region's streams carry.

    Parameters
    ----------
    width, tag_bits, lanes
        As of a buffet.
    depths
        Words of each memory in which it may lie.
    strobes
        Parts of a word that those memories write alone: ``lanes``, or more where words are filled
        whole.
    reads
        Words that a request asks for.
    banks
        Of each memory, a power of two: of words whose addresses differ in the lowest bits each
        bank gives one in a cycle.
    """

    width: int
    depths: tuple[int, ...]
    strobes: int = 1
    tag_bits: int = 0
    lanes: int = 1
    reads: int = 1
    banks: int = 1

    def __post_init__(self):
        if self.banks < 1 or self.banks & (self.banks - 1):
            raise ValueError(f"region banks must be a power of two, not {self.banks!r}")
        if self.lanes not in (1, self.strobes):
            raise ValueError(
                f"region lanes must be 1 or the {self.strobes} parts of its memories' words, "
                f"not {self.lanes!r}"
            )

    @property
    def buffet(self) -> BuffetParams:
        """A buffet as large as the largest region."""
        params = (self.width, max(self.depths), self.tag_bits, self.lanes)
        return GroupParams(*params, reads=self.reads) if self.reads > 1 else BuffetParams(*params)

    @property
    def address(self):
        """Shape of a word's address in a memory."""
        return unsigned(address_bits(max(self.depths)))

    @property
    def place(self) -> data.StructLayout:
        """Where a region lies: which memory, its first word, its number of words."""
        number = unsigned(max(1, (len(self.depths) - 1).bit_length()))
        size = self.buffet.amount
        return data.StructLayout({"memory": number, "first": self.address, "size": size})

    @property
    def store(self) -> data.StructLayout:
        """A write to a memory; ``strobe`` has a bit for each part of the word."""
        memory = self.place["memory"].shape
        return data.StructLayout(
            {"memory": memory, "address": self.address, "data": self.width, "strobe": self.strobes}
        )

    @property
    def load(self) -> data.StructLayout:
        """A read of a memory."""
        return data.StructLayout({"memory": self.place["memory"].shape, "address": self.address})


class Region(wiring.Component):
    """The rules of a buffet over words of a memory that others use as well.

    Write, commit, request and response are those of :class:`~rtl_gen.hw.buffer.buffet.Buffet`; a
    word also waits for its memory's port. Where the region lies may change while it is empty.
    Beside its own words, a reader may ask for any word of any memory, which somebody else put there
    and nobody counts: a tensor that an earlier layer left on chip.

    A request for several words is taken when the last of them is read. Each waits for its bank
    alone, so words in one bank, or in one that somebody else reads, take a cycle more.

    Parameters
    ----------
    width, depths, strobes, tag_bits, lanes, reads, banks
        See :class:`RegionParams`.

    Members
    -------
    claim : ``In(1)``, place : ``In(params.place)``
        The region lies at ``place`` from the next cycle on; allowed only when it is empty. A
        region that ends behind its memory is the caller's fault.
    write, commit, request, response, space, filled
        As of a buffet of ``place.size`` words. Where ``read`` is low, ``data`` means nothing.
    resident : ``In(1)``, resident_memory : ``In``
        Requests go to that memory, ``index`` being the address, and wait for nothing; their
        ``shrink`` is not looked at.
    store : ``Out(stream.Signature(params.store))``
        Writes, to the memories.
    load : ``Out(stream.Signature(params.load))``, loaded : ``In(width)``
        Reads; the word is there in the cycle after one is taken. Arrays of ``reads`` of these
        where a request asks for several words.
    """

    def __init__(
        self,
        width: int,
        depths: tuple[int, ...],
        strobes: int = 1,
        tag_bits: int = 0,
        lanes: int = 1,
        reads: int = 1,
        banks: int = 1,
    ):
        params = RegionParams(width, depths, strobes, tag_bits, lanes, reads, banks)
        self._params, buffet = params, params.buffet
        words = "_".join(map(str, depths))
        self.module_name = f"region_{words}x{width}_tag{tag_bits}_lanes{lanes}_{strobes}"
        self.module_name += f"_reads{reads}" if reads > 1 else ""
        load, loaded = Out(stream.Signature(params.load)), In(width)
        super().__init__(
            {
                "claim": In(1),
                "place": In(params.place),
                "write": In(stream.Signature(buffet.write)),
                "commit": In(stream.Signature(buffet.commit)),
                "request": In(stream.Signature(buffet.request)),
                "response": Out(stream.Signature(buffet.response)),
                "space": Out(buffet.amount),
                "filled": Out(buffet.amount),
                "resident": In(1),
                "resident_memory": In(params.place["memory"].shape),
                "store": Out(stream.Signature(params.store)),
                "load": load.array(reads) if reads > 1 else load,
                "loaded": loaded.array(reads) if reads > 1 else loaded,
            }
        )

    def elaborate(self, platform):
        m = Module()
        params, address = self._params, self._params.address
        place = Signal(params.place, init={"size": params.depths[0]})
        limit = Signal(address.width + 1, init=params.depths[0])  # behind the last word
        head, tail = Signal(address), Signal(address)  # addresses
        committed, retired = Signal(params.buffet.amount), Signal(params.buffet.amount)
        m.d.comb += self.space.eq(place.size - self.filled)
        self._elaborate_fill(m, place, limit, tail, committed)
        if params.reads > 1:
            self._elaborate_group(m, place, limit, head, retired)
        else:
            self._elaborate_read(m, place, limit, head, retired)
        m.d.sync += [
            head.eq(self._wrapped(m, "after_head", place, limit, head, retired)),
            tail.eq(self._wrapped(m, "after_tail", place, limit, tail, committed)),
            self.filled.eq(self.filled + committed - retired),
        ]
        with m.If(self.claim):
            m.d.sync += [
                place.eq(self.place),
                limit.eq(self.place.first + self.place.size),
                head.eq(self.place.first),
                tail.eq(self.place.first),
            ]
        return m

    def _elaborate_fill(self, m, place, limit, tail, committed):
        """Words behind the tail."""
        write, commit, store = self.write, self.commit, self.store
        fits = Signal()
        m.d.comb += [
            fits.eq(self.filled + write.payload.index < place.size),
            store.valid.eq(write.valid & fits),
            store.payload.memory.eq(place.memory),
            store.payload.address.eq(
                self._wrapped(m, "write_place", place, limit, tail, write.payload.index)
            ),
            store.payload.data.eq(write.payload.data),
            store.payload.strobe.eq(write.payload.strobe if self._params.lanes > 1 else ~0),
            write.ready.eq(fits & store.ready),
            # A commit may count on the write beside it, so it waits with it for the memory.
            commit.ready.eq(
                (self.filled + commit.payload.count <= place.size) & (~write.valid | write.ready)
            ),
            committed.eq(Mux(commit.valid & commit.ready, commit.payload.count, 0)),
        ]

    def _elaborate_read(self, m, place, limit, head, retired):
        """Requests; a response that is not taken at once is kept, for the memory's output moves."""
        request, response, load = self.request, self.response, self.load
        wanted = request.payload
        possible, free, takes = Signal(), Signal(), Signal()
        fresh = Signal()  # the memory gives the word of this response in this cycle
        kept = Signal(self._params.width)
        own = (~wanted.read | (wanted.index < self.filled)) & (wanted.shrink <= self.filled)
        at = self._wrapped(m, "read_place", place, limit, head, wanted.index)
        m.d.comb += [
            possible.eq(self.resident | own),
            free.eq(~response.valid | response.ready),
            load.valid.eq(request.valid & wanted.read & possible & free),
            load.payload.memory.eq(Mux(self.resident, self.resident_memory, place.memory)),
            load.payload.address.eq(Mux(self.resident, wanted.index, at)),
            request.ready.eq(possible & free & (~wanted.read | load.ready)),
            takes.eq(request.valid & request.ready),
            response.payload.data.eq(Mux(fresh, self.loaded, kept)),
            retired.eq(Mux(takes & ~self.resident, wanted.shrink, 0)),
        ]
        m.d.sync += fresh.eq(takes)
        with m.If(fresh):
            m.d.sync += kept.eq(self.loaded)
        with m.If(takes):
            m.d.sync += [response.valid.eq(1), response.payload.read.eq(wanted.read)]
            if self._params.tag_bits:
                m.d.sync += response.payload.tag.eq(wanted.tag)
        with m.Elif(response.ready):
            m.d.sync += response.valid.eq(0)

    def _elaborate_group(self, m, place, limit, head, retired):
        """Requests for several words: what is read before the last of them is kept."""
        request, response, wanted = self.request, self.response, self.request.payload
        possible, takes = Signal(), Signal()
        done = Signal(self._params.reads)  # words that are read, or need not be
        own = [wanted.shrink <= self.filled]
        own += [~r | (n < self.filled) for r, n in zip(wanted.read, wanted.index)]
        m.d.comb += [
            possible.eq((self.resident | Cat(own).all()) & (~response.valid | response.ready)),
            request.ready.eq(possible & done.all()),
            takes.eq(request.valid & request.ready),
            retired.eq(Mux(takes & ~self.resident, wanted.shrink, 0)),
        ]
        for n, (load, loaded) in enumerate(zip(self.load, self.loaded)):
            before = Signal(name=f"before{n}")  # the word was read for this request already
            fresh = Signal(name=f"fresh{n}")
            kept = Signal(self._params.width, name=f"kept{n}")
            index = wanted.index[n]
            at = self._wrapped(m, f"read_place{n}", place, limit, head, index)
            m.d.comb += [
                load.valid.eq(request.valid & wanted.read[n] & ~before & possible),
                load.payload.memory.eq(Mux(self.resident, self.resident_memory, place.memory)),
                load.payload.address.eq(Mux(self.resident, index, at)),
                done[n].eq(~wanted.read[n] | before | load.ready),
                response.payload.data[n].eq(Mux(fresh, loaded, kept)),
            ]
            m.d.sync += [
                before.eq((before | (load.valid & load.ready)) & ~takes),
                fresh.eq(load.valid & load.ready),
            ]
            with m.If(fresh):
                m.d.sync += kept.eq(loaded)
        with m.If(takes):
            m.d.sync += [response.valid.eq(1), response.payload.read.eq(wanted.read)]
            if self._params.tag_bits:
                m.d.sync += response.payload.tag.eq(wanted.tag)
        with m.Elif(response.ready):
            m.d.sync += response.valid.eq(0)

    def _wrapped(self, m, name, place, limit, start, distance):
        """The address so many words, at most all of them, behind another."""
        total = Signal(range(3 << self._params.address.width), name=name)
        m.d.comb += total.eq(start + distance)
        return Mux(total >= limit, total - place.size, total)[: self._params.address.width]
