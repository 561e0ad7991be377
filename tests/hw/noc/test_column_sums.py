"""What the last rows of chains give back: columns past the filter, weights in the last column."""

import random
from types import SimpleNamespace

import pytest
from control_bench import run

from rtl_gen.hw.array.scratchpad_pe import GROUP, ScratchpadParams
from rtl_gen.hw.control.nest import NestParams
from rtl_gen.hw.control.periods import PeriodParams
from rtl_gen.hw.noc.column_sums import ColumnSums, ColumnSumsParams
from rtl_gen.isa.tagged import PASS_MASKS

NEST = NestParams(
    levels=2, forms=(("out", 9), ("accumulator", 8)), events=(("commit", 5),), masks=PASS_MASKS
)


@pytest.mark.parametrize("seed", range(3))
def test_room_is_given_back_once(seed):
    rng = random.Random(seed)
    periods = PeriodParams(pe=ScratchpadParams(8, 64, 8, 24), nest=NEST)
    dut = ColumnSums(ColumnSumsParams(periods=periods, columns=3, lanes=2, address_bits=7))

    async def bench(ctx):
        for _ in range(12):
            macs, filters = rng.randint(1, 9), rng.randint(1, 7)
            layer = SimpleNamespace(window=rng.randint(1, 9), advance=rng.randint(1, 9))
            groups = -(-macs * filters // GROUP)
            known = {"chain": 1, "chains": 1, "columns": 3, "columns_last": 3, "column_groups": 2}
            known |= {"filters": filters, "macs": macs, "groups": groups}
            ctx.set(dut.layer, known | vars(layer))
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            for column in range(rng.randint(1, 4) * 2):
                last, given = column % 2 == 1, 0
                for number in range(filters):
                    ends = number == filters - 1
                    info = {"ends": ends, "last_column": last, "filter": number}
                    ctx.set(dut.info.payload, info)
                    ctx.set(dut.info.valid, 1)
                    columns, freed = await period(ctx)
                    given += freed
                    used = (number + 1) * macs // GROUP
                    assert given == last * (groups if ends else used), f"seed {seed}"
                    assert columns == ends * (layer.window if last else layer.advance)

    async def period(ctx):
        """One period; returns the columns and the groups that were given back in it."""
        columns = groups = 0
        for cycle in range(6):
            for name in ("last", "tail"):
                ctx.set(getattr(dut, name), cycle == 0)
            columns += ctx.get(dut.freed_columns)
            groups += ctx.get(dut.freed_groups)
            await ctx.tick()
        return columns, groups

    run(dut, bench, cycles=5_000)
