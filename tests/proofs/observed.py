"""Parts that a proof can look into: invariants speak of what they hold."""

from amaranth.hdl import Signal

from rtl_gen.hw.buffer.memory import Memory
from rtl_gen.hw.buffer.scoreboard import Scoreboard

__all__ = ["ObservedMemory", "ObservedScoreboard"]


class ObservedMemory(Memory):
    """A memory with one more port: the word at ``observed_address`` is ``observed_data``."""

    made: "list[ObservedMemory]"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.observed_address = Signal(self._params.address_bits)
        self.observed_data = Signal(self._params.width)
        self.made.append(self)

    def elaborate(self, platform):
        m = super().elaborate(platform)
        look = m.submodules.words.read_port(domain="comb")
        m.d.comb += [
            look.addr.eq(self.observed_address),
            self.observed_data.eq(look.data),
        ]
        return m


class ObservedScoreboard(Scoreboard):
    """A scoreboard that is found; its entries are ``places`` and ``waits``."""

    made: "list[ObservedScoreboard]"

    def __init__(self, *args):
        super().__init__(*args)
        self.made.append(self)
