"""The AXI4-Lite slave alone, in front of a small memory."""

import random

import pytest
from amaranth.lib.wiring import In, Out
from axi_lite_bench import OKAY, SLVERR, Master, obeys_axi_rules
from control_bench import run, stalls, until

from rtl_gen.flow.verilog import emit
from rtl_gen.hw.control.axi_lite import AXI_LITE_PORTS, AxiLiteSlave

BAD_WORD = 9


def registers(dut, memory, stall=0.0):
    """The registers behind the slave: words in a dictionary; word 9 is refused.

    What a read gives is right only in the cycle in which it is done.
    """
    rng = random.Random(11)

    async def testbench(ctx):
        ready = False
        while True:
            answers = rng.random() >= stall
            right = memory.get(ctx.get(dut.read_word), 0)
            ctx.set(dut.read_ready, answers)
            ctx.set(dut.read_data, right if answers else rng.getrandbits(32))
            ctx.set(dut.write_error, ctx.get(dut.write_word) == BAD_WORD)
            ready = rng.random() >= stall
            ctx.set(dut.write_ready, ready)
            _, _, valid, word, data = await ctx.tick().sample(
                dut.write_valid, dut.write_word, dut.write_data
            )
            if valid and ready and word != BAD_WORD:
                memory[word] = data

    return testbench


@pytest.mark.parametrize("stall", [0, 0.3, 0.7])
def test_writes_and_reads_in_any_arrival(stall):
    dut, memory, expected = AxiLiteSlave(), {}, {}
    rng = random.Random(5)

    async def writer(ctx):
        master = Master(dut, 1, stall)
        for _ in range(150):
            word, data = rng.randrange(16), rng.getrandbits(32)
            strobes = rng.choice([0b1111, 0b1111, 0b1111, 0b0111, 0b1000, 0])
            response, _ = await master.write(ctx, 4 * word + rng.randrange(4), data, strobes)
            done = word != BAD_WORD and strobes == 0b1111
            assert response == (OKAY if done else SLVERR)
            if done:
                expected[word] = data
        assert memory == expected
        for word in range(16):
            assert await master.read(ctx, 4 * word) == expected.get(word, 0)

    run(dut, writer, checks=[registers(dut, memory, stall), obeys_axi_rules(dut)])


def test_reads_and_writes_do_not_wait_for_each_other():
    dut, memory = AxiLiteSlave(), {n: 1000 + n for n in range(8)}

    async def writer(ctx):
        master = Master(dut)
        for n in range(40):
            response, cycles = await master.write(ctx, 0x100, n)
            assert response == OKAY and cycles == 3
        assert memory[0x40] == 39

    async def reader(ctx):
        master = Master(dut)
        for n in range(40):
            assert await master.read(ctx, 4 * (n % 8)) == 1000 + n % 8

    run(dut, writer, reader, checks=[registers(dut, memory)])


