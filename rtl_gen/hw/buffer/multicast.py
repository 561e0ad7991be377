"""One stream that fills many buffets: the next word comes when all have taken this one."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Multicast"]


class Multicast(wiring.Component):
    """Hands each word of a stream to every child, to each as soon as it has room.

    The fills of the children of a buffet in a hierarchy (Pellauer et al., ASPLOS 2019): its reads
    are their fills, and a word moves on when the slowest has taken it. No ``valid`` waits for a
    ``ready``.

    Parameters
    ----------
    shape
        Of the payload.
    children
        Streams that leave, at least 1.

    Members
    -------
    i : ``In(stream.Signature(shape))``
    o0, o1, ... : ``Out(stream.Signature(shape))``
    """

    def __init__(self, shape, children: int):
        if children < 1:
            raise ValueError(f"a multicast must have at least 1 child, not {children!r}")
        self._children = children
        self.module_name = f"multicast_{children}"
        outputs = {f"o{n}": Out(stream.Signature(shape)) for n in range(children)}
        super().__init__({"i": In(stream.Signature(shape))} | outputs)

    def elaborate(self, platform):
        m = Module()
        taken = Signal(self._children)  # by which children, while others wait
        takes = Signal(self._children)
        m.d.comb += self.i.ready.eq((taken | takes).all())
        for n in range(self._children):
            o = getattr(self, f"o{n}")
            m.d.comb += [
                o.valid.eq(self.i.valid & ~taken[n]),
                o.payload.eq(self.i.payload),
                takes[n].eq(o.ready),
            ]
            with m.If(self.i.valid & self.i.ready):
                m.d.sync += taken[n].eq(0)
            with m.Elif(o.valid & o.ready):
                m.d.sync += taken[n].eq(1)
        return m
