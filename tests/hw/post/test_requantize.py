"""The requantizer lane against both formulas in plain integers, and against recorded vectors."""

import random

import numpy as np
import pytest
from amaranth.sim import Simulator

from rtl_gen.flow.verilog import emit
from rtl_gen.hw.post.requantize import RequantizeLane, RequantizeParams

ITEM = ("accumulator", "bias", "multiplier", "shift", "single_rounding")
LAYER = ("output_zero", "act_min", "act_max")

PARAMS = [
    RequantizeParams(),
    RequantizeParams(acc_bits=20, bias_bits=20),
    RequantizeParams(acc_bits=27, bias_bits=32),
]


def double_rounding(a, multiplier, shift):
    """gemmlowp's two steps, on integers without bound."""
    product = (a << max(shift, 0)) * multiplier
    nudged = product + (1 << 30 if product >= 0 else 1 - (1 << 30))
    high = abs(nudged) >> 31
    high = high if nudged >= 0 else -high  # towards zero
    right = max(-shift, 0)
    mask = (1 << right) - 1
    return (high >> right) + ((high & mask) > (mask >> 1) + (high < 0))


def single_rounding(a, multiplier, shift):
    right = 31 - shift
    return (a * multiplier + (1 << right >> 1)) >> right


def wrapped(value, bits):
    return (value + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))


def expected(params, item):
    """The output and the overflow of an item."""
    exact = item["accumulator"] + item["bias"]
    a = wrapped(exact, params.sum_bits)
    scale = single_rounding if item["single_rounding"] else double_rounding
    y = scale(a, item["multiplier"], item["shift"]) + item["output_zero"]
    y = item["act_min"] if y < item["act_min"] else min(y, item["act_max"])
    return y, int(a != exact)


def random_item(rng, params):
    """An item whose output mostly lies in or near the range of int8; extremes now and then."""
    low, high = -(1 << (params.acc_bits - 1)), (1 << (params.acc_bits - 1)) - 1
    bias_low, bias_high = -(1 << (params.bias_bits - 1)), (1 << (params.bias_bits - 1)) - 1
    shift = rng.choice([rng.randint(-31, 31), rng.randint(-14, 1)])
    multiplier = rng.choice(
        [
            rng.randrange(1 << 30, 1 << 31),
            rng.randrange(1 << 31),
            1 << rng.randrange(31),
            3 << rng.randrange(29),
            rng.choice([0, 1, (1 << 31) - 1]),
        ]
    )
    if rng.random() < 0.8 and multiplier:
        halves = rng.randint(-600, 600)  # a target in halves: the ties
        exponent = 30 - shift
        wanted = halves * (1 << exponent) if exponent >= 0 else halves >> 1
        total = wanted // multiplier + rng.choice([0, 0, 0, 1, -1, rng.randint(-99, 99)])
    else:
        total = rng.choice([rng.randint(low, high), low, high, 0, -1, 1])
    bias = rng.choice([0, rng.randint(-1000, 1000), rng.randint(bias_low, bias_high)])
    bias = rng.choice([bias_low, bias_high]) if rng.random() < 0.02 else bias
    bias = min(max(bias, bias_low), bias_high)
    act_min = rng.choice([-128, -128, rng.randint(-128, 127)])
    return {
        "accumulator": min(max(total - bias, low), high),
        "bias": bias,
        "multiplier": multiplier,
        "shift": shift,
        "single_rounding": rng.getrandbits(1),
        "output_zero": rng.choice([0, -128, 127, rng.randint(-128, 127)]),
        "act_min": act_min,
        "act_max": rng.choice([127, 127, rng.randint(act_min, 127)]),
    }


def simulate(params, items):
    """The lane's output and overflow for each item, one item a cycle."""
    dut, results = RequantizeLane(params), []

    async def bench(ctx):
        for cycle in range(len(items) + params.latency):
            if cycle >= params.latency:
                results.append((ctx.get(dut.output), ctx.get(dut.overflow)))
            if cycle < len(items):
                for name in ITEM:
                    ctx.set(getattr(dut, name), items[cycle][name])
            if 0 <= cycle - params.layer_delay < len(items):
                for name in LAYER:
                    ctx.set(getattr(dut, name), items[cycle - params.layer_delay][name])
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return results


