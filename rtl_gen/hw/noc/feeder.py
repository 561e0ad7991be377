"""Feeders: what reads operands from their buffets in the order of their use."""

import itertools
from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...isa.fields import Record
from ..buffer.buffet import BuffetParams
from ..control.configure import fields_of
from ..control.nest import Nest, NestParams
from ..layouts import layout_of
from ..place import place

__all__ = ["Feeder", "FeederParams"]


@dataclass(frozen=True, kw_only=True)
class FeederParams:
    """What a feeder walks and sends along.

    Parameters
    ----------
    record
        Its descriptor.
    levels
        Loops.
    buffet
        The buffet it reads.
    forms
        (name, bits) of its linear forms; ``index`` is the word, ``y0``, ``y1``, ... are coordinates
        that must lie in the tensor (below ``y0_limit``, ...), else the word is not read.
    tags
        Fields of the configuration, or forms, that go with every word; ``end`` with the last one.
    words
        Sizes of the loops over the words of a request, the last fastest; none for one word.
    byte_bits
        Low bits of ``index`` that say a byte of the word: the form ``byte``.
    """

    record: Record
    levels: int
    buffet: BuffetParams
    forms: tuple[tuple[str, int], ...]
    tags: tuple[str, ...] = ()
    words: tuple[int, ...] = ()
    byte_bits: int = 0

    @property
    def nest(self) -> NestParams:
        amount = self.buffet.amount.width
        return NestParams(levels=self.levels, forms=self.forms, events=(("shrink", amount),))


def _times(value, number: int):
    """A small multiple, of shifts and additions."""
    if number == 1:
        return value
    half = _times(value, number // 2) << 1
    return half + value if number % 2 else half


class Feeder(wiring.Component):
    """Asks for one word a cycle, in the order of its nest, and gives back the room of what is past.

    A word whose coordinate lies outside the tensor is asked for with ``read`` low: padding takes no
    room in memory, and the reader puts its own value in.

    Where a request asks for several words, the nest gives index and coordinates of the first. Loops
    over the words add to them ``index_word0``, ``y0_word0``, ... of the configuration a trip.

    Where the configuration has ``flush``, so many requests that read nothing follow the last.

    Members
    -------
    config : ``In(layout_of(record.fields))``
    start : ``In(1)``, busy : ``Out(1)``
        As for :class:`~rtl_gen.hw.control.nest.Nest`.
    request : ``Out(stream.Signature(buffet.request))``
    """

    def __init__(self, params: FeederParams):
        self._params = params
        self.module_name = params.record.name
        super().__init__(
            {
                "config": In(layout_of(params.record.fields)),
                "start": In(1),
                "busy": Out(1),
                "request": Out(stream.Signature(params.buffet.request)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self._params
        fields = fields_of(self.config, params.nest.config)
        nest = place(m, platform, "nest", Nest, params.nest, tied={"config": fields})
        item, request = nest.item.payload, self.request.payload
        forms = dict(params.forms)
        words = list(itertools.product(*map(range, params.words)))  # trips of the loops over them
        reads = [self._inside(item, word) for word in words]
        indices = request.index if params.words else [request.index]
        m.d.comb += [
            nest.start.eq(self.start),
            self.busy.eq(nest.busy),
            self.request.valid.eq(nest.item.valid),
            nest.item.ready.eq(self.request.ready),
            *(index.eq(self._index(item, word)) for word, index in zip(words, indices)),
            request.read.eq(Cat(reads) if params.words else reads[0]),
            request.shrink.eq(item.shrink),
        ]
        if params.tags:
            values = {name: item[name] for name in forms} | {"end": item.end}
            if params.byte_bits:
                values["byte"] = item.index[: params.byte_bits]
            tags = [values[x] if x in values else self.config[x] for x in params.tags]
            m.d.comb += request.tag.eq(Cat(tags))
        if "flush" in self.config.shape().members:
            self._elaborate_flush(m, nest.item)
        return m

    def _elaborate_flush(self, m, item):
        """Requests behind the last: ticks in which the words before them move on."""
        left = Signal.like(self.config.flush)
        with m.If(item.valid & item.ready & item.payload.end):
            m.d.sync += left.eq(self.config.flush)
        with m.If(left != 0):
            m.d.comb += [
                self.busy.eq(1),
                self.request.valid.eq(1),
                self.request.payload.read.eq(0),
                self.request.payload.shrink.eq(0),
            ]
            with m.If(self.request.ready):
                m.d.sync += left.eq(left - 1)

    def _form(self, item, name, word):
        """A form's value of a word of the request."""
        value = item[name]
        for loop, trip in enumerate(word):
            if trip:
                value = value + _times(self.config[f"{name}_word{loop}"], trip)
        return value

    def _index(self, item, word):
        """Which word of the buffet."""
        value = self._form(item, "index", word)
        return value >> self._params.byte_bits if self._params.byte_bits else value

    def _inside(self, item, word):
        """Whether a word of the request lies in the tensor."""
        inside = []
        for name in (name for name, _ in self._params.forms if name.startswith("y")):
            at = self._form(item, name, word)
            inside.append((at >= 0) & (at < self.config[f"{name}_limit"]))
        return Cat(inside).all() if inside else 1
