"""A delay of a fixed number of cycles for what travels beside the array."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..buffer.memory import Memory
from ..place import place

__all__ = ["DelayLine"]

SHORT = 3
"""Up to so many cycles registers are smaller than a ring in memory."""


class DelayLine(wiring.Component):
    """Gives out what came in ``cycles`` ago. The payload lies in a ring, only ``valid`` shifts.

    Members
    -------
    valid : ``In(1)``, payload : ``In(width)``
    late_valid : ``Out(1)``, late_payload : ``Out(width)``
        ``valid`` and ``payload`` of ``cycles`` cycles ago; the payload means nothing where it was
        not valid.
    """

    def __init__(self, width: int, cycles: int):
        self._width, self._cycles = width, cycles
        self.module_name = f"delay_line_{width}x{cycles}"
        super().__init__(
            {
                "valid": In(1),
                "payload": In(width),
                "late_valid": Out(1),
                "late_payload": Out(width),
            }
        )

    def elaborate(self, platform):
        m = Module()
        valid, payload = self.valid, self.payload
        for n in range(self._cycles):
            register = Signal(name=f"valid{n}")
            m.d.sync += register.eq(valid)
            valid = register
        m.d.comb += self.late_valid.eq(valid)
        if self._cycles <= SHORT:
            for n in range(self._cycles):
                register = Signal(self._width, name=f"payload{n}")
                m.d.sync += register.eq(payload)
                payload = register
            m.d.comb += self.late_payload.eq(payload)
            return m
        ring = place(m, platform, "ring", Memory, self._width, self._cycles)
        position = Signal(range(self._cycles))
        following = Signal(range(self._cycles))
        m.d.comb += following.eq(Mux(position == self._cycles - 1, 0, position + 1))
        m.d.sync += position.eq(following)
        m.d.comb += [
            ring.write_enable.eq(1),
            ring.write_address.eq(position),
            ring.write_data.eq(self.payload),
            ring.read_enable.eq(1),
            ring.read_address.eq(following),
            self.late_payload.eq(ring.read_data),
        ]
        return m
