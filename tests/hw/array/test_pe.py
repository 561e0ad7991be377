"""The PE against a model of it in plain Python, cycle by cycle, whatever it is made of."""

import random
from collections import deque

import pytest
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator

from rtl_gen.hw.array.pe import PE, OperandParams, PEParams, index_bits

STREAM = OperandParams()

KINDS = {
    "weight stationary": PEParams(
        operands=(OperandParams(forwards=((0, 1),)), OperandParams(depth=1, shift=0)),
        psum_bits=20,
        control_delay=1,
    ),
    "several words held, shifted with a skew": PEParams(
        operands=(OperandParams(depth=3, shift=1, forwards=((0, 2),)), OperandParams(depth=2)),
        psum_delay=2,
    ),
    "output stationary, drained": PEParams(
        operands=(STREAM, OperandParams(forwards=((0, 1), (0, 2)))),
        psum_inputs=0,
        psum_bits=24,
        accumulators=1,
        drain=0,
    ),
    "several sums, drained with a skew": PEParams(
        operands=(STREAM, STREAM),
        psum_inputs=0,
        psum_bits=18,
        accumulators=3,
        drain=1,
        multiplier_registers=1,
        control_delay=1,
    ),
    "sums kept, then down a chain": PEParams(
        operands=(STREAM, OperandParams(depth=2, shift=0)),
        psum_bits=19,
        accumulators=2,
        multiplier_registers=2,
    ),
    "words that move with the ticks, sums kept": PEParams(
        operands=(OperandParams(forwards=((1, 0), (2, 3))), OperandParams(forwards=((0, 1),))),
        psum_inputs=0,
        psum_bits=20,
        accumulators=1,
        drain=0,
    ),
    "words that move, nothing kept": PEParams(
        operands=(OperandParams(forwards=((3, 1),)), OperandParams(depth=1)), psum_bits=18
    ),
    "words that move, but another value outside": PEParams(
        operands=(OperandParams(forwards=((1, 1),), taps=3, tap=1), OperandParams(depth=1)),
        psum_bits=18,
        control_delay=1,
    ),
    "tree of wires": PEParams(
        operands=(STREAM, STREAM), psum_inputs=3, psum_bits=18, psum_delay=0, bits=8
    ),
    "three operands of 4 bits": PEParams(
        operands=(STREAM, OperandParams(depth=1), STREAM), bits=4, psum_bits=14, psum_inputs=2
    ),
}


def wrapped(value: int, bits: int) -> int:
    return (value + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))


class Later:
    """A value as it was some cycles ago."""

    def __init__(self, cycles: int, value=0):
        self._kept = deque([value] * cycles)

    def __call__(self, value):
        self._kept.append(value)
        return self._kept.popleft()

    @property
    def oldest(self):
        """What comes out next."""
        return self._kept[0]


class Model:
    """A PE in plain Python: a cycle gives what its outputs show, then takes the clock edge."""

    def __init__(self, params: PEParams):
        self.params = params
        self.shadow = [[0] * operand.depth for operand in params.operands]
        self.held = [[0] * operand.depth for operand in params.operands]
        self.sums = [0] * params.accumulators
        self.ticks = [[Later(ticks) for ticks, _ in one.forwards] for one in params.operands]
        self.ticked = [[0 for _ in one.forwards] for one in params.operands]
        self.forwards = [[Later(d) for _, d in operand.forwards] for operand in params.operands]
        self.shifts = [Later(operand.shift or 0) for operand in params.operands]
        self.product = Later(params.multiplier_registers)
        self.psum = Later(params.psum_delay)
        self.drain = Later(params.drain or 0)
        self.control = Later(params.control_delay, {name: 0 for name, _ in params.control})

    def cycle(self, ports: dict, control: dict) -> dict:
        out, product = {}, 1
        for n, operand in enumerate(self.params.operands):
            for k, later in enumerate(self.forwards[n]):
                out[f"a{n}_f{k}"] = later(self._ticked(n, k, ports[f"a{n}"], control))
            product *= self._operand(n, operand, ports[f"a{n}"], control, out)
        product *= control.get("step", 1)
        total = self.product(product)
        if self.params.accumulators:
            total = self._accumulate(total, ports, control, out)
        total += sum(ports[f"psum{n}"] for n in range(self.params.psum_inputs))
        out["psum"] = self.psum(wrapped(total, self.params.psum_bits))
        if self.params.control_delay and control:
            out["control_out"] = self.control(dict(control))
        return out

    def _ticked(self, n, k, word, control):
        """The word as it was some ticks ago; it changes in the cycle after a tick."""
        if not self.params.operands[n].forwards[k][0]:
            return word
        shown = self.ticked[n][k]
        if control[f"tick{n}"]:
            self.ticks[n][k](word)
            self.ticked[n][k] = self.ticks[n][k].oldest
        return shown

    def _operand(self, n, operand, word, control, out):
        if operand.taps and control[f"outside{n}"] >> operand.tap & 1:
            return control[f"pad{n}"]
        if not operand.depth:
            return word
        at = control.get(f"load_address{n}", 0)
        if operand.shift is not None:
            out[f"a{n}_shift"] = self.shifts[n](self.shadow[n][at])
        value = self.held[n][control.get(f"read_address{n}", 0)]
        if control[f"swap{n}"]:
            self.held[n] = list(self.shadow[n])
        if control[f"load{n}"]:
            self.shadow[n][at] = word
        return value

    def _accumulate(self, product, ports, control, out):
        at = control.get("sum_address", 0)
        before = 0 if control["first"] else self.sums[at]
        if self.params.drain is not None:
            out["drain_out"] = self.drain(self.sums[at])
        total = wrapped(before + product, self.params.psum_bits)
        self.sums[at] = ports["drain_in"] if control.get("drain") else total
        return total


