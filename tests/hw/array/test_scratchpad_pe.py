"""A PE with scratchpads against integers: tags, scratchpads, sums that come from above."""

import random
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "control"))
from control_bench import run

from rtl_gen.hw.array.scratchpad_pe import ELEMENTS, GROUP, ScratchpadParams, ScratchpadPE

EXTREMES = (-128, 127, 0, -1)


def draw(rng):
    return rng.choice(EXTREMES) if rng.random() < 0.4 else rng.randrange(-128, 128)


def packed(values):
    return sum((value % 256) << (8 * n) for n, value in enumerate(values))


@pytest.mark.parametrize(("inputs", "weights", "seed"), [(2, 8, 1), (13, 52, 2), (24, 64, 3)])
def test_sums_of_a_period(inputs, weights, seed):
    """Words are written between and under MACs; those of other tags are not taken."""
    rng = random.Random(seed)
    params = ScratchpadParams(inputs, weights, 8, 24)
    dut = ScratchpadPE(params)
    held_inputs, held_weights = [0] * inputs, [0] * weights
    offsets = [rng.randrange(200), rng.randrange(200)]
    tag = sum(offsets)

    async def offer(ctx, reads):
        """Put words on the buses for the next edge; not those that are being read."""
        slot, group = rng.randrange(inputs), rng.randrange(weights // GROUP)
        at = rng.choice([tag, tag, rng.randrange(400)]) // ELEMENTS * ELEMENTS
        elements = [draw(rng) for _ in range(ELEMENTS)]
        words = [draw(rng) for _ in range(GROUP)]
        take = rng.random() < 0.5 and slot not in reads[0]
        write = rng.random() < 0.5 and group not in reads[1]
        for name, value in (
            ("take", take),
            ("at", at),
            ("elements", packed(elements)),
            ("slot", slot),
            ("write", write),
            ("group", group),
            ("weights", packed(words)),
        ):
            ctx.set(getattr(dut, name), value)
        if take and at == tag // ELEMENTS * ELEMENTS:
            held_inputs[slot] = elements[tag % ELEMENTS]
        if write:
            held_weights[group * GROUP : (group + 1) * GROUP] = words

    async def bench(ctx):
        ctx.set(dut.row_offset, offsets[0])
        ctx.set(dut.column_offset, offsets[1])
        ctx.set(dut.set, 1)
        await ctx.tick()
        ctx.set(dut.set, 0)
        for slot in range(inputs):  # memories hold nothing before
            ctx.set(dut.take, 1)
            ctx.set(dut.at, tag // ELEMENTS * ELEMENTS)
            ctx.set(dut.slot, slot)
            held_inputs[slot] = draw(rng)
            ctx.set(dut.elements, packed([held_inputs[slot]] * ELEMENTS))
            await ctx.tick()
        ctx.set(dut.take, 0)
        for group in range(weights // GROUP):
            ctx.set(dut.write, 1)
            ctx.set(dut.group, group)
            words = [draw(rng) for _ in range(GROUP)]
            held_weights[group * GROUP : (group + 1) * GROUP] = words
            ctx.set(dut.weights, packed(words))
            await ctx.tick()
        ctx.set(dut.write, 0)
        for _ in range(60):
            count, above = rng.randint(1, 6), rng.randrange(-(1 << 20), 1 << 20)
            macs = [(rng.randrange(inputs), rng.randrange(weights)) for _ in range(count)]
            reads = {i for i, _ in macs}, {w // GROUP for _, w in macs}
            ctx.set(dut.above, above)
            total = above
            for cycle in range(count + 3):
                await offer(ctx, reads)
                ctx.set(dut.read, cycle < count)
                if cycle < count:
                    i, w = macs[cycle]
                    ctx.set(dut.input_at, i)
                    ctx.set(dut.weight_at, w // GROUP)
                    total += held_inputs[i] * held_weights[w]
                if 1 <= cycle <= count:
                    ctx.set(dut.byte, macs[cycle - 1][1] % GROUP)
                ctx.set(dut.add, 2 <= cycle < count + 2)
                ctx.set(dut.first, cycle == 2)
                ctx.set(dut.last, cycle == count + 1)
                await ctx.tick()
            assert ctx.get(dut.sum) == total, f"seed {seed}"

    run(dut, bench, cycles=5_000)
