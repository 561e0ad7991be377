"""Feeders: what reads operands from their buffets in the order of their use."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module
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
        Fields of the configuration, or forms, that go with every word.
    """

    record: Record
    levels: int
    buffet: BuffetParams
    forms: tuple[tuple[str, int], ...]
    tags: tuple[str, ...] = ()

    @property
    def nest(self) -> NestParams:
        amount = self.buffet.amount.width
        return NestParams(levels=self.levels, forms=self.forms, events=(("shrink", amount),))


class Feeder(wiring.Component):
    """Asks for one word a cycle, in the order of its nest, and gives back the room of what is past.

    A word whose coordinate lies outside the tensor is asked for with ``read`` low: padding takes no
    room in memory, and the reader puts its own value in.

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
        checks = [name for name, _ in params.forms if name.startswith("y")]
        inside = [
            (item[name] >= 0) & (item[name] < self.config[f"{name}_limit"]) for name in checks
        ]
        forms = dict(params.forms)
        m.d.comb += [
            nest.start.eq(self.start),
            self.busy.eq(nest.busy),
            self.request.valid.eq(nest.item.valid),
            nest.item.ready.eq(self.request.ready),
            request.index.eq(item.index),
            request.read.eq(Cat(inside).all() if inside else 1),
            request.shrink.eq(item.shrink),
        ]
        if params.tags:
            tags = [item[name] if name in forms else self.config[name] for name in params.tags]
            m.d.comb += request.tag.eq(Cat(tags))
        return m
