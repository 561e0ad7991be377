"""Feeders: requests in the order of the nest, what lies outside not read, one word or several."""

import itertools
import random

import pytest
from control_bench import run
from test_nest import walk

from rtl_gen.hw.buffer.buffet import BuffetParams
from rtl_gen.hw.buffer.region import GroupParams
from rtl_gen.hw.noc.feeder import Feeder, FeederParams
from rtl_gen.isa.descriptors import records
from rtl_gen.isa.widths import Widths

LEVELS, WORDS = 3, 60


def make(words=(), taps=0, checks=2):
    """A feeder of the input whose requests ask for the words of some loops."""
    reads = 1
    for size in words:
        reads *= size
    widths = Widths(
        levels=LEVELS,
        dma_levels=2,
        load_checks=1,
        feed_checks=checks,
        input_held=False,
        groups=0,
        input_words=WORDS,
        weight_words=16,
        parameter_words=16,
        output_words=WORDS,
        accumulators=4,
        block=8,
        input_reads=reads,
        input_loops=len(words),
        input_taps=taps,
    )
    record = records(widths)["feed_input"]
    sizes = (16, WORDS, 8 + (5 if taps else 0))
    return FeederParams(
        record=record,
        levels=LEVELS,
        buffet=GroupParams(*sizes, reads=reads) if words else BuffetParams(*sizes),
        forms=tuple((f.name[:-5], f.bits) for f in record.fields if f.name.endswith("_base")),
        tags=("pad_value", *(["byte"] if taps else [])),
        words=words,
    )


KINDS = {
    "one word": make(),
    "nothing is compared": make(checks=0),
    "three words": make((3,)),
    "three by two words": make((3, 2), checks=1),
    "seven words that move": make((7,), taps=3),
    "a word that moves": make(taps=2),
}


def draw_config(rng, params):
    """Few trips, and coordinates about the borders of the tensor."""
    config = {field.name: 0 for field in params.record.fields}
    for j in range(LEVELS):
        config[f"bound{j}"], config[f"last{j}"] = rng.randint(0, 3), rng.randint(0, 3)
        config[f"parent{j}"] = rng.choice([0, *range(j + 1, LEVELS)])
        config[f"shrink{j}"] = rng.randrange(4)
    for name, _ in params.forms:
        config[f"{name}_base"] = rng.randint(-3, 3)
        for key in [f"{name}{j}" for j in range(LEVELS)]:
            config[key] = rng.randint(-2, 3)
        for key in [f"{name}_word{loop}" for loop in range(len(params.words))]:
            config |= {key: rng.randint(-3, 3)} if key in config else {}
        config |= {f"{name}_limit": rng.randint(1, 6)} if name.startswith("y") else {}
    config |= {"shrink_end": rng.randrange(9), "pad_value": rng.randint(-128, 127)}
    if "flush" in config:
        config["flush"] = rng.choice([0, 0, 1, 5])
    return config


def requests(params, config):
    """What is asked for, in order: of each word its index and whether it is read."""
    index_bits, names = params.buffet.index.width, [name for name, _ in params.forms]
    for item in walk(params.nest, config):
        words = []
        for trips in itertools.product(*map(range, params.words)):
            at = {
                name: item[name]
                + sum(n * config.get(f"{name}_word{loop}", 0) for loop, n in enumerate(trips))
                for name in names
            }
            checks = [name for name in names if name.startswith("y")]
            inside = all(0 <= at[name] < config[f"{name}_limit"] for name in checks)
            words.append((at["index"] % (1 << index_bits), inside))
        tag = config["pad_value"] % 256
        if "byte" in names:
            tag |= (item["byte"] % 32) << 8
        yield words, item["shrink"], tag
    for _ in range(config.get("flush", 0)):
        yield None, 0, None


@pytest.mark.parametrize("stall", [0, 0.5])
@pytest.mark.parametrize("kind", KINDS)
def test_requests_are_those_of_the_nest(kind, stall):
    params, rng = KINDS[kind], random.Random(f"{kind} {stall}")
    dut, seen = Feeder(params), {"inside": 0, "outside": 0}

    def check(ctx, words, shrink, tag):
        request = dut.request.payload
        assert ctx.get(request.shrink) == shrink
        if words is None:  # behind the last
            assert ctx.get(request.read) == 0
            return
        assert ctx.get(request.tag) == tag
        read = ctx.get(request.read)
        for n, (index, inside) in enumerate(words):
            assert (read >> n & 1) == inside
            seen["inside" if inside else "outside"] += 1
            asked = ctx.get(request.index[n] if params.words else request.index)
            assert asked == index, f"word {n}"

    async def bench(ctx):
        for _ in range(20):
            config = draw_config(rng, params)
            ctx.set(dut.config, config)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            for wanted in requests(params, config):
                waits = True
                while waits:
                    waits = rng.random() < stall
                    ctx.set(dut.request.ready, not waits)
                    assert ctx.get(dut.busy) and ctx.get(dut.request.valid)
                    check(ctx, *wanted)
                    await ctx.tick()
            ctx.set(dut.request.ready, 1)
            assert not ctx.get(dut.busy) and not ctx.get(dut.request.valid)

    run(dut, bench, cycles=60_000)
    assert seen["inside"] and (seen["outside"] or kind == "nothing is compared")
