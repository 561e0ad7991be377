"""Periods against a list of them: when chains begin, with which words, and what leaves."""

import random

import pytest
from control_bench import run
from test_nest import walk

from rtl_gen.hw.array.scratchpad_pe import GROUP, ScratchpadParams
from rtl_gen.hw.control.nest import NestParams
from rtl_gen.hw.control.periods import PeriodParams, Periods
from rtl_gen.isa.tagged import PASS_MASKS

LEVELS = 3


def make(inputs, weights):
    nest = NestParams(
        levels=LEVELS,
        forms=(("out", 9), ("accumulator", 8)),
        events=(("commit", 5),),
        masks=PASS_MASKS,
    )
    return PeriodParams(pe=ScratchpadParams(inputs, weights, 8, 24), nest=nest)


def draw_layer(rng, pe):
    """A layer that fits the scratchpads, as the mapping says it."""
    channels = rng.randint(1, min(3, pe.inputs))
    taps = rng.randint(1, min(pe.inputs // channels, pe.weights // channels, 4))
    macs, move = channels * taps, rng.choice([1, 1, 2])
    window = move * (taps - 1) + 1
    if window * channels > pe.inputs:
        move, window = 1, taps
    filters = rng.randint(1, max(1, min(4, pe.weights // macs)))
    ring = pe.inputs // channels * channels
    advance = rng.randint(1, 3)
    return {
        "period": max(4, macs) + rng.choice([0, 0, 3]),
        "macs": macs,
        "filters": filters,
        "groups": -(-filters * macs // GROUP),
        "channels": channels,
        "jump": (move - 1) * channels + 1,
        "window": window,
        "advance": advance,
        "ring": ring,
        "advance_words": advance * channels % ring,
        "window_words": window * channels % ring,
    }, move


def draw_nest(rng, params):
    config = {field.name: 0 for field in params.fields}
    for j in range(LEVELS):
        config[f"bound{j}"] = config[f"last{j}"] = rng.randint(0, 2)
        config[f"commit{j}"] = rng.randrange(32)
        config |= {f"{name}{j}": rng.randrange(9) for name, _ in params.forms}
    config |= {f"{name}_levels": rng.randrange(1 << LEVELS) for name in PASS_MASKS}
    return config | {"commit_end": rng.randrange(32), "pass_levels": 1}


@pytest.mark.parametrize(("inputs", "weights", "missing", "seed"), [
    (13, 52, 0.4, 1), (24, 256, 0, 2), (2, 8, 0.2, 3),
])  # fmt: skip
def test_periods(inputs, weights, missing, seed):
    rng, params = random.Random(seed), make(inputs, weights)
    pe, dut = params.pe, Periods(params)
    seen = {"empty": 0, "begun": 0}

    async def bench(ctx):
        for _ in range(6):
            layer, move = draw_layer(rng, pe)
            config = draw_nest(rng, params.nest)
            ctx.set(dut.layer, layer)
            ctx.set(dut.config, config)
            ctx.set(dut.enable, 1)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            input_at, set_at, cycle = 0, 0, 0
            for item in walk(params.nest, config):
                for number in range(layer["filters"]):
                    goes = False
                    while not goes:
                        needed = -(-(number + 1) * layer["macs"] // GROUP)
                        short = [rng.random() < missing for _ in range(3)]
                        ctx.set(dut.inputs, layer["window"] - short[0])
                        ctx.set(dut.weights, needed - short[1])
                        ctx.set(dut.may_emit, not short[2])
                        tick = dut.tick
                        assert ctx.get(tick.next) == (cycle == layer["period"] - 1)
                        assert ctx.get(tick.mac) == (cycle < layer["macs"])
                        assert ctx.get(tick.first) == (cycle == 0)
                        assert ctx.get(tick.last) == (cycle == layer["macs"] - 1)
                        if cycle < layer["macs"]:
                            tap, channel = divmod(cycle, layer["channels"])
                            by = tap * move * layer["channels"] + channel
                            assert ctx.get(tick.input_by) == by
                            assert ctx.get(tick.weight_by) == cycle
                        asks = item["reduce_last"] and number == 0
                        now = cycle == layer["period"] - 1
                        goes = now and not any(short[:2]) and not (asks and short[2])
                        assert ctx.get(dut.lead.valid) == goes == ctx.get(dut.info.valid)
                        assert ctx.get(dut.begun) == (goes and asks)
                        ends = goes and number == layer["filters"] - 1
                        last = item["pass_last"]
                        led = (layer["window"] if last else layer["advance"]) if ends else 0
                        assert ctx.get(dut.led_columns) == led
                        assert ctx.get(dut.led_groups) == (layer["groups"] if ends and last else 0)
                        if goes:
                            seen["begun"] += 1
                            assert ctx.get(dut.lead.input_at) == input_at, f"seed {seed}"
                            at = (set_at + number * layer["macs"]) % weights
                            assert ctx.get(dut.lead.weight_at) == at, f"seed {seed}"
                            check_info(ctx, dut.info.payload, item, number, layer)
                        seen["empty"] += now and not goes
                        cycle = 0 if now else cycle + 1
                        await ctx.tick()
                moved = layer["window"] if item["pass_last"] else layer["advance"]
                input_at = (input_at + moved * layer["channels"]) % layer["ring"]
                set_at = (set_at + item["pass_last"] * layer["groups"] * GROUP) % weights
            assert not ctx.get(dut.busy)

    def check_info(ctx, info, item, number, layer):
        last = item["reduce_last"]
        wanted = {
            "begins": number == 0,
            "ends": number == layer["filters"] - 1,
            "last_column": item["pass_last"],
            "first": item["reduce_first"],
            "emit": last,
            "parameters": last and item["parameters_last"],
            "edge": item["edge_last"],
            "out": item["out"],
            "accumulator": item["accumulator"],
            "commit": item["commit"] if last else 0,
            "filter": number,
        }
        assert {name: ctx.get(info[name]) for name in wanted} == wanted

    run(dut, bench, cycles=20_000)
    assert seen["begun"] > 50 and bool(seen["empty"]) == bool(missing)
