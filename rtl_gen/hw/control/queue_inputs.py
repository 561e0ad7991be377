"""Who fills the descriptor queues: the host, or the fetch of a program."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...isa.fields import WORD_BITS
from .packets import PACKET_WORD

__all__ = ["QueueInputs"]


class QueueInputs(wiring.Component):
    """Hands the words of both to the queues they are for; the host's wait while a fetch goes on.

    Parameters
    ----------
    engines
        The number of the engine behind each queue.

    Members
    -------
    host : ``In(stream.Signature(32)).array(engines)``
    packets : ``In(stream.Signature(PACKET_WORD))``
    fetching : ``In(1)``
        From before the first word of ``packets`` until behind the last.
    queues : ``Out(stream.Signature(32)).array(engines)``
    """

    def __init__(self, engines: tuple[int, ...]):
        self._engines = engines
        self.module_name = "queue_inputs"
        super().__init__(
            {
                "host": In(stream.Signature(WORD_BITS)).array(len(engines)),
                "packets": In(stream.Signature(PACKET_WORD)),
                "fetching": In(1),
                "queues": Out(stream.Signature(WORD_BITS)).array(len(engines)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        packet = self.packets.payload
        for n, host, queue in zip(self._engines, self.host, self.queues, strict=True):
            with m.If(self.fetching):
                m.d.comb += [
                    queue.payload.eq(packet.word),
                    queue.valid.eq(self.packets.valid & (packet.engine == n)),
                ]
                with m.If(packet.engine == n):
                    m.d.comb += self.packets.ready.eq(queue.ready)
            with m.Else():
                m.d.comb += [
                    queue.payload.eq(host.payload),
                    queue.valid.eq(host.valid),
                    host.ready.eq(queue.ready),
                ]
        return m
