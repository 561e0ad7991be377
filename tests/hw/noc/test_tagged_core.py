"""PEs with scratchpads, buses, chains and columns, on 3 x 5, against numpy.

Random numbers of layers, not layers: any folding, words that come late, columns that may not begin.
"""

import dataclasses
import random
from pathlib import Path

import numpy as np
import pytest
from control_bench import run
from test_nest import walk

from rtl_gen.hw.array.scratchpad_pe import ELEMENTS, GROUP
from rtl_gen.hw.tagged_compute_params import TaggedComputeParams
from rtl_gen.hw.tagged_core import TaggedCore
from rtl_gen.reuse.tagged_machine import TaggedMachine
from rtl_gen.spec.design import Buffers, Scratchpads
from rtl_gen.spec.parse import load_design

DATAFLOW = Path(__file__).parents[3] / "dataflows" / "row_stationary.yaml"

ROWS, COLUMNS, INPUTS, WEIGHTS = 3, 5, 13, 52


LATE_AND_SEED = [(0, 1), (0.2, 3), (0.7, 4), (0.5, 6), (0.1, 7)]


class Drawn:
    """A pass's shape, passes that are added up, and their numbers."""

    def __init__(self, rng, lanes):
        self.taps = rng.choice([1, 1, *range(1, ROWS + 1)])
        self.row_groups = rng.choice([1, ROWS // self.taps])
        self.chain = self.taps * self.row_groups
        self.chains = rng.randint(1, ROWS // self.chain)
        self.channels, window = rng.randint(1, 3), rng.randint(1, 4)
        self.move = rng.randint(1, 2) if window > 1 else 1
        while (self.move * (window - 1) + 1) * self.channels > INPUTS:
            self.move, window = 1, window - 1
        self.s, self.window = window, self.move * (window - 1) + 1
        self.macs = self.channels * self.s
        self.filters = rng.randint(1, min(4, WEIGHTS // self.macs))
        self.columns, self.outputs = rng.randint(1, COLUMNS), rng.randint(1, 3)
        self.advance, self.passes = rng.randint(1, 4), rng.randint(1, 6)
        self.tap_move, self.column_move = rng.randint(1, 2), rng.randint(1, 3)
        self.beats = -(-self.columns // lanes)
        rows = self.column_move * (self.columns - 1) + self.tap_move * (self.taps - 1) + 1
        self.requests = -(-rows // ELEMENTS)
        self.width = self.advance * (self.outputs - 1) + self.window
        numbers = np.random.default_rng(rng.randrange(1 << 30))
        shape = (self.passes, self.row_groups, self.channels, self.requests * ELEMENTS, self.width)
        self.x = numbers.integers(-128, 128, shape)
        shape = (self.passes, self.chains, self.filters, self.row_groups, self.taps)
        self.w = numbers.integers(-128, 128, (*shape, self.s, self.channels))

    def fields(self, machine):
        held = INPUTS // self.channels
        ring, groups = held * self.channels, -(-self.filters * self.macs // GROUP)
        values = {field.name: 0 for field in machine.records["compute"].fields}
        inner = {"bound0": self.outputs - 1, "last0": self.outputs - 1, "out0": 1}
        inner |= {"accumulator0": self.filters * self.chains * self.beats, "pass_levels": 1}
        outer = {"bound1": self.passes - 1, "last1": self.passes - 1, "reduce_levels": 2}
        self.nest = inner | outer
        return values | self.nest | {
            "chain": self.chain,
            "chains": self.chains,
            "taps": self.taps,
            "tap_move": self.tap_move,
            "column_move": self.column_move,
            "filters": self.filters,
            "period": max(self.macs, self.chains * self.beats, 4),
            "macs": self.macs,
            "channels": self.channels,
            "jump": (self.move - 1) * self.channels + 1,
            "window": self.window,
            "advance": self.advance,
            "ring": ring,
            "advance_words": self.advance * self.channels % ring,
            "window_words": self.window * self.channels % ring,
            "held_columns": held,
            "last_group": self.row_groups - 1,
            "last_at": ELEMENTS * (self.requests - 1),
            "rows": self.chains * self.chain,
            "groups": groups,
            "columns": self.columns,
            "columns_last": self.columns,
            "column_groups": self.beats,
        }  # fmt: skip

    def input_requests(self):
        """Tags and elements, pass by pass, column by column."""
        for n in range(self.passes):
            for w in range(self.width):
                for group in range(self.row_groups):
                    for channel in range(self.channels):
                        for request in range(self.requests):
                            at = ELEMENTS * request
                            yield group, channel, at, self.x[n, group, channel, at : at + 4, w]

    def weight_words(self, block):
        """Words, pass by pass."""
        rows = self.chains * self.chain
        for n in range(self.passes):
            of_rows = np.zeros((rows, -(-self.filters * self.macs // GROUP) * GROUP), dtype=int)
            for row in range(rows):
                chain, at = divmod(row, self.chain)
                group, tap = divmod(at, self.taps)
                of_rows[row, : self.filters * self.macs] = self.w[n, chain, :, group, tap].ravel()
            stream = of_rows.reshape(rows, -1, GROUP).transpose(1, 0, 2).ravel()
            stream = np.pad(stream, (0, -len(stream) % block)).reshape(-1, block)
            yield from ((word, n == self.passes - 1) for word in stream[:-1])
            yield stream[-1], n == self.passes - 1

    def sums(self, n, x, chain, filter_):
        """Of a pass, an output column and a filter: the sum in each column of the array."""
        found = []
        for j in range(self.columns):
            total = 0
            for group in range(self.row_groups):
                for tap in range(self.taps):
                    h = self.column_move * j + self.tap_move * tap
                    for s in range(self.s):
                        pixel = self.x[n, group, :, h, self.advance * x + self.move * s]
                        total += pixel @ self.w[n, chain, filter_, group, tap, s]
            found.append(int(total))
        return found


@pytest.mark.long
@pytest.mark.parametrize(("late", "seed"), LATE_AND_SEED)
def test_sums_of_random_foldings(late, seed):
    machine = TaggedMachine(
        dataclasses.replace(
            load_design(DATAFLOW),
            rows=ROWS,
            columns=COLUMNS,
            scratchpads=Scratchpads(input=INPUTS, weights=WEIGHTS),
            buffers=Buffers(accumulators=256),
        )
    )
    params, rng = TaggedComputeParams(machine), random.Random(seed)
    dut, lanes, block = TaggedCore(params), machine.post_lanes, machine.block
    seen = [Drawn(rng, lanes) for _ in range(6)]
    layer = [None, 0]  # the layer, and how many parts are done with it

    async def inputs(ctx):
        async for drawn in layers(ctx):
            requests = list(drawn.input_requests())
            for n, (group, channel, at, elements) in enumerate(requests):
                byte = rng.randrange(block)
                words = sum(int(v) % 256 << 8 * (k * block + byte) for k, v in enumerate(elements))
                end = n == len(requests) - 1
                address = {"at": at, "group": group, "channel": channel, "end": end}
                await offer(ctx, "input", words=words, byte=byte, address=address)

    async def weights(ctx):
        async for drawn in layers(ctx):
            words = list(drawn.weight_words(block))
            for n, (word, _) in enumerate(words):
                value = sum(int(v) % 256 << 8 * k for k, v in enumerate(word))
                await offer(ctx, "weight", word=value, end=n == len(words) - 1)

    async def offer(ctx, name, **values):
        while rng.random() < late:
            await ctx.tick()
        for key, value in values.items():
            ctx.set(getattr(dut, f"{name}_{key}"), value)
        ctx.set(getattr(dut, f"{name}_valid"), 1)
        done = False
        while not done:
            _, _, done = await ctx.tick().sample(getattr(dut, f"{name}_done"))
        ctx.set(getattr(dut, f"{name}_valid"), 0)

    async def layers(ctx):
        """Each layer, once; says when a part is done with it."""
        seen = None
        while layer[0] != "end":
            if layer[0] is not seen and layer[0] is not None:
                seen = layer[0]
                yield seen
                layer[1] += 1
            await ctx.tick()

    async def sums(ctx):
        async for drawn in layers(ctx):
            for n in range(drawn.passes):
                address = 0
                for x in range(drawn.outputs):
                    for filter_ in range(drawn.filters):
                        for chain in range(drawn.chains):
                            wanted = drawn.sums(n, x, chain, filter_)
                            wanted += [0] * (drawn.beats * lanes - len(wanted))
                            for beat in range(drawn.beats):
                                await one(ctx, drawn, n, x, filter_, chain, beat, address, wanted)
                                address += 1

    async def one(ctx, drawn, n, x, filter_, chain, beat, address, wanted):
        while not ctx.get(dut.valid):
            await ctx.tick()
        emit, tag = n == drawn.passes - 1, dut.tag
        ends = filter_ == drawn.filters - 1 and chain == drawn.chains - 1
        assert ctx.get(dut.address) == address and ctx.get(dut.first) == (n == 0)
        assert ctx.get(tag.emit) == emit and ctx.get(tag.group) == beat
        assert ctx.get(tag.channel) == chain * drawn.filters + filter_
        assert ctx.get(tag.done) == (emit and ends and beat == drawn.beats - 1)
        assert not emit or (ctx.get(tag.half), ctx.get(tag.out)) == (x % 2, x)
        await ctx.tick()
        found, bits = ctx.get(dut.sums), params.pe.sum_bits
        found = [found >> bits * k & (1 << bits) - 1 for k in range(lanes)]
        signed = [value - (value >> bits - 1 << bits) for value in found]
        assert signed == wanted[beat * lanes : (beat + 1) * lanes], f"seed {seed}, pass {n}"

    async def control(ctx):
        for drawn in seen:
            ctx.set(dut.config, drawn.fields(machine))
            assert len(list(walk(params.periods.nest, dict.fromkeys(
                [f.name for f in params.periods.nest.fields], 0) | drawn.nest
            ))) == drawn.passes * drawn.outputs  # fmt: skip
            ctx.set(dut.start, 1)
            layer[:] = [drawn, 0]
            await ctx.tick()
            ctx.set(dut.start, 0)
            while layer[1] < 3:
                ctx.set(dut.may_emit, rng.random() >= late)
                await ctx.tick()
            for _ in range(3):
                await ctx.tick()
            assert ctx.get(dut.idle)
        layer[0] = "end"

    run(dut, control, inputs, weights, sums, cycles=12_000)
    for name in ("taps", "row_groups", "chains", "channels", "passes"):
        assert any(getattr(drawn, name) > 1 for drawn in seen), name
    assert any(drawn.advance > drawn.window for drawn in seen)
