"""The vector unit alone: windows and rows with random stalls, against numpy, to the last bit."""

import random

import numpy as np
import pytest
from amaranth.sim import Simulator

from rtl_gen.golden.fixed_point import divide_by_power, high_multiply
from rtl_gen.golden.layer_norm import normalize, root_seeds
from rtl_gen.golden.softmax import exponential, reciprocal, softmax, softmax_factor
from rtl_gen.hw.vector.params import VectorParams
from rtl_gen.hw.vector.unit import VectorUnit
from rtl_gen.isa.vector import VECTOR_FUNCTIONS
from rtl_gen.mapping.vector_tables import average_table, exponential_table

SEED = 7
SHAPES = [
    (3, 5, 16, 2),
    *(
        pytest.param(shape, marks=pytest.mark.long)
        for shape in (
            (1, 5, 16, 1),
            (4, 16, 16, 1),
            (16, 16, 16, 1),
            (2, 3, 8, 3),
            (4, 8, 32, 1),
            (4, 16, 64, 2),
        )
    ),
]
"""Lanes, width, block, phases of post-processing."""


def signed(values, bits):
    return [value - (1 << bits) if value >> (bits - 1) else value for value in values]


class Bench:
    """A unit whose steps are taken with random gaps; collects its sums and their factors."""

    def __init__(self, shape):
        lanes, width, block, phases = shape
        self.width, self.block = width, block
        self.params = VectorParams(lanes=lanes, width=width, block=block, post_phases=phases)
        self.dut = VectorUnit(self.params)
        self.found, self.times, self.spacing = [], [], phases

    def run(self, function, steps, *, table=None, fields=None, gaps=True):
        """``steps``: dicts of first, last, row_first, row_last, channel, elements, inside."""
        dut, rng = self.dut, random.Random(SEED)

        async def watch(ctx):
            ports = (dut.valid, dut.sums, dut.scaled, dut.multiplier, dut.shift)
            cycle = 0
            async for _, _, valid, sums, *factor in ctx.tick().sample(*ports):
                cycle += 1
                if valid:
                    words = [sums >> (32 * n) & 0xFFFF_FFFF for n in range(self.width)]
                    self.found.append((signed(words, 32), *factor))
                    self.times.append(cycle)

        async def bench(ctx):
            ctx.set(dut.config.function, VECTOR_FUNCTIONS.index(function))
            for name, value in (fields or {}).items():
                ctx.set(dut.config[name], value)
            packed = b"" if table is None else np.asarray(table).astype(np.uint32).tobytes()
            for address in range(len(packed) // self.block):
                word = packed[address * self.block : (address + 1) * self.block]
                ctx.set(dut.table_address, address)
                ctx.set(dut.table_word, int.from_bytes(word, "little"))
                ctx.set(dut.table_write, 1)
                await ctx.tick()
            ctx.set(dut.table_write, 0)
            ctx.set(dut.step, {"first": 1, "last": 1, "row_first": 1, "row_last": 1})
            await ctx.tick()
            assert ctx.get(dut.ready) == (table is None), "a table is waited for where there is one"
            ctx.set(dut.table_loaded, table is not None)
            left = 0  # of the spacing of results that post-processing asks for
            for step in steps:
                for name in ("first", "last", "row_first", "row_last"):
                    ctx.set(dut.step[name], step.get(name, 0))
                ctx.set(dut.channel, step.get("channel", 0))
                ctx.set(dut.inside, step.get("inside", 1))
                bits = sum((int(x) & 255) << (8 * n) for n, x in enumerate(step["elements"]))
                ctx.set(dut.elements, bits)
                waited, go = 0, False
                while not go:
                    go = bool(ctx.get(dut.ready)) and (left == 0 or not step["last"])
                    go = go and (not gaps or rng.random() < 0.7)
                    ctx.set(dut.go, go)
                    if step["last"] and not step.get("first"):
                        # A row's sums are never forgotten before their results.
                        assert ctx.get(dut.busy) or "own" not in step or ctx.get(dut.ready)
                    left = self.spacing - 1 if go and step["last"] else max(0, left - 1)
                    await ctx.tick()
                    waited += 1
                    assert waited < 200, f"{function}: step {step} is never ready"
                ctx.set(dut.go, 0)
                for signal in (dut.elements, dut.inside, dut.channel):  # gone with the step
                    ctx.set(signal, 0)
            for _ in range(self.params.latency + self.spacing + 3):
                await ctx.tick()
            # What comes next may be a sum of the array, which has a factor of its own.
            assert not ctx.get(dut.busy) and not ctx.get(dut.scaled)

        sim = Simulator(dut)
        sim.add_clock(1e-6)
        sim.add_process(watch)
        sim.add_testbench(bench)
        sim.run()
        return self.found


def pieces(bench, row):
    """Steps of one pass over a row: its pieces, words of the block one after the other; what lies
    behind the row or a word is noise.
    """
    rng, found = np.random.default_rng(SEED), []
    for start in range(0, len(row), bench.block):
        word = row[start : start + bench.block]
        for channel in range(0, len(word), bench.width):
            own = word[channel : channel + bench.width]
            noise = rng.integers(-128, 128, bench.width - len(own))
            found.append({"channel": channel, "elements": [*own, *noise], "own": len(own)})
    found[0]["row_first"], found[-1]["row_last"] = 1, 1
    return found


def row_steps(bench, rows, passes):
    steps = []
    for row in rows:
        for n in range(passes):
            ends = {"first": int(n == 0), "last": int(n == passes - 1)}
            steps += [piece | ends for piece in pieces(bench, row)]
    return steps


def row_fields(bench, length):
    last = ((length - 1) % bench.block) % bench.width + 1
    return {"row_length": length, "row_last": last}


def random_rows(length, count=5):
    rng = np.random.default_rng(SEED + length)
    rows = rng.integers(-128, 128, (count, length)) // (1 << rng.integers(0, 7, (count, 1)))
    rows[0], rows[1] = -128, 127
    return rows.astype(np.int64)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("length", [1, 7, 16, 37])
def test_softmax(shape, length):
    bench, rows = Bench(shape), random_rows(length)
    multiplier, left_shift, diff_min = softmax_factor(0.07)
    factor = {"multiplier": multiplier, "left_shift": left_shift, "diff_min": diff_min}
    table = exponential_table(**factor)
    found = bench.run(
        "softmax", row_steps(bench, rows, 3), table=table, fields=row_fields(bench, length)
    )
    each = len(pieces(bench, rows[0]))
    got = []
    for n, (sums, scaled, scale, shift) in enumerate(found):
        assert scaled == 1
        own = pieces(bench, rows[0])[n % each]["own"]
        got += list(divide_by_power(high_multiply(sums[:own], scale), -shift) - 128)
        row = rows[n // each]
        terms = table[row.max() - row].astype(np.int64)
        exact, places = reciprocal(np.array(divide_by_power(terms, 12).sum()))
        assert (scale, shift) == (int(exact), -int(places) - 23), f"seed {SEED}: scale of {row}"
    want = softmax(rows, **factor)
    got = np.clip(np.array(got), -128, 127).reshape(want.shape)
    np.testing.assert_array_equal(got, want, err_msg=f"seed {SEED}")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("length", [1, 7, 16, 37])
def test_layer_norm(shape, length):
    rows = random_rows(length)
    for constant in (0, 12345):
        bench = Bench(shape)
        fields = row_fields(bench, length) | {"row_constant": constant}
        found = bench.run(
            "layer_norm", row_steps(bench, rows, 2), table=root_seeds(), fields=fields
        )
        each, got = len(pieces(bench, rows[0])), []
        for n, (sums, scaled, _, _) in enumerate(found):
            assert not scaled
            got += sums[: pieces(bench, rows[0])[n % each]["own"]]
        want = normalize(rows, constant)
        np.testing.assert_array_equal(
            np.array(got).reshape(want.shape), want, err_msg=f"seed {SEED}, constant {constant}"
        )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("function", ["max_pool", "average_pool"])
@pytest.mark.parametrize("taps", [1, 4, 9])
def test_windows(shape, function, taps):
    bench, rng = Bench(shape), np.random.default_rng(SEED)
    windows = rng.integers(-128, 128, (40, taps, bench.width))
    inside = rng.integers(0, 2, (40, taps))
    inside[:, taps // 2] = 1
    pad = -128 if function == "max_pool" else 0
    windows = np.where(inside[..., None] == 1, windows, pad)
    steps = [
        {"first": int(n == 0), "last": int(n == taps - 1), "elements": tap, "inside": int(there)}
        for window, own in zip(windows, inside)
        for n, (tap, there) in enumerate(zip(window, own))
    ]
    table = average_table(9) if function == "average_pool" else None
    found = bench.run(function, steps, table=table)
    assert len(found) == len(windows)
    for (sums, scaled, scale, shift), window, own in zip(found, windows, inside):
        if function == "max_pool":
            assert not scaled and sums == window.max(axis=0).tolist()
            continue
        total, count = window.sum(axis=0), own.sum()
        want = np.sign(total) * ((np.abs(total) + count // 2) // count)
        assert scaled and sums == total.tolist()
        assert high_multiply(np.array(sums) << max(shift, 0), scale).tolist() == want.tolist()


@pytest.mark.parametrize("shape", SHAPES)
def test_tables_hold_every_value(shape):
    bench = Bench(shape)
    table = np.random.default_rng(SEED).integers(-128, 128, 256)
    values = np.resize(np.arange(-128, 128), -(-256 // bench.width) * bench.width)
    steps = [{"first": 1, "last": 1, "elements": part} for part in values.reshape(-1, bench.width)]
    found = [x for sums, *_ in bench.run("table", steps, table=table) for x in sums]
    assert found == table[values + 128].tolist()


def test_a_maximum_takes_a_tap_a_cycle():
    """And an output each ``phases`` cycles at most: 4 lanes keep up with four taps."""
    bench = Bench((4, 16, 16, 1))
    steps = [
        {"first": int(n % 4 == 0), "last": int(n % 4 == 3), "elements": [n] * 16} for n in range(40)
    ]
    bench.run("max_pool", steps, gaps=False)
    assert np.diff(bench.times).tolist() == [4] * 9


def test_tables_for_the_unit():
    factor = dict(zip(("multiplier", "left_shift", "diff_min"), softmax_factor(0.3)))
    table = exponential_table(**factor)
    assert table[0] == (1 << 31) - 1 and table[255] == 0
    assert table.dtype == np.int32 and (np.diff(table.astype(np.int64)) <= 0).all()
    assert int(exponential(np.array(-(1 << 26)))) == pytest.approx(2**31 / np.e, rel=1e-6)
    assert reciprocal(np.array([1 << 19]))[0][0] == (1 << 31) - 1
