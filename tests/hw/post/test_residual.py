"""The residual addition in hardware against TFLite's arithmetic in numpy, bit by bit."""

import random

import numpy as np
import pytest
from amaranth.sim import Simulator

from rtl_gen.golden.elementwise import AddFactors, add_factors
from rtl_gen.golden.quantize import requantize
from rtl_gen.hw.buffer.buffet import BuffetParams
from rtl_gen.hw.post.residual import AddLane, Rescale
from rtl_gen.hw.post.residual_add import ResidualAdd
from rtl_gen.mapping.addition import Addition

EXTREMES = (-128, -127, -1, 0, 1, 126, 127)


def additions(count):
    """Random factors and zero points; some factors that scales never give, but fields hold."""
    rng = random.Random("additions")
    for n in range(count):
        if n % 3 == 1:
            factors = add_factors(*(rng.uniform(0.001, 1) for _ in range(3)))
        elif n % 3 == 2:  # so coarse that the roundings of the sum are seen
            shifts = rng.randint(-24, -18), rng.randint(-24, -18), rng.randint(-5, 1)
            factors = AddFactors(*((rng.randrange(1 << 30, 1 << 31), shift) for shift in shifts))
        else:
            shifts = rng.choice([0, -1, -2, -10, -31]), rng.choice([0, -3, -29, -31]), -17
            factors = AddFactors(*((rng.getrandbits(31), shift) for shift in shifts))
        low, high = sorted((rng.randint(-128, 127), rng.randint(-128, 127)))
        yield Addition(
            factors=factors,
            own_zero=rng.choice((*EXTREMES, rng.randint(-128, 127))),
            residual_zero=rng.choice((*EXTREMES, rng.randint(-128, 127))),
            output_zero=rng.choice((*EXTREMES, rng.randint(-128, 127))),
            act_min=low if n % 2 else -128,
            act_max=high if n % 2 else 127,
            rounding="single" if n % 5 < 2 else "double",
        )


def rescale_cases(count):
    """Values that the sum is too coarse to tell apart, and every number to shift by."""
    rng = random.Random("rescale")
    for n in range(count):
        value, zero = (rng.choice((*EXTREMES, rng.randint(-128, 127))) for _ in range(2))
        multiplier = rng.choice((0, 1, 1 << 30, (1 << 31) - 1, rng.getrandbits(31)))
        yield value, zero, multiplier, n % 32, rng.getrandbits(1)


def test_an_operand_is_rescaled_to_its_last_bit():
    dut, expected = Rescale(), []

    async def testbench(ctx):
        for value, zero, multiplier, right, single in rescale_cases(4_000):
            ctx.set(dut.value, value)
            ctx.set(dut.zero, zero)
            ctx.set(dut.multiplier, multiplier)
            ctx.set(dut.right, right)
            ctx.set(dut.single_rounding, single)
            rounding = "single" if single else "double"
            right_value = requantize((value - zero) << 20, multiplier, -right, rounding)
            await ctx.tick()
            await ctx.tick()
            where = f"({value} - {zero}) * {multiplier} >> {right}, {rounding}"
            assert ctx.get(dut.o) == right_value, where
            expected.append(int(right_value))

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    simulator.run()
    assert len(set(expected)) > 500


def test_a_lane_adds_as_tflite():
    dut, rng = AddLane(), np.random.default_rng(1)
    cases = list(additions(60))

    async def testbench(ctx):
        for addition in cases:
            ctx.set(dut.layer, addition.fields())
            own, residual = rng.integers(-128, 128, (2, 60))
            own[:7], residual[:7] = EXTREMES, EXTREMES
            own[7:14], residual[7:14] = EXTREMES, EXTREMES[::-1]
            expected = addition.golden(own, residual)
            for n in range(len(own) + AddLane.LATENCY):
                if n < len(own):
                    ctx.set(dut.own, int(own[n]))
                    ctx.set(dut.residual, int(residual[n]))
                if n >= AddLane.LATENCY:
                    k = n - AddLane.LATENCY
                    where = f"{addition}: {own[k]} + {residual[k]}"
                    assert ctx.get(dut.output) == expected[k], where
                await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize("resident", [False, True])
def test_words_pass_in_a_fixed_time_whether_something_is_added_or_not(resident):
    output, residual = BuffetParams(64, 32, lanes=8), BuffetParams(64, 32)
    dut, rng = ResidualAdd(output, residual), np.random.default_rng(2)
    words = rng.integers(-128, 128, (32, 8)).astype(np.int8)  # where the residual lies
    base = 5 if resident else 0

    async def testbench(ctx):
        for addition in (*additions(4), None):
            fields = addition.fields() if addition else {}
            if resident:
                fields |= {"residual_resident": 1, "residual_first": base}
            ctx.set(dut.layer, fields)
            pending, asked = [], None
            for n in range(80):
                sends = n < 60 and rng.random() < 0.7
                index, strobe = int(rng.integers(27)), int(rng.integers(256))
                own = rng.integers(-128, 128, 8).astype(np.int8)
                count = int(rng.integers(0, 3)) * 4
                ctx.set(dut.i_write.valid, sends)
                ctx.set(dut.i_commit.valid, sends and count > 0)
                data = int.from_bytes(own.tobytes(), "little")
                ctx.set(dut.i_write.payload, {"index": index, "data": data, "strobe": strobe})
                ctx.set(dut.i_commit.payload.count, count)
                if asked is not None:
                    word = int.from_bytes(words[asked].tobytes(), "little")
                    ctx.set(dut.response.payload.data, word)
                asked = None
                assert ctx.get(dut.response.ready)
                assert ctx.get(dut.request.valid) == (sends and addition is not None)
                if ctx.get(dut.request.valid):
                    asked = ctx.get(dut.request.payload.index)
                    assert asked == base + index
                    assert ctx.get(dut.request.payload.shrink) == count
                if sends:
                    right = addition.golden(own, words[base + index]) if addition else own
                    pending.append((n + ResidualAdd.LATENCY, index, strobe, right, count))
                due = bool(pending) and pending[0][0] == n
                assert ctx.get(dut.write.valid) == due
                assert ctx.get(dut.commit.valid) == (due and pending[0][4] > 0)
                if due:
                    _, index, strobe, right, count = pending.pop(0)
                    assert ctx.get(dut.write.payload.index) == index
                    assert ctx.get(dut.write.payload.strobe) == strobe
                    data = int.from_bytes(right.tobytes(), "little")
                    assert ctx.get(dut.write.payload.data) == data
                    assert not count or ctx.get(dut.commit.payload.count) == count
                await ctx.tick()
            assert not pending

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    simulator.run()


def test_factors_that_have_no_field_are_refused():
    with pytest.raises(ValueError, match=r"^the factor of the first operand must be .* and 1$"):
        Addition(factors=AddFactors((1 << 30, 1), (1 << 30, 0), (1 << 30, 0)))
    with pytest.raises(ValueError, match=r"^own_zero must be|^first_zero must be"):
        Addition(factors=add_factors(1, 1, 1), own_zero=200)
