"""Sums that leave as they are: every one at its place, whatever step it came with."""

import random

import pytest
from control_bench import run

from rtl_gen.hw.buffer.buffet import BuffetParams
from rtl_gen.hw.post.raw_words import RawParams, RawWords

BITS = 27


def params(count, block, *, aligned=True, words=None):
    each = block // 4
    reach = count + (0 if aligned else each - 1)
    return RawParams(
        channels=tuple(range(count)),
        block=block,
        aligned=aligned,
        words=words or -(-reach // each),
        acc_bits=BITS,
        buffet=BuffetParams(8 * block, 256, lanes=block),
        out_bits=10,
    )


KINDS = {
    "a whole block": (params(16, 16), 16),
    "a word of four": (params(4, 16), 4),
    "five, not at a word's start": (params(5, 16, aligned=False), 5),
    "one of a word of two": (params(1, 8, aligned=False), 1),
    "three, backwards": (
        RawParams(channels=(2, 1, 0), block=8, aligned=False, words=2, acc_bits=BITS,
                  buffet=BuffetParams(64, 256, lanes=8), out_bits=10), 3),
    "words of one sum": (params(3, 4, aligned=True), 3),
}  # fmt: skip


@pytest.mark.parametrize("idle", [0, 0.5])
@pytest.mark.parametrize("kind", KINDS)
def test_every_sum_has_its_place(kind, idle):
    config, count = KINDS[kind]
    rng = random.Random(f"{kind} {idle}")
    dut = RawWords(config)
    memory = {}  # by word and byte
    commits = []
    seen = {"cycle": 0}

    async def tick(ctx):
        """One cycle; whatever is written goes into the memory."""
        if ctx.get(dut.write.valid):
            index, data = ctx.get(dut.write.payload.index), ctx.get(dut.write.payload.data)
            strobe = ctx.get(dut.write.payload.strobe)
            for byte in range(config.block):
                if strobe >> byte & 1:
                    memory[index, byte] = data >> (8 * byte) & 0xFF
        if ctx.get(dut.commit.valid):
            commits.append((seen["cycle"], ctx.get(dut.commit.payload.count)))
        await ctx.tick()
        seen["cycle"] += 1

    async def bench(ctx):
        for _ in range(60):
            memory.clear()
            channels, stride = config.block - rng.randrange(count), rng.randint(1, 9)
            out = rng.randint(0, 60)
            biases = [rng.choice([-(1 << 31), (1 << 31) - 1, rng.randint(-999, 999)])
                      for _ in range(config.block)]  # fmt: skip
            ctx.set(dut.biases, sum((b & 0xFFFFFFFF) << 32 * n for n, b in enumerate(biases)))
            wanted = {}
            for first in range(0, channels, count):
                if first + max(config.channels) >= config.block:
                    break  # no step gives channels of two blocks
                sums = [rng.choice([-(1 << BITS - 1), (1 << BITS - 1) - 1, rng.randint(-9, 9)])
                        for _ in config.channels]  # fmt: skip
                for at, value in zip(config.channels, sums):
                    wanted[first + at] = (value + biases[first + at]) & 0xFFFFFFFF
                commit = rng.choice([0, rng.randint(1, 99)])
                mask = (1 << BITS) - 1
                ctx.set(dut.sums, sum((s & mask) << BITS * n for n, s in enumerate(sums)))
                ctx.set(dut.tag, {"out": out, "stride": stride, "channel": first, "commit": commit})
                ctx.set(dut.valid, 1)
                begun = seen["cycle"]
                commits.clear()
                await tick(ctx)
                ctx.set(dut.valid, 0)
                ctx.set(dut.sums, rng.getrandbits(len(dut.sums)))
                for _ in range(config.words - 1):
                    assert ctx.get(dut.busy)
                    await tick(ctx)
                pause = rng.randint(1, 4) if rng.random() < idle else 0
                if pause or commit:  # the last word leaves while the next step may come
                    await tick(ctx)
                    assert commits == ([(begun + config.words, commit)] if commit else [])
                for _ in range(pause):
                    assert not ctx.get(dut.busy)
                    await tick(ctx)
            await tick(ctx)
            each = config.block // 4
            for channel, value in wanted.items():
                index = out + channel // each * stride
                got = [memory[index, 4 * (channel % each) + n] for n in range(4)]
                assert int.from_bytes(bytes(got), "little") == value, channel
            for index in {index for index, _ in memory}:  # words that have a first sum are whole
                assert all((index, byte) in memory for byte in range(config.block))

    run(dut, bench)
