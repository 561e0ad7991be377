"""Descriptors into configurations."""

import random
import re

import pytest
from control_bench import obeys_stream_rules, run, stalls, until

from rtl_gen.flow.verilog import emit
from rtl_gen.hw.control.descriptor_port import DescriptorPort
from rtl_gen.isa import errors
from rtl_gen.isa.descriptors import ENGINES, HEADER, VERSION, header, records
from rtl_gen.isa.fields import Field, Record
from rtl_gen.isa.widths import Widths

WIDTHS = Widths(
    levels=4,
    dma_levels=3,
    load_checks=2,
    feed_checks=2,
    input_held=False,
    groups=1,
    input_words=512,
    weight_words=256,
    parameter_words=64,
    output_words=512,
    accumulators=128,
    block=16,
)
COMPUTE = ENGINES.index("compute")
RECORDS = {
    "one bit": Record("store", (Field("on", 1),)),
    "gaps and a long field": Record(
        "compute",
        (
            Field("a", 7),
            Field("b", 30, signed=True),
            Field("c", 64),
            Field("d", 5, align=True),
            Field("e", 40),
            Field("f", 12, signed=True),
        ),
    ),
    "load_input": records(WIDTHS)["load_input"],
}


def random_values(rng, record):
    """Some fields, so that trailing words are left out now and then."""
    named = rng.sample(record.fields, rng.randint(0, len(record.fields)))
    return {f.name: f.range.start + rng.getrandbits(f.bits) for f in named}


def expected(record, values):
    return {field.name: values.get(field.name, 0) for field in record.fields}


def shown(ctx, dut, record):
    config = ctx.get(dut.config)
    return {field.name: config[field.name] for field in record.fields}


async def send(ctx, dut, words, waits):
    for word in words:
        while next(waits):
            await ctx.tick()
        ctx.set(dut.words.payload, word)
        ctx.set(dut.words.valid, 1)
        await until(ctx, dut.words.ready)
        ctx.set(dut.words.valid, 0)


@pytest.mark.parametrize("busy", [(0, 0), (0, 0.8), (0.6, 0)])
@pytest.mark.parametrize("name", RECORDS)
def test_layers_back_to_back(name, busy):
    record = RECORDS[name]
    rng = random.Random(f"{name} {busy}")
    layers = [random_values(rng, record) for _ in range(40)]
    layers[3], layers[4] = {f.name: f.range[-1] for f in record.fields}, {}
    dut = DescriptorPort(record)

    async def source(ctx):
        waits = stalls(1, busy[0])
        for n, values in enumerate(layers):
            words = record.pack(values)
            if n == 7:
                words = [0] * record.words  # nothing left out
            if n == 8:
                words = []  # all left out
            await send(ctx, dut, [header(record.name, len(words)), *words], waits)

    async def sink(ctx):
        waits = stalls(2, busy[1])
        for n, values in enumerate(layers):
            want = expected(record, {} if n in (7, 8) else values)
            while not ctx.get(dut.ready_config) or next(waits):
                await ctx.tick()
            ctx.set(dut.take, 1)
            await ctx.tick()
            ctx.set(dut.take, 0)
            assert shown(ctx, dut, record) == want, f"layer {n}"
            assert not ctx.get(dut.ready_config)

    async def stable(ctx):
        before = None
        while True:
            _, _, take, config = await ctx.tick().sample(dut.take, dut.config.as_value())
            assert before is None or before[0] or config == before[1], "config changed untaken"
            before = take, config

    run(dut, source, sink, checks=[stable])


