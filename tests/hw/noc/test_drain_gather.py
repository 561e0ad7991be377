"""Words that gather over drain ticks, against a memory of bytes: places, strobes, commits."""

import itertools
import random

import pytest
from control_bench import run
from test_collector import Store

from rtl_gen.hw.buffer.buffet import BuffetParams
from rtl_gen.hw.noc.collector import CollectorParams
from rtl_gen.hw.noc.drain_gather import DrainGather

OUT_BITS = 9


def params(lanes, per_cycle, block, *, ticks, sizes):
    return CollectorParams(
        lanes=tuple(lanes),
        per_cycle=per_cycle,
        block=block,
        channel_moves=max(byte for _, byte in lanes) + 1 < block,
        buffet=BuffetParams(8 * block, 256, lanes=block),
        out_bits=OUT_BITS,
        word_sizes=sizes,
        tick_sizes=ticks,
    )


KINDS = {
    "rows by columns": params([(n, 0) for n in range(4)], 4, 8, ticks=(3,), sizes=(4,)),
    "in phases": params([(n, 0) for n in range(5)], 2, 4, ticks=(3,), sizes=(5,)),
    "two bytes of each word": params(
        [(n // 2, n % 2) for n in range(6)], 4, 4, ticks=(2,), sizes=(3,)
    ),
    "two loops each way": params([(n, 0) for n in range(6)], 6, 4, ticks=(2, 2), sizes=(3, 2)),
    "one tick": params([(n, 0) for n in range(3)], 3, 4, ticks=(1,), sizes=(3,)),
    "whole words": params([(n // 4, n % 4) for n in range(8)], 8, 4, ticks=(2,), sizes=(2,)),
}


def draw_drains(rng, config, count):
    """Random drains: where the words lie, which bytes come, what ends."""
    wide = max(byte for _, byte in config.lanes) + 1
    places = list(range(0, config.block - wide + 1, wide)) if config.channel_moves else [0]
    sizes, found = (*config.tick_sizes, *config.word_sizes), []
    while len(found) < count:
        strides, step = [], 1
        for size in reversed(sizes):  # no two words at one place
            strides.insert(0, rng.choice([1, -1]) * step)
            step *= size + rng.randint(0, 1)
        # the place of the first word, so that none lies before 0
        out = rng.randrange(20) - sum(s * (n - 1) for s, n in zip(strides, sizes) if s < 0)
        channels = sorted(rng.sample(places, rng.randint(1, len(places))))
        for channel in channels:
            found.append(
                {
                    "out": out,
                    "strides": strides,
                    "channel": channel,
                    "done": channel == channels[-1],
                    "commit": rng.choice([0, rng.randint(1, 9)]) if channel == channels[-1] else 0,
                    "bytes": [
                        [rng.getrandbits(8) for _ in config.lanes] for _ in range(config.ticks)
                    ],
                }
            )
    return found


def written(config, drain):
    """The words of a drain, and the bytes that it gives of each."""
    sizes = (*config.tick_sizes, *config.word_sizes)
    trips = list(itertools.product(*map(range, sizes)))
    index = [drain["out"] + sum(a * b for a, b in zip(trip, drain["strides"])) for trip in trips]
    found = {}
    if config.channel_moves and not drain["channel"]:
        found |= {(at, byte): 0 for at in index for byte in range(config.block)}
    for tick, values in enumerate(drain["bytes"]):
        for (word, byte), value in zip(config.lanes, values):
            found[index[tick * config.words + word], byte + drain["channel"]] = value
    return found


@pytest.mark.parametrize("idle", [0, 0.4])
@pytest.mark.parametrize("name", KINDS)
def test_every_byte_at_its_place(name, idle):
    config, rng = KINDS[name], random.Random(f"{name} {idle}")
    dut, store = DrainGather(config), Store()
    drains = draw_drains(rng, config, 40)
    apart = config.ticks * config.words  # cycles from words that are done to the next
    mask = (1 << OUT_BITS) - 1

    async def source(ctx):
        cycle, done_at = 0, -apart
        for drain in drains:
            for tick, values in enumerate(drain["bytes"]):
                ends = drain["done"] and tick == config.ticks - 1
                wait = max(0, done_at + apart - cycle - config.phases + 1) if ends else 0
                while wait or rng.random() < idle:
                    wait, cycle = max(0, wait - 1), cycle + 1
                    await ctx.tick()
                tag = {
                    "out": drain["out"] + (rng.randrange(9) if tick else 0),  # of the first alone
                    "channel": drain["channel"],
                    "word_done": ends,
                    "commit": drain["commit"] if ends else 0,
                    "strides": sum(
                        (s & mask) << OUT_BITS * n for n, s in enumerate(drain["strides"])
                    ),
                }
                for phase in range(config.phases):
                    part = values[phase * config.per_cycle :][: config.per_cycle]
                    ctx.set(dut.outputs, sum(value << 8 * n for n, value in enumerate(part)))
                    ctx.set(dut.tag, tag)
                    ctx.set(dut.phase, phase)
                    ctx.set(dut.valid, 1)
                    await ctx.tick()
                    ctx.set(dut.valid, 0)
                    done_at = cycle if ends else done_at
                    cycle += 1
        for _ in range(apart + 4):
            await ctx.tick()

    async def watch(ctx):
        await store.watch(ctx, dut)

    run(dut, source, checks=[watch])
    want, commits = {}, []
    for drain in drains:
        want |= written(config, drain)
        if drain["commit"]:
            commits.append((drain["commit"], dict(want)))
    assert store.bytes == want
    assert store.commits == commits, "what was written at each commit"
