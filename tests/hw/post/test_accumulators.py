"""Accumulators against integers: sums that meet at an address, wherever the passes go."""

import random

import pytest
from control_bench import run

from rtl_gen.hw.post.accumulators import Accumulators

APART = 3
"""Cycles from an address to where it may come again, unless it starts anew."""


def wrapped(value, bits):
    return (value + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))


def draw_steps(rng, depth, count, busy):
    """A step or None for each cycle: address, whether it starts anew and is complete."""
    open_, ready, steps = set(), {}, []
    for cycle in range(count):
        free = [a for a in range(depth) if ready.get(a, 0) <= cycle]
        if rng.random() >= busy or not free:
            steps.append(None)
            continue
        address = rng.choice(free)
        first = address not in open_ or rng.random() < 0.05
        emit = rng.random() < 0.3
        steps.append((address, first, emit))
        ready[address] = cycle + APART
        if emit:
            open_.discard(address)
        else:
            open_.add(address)
    return steps


@pytest.mark.parametrize("busy", [1, 0.5])
@pytest.mark.parametrize(
    ("exits", "sum_bits", "bits", "depth"),
    [(1, 16, 32, 2), (3, 20, 20, 5), (4, 17, 24, 8), (2, 18, 19, 13)],
)
def test_sums_meet_at_their_address(exits, sum_bits, bits, depth, busy):
    rng = random.Random(f"{exits} {sum_bits} {bits} {depth} {busy}")
    dut = Accumulators(exits, sum_bits, bits, depth)
    steps = draw_steps(rng, depth, 800, busy)
    low, high = -(1 << (sum_bits - 1)), (1 << (sum_bits - 1)) - 1
    kept, totals, overflowed = {}, {}, {}

    def sums_of(step, cycle):
        """Draw a step's sums; note what is expected two cycles after it came."""
        address, first, emit = step
        sums = [rng.choice([rng.randint(low, high), low, high, 0]) for _ in range(exits)]
        before = [0] * exits if first else kept[address]
        exact = [a + b for a, b in zip(before, sums)]
        kept[address] = [wrapped(value, bits) for value in exact]
        if emit:
            totals[cycle + 2] = kept[address]
        overflowed[cycle + 2] = exact != kept[address]
        return sums

    async def bench(ctx):
        for cycle in range(len(steps) + 3):
            step = steps[cycle] if cycle < len(steps) else None
            ctx.set(dut.valid, step is not None)
            address, first, emit = step or (rng.randrange(depth), *rng.choices([0, 1], k=2))
            ctx.set(dut.address, address)
            ctx.set(dut.first, first)
            ctx.set(dut.emit, emit)
            earlier = steps[cycle - 1] if 0 < cycle <= len(steps) else None
            sums = [rng.randint(low, high) for _ in range(exits)]
            if earlier:
                sums = sums_of(earlier, cycle - 1)
            mask = (1 << sum_bits) - 1
            ctx.set(dut.sums, sum((s & mask) << (sum_bits * n) for n, s in enumerate(sums)))
            if cycle in totals:
                found = ctx.get(dut.totals)
                for n, want in enumerate(totals[cycle]):
                    assert wrapped(found >> (bits * n), bits) == want, f"exit {n}, cycle {cycle}"
            assert ctx.get(dut.overflow) == overflowed.get(cycle, False), f"cycle {cycle}"
            await ctx.tick()

    run(dut, bench)
    assert len(totals) > 60
    if bits < sum_bits + 4:
        assert any(overflowed.values())


def test_one_entry():
    """The smallest number of accumulators that a design may ask for."""
    dut = Accumulators(1, 16, 32, 1)

    async def bench(ctx):
        for n, (first, emit) in enumerate([(1, 0), (0, 0), (0, 1)]):
            ctx.set(dut.valid, 1)
            ctx.set(dut.first, first)
            ctx.set(dut.emit, emit)
            await ctx.tick()
            ctx.set(dut.valid, 0)
            ctx.set(dut.sums, 1000 + n)
            await ctx.tick()
            assert ctx.get(dut.totals) == sum(range(1000, 1001 + n))
            await ctx.tick()

    run(dut, bench)
