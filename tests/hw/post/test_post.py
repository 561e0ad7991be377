"""Post-processing against the golden model: phases, channels, parameters that change."""

import random

import numpy as np
import pytest
from control_bench import run

from rtl_gen.golden.quantize import requantize
from rtl_gen.hw.post.post import Post, PostParams
from rtl_gen.hw.post.requantize import RequantizeParams

ACC_BITS = 28


def params(channels, block, lanes, *, moves=False):
    return PostParams(
        channels=tuple(channels),
        block=block,
        channel_moves=moves,
        lanes=lanes,
        acc_bits=ACC_BITS,
        tag_bits=11,
    )


KINDS = {
    "a lane for each sum": params(range(4), 4, 4),
    "three sums, channels move": params(range(3), 8, 3, moves=True),
    "five sums by two lanes": params(range(5), 8, 2, moves=True),
    "four sums of one channel, one lane": params([0] * 4, 4, 1, moves=True),
    "channels out of order": params([3, 0, 2, 1, 5, 4], 8, 4),
    "one sum": params([0], 16, 1, moves=True),
}


def draw_parameters(rng, block):
    """A block's parameters and a layer's limits."""
    act_min = rng.choice([-128, rng.randint(-128, 0)])
    return {
        "bias": [rng.choice([rng.randint(-9999, 9999), 0, (1 << 25)]) for _ in range(block)],
        "multiplier": [rng.randrange(1 << 30, 1 << 31) for _ in range(block)],
        "shift": [rng.randint(-20, 2) for _ in range(block)],
        "output_zero": rng.randint(-128, 127),
        "act_min": act_min,
        "act_max": rng.choice([127, rng.randint(act_min, 127)]),
        "single_rounding": rng.getrandbits(1),
    }


def packed(parameters, block) -> int:
    """The bits of a set: biases, multipliers, shifts."""
    bits = 0
    for n in range(block):
        bits |= (parameters["bias"][n] & 0xFFFFFFFF) << (32 * n)
        bits |= parameters["multiplier"][n] << (32 * (block + n))
        bits |= (parameters["shift"][n] & 0xFF) << (64 * block + 8 * n)
    return bits


def expected(parameters, channel, total) -> int:
    """The golden output of a sum."""
    rounding = "single" if parameters["single_rounding"] else "double"
    scaled = requantize(
        np.int64(total + parameters["bias"][channel]),
        np.int64(parameters["multiplier"][channel]),
        np.int64(parameters["shift"][channel]),
        rounding,
    )
    low, high = parameters["act_min"], parameters["act_max"]
    return int(np.clip(scaled + parameters["output_zero"], low, high))


@pytest.mark.parametrize("idle", [0, 0.4])
@pytest.mark.parametrize("kind", KINDS)
def test_outputs_are_golden(kind, idle):
    config = KINDS[kind]
    rng = random.Random(f"{kind} {idle}")
    dut = Post(config)
    latency = RequantizeParams(acc_bits=ACC_BITS).latency
    wide = max(config.channels) + 1
    firsts = range(config.block - wide + 1) if config.channel_moves else [0]
    due = {}  # cycle: outputs, phase and tag

    async def bench(ctx):
        cycle, parameters = 0, draw_parameters(rng, config.block)
        for _ in range(120):
            ctx.set(dut.parameters, packed(parameters, config.block))
            layer = ("output_zero", "act_min", "act_max", "single_rounding")
            ctx.set(dut.layer, {name: parameters[name] for name in layer})
            last, channel, tag = rng.random() < 0.3, rng.choice(firsts), rng.getrandbits(11)
            sums = [rng.choice([rng.randint(-(1 << 18), 1 << 18), rng.randint(-99, 99)])
                    for _ in config.channels]  # fmt: skip
            step(ctx, sums, channel, last, tag)
            for phase in range(config.phases):
                numbers = range(phase * config.lanes, (phase + 1) * config.lanes)
                outputs = {
                    n - phase * config.lanes: expected(
                        parameters, config.channels[n] + channel, sums[n]
                    )
                    for n in numbers
                    if n < len(sums)
                }
                due[cycle + latency] = (outputs, phase, tag)
                assert ctx.get(dut.used) == (last and phase == config.phases - 1)
                cycle = await tick(ctx, cycle)
                disturb(ctx)
            if last:
                parameters = draw_parameters(rng, config.block)
                ctx.set(dut.parameters, packed(parameters, config.block))
            while rng.random() < idle:
                assert not ctx.get(dut.used)
                cycle = await tick(ctx, cycle)
        for _ in range(latency + 1):
            cycle = await tick(ctx, cycle)
        assert not due

    def step(ctx, sums, channel, last, tag):
        mask = (1 << ACC_BITS) - 1
        ctx.set(dut.sums, sum((s & mask) << (ACC_BITS * n) for n, s in enumerate(sums)))
        ctx.set(dut.channel, channel)
        ctx.set(dut.last, last)
        ctx.set(dut.tag, tag)
        ctx.set(dut.valid, 1)

    def disturb(ctx):
        """What comes without ``valid`` is of no meaning."""
        ctx.set(dut.valid, 0)
        ctx.set(dut.sums, rng.getrandbits(ACC_BITS * len(config.channels)))
        ctx.set(dut.channel, rng.choice(firsts))
        ctx.set(dut.last, rng.getrandbits(1))
        ctx.set(dut.tag, rng.getrandbits(11))

    async def tick(ctx, cycle):
        """Compare what leaves in this cycle, and go on to the next."""
        wanted = due.pop(cycle, None)
        assert ctx.get(dut.out_valid) == (wanted is not None), f"cycle {cycle}"
        assert not ctx.get(dut.overflow)
        if wanted:
            outputs, phase, tag = wanted
            assert (ctx.get(dut.phase), ctx.get(dut.out_tag)) == (phase, tag), f"cycle {cycle}"
            found = ctx.get(dut.outputs)
            for n, want in outputs.items():
                got = (found >> (8 * n) & 255) - ((found >> (8 * n + 7) & 1) << 8)
                assert got == want, f"lane {n}, phase {phase}, cycle {cycle}"
        await ctx.tick()
        return cycle + 1

    run(dut, bench)


def test_overflow_is_seen_on_every_lane_and_only_with_an_output():
    config = params(range(3), 4, 3)
    dut = Post(
        PostParams(
            channels=config.channels, block=4, channel_moves=False, lanes=3, acc_bits=32, tag_bits=1
        )
    )

    async def bench(ctx):
        parameters = draw_parameters(random.Random(1), 4) | {"bias": [(1 << 31) - 1] * 4}
        ctx.set(dut.parameters, packed(parameters, 4))
        for lane in range(3):
            for valid in (0, 1):
                ctx.set(dut.sums, 1 << (32 * lane))
                ctx.set(dut.valid, valid)
                await ctx.tick()
                ctx.set(dut.valid, 0)
                ctx.set(dut.sums, 0)
                seen = 0
                for _ in range(6):
                    seen += ctx.get(dut.overflow)
                    assert not ctx.get(dut.overflow) or ctx.get(dut.out_valid)
                    await ctx.tick()
                assert seen == valid, f"lane {lane}"

    run(dut, bench)
