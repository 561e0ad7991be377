"""The processing element: operands, one multiplier, one adder."""

from dataclasses import dataclass

from amaranth.hdl import Array, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..delayed import delayed

__all__ = ["PE", "OperandParams", "PEParams", "forward_copy", "hold", "index_bits"]


def index_bits(depth: int) -> int:
    """Bits that address so many words; none for one or none."""
    return max(0, depth - 1).bit_length()


@dataclass(frozen=True, kw_only=True)
class OperandParams:
    """How a PE gets and gives one operand.

    Parameters
    ----------
    depth
        Words held, behind a shadow; 0 for an operand that streams.
    forwards
        Ticks and delay in cycles of each copy of the incoming operand that goes on to a neighbour.
    shift
        Delay in cycles of the shadow's copy that goes on to a neighbour; None: not shifted.
    taps, tap
        Places of an operand that moves, each of which may have to take another value; 0: none may.
        Which of them this PE is.
    """

    depth: int = 0
    forwards: tuple[tuple[int, int], ...] = ()
    shift: int | None = None
    taps: int = 0
    tap: int = 0

    @property
    def moves(self) -> bool:
        """Whether a copy goes on some ticks later."""
        return any(ticks for ticks, _ in self.forwards)


@dataclass(frozen=True, kw_only=True)
class PEParams:
    """Everything one kind of PE is made of.

    Parameters
    ----------
    operands
        What is multiplied, two or more.
    bits
        Bits of an operand.
    psum_inputs
        Partial sums that come from neighbours.
    psum_bits
        Bits of a partial sum, and of an accumulator.
    psum_delay
        Registers of the partial sum that goes on.
    accumulators
        Sums kept in the PE; 0: every product leaves in its own step.
    drain
        Delay in cycles of the accumulator's copy that is shifted to a neighbour; None: not drained.
    multiplier_registers
        Pipeline registers behind the multiplier.
    control_delay
        Registers of the control word that goes on; 0: it is wired past.
    """

    operands: tuple[OperandParams, ...]
    bits: int = 8
    psum_inputs: int = 1
    psum_bits: int = 32
    psum_delay: int = 1
    accumulators: int = 0
    drain: int | None = None
    multiplier_registers: int = 0
    control_delay: int = 0

    @property
    def gated(self) -> bool:
        """Whether a sum must be told not to take the product of words on their way.

        In a cycle without a step lanes are 0, but words that move stand in the PEs.
        """
        return bool(self.accumulators) and any(operand.moves for operand in self.operands)

    @property
    def control(self) -> data.StructLayout:
        """What every PE is told, each member in the cycle in which it holds there."""
        members = {}
        for n, operand in enumerate(self.operands):
            if operand.depth:
                members |= {f"load{n}": 1, f"swap{n}": 1}
            if operand.depth > 1:
                bits = unsigned(index_bits(operand.depth))
                members |= {f"load_address{n}": bits, f"read_address{n}": bits}
            if operand.moves:
                members[f"tick{n}"] = 1
            if operand.taps:
                members |= {f"outside{n}": operand.taps, f"pad{n}": signed(self.bits)}
        if self.gated:
            members["step"] = 1
        if self.accumulators:
            members["first"] = 1
        if self.accumulators > 1:
            members["sum_address"] = unsigned(index_bits(self.accumulators))
        if self.drain is not None:
            members["drain"] = 1
        return data.StructLayout(members)

    @property
    def ports(self) -> dict:
        """The members of the PE's signature; see :class:`PE`."""
        word, psum = signed(self.bits), signed(self.psum_bits)
        ports = {}
        for n, operand in enumerate(self.operands):
            ports[f"a{n}"] = In(word)
            for k in range(len(operand.forwards)):
                ports[f"a{n}_f{k}"] = Out(word)
            if operand.shift is not None:
                ports[f"a{n}_shift"] = Out(word)
        if self.control.size:
            ports["control"] = In(self.control)
            if self.control_delay:
                ports["control_out"] = Out(self.control)
        for n in range(self.psum_inputs):
            ports[f"psum{n}"] = In(psum)
        ports["psum"] = Out(psum)
        if self.drain is not None:
            ports |= {"drain_in": In(psum), "drain_out": Out(psum)}
        return ports


