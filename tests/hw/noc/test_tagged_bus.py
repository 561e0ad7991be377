"""Tagged buses against lists: order, slots, and never a word where there is no room."""

import random

import pytest
from control_bench import run

from rtl_gen.hw.array.scratchpad_pe import ELEMENTS, GROUP, ScratchpadParams
from rtl_gen.hw.noc.tagged_bus import FilterBus, InputBus

BLOCK = 16


def draw_input_layer(rng, inputs):
    channels = rng.randint(1, min(4, inputs))
    return {
        "held_columns": inputs // channels,
        "ring": inputs // channels * channels,
        "channels": channels,
        "last_at": ELEMENTS * rng.randint(0, 3),
        "last_group": rng.randint(0, 2),
    }


def elements_of(layer, columns):
    """Column, row tag, channel and column tag of each request."""
    for column in range(columns):
        for group in range(layer["last_group"] + 1):
            for channel in range(layer["channels"]):
                for at in range(0, layer["last_at"] + 1, ELEMENTS):
                    yield column, group, channel, at


@pytest.mark.parametrize(("inputs", "stall", "seed"), [(2, 0, 1), (7, 0.5, 2), (24, 0.3, 3)])
def test_inputs_go_where_there_is_room(inputs, stall, seed):
    rng = random.Random(seed)
    dut = InputBus(ScratchpadParams(inputs, 8, 8, 24), 8 * BLOCK)

    async def bench(ctx):
        for _ in range(8):
            layer, columns = draw_input_layer(rng, inputs), rng.randint(1, 9)
            ctx.set(dut.layer, layer)
            ctx.set(dut.start, 1)
            ctx.set(dut.valid, 0)
            await ctx.tick()
            ctx.set(dut.start, 0)
            requests, sent, whole, freed, led = list(elements_of(layer, columns)), 0, 0, 0, 0
            wanted = None
            while sent < len(requests) or wanted:
                word = rng.getrandbits(ELEMENTS * 8 * BLOCK)
                byte, valid = rng.randrange(BLOCK), sent < len(requests) and rng.random() >= stall
                # Columns between two filters may be given back before they come.
                gives = rng.randint(0, max(0, whole - freed + 2)) if rng.random() < 0.3 else 0
                moves = rng.randint(0, 3) if rng.random() < 0.3 else 0
                ctx.set(dut.freed, gives)
                ctx.set(dut.led, moves)
                ctx.set(dut.words, word)
                ctx.set(dut.byte, byte)
                ctx.set(dut.valid, valid)
                assert ctx.get(dut.ahead) == whole - led, f"seed {seed}"
                assert ctx.get(dut.bus.valid) == (wanted is not None)
                if wanted:
                    names = ("group", "at", "slot", "elements")
                    assert tuple(ctx.get(dut.bus[name]) for name in names) == wanted
                wanted = None
                if sent < len(requests):
                    column, group, channel, at = requests[sent]
                    end = sent == len(requests) - 1
                    address = {"at": at, "group": group, "channel": channel, "end": end}
                    ctx.set(dut.address, address)
                    room = whole - freed < layer["held_columns"]
                    assert ctx.get(dut.done) == (valid and room)
                    if valid and room:
                        elements = 0
                        for n in range(ELEMENTS):
                            elements |= (word >> (8 * (n * BLOCK + byte)) & 255) << 8 * n
                        slot = column * layer["channels"] % layer["ring"] + channel
                        wanted, sent = (group, at, slot, elements), sent + 1
                        whole += sent == len(requests) or requests[sent][0] != column
                freed, led = freed + gives, led + moves
                await ctx.tick()
            ctx.set(dut.valid, 1)  # another layer's words stay where they are
            ctx.set(dut.freed, 0)
            ctx.set(dut.led, 0)
            assert not ctx.get(dut.done)
            await ctx.tick()

    run(dut, bench, cycles=20_000)


@pytest.mark.parametrize(("weights", "stall", "seed"), [(8, 0, 1), (52, 0.5, 2), (256, 0.2, 3)])
def test_weights_go_where_there_is_room(weights, stall, seed):
    rng = random.Random(seed)
    dut, size = FilterBus(ScratchpadParams(4, weights, 8, 24), 8 * BLOCK), weights // GROUP

    async def bench(ctx):
        for _ in range(8):
            rows, groups, sets = rng.randint(1, 5), rng.randint(1, size), rng.randint(1, 4)
            ctx.set(dut.layer, {"rows": rows, "groups": groups})
            ctx.set(dut.start, 1)
            ctx.set(dut.valid, 0)
            await ctx.tick()
            ctx.set(dut.start, 0)
            count = rows * groups
            words = [  # of each set whole words, each with its groups
                [(n, rng.getrandbits(32)) for n in range(first, min(first + 4, count))]
                for _ in range(sets)
                for first in range(0, count, 4)
            ]
            sent, part, written, freed, led, wanted = 0, 0, 0, 0, 0, None
            while sent < len(words) or wanted:
                valid = sent < len(words) and rng.random() >= stall
                gives = rng.randint(0, written - freed) if rng.random() < 0.3 else 0
                moves = rng.randint(0, 3) if rng.random() < 0.3 else 0
                for name, value in (("freed", gives), ("led", moves), ("valid", valid)):
                    ctx.set(getattr(dut, name), value)
                assert ctx.get(dut.ahead) == written - led, f"seed {seed}"
                assert ctx.get(dut.send) == (wanted is not None)
                if wanted:
                    found = ctx.get(dut.row), ctx.get(dut.filters.group)
                    assert (*found, ctx.get(dut.filters.weights)) == wanted
                wanted = None
                if sent < len(words):
                    word = words[sent]
                    ctx.set(dut.word, sum(value << 32 * n for n, (_, value) in enumerate(word)))
                    ctx.set(dut.end, sent == len(words) - 1)
                    goes = valid and written - freed < size
                    last = part == len(word) - 1
                    assert ctx.get(dut.done) == (goes and last)
                    if goes:
                        number, value = word[part]
                        wanted = (number % rows, written % size, value)
                        written += number % rows == rows - 1
                        sent, part = (sent + 1, 0) if last else (sent, part + 1)
                freed, led = freed + gives, led + moves
                await ctx.tick()
            ctx.set(dut.freed, 0)
            ctx.set(dut.led, 0)
            ctx.set(dut.valid, 1)
            assert not ctx.get(dut.done)
            await ctx.tick()

    run(dut, bench, cycles=20_000)
