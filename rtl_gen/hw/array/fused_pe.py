"""The processing element of several dataflows: still one multiplier and one adder."""

from dataclasses import dataclass

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..delayed import delayed
from .modes import by_mode, mode_bits, settled
from .pe import forward_copy, hold, index_bits

__all__ = ["KEPT", "FusedOperand", "FusedPE", "FusedPEParams"]

Route = tuple[int | None, ...]
"""Which of several sources a port takes, mode by mode; None: none, it is 0."""

KEPT = -1
"""In a route of sums: the sum kept in the PE."""


@dataclass(frozen=True, kw_only=True)
class FusedOperand:
    """How a PE gets and gives one operand.

    Parameters
    ----------
    route
        Where words come from in each mode; sources count from 0.
    held
        Whether each mode holds the operand; else its words are used as they come.
    depth
        Words held, behind a shadow; 0 if no mode holds any.
    forwards
        Ticks and delay of the copies that neighbours take.
    shifts
        Delays of the copies of the shadow that neighbours take.
    ticked
        Whether words move with the ticks, here or in another PE.
    taps, tap
        Places of an operand that moves, each of which may have to take another value; 0: none may.
        Which of them this PE is in each mode; None: its words are as they come.
    """

    route: Route
    held: tuple[bool, ...]
    depth: int = 0
    forwards: tuple[tuple[int, int], ...] = ()
    shifts: tuple[int, ...] = ()
    ticked: bool = False
    taps: int = 0
    tap: Route = ()

    @property
    def sources(self) -> int:
        return 1 + max(self.route)


@dataclass(frozen=True, kw_only=True)
class FusedPEParams:
    """Everything one kind of PE is made of.

    Parameters
    ----------
    operands
        What is multiplied, two or more.
    addends
        What is added to the product, an adder each: sums of neighbours, or in the first place the
        sum kept in the PE.
    psum_delays
        Registers of each copy of the sum that goes on.
    accumulators
        Sums kept in the PE, in the modes whose first addend they are.
    drain_route
        Where shifted sums come from in each mode; empty if no mode shifts any.
    drains
        Delays of the copies of the sum that are shifted to neighbours.
    chain_bits
        Bits of a sum that goes on to a neighbour: those of the modes that hand any on.
    bits, psum_bits, multiplier_registers, control_delay
        As for a PE of one dataflow.
    """

    operands: tuple[FusedOperand, ...]
    addends: tuple[Route, ...]
    psum_delays: tuple[int, ...]
    chain_bits: int
    bits: int = 8
    psum_bits: int = 32
    accumulators: int = 0
    drain_route: tuple[int, ...] = ()
    drains: tuple[int, ...] = ()
    multiplier_registers: int = 0
    control_delay: int = 0

    @property
    def modes(self) -> int:
        return len(self.operands[0].route)

    @property
    def gated(self) -> bool:
        """As for a PE of one dataflow."""
        return bool(self.accumulators) and any(operand.ticked for operand in self.operands)

    @property
    def shares_register(self) -> bool:
        """Whether the sum kept and the sum that goes on can be one register.

        They are the same number where a mode that keeps a sum adds nothing else to it.
        """
        keeping = [n for n, source in enumerate(self.addends[0]) if source == KEPT]
        apart = [route[n] is None for route in self.addends[1:] for n in keeping]
        return self.accumulators == 1 and all(apart)

    @property
    def control(self) -> data.StructLayout:
        """What every PE is told, each member in the cycle in which it holds there.

        ``mode`` is that of a step's operands, ``sum_mode`` that of its sums; ``mode{n}`` that of
        the words of an operand on their way, which may be loaded under steps of another mode.
        """
        members, mode = {}, unsigned(mode_bits(self.modes))
        for n, operand in enumerate(self.operands):
            if operand.depth:
                members |= {f"load{n}": 1, f"swap{n}": 1, f"mode{n}": mode}
            if operand.depth > 1:
                bits = unsigned(index_bits(operand.depth))
                members |= {f"load_address{n}": bits, f"read_address{n}": bits}
            if operand.ticked:
                members[f"tick{n}"] = 1
            if operand.taps:
                members |= {f"outside{n}": operand.taps, f"pad{n}": signed(self.bits)}
        if self.gated:
            members["step"] = 1
        if self.accumulators:
            members["first"] = 1
        if self.accumulators > 1:
            members["sum_address"] = unsigned(index_bits(self.accumulators))
        if self.drain_route:
            members["drain"] = 1
        return data.StructLayout(members | {"mode": mode, "sum_mode": mode})

    @property
    def ports(self) -> dict:
        """The members of the PE's signature; see :class:`FusedPE`."""
        word, psum, chain = signed(self.bits), signed(self.psum_bits), signed(self.chain_bits)
        ports = {}
        for n, operand in enumerate(self.operands):
            ports |= {f"a{n}_{k}": In(word) for k in range(operand.sources)}
            ports |= {f"a{n}_t{t}_d{d}": Out(word) for t, d in operand.forwards}
            ports |= {f"a{n}_shift_d{d}": Out(word) for d in operand.shifts}
        ports["control"] = In(self.control)
        if self.control_delay:
            ports["control_out"] = Out(self.control)
        for n, route in enumerate(self.addends):
            taken = [source for source in route if source not in (None, KEPT)]
            ports |= {f"psum{n}_{k}": In(chain) for k in range(len(set(taken)))}
        ports |= {f"psum_d{d}": Out(chain) for d in self.psum_delays}
        if self.drain_route:
            ports |= {f"drain_{k}": In(psum) for k in range(1 + max(self.drain_route))}
        return ports | {f"drain_d{d}": Out(psum) for d in self.drains}


