"""An index that walks a few loops of fixed bounds with run-time strides."""

from amaranth.hdl import Array, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["IndexWalk"]


class IndexWalk(wiring.Component):
    """Walks from ``origin`` over loops whose bounds are fixed; the last loop is the fastest.

    Parameters
    ----------
    sizes
        Trip counts, outermost first.
    bits
        Of the signed index.

    Members
    -------
    load : ``In(1)``, origin : ``In``
        Begin anew at ``origin`` in the next cycle.
    strides : ``In``, one for each loop, the outermost lowest.
    advance : ``In(1)``
    index : ``Out``
    last : ``Out(1)``
        This is the last trip.
    """

    def __init__(self, sizes: tuple[int, ...], bits: int):
        self._sizes, self._bits = sizes, bits
        self.module_name = f"index_walk_{'x'.join(map(str, sizes))}_{bits}"
        super().__init__(
            {
                "load": In(1),
                "origin": In(signed(bits)),
                "strides": In(bits * len(sizes)),
                "advance": In(1),
                "index": Out(signed(bits)),
                "last": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        sizes, bits = self._sizes, self._bits
        counts = [Signal(range(max(2, n)), name=f"count{k}") for k, n in enumerate(sizes)]
        begins = [Signal(signed(bits), name=f"begin{k}") for k in range(len(sizes))]
        at_last = [count == n - 1 for count, n in zip(counts, sizes)]
        carry = Signal(range(max(2, len(sizes))))
        for k in range(len(sizes)):
            with m.If(~at_last[k]):
                m.d.comb += carry.eq(k)
        strides = Array(
            self.strides[k * bits : (k + 1) * bits].as_signed() for k in range(len(sizes))
        )
        stepped = Signal(signed(bits))
        m.d.comb += [
            self.index.eq(begins[-1]),
            self.last.eq(_all(at_last)),
            stepped.eq(Mux(self.load, self.origin, Array(begins)[carry] + strides[carry])),
        ]
        for k in range(len(sizes)):
            outside = carry < k if k else 0
            with m.If(self.load | (self.advance & (outside | (carry == k)))):
                m.d.sync += begins[k].eq(stepped)
            with m.If(self.load | (self.advance & outside)):
                m.d.sync += counts[k].eq(0)
            with m.Elif(self.advance & (carry == k)):
                m.d.sync += counts[k].eq(counts[k] + 1)
        return m


def _all(conditions):
    result = 1
    for condition in conditions:
        result = condition & result
    return result
