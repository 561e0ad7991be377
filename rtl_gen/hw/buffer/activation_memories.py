"""The memories that hold activations: each has one write and one read port, shared by several."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..place import place
from .memory import Memory, address_bits
from .region import RegionParams

__all__ = ["ActivationMemories"]


class ActivationMemories(wiring.Component):
    """Memories of a write and a read a cycle each, for users that name the memory they mean.

    Of users that want one port the first has it; so the first writer and the first reader never
    wait.

    Parameters
    ----------
    params
        Of any region in them: width, depths, strobes.
    writers, readers
        Their numbers.

    Members
    -------
    store : ``In(stream.Signature(params.store)).array(writers)``
    load : ``In(stream.Signature(params.load)).array(readers)``
    loaded : ``Out(width).array(readers)``
        What was asked for in the cycle before.
    """

    def __init__(self, params: RegionParams, writers: int, readers: int):
        self._params, self._writers, self._readers = params, writers, readers
        self.module_name = "activation_memories"
        super().__init__(
            {
                "store": In(stream.Signature(params.store)).array(writers),
                "load": In(stream.Signature(params.load)).array(readers),
                "loaded": Out(params.width).array(readers),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self._params
        granule = params.width // params.strobes if params.strobes > 1 else 0
        memories = [
            place(m, platform, f"memory{n}", Memory, params.width, max(2, depth), granule)
            for n, depth in enumerate(params.depths)
        ]
        for users in (self.store, self.load):
            for k, user in enumerate(users):
                before = [
                    other.valid & (other.payload.memory == user.payload.memory)
                    for other in users[:k]
                ]
                m.d.comb += user.ready.eq(~Cat(before).any() if before else 1)
        for n, memory in enumerate(memories):
            bits = address_bits(max(2, params.depths[n]))
            for user in reversed(self.store):  # the first wins
                with m.If(user.valid & (user.payload.memory == n)):
                    m.d.comb += [
                        memory.write_enable.eq(user.payload.strobe),
                        memory.write_address.eq(user.payload.address[:bits]),
                        memory.write_data.eq(user.payload.data),
                    ]
            for user in reversed(self.load):
                with m.If(user.valid & (user.payload.memory == n)):
                    m.d.comb += [
                        memory.read_enable.eq(1),
                        memory.read_address.eq(user.payload.address[:bits]),
                    ]
        for k, user in enumerate(self.load):
            asked = Signal(user.payload.memory.shape(), name=f"asked{k}")
            m.d.sync += asked.eq(user.payload.memory)
            word = memories[0].read_data
            for n, memory in enumerate(memories[1:], start=1):
                word = Mux(asked == n, memory.read_data, word)
            m.d.comb += self.loaded[k].eq(word)
        return m