def test_a_word_a_cycle_and_the_next_descriptor_behind_the_present():
    record = RECORDS["gaps and a long field"]
    dut = DescriptorPort(record)
    values = {"a": 1, "b": -2, "c": 3 << 60, "d": 4, "e": 5 << 36, "f": -6}
    words = record.pack(values)

    async def bench(ctx):
        for _ in range(2):
            for word in [header(record.name, len(words)), *words]:
                assert ctx.get(dut.words.ready)
                assert not ctx.get(dut.ready_config)
                ctx.set(dut.words.valid, 1)
                ctx.set(dut.words.payload, word)
                await ctx.tick()
            assert ctx.get(dut.ready_config) and not ctx.get(dut.words.ready)
            ctx.set(dut.words.valid, 0)
            ctx.set(dut.take, 1)
            await ctx.tick()
            ctx.set(dut.take, 0)
            assert shown(ctx, dut, record) == values
        # Half of a third descriptor changes nothing.
        await send(ctx, dut, [header(record.name, 2), 0], stalls(0, 0))
        assert shown(ctx, dut, record) == values and not ctx.get(dut.ready_config)

    run(dut, bench)


@pytest.mark.parametrize(
    "fields, code",
    [
        ({"words": 1, "version": VERSION + 1}, errors.BAD_VERSION),
        ({"words": 1, "version": 0}, errors.BAD_VERSION),
        ({"words": 0, "version": VERSION + 1}, errors.BAD_VERSION),
        ({"words": 1000, "version": VERSION + 1}, errors.BAD_VERSION),
        ({"words": 8, "version": VERSION}, errors.DESCRIPTOR_TOO_LONG),
        ({"words": 1023, "version": VERSION}, errors.DESCRIPTOR_TOO_LONG),
        ({"words": 512, "version": VERSION}, errors.DESCRIPTOR_TOO_LONG),
        ({"words": 1, "version": VERSION, "engine": 0}, errors.BAD_ENGINE),
        ({"words": 1, "version": VERSION, "engine": 8}, errors.BAD_ENGINE),
        ({"words": 1, "version": VERSION, "engine": COMPUTE + 128}, errors.BAD_ENGINE),
        ({"words": 8, "version": VERSION, "engine": 5}, errors.BAD_ENGINE),
    ],
)
def test_an_illegal_header_stops_the_port_before_any_effect(fields, code):
    record = RECORDS["gaps and a long field"]
    assert record.words == 7
    dut = DescriptorPort(record)
    good = record.pack({"a": 5, "f": -1})

    async def bench(ctx):
        await send(ctx, dut, [header(record.name, len(good)), *good], stalls(0, 0))
        ctx.set(dut.take, 1)
        await ctx.tick()
        ctx.set(dut.take, 0)
        assert ctx.get(dut.error) == errors.NONE
        await send(ctx, dut, [HEADER.pack({"engine": COMPUTE} | fields)[0]], stalls(0, 0))
        ctx.set(dut.words.valid, 1)
        ctx.set(dut.words.payload, header(record.name, 1))
        for _ in range(20):
            assert ctx.get(dut.error) == code
            assert not ctx.get(dut.words.ready) and not ctx.get(dut.ready_config)
            assert shown(ctx, dut, record) == expected(record, {"a": 5, "f": -1})
            await ctx.tick()

    run(dut, bench)


@pytest.mark.parametrize("name", RECORDS)
def test_registers_only_for_bits_that_fields_use(name):
    record = RECORDS[name]
    bits = sum(field.bits for field in record.fields)
    text = re.sub(r" +", " ", emit(DescriptorPort, record))
    vector = f"[{bits - 1}:0] " if bits > 1 else ""
    shadows = re.findall(r"reg (?:\[(\d+):0\] )?shadow\d+ = ", text)
    assert sum(int(high or 0) + 1 for high in shadows) == bits
    assert f"reg {vector}words = " in text and f"output {vector}\\config ;" in text


def test_words_obey_stream_rules_is_not_vacuous():
    dut = DescriptorPort(RECORDS["one bit"])

    async def breaks(ctx):
        ctx.set(dut.words.valid, 1)
        ctx.set(dut.words.payload, header("store", 1))
        await until(ctx, dut.words.ready)
        ctx.set(dut.words.payload, 1)
        await until(ctx, dut.words.ready)
        ctx.set(dut.words.payload, header("store", 0))
        await ctx.tick()
        ctx.set(dut.words.valid, 0)
        await ctx.tick()
        await ctx.tick()

    with pytest.raises(AssertionError, match="valid dropped"):
        run(dut, breaks, checks=[obeys_stream_rules(dut.words, "words")])
