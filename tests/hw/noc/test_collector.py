"""The collector against a memory of bytes: each output at its place, commits behind their words.

The bytes that no output is for are 0.
"""

import itertools
import random

import pytest
from control_bench import run
from noc_bench import clocked

from rtl_gen.hw.buffer.buffet import BuffetParams
from rtl_gen.hw.noc.collector import Collector, CollectorParams

WORDS = 64


def params(lanes, per_cycle, block, *, moves=False, sizes=()):
    buffet = BuffetParams(8 * block, WORDS, lanes=block)
    return CollectorParams(
        lanes=tuple(lanes),
        per_cycle=per_cycle,
        block=block,
        channel_moves=moves,
        buffet=buffet,
        out_bits=8,
        word_sizes=sizes,
    )


DIRECT = {
    "whole words": params([(0, n) for n in range(4)], 4, 4),
    "a part of a word": params([(0, n) for n in range(3)], 3, 16, moves=True),
    "in two phases": params([(0, n) for n in range(5)], 3, 8, moves=True),
    "bytes out of order, one a cycle": params([(0, 3), (0, 0), (0, 2)], 1, 4),
    "one output": params([(0, 0)], 1, 8, moves=True),
}
GATHER = {
    "a byte of each of three words": params(
        [(n, 0) for n in range(3)], 3, 4, moves=True, sizes=(3,)
    ),
    "five words in two phases": params([(n, 0) for n in range(5)], 3, 8, moves=True, sizes=(5,)),
    "rows by columns": params([(n, 0) for n in range(6)], 6, 4, moves=True, sizes=(2, 3)),
    "two bytes of each word": params(
        [(n // 2, n % 2) for n in range(8)], 4, 4, moves=True, sizes=(2, 2)
    ),
    "whole words": params([(n // 4, n % 4) for n in range(8)], 8, 4, sizes=(2,)),
}


def word_index(config, word, out, strides):
    """Where a word of a step lies: its trips, the last loop fastest, by the strides."""
    trips = list(itertools.product(*(range(n) for n in config.word_sizes)))[word]
    return out + sum(trip * stride for trip, stride in zip(trips, strides))


class Store:
    """The output buffer: a byte for each place, and what was committed."""

    def __init__(self):
        self.bytes: dict[tuple[int, int], int] = {}
        self.commits: list[tuple[int, dict]] = []

    async def watch(self, ctx, dut):
        block = len(dut.write.payload.strobe)
        while True:
            _, _, valid, write, committed, commit = await ctx.tick().sample(
                dut.write.valid, dut.write.payload, dut.commit.valid, dut.commit.payload
            )
            for byte in range(block) if valid else ():
                if write["strobe"] >> byte & 1:
                    self.bytes[write["index"], byte] = write["data"] >> (8 * byte) & 255
            if committed:
                self.commits.append((commit["count"], dict(self.bytes)))


def steps(rng, config, count):
    """Random steps: outputs, first channel, where, and what ends. Gathered bytes fill a word."""
    wide = max(byte for _, byte in config.lanes) + 1
    places = [c for c in range(0, config.block, wide) if c + wide <= config.block]
    if not config.channel_moves:
        places = [0]
    found, channels = [], []
    while len(found) < count or channels:
        if not channels:
            out, strides = rng.randrange(8), [rng.choice([1, 2, 3, 9]) for _ in config.word_sizes]
            if len(strides) == 2:
                strides = rng.choice([[3, 1], [1, 9], [12, 4]])
            some = rng.sample(places, rng.randint(1, len(places)))
            channels = sorted(some, reverse=True) if config.words > 1 else [rng.choice(places)]
        channel = channels.pop()
        done = not channels
        found.append(
            {
                "outputs": [rng.getrandbits(8) for _ in config.lanes],
                "out": out,
                "channel": channel,
                "word_done": done,
                "commit": rng.choice([0, 0, 1, 5]) if done else 0,
                "strides": strides,
            }
        )
    return found


@pytest.mark.parametrize("idle", [0, 0.5])
@pytest.mark.parametrize("name", [*DIRECT, *(f"gather: {name}" for name in GATHER)])
def test_every_byte_at_its_place(name, idle):
    config = GATHER[name.removeprefix("gather: ")] if ": " in name else DIRECT[name]
    rng = random.Random(f"{name} {idle}")
    dut, store, todo = Collector(config), Store(), steps(rng, config, 150)
    want, commits = {}, []

    async def source(ctx):
        since = 99  # cycles since gathered words began to leave
        for step in todo:
            while rng.random() < idle or (step["word_done"] and since < config.words):
                since += 1
                await ctx.tick()
            tag = {k: step[k] for k in ("out", "channel", "word_done", "commit")}
            if config.words > 1:
                tag["strides"] = sum((s & 255) << (8 * n) for n, s in enumerate(step["strides"]))
            for phase in range(config.phases):
                part = step["outputs"][phase * config.per_cycle :][: config.per_cycle]
                ctx.set(dut.outputs, sum(value << (8 * n) for n, value in enumerate(part)))
                ctx.set(dut.tag, tag)
                ctx.set(dut.phase, phase)
                ctx.set(dut.valid, 1)
                await ctx.tick()
                ctx.set(dut.valid, 0)
                since += 1
            if step["word_done"]:
                since = 0
        for _ in range(config.words + 2):
            await ctx.tick()

    for step in todo:
        places = [step["out"]] * config.words
        if config.words > 1:
            numbers = range(config.words)
            places = [word_index(config, n, step["out"], step["strides"]) for n in numbers]
        if config.channel_moves and not step["channel"]:
            want |= {(index, byte): 0 for index in places for byte in range(config.block)}
        for (word, byte), value in zip(config.lanes, step["outputs"]):
            want[places[word], byte + step["channel"]] = value
        if step["commit"]:
            commits.append((step["commit"], dict(want)))

    async def watch(ctx):
        await store.watch(ctx, dut)

    run(clocked(dut), source, checks=[watch])
    assert store.bytes == want
    assert [count for count, _ in store.commits] == [count for count, _ in commits]
    for (_, seen), (_, wanted) in zip(store.commits, commits):
        missing = {place for place in wanted if place not in seen}
        assert not missing, f"committed before it was written: {sorted(missing)}"
