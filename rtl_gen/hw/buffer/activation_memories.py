"""The memories that hold activations: each has one write and one read port, shared by several."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..place import place
from .memory import Memory, address_bits
from .region import RegionParams

__all__ = ["ActivationMemories"]


class ActivationMemories(wiring.Component):
    """Memories of a write and a read a cycle each, for users that name the memory they mean.

    Where they have banks, each bank has a write and a read a cycle; which bank, the lowest bits of
    an address say. Of users that want one port the first has it; so the first writer and the first
    reader never wait.

    Parameters
    ----------
    params
        Of any region in them: width, depths, strobes, banks.
    writers
        Their number.
    reads
        Words that each reader asks for together, all of one memory; a port each.

    Members
    -------
    store : ``In(stream.Signature(params.store)).array(writers)``
    load : ``In(stream.Signature(params.load)).array(sum(reads))``
    loaded : ``Out(width).array(sum(reads))``
        What was asked for in the cycle before.
    """

    def __init__(self, params: RegionParams, writers: int, reads: tuple[int, ...]):
        self._params, self._reads = params, reads
        self.module_name = "activation_memories"
        readers = sum(reads)
        super().__init__(
            {
                "store": In(stream.Signature(params.store)).array(writers),
                "load": In(stream.Signature(params.load)).array(readers),
                "loaded": Out(params.width).array(readers),
            }
        )

    def elaborate(self, platform):
        m = Module()
        for users in (self.store, self.load):
            for k, user in enumerate(users):
                before = [other.valid & self._meet(other, user) for other in users[:k]]
                m.d.comb += user.ready.eq(~Cat(before).any() if before else 1)
        memories = [
            [self._elaborate_bank(m, platform, n, bank) for bank in range(self._params.banks)]
            for n in range(len(self._params.depths))
        ]
        first = 0
        for reads in self._reads:
            self._elaborate_loaded(m, memories, range(first, first + reads))
            first += reads
        return m

    def _bank(self, user):
        """The bank that a user means."""
        return user.payload.address[: (self._params.banks - 1).bit_length()]

    def _meet(self, one, other):
        """Whether two users mean the same bank."""
        same = one.payload.memory == other.payload.memory
        return same & (self._bank(one) == self._bank(other)) if self._params.banks > 1 else same

    def _elaborate_bank(self, m, platform, n, bank):
        """A bank of a memory; returns the word that it read."""
        params, skipped = self._params, (self._params.banks - 1).bit_length()
        granule = params.width // params.strobes if params.strobes > 1 else 0
        depth = max(2, -(-params.depths[n] // params.banks))
        name = f"memory{n}" + (f"_bank{bank}" if params.banks > 1 else "")
        memory = place(m, platform, name, Memory, params.width, depth, granule)
        end = skipped + address_bits(depth)

        def chosen(user):
            here = user.valid & (user.payload.memory == n)
            return here & (self._bank(user) == bank) if params.banks > 1 else here

        for user in reversed(self.store):  # the first wins
            with m.If(chosen(user)):
                m.d.comb += [
                    memory.write_enable.eq(user.payload.strobe),
                    memory.write_address.eq(user.payload.address[skipped:end]),
                    memory.write_data.eq(user.payload.data),
                ]
        for user in reversed(self.load):
            with m.If(chosen(user)):
                m.d.comb += [
                    memory.read_enable.eq(1),
                    memory.read_address.eq(user.payload.address[skipped:end]),
                ]
        return memory.read_data

    def _elaborate_loaded(self, m, memories, ports):
        """The words of a reader: all of the memory that it asked, each of its own bank."""
        load = self.load[ports[0]]
        asked = Signal(load.payload.memory.shape(), name=f"asked{ports[0]}")
        m.d.sync += asked.eq(load.payload.memory)
        words = []
        for bank, word in enumerate(memories[0]):
            for n, memory in enumerate(memories[1:], start=1):
                word = Mux(asked == n, memory[bank], word)
            words.append(word)
        for k in ports:
            word = words[0]
            if len(words) > 1:
                at = Signal(range(len(words)), name=f"bank{k}")
                m.d.sync += at.eq(self._bank(self.load[k]))
                word = Array(words)[at]
            m.d.comb += self.loaded[k].eq(word)
