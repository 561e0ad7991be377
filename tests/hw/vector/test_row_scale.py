"""A row's scale, against the golden model's reciprocals, to the last bit."""

import numpy as np
from amaranth.sim import Simulator

from rtl_gen.golden.layer_norm import ROOT_BITS, reciprocal_root, root_seeds
from rtl_gen.golden.softmax import reciprocal
from rtl_gen.hw.vector.row_scale import RowScale

SEED = 20
LONGEST = 70
"""Cycles that a row may wait for its scale."""


def run_scales(cases):
    """(multiplier, right) of each case, a dict of inputs."""
    dut, seeds, found = RowScale(), root_seeds(), []
    sim = Simulator(dut)
    sim.add_clock(1e-6)

    async def memory(ctx):
        async for _, _, address in ctx.tick().sample(dut.seed_address):
            ctx.set(dut.seed, int(seeds[address]))

    async def bench(ctx):
        for case in cases:
            for name, value in case.items():
                ctx.set(getattr(dut, name), int(value))
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            cycles = 0
            while ctx.get(dut.busy):
                await ctx.tick()
                cycles += 1
                assert cycles < LONGEST, f"seed {SEED}: {case} does not end"
            found.append((ctx.get(dut.multiplier), ctx.get(dut.right)))

    sim.add_process(memory)
    sim.add_testbench(bench)
    sim.run_until(1e-6 * (LONGEST + 3) * len(cases))
    assert len(found) == len(cases)
    return found


def test_reciprocals_are_those_of_tflite():
    rng = np.random.default_rng(SEED)
    sums = [1 << 19, (1 << 19) + 1, 4095 << 19, (1 << 31) - 1, *(1 << n for n in range(20, 31))]
    sums += [int(2.0**x) for x in rng.uniform(19, 31, 300)]
    found = run_scales([{"root": 0, "exponentials": total} for total in sums])
    multipliers, bits = reciprocal(np.array(sums))
    for total, (multiplier, right), want, integer in zip(sums, found, multipliers, bits):
        places = int(integer) + 31 - 8
        wanted = (int(want), places) if places < 32 else (0, 31)
        assert (multiplier, right) == wanted, f"seed {SEED}: 1 / {total}"


def test_roots_are_those_of_the_golden_model():
    rng = np.random.default_rng(SEED)
    rows = [np.full(4095, -128), np.full(3, 127), np.array([1]), np.array([0, 1])]
    rows += [np.resize([-128, 127], n) for n in (2, 128, 4095)]
    rows += [rng.integers(-128, 128, n) // (1 << rng.integers(0, 8)) for n in range(1, 200)]
    cases, want = [], []
    for n, row in enumerate(rows):
        constant = (0, 1, (1 << 38) - 1, int(2.0 ** rng.uniform(0, 38)))[n % 4]
        total, squares = int(row.sum()), int((row * row).sum())
        variance = len(row) * squares - total * total + constant
        cases.append(
            {"root": 1, "length": len(row), "total": total, "squares": squares}
            | {"constant": constant}
        )
        want.append(None)
        if variance:
            root, half = reciprocal_root(np.array(variance))
            want[-1] = (int(root), ROOT_BITS + 15 - int(half) - 16)
    for case, got, wanted in zip(cases, run_scales(cases), want):
        assert wanted is None or got == wanted, f"seed {SEED}: {case}"
        assert 1 <= got[1] <= 20
