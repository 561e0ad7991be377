"""Words that gather byte by byte against lists: every byte, every index, every commit."""

import random

import pytest
from amaranth.hdl import signed
from amaranth.lib import data
from control_bench import run

from rtl_gen.hw.buffer.buffet import BuffetParams
from rtl_gen.hw.noc.word_gather import WordGather, WordGatherParams

BLOCK = 16


def make(lanes, groups):
    buffet = BuffetParams(8 * BLOCK, 64, 0, BLOCK)
    members = {"emit": 1, "channel": 8, "half": 1, "group": 8, "done": 1, "edge": 1}
    tag = data.StructLayout(members | {"out": signed(9), "commit": buffet.amount})
    return WordGatherParams(lanes=lanes, groups=groups, block=BLOCK, buffet=buffet, tag=tag)


@pytest.mark.parametrize(("lanes", "groups"), [(4, 2), (1, 3), (3, 1)])
@pytest.mark.parametrize("stall", [0, 0.5])
def test_columns_of_words(lanes, groups, stall):
    rng = random.Random(f"{lanes} {groups} {stall}")
    dut = WordGather(make(lanes, groups))
    columns, last = lanes * groups, rng.randint(1, lanes * groups)
    pitch, halves = rng.randint(1, 5), [0]
    expected, commits = [], []

    async def fill(ctx):
        ctx.set(dut.layer, {"columns": columns, "columns_last": last, "pitch": pitch})
        for number in range(30):
            while halves[0] == 2:
                await ctx.tick()
            halves[0] += 1
            channels, edge = rng.randint(1, BLOCK), rng.random() < 0.4
            out, commit = rng.randrange(20), rng.choice([0, rng.randint(1, 60)])
            words = [[rng.randrange(256) for _ in range(channels)] for _ in range(columns)]
            for channel in range(channels):
                for group in range(groups):
                    while rng.random() < stall:
                        await ctx.tick()
                    of_group = words[group * lanes : (group + 1) * lanes]
                    done = channel == channels - 1 and group == groups - 1
                    tag = {"emit": 1, "channel": channel, "half": number % 2, "group": group}
                    tag |= {"done": done, "edge": edge, "out": out, "commit": commit}
                    ctx.set(dut.tag, tag)
                    ctx.set(dut.outputs, sum(w[channel] << 8 * n for n, w in enumerate(of_group)))
                    ctx.set(dut.valid, 1)
                    if done:
                        for n in range(last if edge else columns):
                            value = sum(byte << 8 * k for k, byte in enumerate(words[n]))
                            expected.append((out + n * pitch, value))
                        commits.append((len(expected), commit))
                    await ctx.tick()
                    ctx.set(dut.valid, 0)
        for _ in range(200):
            await ctx.tick()
        assert not expected and ctx.get(dut.idle)
        halves[0] = None

    async def take(ctx):
        while halves[0] is not None:
            ready = rng.random() >= stall
            ctx.set(dut.write.ready, ready)
            if ctx.get(dut.write.valid) and ready:
                index, value = expected.pop(0)
                for n, (at, commit) in enumerate(commits):
                    commits[n] = (at - 1, commit)
                write = dut.write.payload
                assert (ctx.get(write.index), ctx.get(write.data)) == (index, value)
                assert ctx.get(write.strobe) == (1 << BLOCK) - 1
                ends = commits and commits[0][0] == 0
                commit = commits.pop(0)[1] if ends else 0
                assert ctx.get(dut.commit.valid) == (commit != 0)
                assert not commit or ctx.get(dut.commit.payload.count) == commit
            else:
                assert not ctx.get(dut.commit.valid)
            halves[0] -= ctx.get(dut.written)
            await ctx.tick()

    run(dut, fill, take, cycles=20_000)
