"""What stands in front of every engine: its queue, its configuration, its start."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...isa import errors
from ...isa.fields import WORD_BITS, Record
from ...isa.registers import DESCRIPTOR_BITS
from ..layouts import layout_of
from ..place import place
from .descriptor_port import DescriptorPort
from .queue import DescriptorQueue

__all__ = ["EngineControl"]


class EngineControl(wiring.Component):
    """Queues an engine's descriptors and starts it with one after the other.

    While the engine works on one descriptor the next is loaded behind it: ``start`` comes in the
    cycle after ``idle`` rises. An engine that has nothing to do starts 2 cycles after the last word
    of its descriptor left the queue.

    Descriptors are numbered from 0 in each run.

    Parameters
    ----------
    record
        The engine's descriptor.
    depth
        Words of its queue: a power of two, 128 to 4096.

    Members
    -------
    words : ``In(stream.Signature(32))``
        Descriptor words.
    room : ``Out(range(depth + 1))``
        Words the queue has room for.
    running : ``In(1)``
        A run is on: descriptors may be taken.
    idle : ``In(1)``
        The engine may take the next descriptor. Low from the cycle after ``start`` until then.
    config : ``Out(layout_of(record.fields))``
        From the cycle of ``start`` until the next ``start``'s.
    start : ``Out(1)``
        For one cycle.
    busy : ``Out(1)``
        From ``start`` until ``idle``.
    pending : ``Out(1)``
        Words wait in the queue, or a descriptor behind it, whole or in part.
    error : ``Out(ERROR_BITS)``
        Code of a bad descriptor, which never starts; stays.
    descriptor : ``Out(16)``
        Number of the bad one if there is one, else of the latest that started.
    """

    def __init__(self, record: Record, depth: int):
        self._record = record
        self._depth = depth
        self.module_name = f"control_{record.name}"
        super().__init__(
            {
                "words": In(stream.Signature(WORD_BITS)),
                "room": Out(range(depth + 1)),
                "running": In(1),
                "idle": In(1),
                "config": Out(layout_of(record.fields)),
                "start": Out(1),
                "busy": Out(1),
                "pending": Out(1),
                "error": Out(errors.ERROR_BITS),
                "descriptor": Out(DESCRIPTOR_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        queue = place(m, platform, "queue", DescriptorQueue, self._depth)
        port = place(
            m, platform, "port", DescriptorPort, self._record, tied={"config": self.config}
        )
        wiring.connect(m, wiring.flipped(self.words), queue.push)
        wiring.connect(m, queue.pop, port.words)
        taken = Signal(DESCRIPTOR_BITS)  # descriptors of this run
        m.d.comb += [
            self.descriptor.eq(Mux(port.error == errors.NONE, taken - 1, taken)),
            self.room.eq(queue.room),
            self.error.eq(port.error),
            # In the cycle of start the engine still says idle, but the shadow is empty.
            port.take.eq(port.ready_config & self.running & self.idle),
            self.busy.eq(self.start | ~self.idle),
            self.pending.eq(
                (queue.room != self._depth) | queue.pop.valid | port.loading | port.ready_config
            ),
        ]
        m.d.sync += [self.start.eq(port.take), taken.eq(Mux(self.running, taken + port.take, 0))]
        return m
