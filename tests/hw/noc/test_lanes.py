"""Lanes: the byte of each element, wherever the step begins in the word."""

import random

import pytest
from control_bench import run
from noc_bench import clocked

from rtl_gen.hw.noc.lanes import ByteLanes, VectorLanes


@pytest.mark.parametrize("block", [1, 4, 16])
@pytest.mark.parametrize("words", [1, 3])
@pytest.mark.parametrize("moves", [False, True])
def test_each_lane_has_its_byte(block, words, moves):
    rng = random.Random(f"{block} {words} {moves}")
    lanes = tuple((rng.randrange(words), rng.randrange(block)) for _ in range(rng.randint(3, 9)))
    lanes += ((words - 1, block - 1),)
    dut = ByteLanes(lanes, block, moves)

    async def bench(ctx):
        for _ in range(200):
            value = rng.getrandbits(8 * block * words)
            first = rng.randrange(block) if moves else 0
            ctx.set(dut.words, value)
            ctx.set(dut.byte, first)
            found = ctx.get(dut.o)
            for n, (word, byte) in enumerate(lanes):
                if byte + first < block:  # what lies past a word's end is of no meaning
                    want = value >> (8 * (block * word + byte + first)) & 255
                    assert found >> (8 * n) & 255 == want, f"lane {n}, byte {first}"
            await ctx.tick()

    run(clocked(dut), bench)


@pytest.mark.parametrize(
    ("lanes", "vectors", "block", "words"),
    [(4, 4, 16, 1), (5, 3, 16, 1), (1, 16, 16, 1), (16, 1, 16, 1), (20, 1, 16, 2), (3, 2, 8, 1)],
)
def test_vectors_follow_each_other(lanes, vectors, block, words):
    rng = random.Random(f"{lanes} {vectors}")
    dut = VectorLanes(lanes, vectors, block, words)

    async def bench(ctx):
        position, value = 0, rng.getrandbits(8 * block * words)
        for _ in range(600):
            advance, align = rng.random() < 0.6, rng.random() < 0.15
            ctx.set(dut.words, value)
            ctx.set(dut.advance, advance)
            ctx.set(dut.align, align)
            want = value >> (8 * lanes * position) & ((1 << (8 * lanes)) - 1)
            assert ctx.get(dut.o) == want, f"vector {position}"
            used = advance and (align or position == vectors - 1)
            assert ctx.get(dut.done) == used
            await ctx.tick()
            if used:
                position, value = 0, rng.getrandbits(8 * block * words)
            elif advance:
                position += 1

    run(clocked(dut), bench)
