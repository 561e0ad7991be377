"""Word registers: whole sets in order, whatever stalls, at one word a cycle."""

import random

import pytest
from control_bench import run, stalls, until

from rtl_gen.hw.buffer.buffet import BuffetParams
from rtl_gen.hw.buffer.region import GroupParams
from rtl_gen.hw.noc.word_set import WordSet

SHAPES = {
    "one word": (BuffetParams(32, 8), 1, 0),
    "one word, padded": (BuffetParams(32, 8, tag_bits=11), 1, 8),
    "two words": (BuffetParams(16, 8), 2, 0),
    "three words, padded": (BuffetParams(24, 8, tag_bits=8), 3, 8),
    "seven words with a tag": (BuffetParams(8, 16, tag_bits=3), 7, 0),
    "two words at once": (GroupParams(16, 8, reads=2), 2, 0),
    "three words at once, padded": (GroupParams(24, 8, tag_bits=11, reads=3), 3, 8),
}


def responses(rng, buffet, count):
    """Words as a buffet gives them; some were not read."""
    found = []
    for _ in range(count):
        word = {"data": rng.getrandbits(buffet.width), "read": rng.random() < 0.7}
        if buffet.tag_bits:
            word["tag"] = rng.getrandbits(buffet.tag_bits)
        found.append(word)
    return found


def together(words):
    """One response of the words of a set; the tag is that of the last."""
    response = {name: [word[name] for word in words] for name in ("data", "read")}
    response["read"] = sum(read << n for n, read in enumerate(response["read"]))
    return response | ({"tag": words[-1]["tag"]} if "tag" in words[-1] else {})


def expected(word, buffet, fill_bits):
    """What a response means: its data, or the low bits of the tag repeated."""
    if word["read"]:
        return word["data"]
    fill = word["tag"] & ((1 << fill_bits) - 1) if fill_bits else 0
    copies = buffet.width // fill_bits if fill_bits else 0
    return sum(fill << (fill_bits * n) for n in range(copies))


@pytest.mark.parametrize("stall", [(0, 0), (0, 0.7), (0.7, 0), (0.5, 0.5)])
@pytest.mark.parametrize("shape", SHAPES)
def test_sets_come_whole_and_in_order(shape, stall):
    buffet, count, fill_bits = SHAPES[shape]
    rng = random.Random(f"{shape} {stall}")
    words = responses(rng, buffet, 60 * count)
    dut, cycles = WordSet(buffet, count, fill_bits), [0]
    given = words
    if isinstance(buffet, GroupParams):
        for n, word in enumerate(words):  # a tag and its fill are those of the response
            if buffet.tag_bits:
                word["tag"] = words[n - n % count + count - 1]["tag"]
        given = [together(words[n : n + count]) for n in range(0, len(words), count)]

    async def source(ctx):
        waits = stalls(1, stall[0])
        for response in given:
            while next(waits):
                await ctx.tick()
            ctx.set(dut.response.payload, response)
            ctx.set(dut.response.valid, 1)
            await until(ctx, dut.response.ready)
            ctx.set(dut.response.valid, 0)

    async def sink(ctx):
        waits = stalls(2, stall[1])
        for start in range(0, len(words), count):
            group = words[start : start + count]
            while not ctx.get(dut.valid):
                cycles[0] += 1
                await ctx.tick()
            while True:
                values = [expected(word, buffet, fill_bits) for word in group]
                want = sum(value << (buffet.width * n) for n, value in enumerate(values))
                assert ctx.get(dut.words) == want and ctx.get(dut.valid), f"set {start // count}"
                if buffet.tag_bits:
                    assert ctx.get(dut.tag) == group[-1]["tag"]
                if not next(waits):
                    break
                cycles[0] += 1
                await ctx.tick()
            ctx.set(dut.done, 1)
            cycles[0] += 1
            await ctx.tick()
            ctx.set(dut.done, 0)
        assert not ctx.get(dut.valid)

    run(dut, source, sink)
    if stall == (0, 0):
        assert cycles[0] <= len(given) + 3


def test_a_response_is_a_word_or_the_whole_set():
    with pytest.raises(ValueError, match=r"^a set of 3 words cannot come 2 at a time$"):
        WordSet(GroupParams(8, 8, reads=2), 3)


def test_waiting_says_that_a_second_set_is_there():
    dut = WordSet(BuffetParams(8, 8), 2)

    async def bench(ctx):
        seen = []
        for n in range(8):
            ctx.set(dut.response.payload, {"data": n, "read": 1})
            ctx.set(dut.response.valid, 1)
            seen.append((ctx.get(dut.valid), ctx.get(dut.waiting), ctx.get(dut.response.ready)))
            await ctx.tick()
        # two words gather, then move on at once; two more gather and wait; then nothing is taken
        assert seen == [(0, 0, 1), (0, 0, 1), (0, 1, 1), (1, 0, 1), *[(1, 1, 0)] * 4]
        assert ctx.get(dut.words) == 0x0100
        ctx.set(dut.response.valid, 0)
        ctx.set(dut.done, 1)
        await ctx.tick()
        assert ctx.get(dut.words) == 0x0302
        assert ctx.get(dut.valid) and not ctx.get(dut.waiting)
        await ctx.tick()
        assert not ctx.get(dut.valid)

    run(dut, bench)


def test_one_word_never_waits():
    dut = WordSet(BuffetParams(8, 8), 1)

    async def bench(ctx):
        for n in range(5):
            ctx.set(dut.response.payload, {"data": n, "read": 1})
            ctx.set(dut.response.valid, 1)
            assert not ctx.get(dut.waiting)
            await ctx.tick()
        assert ctx.get(dut.words) == 0 and not ctx.get(dut.response.ready)

    run(dut, bench)