class FusedPE(wiring.Component):
    """Multiplies and adds as the mode of each step says.

    Times are those of :class:`~rtl_gen.hw.array.pe.PE`. In the cycles between the steps of a mode
    that keeps sums the mode stays; words of an operand that it does not hold are 0 there, so its
    lanes may load nothing meanwhile.

    Members
    -------
    a0_0, a0_1, ... : ``In(signed(bits))``
        The sources of each operand.
    a0_t1_d0, ... : ``Out(signed(bits))``
        Copies of the incoming operand, by ticks and delay.
    a0_shift_d0, ... : ``Out(signed(bits))``
        The shadow's word at ``load_address``, by delay.
    control : ``In(params.control)``, control_out
    psum0_0, ... : ``In(signed(chain_bits))``, psum_d1, ... : ``Out``, by delay
    drain_0, ... : ``In(signed(psum_bits))``, drain_d0, ... : ``Out``, by delay
    """

    def __init__(self, params: FusedPEParams, name: str = "pe"):
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
        self._elaborate_sums(m, product)
        if params.control_delay:
            word = delayed(m, self.control.as_value(), params.control_delay, name="control_next")
            m.d.comb += self.control_out.as_value().eq(word)
        return m

    def _elaborate_operand(self, m, n):
        """The operand's value in this step; copies for the neighbours."""
        operand, shape = self._params.operands[n], signed(self._params.bits)
        mode = self.control[f"mode{n}"] if operand.depth else self.control.mode

        def word(route, now, name):
            found = Signal(shape, name=name)
            m.d.comb += found.eq(by_mode(now, route, lambda k: getattr(self, f"a{n}_{k}")))
            return found

        going = word(operand.route, mode, f"word{n}") if operand.forwards else None
        for ticks, delay in operand.forwards:
            tick = self.control[f"tick{n}"] if ticks else None
            names = f"a{n}_t{ticks}_d{delay}_tick", f"a{n}_t{ticks}_d{delay}_next"
            copy = forward_copy(m, going, ticks, delay, tick, names)
            m.d.comb += getattr(self, f"a{n}_t{ticks}_d{delay}").eq(copy)
        if not operand.depth:
            value = going if operand.forwards else word(operand.route, mode, f"word{n}")
            return self._masked(n, value)
        # What is loaded and what is used at once each choose among their own modes only.
        loaded = settled([k if held else None for k, held in zip(operand.route, operand.held)])
        load = word(loaded, mode, f"load_word{n}")
        shadow, held = hold(m, self.control, n, load, operand.depth)
        for delay in operand.shifts:
            copy = delayed(m, shadow, delay, name=f"a{n}_shifted_d{delay}_")
            m.d.comb += getattr(self, f"a{n}_shift_d{delay}").eq(copy)
        if all(operand.held):
            return held
        used = settled([None if held else k for k, held in zip(operand.route, operand.held)])
        streamed = self._masked(n, word(used, self.control.mode, f"step_word{n}"))
        values = {True: held, False: streamed}
        value = Signal(shape, name=f"value{n}")
        m.d.comb += value.eq(by_mode(self.control.mode, operand.held, values.__getitem__))
        return value

    def _masked(self, n, value):
        """The value of a step, but for taps that lie outside the tensor."""
        operand = self._params.operands[n]
        if all(tap is None for tap in operand.tap):
            return value
        outside, pad = self.control[f"outside{n}"], self.control[f"pad{n}"]
        here = by_mode(
            self.control.mode, operand.tap, lambda tap: Const(0) if tap is None else outside[tap]
        )
        return Mux(here, pad, value)

    def _elaborate_sums(self, m, product):
        """The product with what is added to it in this mode; the sums that are kept and go on."""
        params, shape = self._params, signed(self._params.psum_bits)
        count = params.accumulators
        sums = Array(Signal(shape, name=f"sum{k}") for k in range(count))
        kept = sums[self.control.sum_address if count > 1 else 0] if count else None

        fresh = Mux(self.control.first, 0, kept) if count else None

        def addend(n):
            def of(source):
                if source is None:
                    return Const(0, params.chain_bits)
                if source == KEPT:
                    return fresh[: params.chain_bits]
                return getattr(self, f"psum{n}_{source}")

            route = params.addends[n]
            low = by_mode(self.control.sum_mode, route, of)[: params.chain_bits]
            # What lies above is never handed on, so it need not be 0 in modes that do.
            high = fresh[params.chain_bits :] if KEPT in route else None
            return (low if high is None else Cat(low, high)).as_signed()

        places = range(len(params.addends))
        first = product + addend(0) if places else product
        total = Signal(shape, name="total")
        m.d.comb += total.eq(sum((addend(n) for n in places[1:]), start=first))
        if count:
            # Of modes that keep sums the first addend is the one kept.
            following = Signal(shape, name="sum_next")
            m.d.comb += following.eq(total if params.shares_register else first)
            self._elaborate_kept(m, kept, following)
        for delay in params.psum_delays:
            value, left = total, delay
            if delay and count and params.shares_register:
                value, left = sums[0], delay - 1
            copy = delayed(m, value, left, name=f"psum_d{delay}_")
            m.d.comb += getattr(self, f"psum_d{delay}").eq(copy)

    def _elaborate_kept(self, m, kept, following):
        """The register of a sum: what it takes on, and its copies for those that shift it out."""
        params = self._params
        if params.drain_route:
            drained = by_mode(
                self.control.sum_mode, params.drain_route, lambda k: getattr(self, f"drain_{k}")
            )
            following = Mux(self.control.drain, drained, following)
        m.d.sync += kept.eq(following)
        for delay in params.drains:
            copy = delayed(m, kept, delay, name=f"drain_d{delay}_")
            m.d.comb += getattr(self, f"drain_d{delay}").eq(copy)
