"""Adding a residual to output words on their way to the output's region."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...isa.descriptors import ADDITION
from ..buffer.buffet import BuffetParams
from ..control.delay_line import DelayLine
from ..delayed import delayed
from ..layouts import layout_of
from ..place import place
from .residual import AddLane

__all__ = ["ResidualAdd"]


class ResidualAdd(wiring.Component):
    """Reads the residual's word for each output word, at the same place in its tile, and adds it.

    Words pass in :data:`LATENCY` cycles, one a cycle, whether something is added or not. So that
    nothing has to wait, the residual's words must be there when outputs come, and their memory's
    port free.

    Parameters
    ----------
    output, residual
        Of the buffers, whose words are as wide.

    Members
    -------
    layer : ``In(layout_of(ADDITION))``
        Must not change while words are under way.
    i_write, i_commit : ``In``; write, commit : ``Out``
        Streams to the output buffer, whose ``ready`` is not looked at.
    request : ``Out(stream.Signature(residual.request))``
        A tile of the residual is retired with the output tile's commit.
    response : ``In(stream.Signature(residual.response))``
    """

    LATENCY = 1 + AddLane.LATENCY

    def __init__(self, output: BuffetParams, residual: BuffetParams):
        self._output, self._residual = output, residual
        self.module_name = "residual_add"
        super().__init__(
            {
                "layer": In(layout_of(ADDITION)),
                "i_write": In(stream.Signature(output.write)),
                "i_commit": In(stream.Signature(output.commit)),
                "write": Out(stream.Signature(output.write)),
                "commit": Out(stream.Signature(output.commit)),
                "request": Out(stream.Signature(residual.request)),
                "response": In(stream.Signature(residual.response)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        layer, word, request = self.layer, self.i_write.payload, self.request
        count = Mux(self.i_commit.valid, self.i_commit.payload.count, 0)
        base = Mux(layer.residual_resident, layer.residual_first, 0)
        m.d.comb += [
            request.valid.eq(self.i_write.valid & layer.residual),
            request.payload.read.eq(1),
            request.payload.index.eq(base + word.index),
            request.payload.shrink.eq(count),
            self.response.ready.eq(1),
        ]
        passing = Cat(word.index, word.data, word.strobe, count)
        line = place(m, platform, "passing", DelayLine, len(passing), self.LATENCY)
        m.d.comb += [line.valid.eq(self.i_write.valid), line.payload.eq(passing)]

        own = delayed(m, word.data, 1, name="own")
        added = Signal(self._output.width)
        for n in range(self._output.width // 8):
            byte = slice(8 * n, 8 * n + 8)
            lane = place(m, platform, f"lane{n}", AddLane, tied={"layer": layer})
            m.d.comb += [
                lane.own.eq(own[byte]),
                lane.residual.eq(self.response.payload.data[byte]),
                added[byte].eq(lane.output),
            ]
        unchanged = Signal.like(word.data)
        committed = Signal.like(self.commit.payload.count)
        m.d.comb += [
            Cat(self.write.payload.index, unchanged, self.write.payload.strobe, committed).eq(
                line.late_payload
            ),
            self.write.valid.eq(line.late_valid),
            self.write.payload.data.eq(Mux(layer.residual, added, unchanged)),
            self.commit.valid.eq(line.late_valid & (committed != 0)),
            self.commit.payload.count.eq(committed),
        ]
        return m
