"""The nest against one written as plain loops."""

import random

import pytest
from control_bench import obeys_stream_rules, run, stalls

from rtl_gen.hw.control.nest import Nest, NestParams

SHAPES = {
    "one level": NestParams(levels=1, forms=(("x", 8),), masks=("a",)),
    "two levels": NestParams(levels=2, forms=(("x", 9),), events=(("shrink", 5),)),
    "six levels": NestParams(
        levels=6,
        forms=(("address", 16), ("column", 9)),
        events=(("shrink", 6), ("commit", 4)),
        masks=("a", "b"),
    ),
    "run": NestParams(
        levels=5, forms=(("address", 12),), events=(("shrink", 6),), masks=("a",), run=True
    ),
    "narrow bounds": NestParams(levels=3, forms=(("x", 7),), bound_bits=3),
}


def walk(params, config):
    """The items of a nest, in order, as dictionaries."""
    items = []
    trip = [0] * params.levels
    trips = [1] * params.levels
    on_last = [False] * params.levels  # on its last trip, and its parents too

    def visit(level):
        if level < 0:
            items.append(describe())
            return
        parent = config[f"parent{level}"]
        outer = bool(parent) and on_last[parent]
        trips[level] = config[f"last{level}" if outer else f"bound{level}"] + 1
        walked = 1 if params.run and level == 0 else trips[level]
        for n in range(walked):
            trip[level] = n
            on_last[level] = n == walked - 1 and (not parent or outer)
            visit(level - 1)

    def describe():
        first = [n == 0 for n in trip]
        last = [n == count - 1 for n, count in zip(trip, trips)]
        if params.run:
            last[0] = True
        advancing = next((j for j in range(params.levels) if not last[j]), None)
        item = {"end": advancing is None}
        for name, bits in params.forms:
            value = config[f"{name}_base"]
            value += sum(n * config[f"{name}{j}"] for j, n in enumerate(trip))
            item[name] = (value + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))
        for name, _ in params.events:
            item[name] = config[f"{name}_end" if advancing is None else f"{name}{advancing}"]
        for name in params.masks:
            levels = [j for j in range(params.levels) if config[f"{name}_levels"] >> j & 1]
            item[f"{name}_first"] = all(first[j] for j in levels)
            item[f"{name}_last"] = all(last[j] for j in levels)
        if params.run:
            item["run"] = trips[0] - 1
        return item

    visit(params.levels - 1)
    return items


def random_config(rng, params):
    """Any values, except that trips are few and that a parent is further out."""
    config = {}
    for field in params.fields:
        config[field.name] = rng.choice(field.range)
    for j in range(params.levels):
        most = 4 if params.levels < 4 else 2
        config[f"bound{j}"] = rng.randint(0, most)
        config[f"last{j}"] = rng.randint(0, most)
        config[f"parent{j}"] = rng.choice([0, *range(j + 1, params.levels)])
    if params.run:
        config["bound0"], config["last0"] = rng.randrange(1 << 16), rng.randrange(1 << 16)
    return config


@pytest.mark.parametrize("stall", [0, 0.5])
@pytest.mark.parametrize("shape", SHAPES)
def test_nest_walks_as_plain_loops_do(shape, stall):
    params = SHAPES[shape]
    rng = random.Random(f"{shape} {stall}")
    dut = Nest(params)
    waits = stalls(rng.random(), stall)

    async def bench(ctx):
        for number in range(25):
            config = random_config(rng, params)
            ctx.set(dut.config, config)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            for n, want in enumerate(walk(params, config)):
                while next(waits):
                    assert ctx.get(dut.item.valid)
                    await ctx.tick()
                ctx.set(dut.item.ready, 1)
                assert ctx.get(dut.item.valid), f"nest {number}: item {n} is late"
                payload = ctx.get(dut.item.payload)
                got = {name: payload[name] for name in want}
                assert got == want, f"nest {number} {config}: item {n}"
                assert ctx.get(dut.busy)
                await ctx.tick()
                ctx.set(dut.item.ready, 0)
            assert not ctx.get(dut.busy) and not ctx.get(dut.item.valid)
            for _ in range(rng.choice([0, 0, 3])):
                await ctx.tick()

    run(dut, bench, checks=[obeys_stream_rules(dut.item, "item")], cycles=60_000)


def test_a_last_bound_is_taken_only_where_all_parents_are_on_their_last_trip():
    params = SHAPES["six levels"]
    config = {field.name: 0 for field in params.fields}
    # Two levels of tiles, 2 x 2, over a run of 3; the very last tile has 1.
    config |= {"bound2": 1, "last2": 1, "bound1": 1, "last1": 1, "bound0": 2, "last0": 0}
    config |= {"parent0": 1, "parent1": 2, "address0": 1, "address1": 3, "address2": 6}
    assert [item["address"] for item in walk(params, config)] == list(range(10))


@pytest.mark.parametrize("levels", [0, 33])
def test_levels_out_of_range(levels):
    with pytest.raises(ValueError, match=rf"^levels must be 1..32 loops, not {levels}$"):
        NestParams(levels=levels, forms=())