def names(params):
    return f"{params.acc_bits}+{params.bias_bits} bits"


@pytest.mark.parametrize("params", PARAMS, ids=names)
def test_lane_is_exact(params):
    rng = random.Random(names(params))
    items = [random_item(rng, params) for _ in range(3000)]
    want = [expected(params, item) for item in items]
    got = simulate(params, items)
    for item, a, b in zip(items, got, want, strict=True):
        assert a == b, item
    # The test means something: outputs within the limits, and both roundings tell apart.
    inside = [y for item, (y, _) in zip(items, want) if item["act_min"] < y < item["act_max"]]
    assert len(inside) > 600 and len(set(inside)) > 200
    other = [expected(params, {**i, "single_rounding": 1 - i["single_rounding"]}) for i in items]
    assert sum(a != b for a, b in zip(want, other)) > 20
    assert sum(overflow for _, overflow in want) > 3  # rare where the accumulator is narrower


def test_every_shift_at_the_ties():
    params = RequantizeParams()
    items = []
    for shift in range(-31, 32):
        for total in (-1, 0, 1, 2, -2, 3, -3, 5, -5, 255, -255, 1 << 30, -(1 << 30)):
            for multiplier in (0, 1, 1 << 29, 1 << 30, 3 << 29, (1 << 31) - 1):
                for single in (0, 1):
                    values = (total, 0, multiplier, shift, single, 1, -128, 127)
                    items.append(dict(zip((*ITEM, *LAYER), values)))
    want = [expected(params, item) for item in items]
    for item, a, b in zip(items, simulate(params, items), want, strict=True):
        assert a == b, item


def test_the_formulas_here_round_as_their_sources_say():
    # 2.5 and -2.5 by way of a right shift: away from zero; by the product alone: up.
    assert double_rounding(5, 1 << 30, 0) == 3 and double_rounding(-5, 1 << 30, 0) == -2
    assert double_rounding(10, 1 << 30, -1) == 3 and double_rounding(-10, 1 << 30, -1) == -3
    assert single_rounding(10, 1 << 30, -1) == 3 and single_rounding(-10, 1 << 30, -1) == -2
    assert double_rounding(3, 1 << 30, 4) == single_rounding(3, 1 << 30, 4) == 24


@pytest.mark.shared_data
@pytest.mark.parametrize("single", [0, 1])
def test_recorded_vectors(shared_data, single):
    """20,000 vectors of TFLite's own arithmetic, saturated as an output is."""
    with np.load(shared_data / "vectors" / "requant.npz") as file:
        vectors = {name: file[name].tolist() for name in file}
    items = [
        {
            "accumulator": a,
            "bias": 0,
            "multiplier": multiplier,
            "shift": shift,
            "single_rounding": single,
            "output_zero": 0,
            "act_min": -128,
            "act_max": 127,
        }
        for a, multiplier, shift in zip(vectors["acc"], vectors["multiplier"], vectors["shift"])
    ]
    recorded = vectors["single_rounding" if single else "double_rounding"]
    got = np.array(simulate(RequantizeParams(), items))[:, 0]
    want = np.clip(recorded, -128, 127)
    differing = np.flatnonzero(got != want)
    assert not differing.size, f"first: {items[differing[0]]}"
    assert np.sum(np.abs(want) < 127) > 5000


@pytest.mark.parametrize(
    "values, message",
    [
        ({"acc_bits": 33}, "acc_bits must be 2..32 bits, not 33"),
        ({"bias_bits": 1}, "bias_bits must be 2..32 bits, not 1"),
    ],
)
def test_parameters_out_of_range(values, message):
    with pytest.raises(ValueError, match=rf"^{message}$"):
        RequantizeParams(**values)


@pytest.mark.parametrize("params", PARAMS, ids=names)
def test_verilog(params):
    widths = f"{params.acc_bits}_{params.bias_bits}"
    assert f"module requantize_lane_{widths}(" in emit(RequantizeLane, params)