class PE(wiring.Component):
    """Multiplies its operands and adds the product to a partial sum.

    A product leaves ``multiplier_registers`` cycles after its operands came; partial sums from
    neighbours are added there, and the sum goes on ``psum_delay`` cycles later. With accumulators
    the product is first added to the sum kept in the PE, which starts anew where ``first`` is
    high. In a cycle without a step an operand must be 0, or ``control.step``, where it exists, low.

    Members
    -------
    a0, a1, ... : ``In(signed(bits))``
        Operands; for a held one the word to load.
    a0_f0, ... : ``Out(signed(bits))``
        Copies of the incoming operand, some ticks old and delayed.
    a0_shift, ... : ``Out(signed(bits))``
        The shadow's word at ``load_address``.
    control : ``In(params.control)``, control_out
    psum0, ... : ``In(signed(psum_bits))``, psum : ``Out``
    drain_in : ``In(signed(psum_bits))``, drain_out : ``Out``
        Neighbouring accumulators, shifted while ``control.drain`` is high.
    """

    def __init__(self, params: PEParams, name: str = "pe"):
        self._params = params
        self.module_name = name
        super().__init__(params.ports)

    def elaborate(self, platform):
        m = Module()
        params = self._params

        value = self._elaborate_operand(m, 0)
        if params.gated:
            value = Mux(self.control.step, value, 0)
        for n in range(1, len(params.operands)):
            value = value * self._elaborate_operand(m, n)
        product = delayed(m, value, params.multiplier_registers, name="product")

        if params.accumulators:
            product = self._elaborate_accumulators(m, product)
        total = product
        for n in range(params.psum_inputs):
            total = total + getattr(self, f"psum{n}")
        wide = Signal(signed(params.psum_bits), name="total")
        m.d.comb += wide.eq(total)
        m.d.comb += self.psum.eq(delayed(m, wide, params.psum_delay, name="psum_out"))
        if params.control.size and params.control_delay:
            word = self.control.as_value()
            m.d.comb += self.control_out.as_value().eq(
                delayed(m, word, params.control_delay, name="control_next")
            )
        return m

    def _elaborate_operand(self, m, n):
        """The operand's value in this step; copies for the neighbours."""
        operand, word = self._params.operands[n], getattr(self, f"a{n}")
        for k, (ticks, delay) in enumerate(operand.forwards):
            tick = self.control[f"tick{n}"] if ticks else None
            names = f"a{n}_tick{k}_", f"a{n}_next{k}_"
            copy = forward_copy(m, word, ticks, delay, tick, names)
            m.d.comb += getattr(self, f"a{n}_f{k}").eq(copy)
        if operand.taps:
            return Mux(self.control[f"outside{n}"][operand.tap], self.control[f"pad{n}"], word)
        if not operand.depth:
            return word
        shadow, held = hold(m, self.control, n, word, operand.depth)
        if operand.shift is not None:
            copy = delayed(m, shadow, operand.shift, name=f"a{n}_shifted")
            m.d.comb += getattr(self, f"a{n}_shift").eq(copy)
        return held

    def _elaborate_accumulators(self, m, product):
        """Sums kept in the PE; the one of this step, with its product, is the value."""
        params = self._params
        shape = signed(params.psum_bits)
        sums = Array(Signal(shape, name=f"sum{k}") for k in range(params.accumulators))
        at = self.control.sum_address if params.accumulators > 1 else 0
        total = Signal(shape, name="sum_next")
        m.d.comb += total.eq(Mux(self.control.first, 0, sums[at]) + product)
        if params.drain is None:
            m.d.sync += sums[at].eq(total)
        else:
            m.d.sync += sums[at].eq(Mux(self.control.drain, self.drain_in, total))
            copy = delayed(m, sums[at], params.drain, name="drain_next")
            m.d.comb += self.drain_out.eq(copy)
        return total


def forward_copy(m: Module, word, ticks: int, delay: int, tick, names: tuple[str, str]):
    """A word as it goes on to a neighbour: some ticks old, then so many cycles late."""
    of_ticks, of_cycles = names
    for k in range(ticks):
        # Advances on the tick, whatever the bubbles; the skew's registers always run.
        earlier = Signal(word.shape(), name=f"{of_ticks}{k}")
        with m.If(tick):
            m.d.sync += earlier.eq(word)
        word = earlier
    return delayed(m, word, delay, name=of_cycles)


def hold(m: Module, control, n: int, word, depth: int):
    """Registers of a held operand behind their shadow; returns the shadow's and the step's word."""
    shadow = Array(Signal(word.shape(), name=f"shadow{n}_{k}") for k in range(depth))
    held = Array(Signal(word.shape(), name=f"held{n}_{k}") for k in range(depth))
    several = depth > 1
    load_at = control[f"load_address{n}"] if several else 0
    with m.If(control[f"load{n}"]):
        m.d.sync += shadow[load_at].eq(word)
    with m.If(control[f"swap{n}"]):
        for k in range(depth):
            m.d.sync += held[k].eq(shadow[k])
    return shadow[load_at], held[control[f"read_address{n}"] if several else 0]
