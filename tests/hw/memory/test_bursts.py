"""Runs to bursts to chunks, with gaps on both sides and every payload held while it waits."""

import random

import pytest
from amaranth.hdl import Value
from amaranth.lib import data
from memory_bench import load_record, raw, simulate

from rtl_gen.hw.memory.bursts import BurstParams, Bursts
from rtl_gen.hw.memory.load import LoadParams
from rtl_gen.hw.memory.skips import Skips


def transform(dut, payloads, layout, rng, gaps, *, settled):
    """What comes out of ``dut.o`` for ``payloads`` at ``dut.i``, until ``settled(outputs)``."""
    queue, got = list(payloads), []
    offered, taking, waiting = 0, 0, None

    def step(ctx, ready, valid, payload):
        nonlocal offered, taking, waiting
        item = {name: layout.from_bits(payload)[name] for name in layout.members}
        if not item["words"]:
            del item["address"]  # means nothing
        if waiting is not None:
            assert valid and item == waiting, "a payload changed while it waited"
        waiting = item if valid and not taking else None
        if valid and taking:
            got.append(layout.from_bits(payload))
        if offered and ready:
            queue.pop(0)
        if not offered or ready:
            offered = int(bool(queue) and rng.random() >= gaps[0])
        taking = int(rng.random() >= gaps[1])
        ctx.set(dut.i.valid, offered)
        if offered:
            ctx.set(dut.i.payload, queue[0])
        ctx.set(dut.o.ready, taking)
        return not queue and settled(got)

    simulate(dut, 4_000, raw(dut.i.ready, dut.o.valid, Value.cast(dut.o.payload)), step)
    return got


GAPS = [(0, 0), (0.6, 0), (0, 0.6), (0.5, 0.5)]


@pytest.mark.parametrize("gaps", GAPS)
@pytest.mark.parametrize(
    "params",
    [
        BurstParams(block=16, bus_bits=128),
        BurstParams(block=16, bus_bits=64, burst_beats=2),
        BurstParams(block=64, bus_bits=128, burst_beats=256),
    ],
)
def test_runs_are_cut_where_they_must(params, gaps):
    rng, runs, expected = random.Random(f"{params} {gaps}"), [], []
    for _ in range(40):
        address = rng.getrandbits(20) - rng.choice((0, 1)) << rng.choice((0, 6))
        address %= 1 << params.address.width
        run = {"address": address, "words": rng.choice((0, 1, 2, 16, rng.randint(1, 90)))}
        runs.append(run | {"tag": rng.getrandbits(5)})
        left = run["words"]
        while True:
            page = params.page_words - address % params.page_words
            words = min(left, params.words, page)
            first, last = left == run["words"], words == left
            expected.append((address, words, first, last, runs[-1]["tag"]))
            address, left = address + words, left - words
            if last:
                break
    got = transform(
        Bursts(params, 5),
        runs,
        params.burst(5),
        rng,
        gaps,
        settled=lambda got: len(got) == len(expected),
    )
    assert [tuple(burst[name] for name in params.burst(5).members) for burst in got] == expected


@pytest.mark.parametrize("gaps", GAPS)
@pytest.mark.parametrize("capacity", [16, 21, 100])
def test_skips_join_and_nothing_is_lost(capacity, gaps):
    rng = random.Random(f"{capacity} {gaps}")
    params = LoadParams(record=load_record(), block=16, bus_bits=128, capacity=capacity)
    bursts, expected = [], []
    for n in range(60):
        skip = rng.choice((0, 0, 1, 2, capacity, rng.randint(0, 2 * capacity)))
        after = rng.choice((0, 0, 1, 16, rng.randint(0, capacity)))
        parts = rng.randint(1, 3)
        sizes = [rng.randint(1, 16) for _ in range(parts)]
        if parts == 1 and rng.random() < 0.3:
            sizes, skip, after = [0], max(1, skip), 0
        expected += [None] * skip
        for part, words in enumerate(sizes):
            tag = params.tag.const({"skip": skip, "after": after}).as_bits()
            burst = {"address": 100 * n + part, "words": words, "tag": tag}
            bursts.append(burst | {"first": part == 0, "last": part == len(sizes) - 1})
            expected += [100 * n + part] * words
        expected += [None] * after

    def filled(chunks):
        words = []
        for chunk in chunks:
            words += [None] * chunk["skip"] + [chunk["address"]] * chunk["words"]
        return words

    chunks = transform(
        Skips(params),
        bursts,
        params.chunk,
        rng,
        gaps,
        settled=lambda got: len(filled(got)) == len(expected),
    )
    assert filled(chunks) == expected
    assert all(chunk["skip"] + chunk["words"] == chunk["needs"] for chunk in chunks)
    assert all(chunk["skip"] <= capacity for chunk in chunks)
    if gaps == (0, 0):  # a skip goes alone only where it is large or ends a run that is all skip
        alone = [chunk for chunk in chunks if not chunk["words"]]
        empty = sum(not burst["words"] for burst in bursts)
        whole = sum(chunk["skip"] == params.skip_unit for chunk in alone)
        assert len(alone) <= whole + empty + 1


def test_the_payload_of_a_chunk_holds_its_needs():
    for capacity in range(16, 70):
        params = LoadParams(record=load_record(), block=16, bus_bits=128, capacity=capacity)
        most = params.skip_unit - 1 + params.bus.words
        assert data.StructLayout({"n": params.amount}).const({"n": most}).as_bits() == most