def draw(rng, params):
    """Random words on all inputs, extremes now and then, and a random control word."""
    low = -(1 << (params.bits - 1))
    ports = {}
    for n in range(len(params.operands)):
        ports[f"a{n}"] = rng.choice([rng.randint(low, -low - 1), low, -low - 1, 0])
    for name in [f"psum{n}" for n in range(params.psum_inputs)] + ["drain_in"]:
        most = 1 << (params.psum_bits - 1)
        ports[name] = rng.choice([rng.randint(-most, most - 1), rng.randint(-99, 99), -most])
    control = {}
    for name, field in params.control:
        control[name] = rng.getrandbits(field.width)
        if name.startswith("pad"):
            control[name] = wrapped(control[name], field.width)
        if name.endswith("address") or "address" in name:
            depth = params.accumulators
            if not name.startswith("sum"):
                depth = params.operands[int(name[-1])].depth
            control[name] = rng.randrange(depth)
    return ports, control


@pytest.mark.parametrize("kind", KINDS)
def test_pe(kind):
    params, rng = KINDS[kind], random.Random(kind)
    dut, model = PE(params), Model(params)
    inputs = [name for name in params.ports if name.startswith(("psum", "drain_in"))]
    inputs = [name for name in inputs if name != "psum"]
    inputs += [f"a{n}" for n in range(len(params.operands))]

    async def bench(ctx):
        for cycle in range(400):
            ports, control = draw(rng, params)
            for name in inputs:
                ctx.set(getattr(dut, name), ports[name])
            if control:
                ctx.set(dut.control, control)
            for name, want in model.cycle(ports, control).items():
                got = ctx.get(getattr(dut, name))
                if name == "control_out":
                    got = {key: got[key] for key in want}
                assert got == want, f"{name} in cycle {cycle}"
            await ctx.tick()

    m = Module()
    m.domains.sync = ClockDomain()
    m.submodules.dut = dut
    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def test_control_says_what_a_pe_needs_and_no_more():
    members = {kind: [name for name, _ in params.control] for kind, params in KINDS.items()}
    assert members == {
        "weight stationary": ["load1", "swap1"],
        "several words held, shifted with a skew": [
            "load0", "swap0", "load_address0", "read_address0",
            "load1", "swap1", "load_address1", "read_address1",
        ],
        "output stationary, drained": ["first", "drain"],
        "several sums, drained with a skew": ["first", "sum_address", "drain"],
        "sums kept, then down a chain": [
            "load1", "swap1", "load_address1", "read_address1", "first", "sum_address",
        ],
        "words that move with the ticks, sums kept": ["tick0", "step", "first", "drain"],
        "words that move, nothing kept": ["tick0", "load1", "swap1"],
        "words that move, but another value outside": [
            "tick0", "outside0", "pad0", "load1", "swap1",
        ],
        "tree of wires": [],
        "three operands of 4 bits": ["load1", "swap1"],
    }  # fmt: skip


def test_addresses_have_no_bit_too_many():
    assert [index_bits(depth) for depth in range(1, 10)] == [0, 1, 2, 2, 3, 3, 3, 3, 4]
    held = PEParams(operands=(STREAM, OperandParams(depth=4)), accumulators=5)
    widths = {name: field.width for name, field in held.control}
    assert widths["read_address1"] == widths["load_address1"] == 2
    assert widths["sum_address"] == 3