@pytest.mark.parametrize("stall", [0, 0.7])
def test_a_master_that_does_not_wait_for_responses(stall):
    """Address after address, data after data: a response each, in order, none lost."""
    dut, memory = AxiLiteSlave(), {}
    words = [3, BAD_WORD, 4, 3, 5, BAD_WORD, 6, 7] * 5
    got, read = [], []

    def send(valid, ready, pins, items, seed):
        async def testbench(ctx):
            waits = stalls(seed, stall)
            for values in items:
                while next(waits):
                    await ctx.tick()
                for pin, value in zip(pins, values):
                    ctx.set(pin, value)
                ctx.set(valid, 1)
                await until(ctx, ready)
                ctx.set(valid, 0)

        return testbench

    def receive(valid, ready, pin, into, seed):
        async def testbench(ctx):
            waits = stalls(seed, stall)
            for _ in words:
                while next(waits):
                    await ctx.tick()
                ctx.set(ready, 1)
                into.extend(await until(ctx, valid, pin))
                ctx.set(ready, 0)

        return testbench

    addresses = [(4 * word,) for word in words]
    data = [(n, 0b1111) for n in range(len(words))]
    run(
        dut,
        send(dut.s_axi_awvalid, dut.s_axi_awready, [dut.s_axi_awaddr], addresses, 1),
        send(dut.s_axi_wvalid, dut.s_axi_wready, [dut.s_axi_wdata, dut.s_axi_wstrb], data, 2),
        receive(dut.s_axi_bvalid, dut.s_axi_bready, dut.s_axi_bresp, got, 3),
        checks=[registers(dut, memory, stall), obeys_axi_rules(dut)],
    )
    assert got == [SLVERR if word == BAD_WORD else OKAY for word in words]
    assert memory == {word: n for n, word in enumerate(words) if word != BAD_WORD}
    dut = AxiLiteSlave()
    run(
        dut,
        send(dut.s_axi_arvalid, dut.s_axi_arready, [dut.s_axi_araddr], addresses, 4),
        receive(dut.s_axi_rvalid, dut.s_axi_rready, dut.s_axi_rdata, read, 5),
        checks=[registers(dut, memory), obeys_axi_rules(dut)],
    )
    assert read == [memory.get(word, 0) for word in words]


def test_a_part_of_a_word_waits_for_nothing():
    dut = AxiLiteSlave()

    async def writer(ctx):
        response, cycles = await Master(dut).write(ctx, 0x10, 1, 0b0001)
        assert response == SLVERR and cycles == 3

    run(dut, writer, checks=[registers(dut, {}, stall=1.0)])


@pytest.mark.parametrize("first", ["aw", "w"])
def test_address_and_data_may_be_far_apart(first):
    dut, memory = AxiLiteSlave(), {}
    second = {"aw": "w", "w": "aw"}[first]

    async def bench(ctx):
        ctx.set(dut.s_axi_awaddr, 0x24C)
        ctx.set(dut.s_axi_wdata, 0xC0FFEE)
        ctx.set(dut.s_axi_wstrb, 0b1111)
        ctx.set(dut.s_axi_bready, 1)
        for channel in (first, second):
            valid = getattr(dut, f"s_axi_{channel}valid")
            assert ctx.get(getattr(dut, f"s_axi_{channel}ready"))
            ctx.set(valid, 1)
            await ctx.tick()
            ctx.set(valid, 0)
            assert not ctx.get(getattr(dut, f"s_axi_{channel}ready")) and not memory
            if channel == first:
                for _ in range(10):
                    await ctx.tick()
                    assert not ctx.get(dut.s_axi_bvalid) and not memory
        await ctx.tick()
        assert ctx.get(dut.s_axi_bvalid)
        await ctx.tick()
        assert not ctx.get(dut.s_axi_bvalid)
        assert memory == {0x24C // 4: 0xC0FFEE}

    run(dut, bench, checks=[registers(dut, memory)])


def test_no_output_follows_an_input_within_a_cycle():
    dut = AxiLiteSlave()
    rng = random.Random(2)
    inputs = [getattr(dut, name) for name, member in AXI_LITE_PORTS.items() if member.flow == In]
    outputs = [getattr(dut, name) for name, member in AXI_LITE_PORTS.items() if member.flow == Out]
    assert len(inputs) == 11 and len(outputs) == 8

    async def bench(ctx):
        for _ in range(300):
            before = [ctx.get(pin) for pin in outputs]
            for _ in range(3):
                for pin in inputs:
                    ctx.set(pin, rng.getrandbits(len(pin)))
                assert before == [ctx.get(pin) for pin in outputs]
            ctx.set(dut.write_ready, rng.random() < 0.5)
            ctx.set(dut.read_data, rng.getrandbits(32))
            await ctx.tick()

    run(dut, bench)


def test_verilog():
    assert "module axi_lite_slave(" in emit(AxiLiteSlave)
