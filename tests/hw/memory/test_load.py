"""Load engines: every word of random nests, never more than is free, and the rate."""

import random

import pytest
from load_bench import LoadSide, expected_words, run
from memory_bench import ReadMemory, ar_length, load_record, raw, simulate

from rtl_gen.flow.verilog import emit
from rtl_gen.hw.memory.load import LoadEngine, LoadParams


def random_descriptor(rng, params, words=120):
    """Runs that begin and end inside and outside of the tensor, at any distance from a page."""
    block, values = params.block, {}
    page = rng.choice((0, 4096 - block * rng.randint(1, 40)))
    values["base"] = rng.choice((0x0, 0x1_2345_6000, 0xFFFF_FFFF_0000_0000)) + page + (1 << 20)
    run = rng.choice((1, 1, 2, 3, 7, rng.randint(1, 40)))
    trips = rng.randint(1, max(1, min(12, words // run)))
    values |= {"bound0": run - 1, "bound1": trips - 1}
    values["bound2"] = rng.randint(1, max(1, min(4, words // (run * trips)))) - 1
    forms = [name for name, _ in params.nest.forms]
    values["offset_base"] = block * rng.randint(-50, 50)
    for level in (1, 2):
        values[f"offset{level}"] = block * rng.choice((run, run + 1, rng.randint(-60, 60)))
    for form in forms[1:]:
        values[f"{form}_base"] = rng.choice((0, 0, -1, 1, rng.randint(-run - 1, run)))
        most = run if form == "x" else trips
        values[f"{form}_limit"] = rng.choice((most, most + 1, rng.randint(0, 2 * most)))
        for level in (1, 2):
            values[f"{form}{level}"] = rng.choice((0, 0, 1, 2, -1))
    return values


SIZES = [
    # block, bus bits, capacity, burst beats, checks
    (16, 128, 64, 16, 1),
    (16, 64, 17, 16, 2),
    (16, 128, 16, 16, 0),
    (64, 128, 11, 16, 1),
    (8, 64, 31, 4, 1),
    (16, 64, 9, 2, 1),
]


@pytest.mark.parametrize("stalls", [0, 0.5])
@pytest.mark.parametrize("size", SIZES)
def test_every_word_of_random_nests_is_in_its_place(size, stalls):
    block, bus_bits, capacity, burst_beats, checks = size
    rng = random.Random(f"{size} {stalls}")
    params = LoadParams(
        record=load_record(checks=checks),
        block=block,
        bus_bits=bus_bits,
        capacity=capacity,
        burst_beats=burst_beats,
        bursts=rng.choice((2, 32)),
        watermark=capacity // 4,
        in_flight_words=rng.choice((0, 16)),
    )
    descriptors, loaded, skipped = [], 0, 0
    while loaded < 150 or skipped < 30 or len(descriptors) < 6:
        descriptors.append(random_descriptor(rng, params))
        words = list(expected_words(params, descriptors[-1]))
        skipped += words.count(None)
        loaded += len(words) - words.count(None)
    run([params], [descriptors], stalls=stalls, seed=size, most_beats=burst_beats)


@pytest.mark.parametrize(("bus_bits", "stalls"), [(64, 0.3), (128, 0), (128, 0.6)])
def test_engines_share_a_port_and_none_holds_up_another(bus_bits, stalls):
    rng = random.Random(bus_bits)
    share = {"block": 16, "bus_bits": bus_bits}
    engines = [
        LoadParams(record=load_record(), capacity=40, in_flight_words=16, **share),
        LoadParams(
            record=load_record("load_weights", checks=0, clips=False),
            capacity=100,
            watermark=50,
            **share,
        ),
        LoadParams(
            record=load_record("load_parameters", checks=0, clips=False), capacity=16, **share
        ),
    ]
    descriptors = [[random_descriptor(rng, params) for _ in range(3)] for params in engines]
    # the first reader opens when all others have had time to finish
    readers, _ = run(engines, descriptors, stalls=stalls, seed=1, opens={0: 1_500}, cycles=6_000)
    assert all(reader.times[-1] < 1_500 for reader in readers[1:])
    assert readers[0].times[0] >= 1_500


def linear(runs, words, block, *, base=0x4_0000, pitch=None, **values):
    """Runs of so many words, one behind the other or ``pitch`` words apart."""
    return {
        "base": base,
        "bound0": words - 1,
        "bound1": runs - 1,
        "offset1": block * (words if pitch is None else pitch),
    } | values


@pytest.mark.parametrize(
    ("block", "bus_bits", "words"),
    [(16, 128, 8), (16, 128, 30), (16, 64, 8), (64, 128, 8)],
)
def test_a_beat_a_cycle_comes_with_100_cycles_latency(block, bus_bits, words):
    params = LoadParams(
        record=load_record("load_weights", levels=2, checks=0, clips=False),
        block=block,
        bus_bits=bus_bits,
        capacity=512,
    )
    runs = 480 // words // params.bus.beats
    descriptors = [linear(runs, words, block, pitch=words + 3) for _ in range(2)]
    _, axi = run([params], [descriptors], latency=100)
    assert axi.times[0] <= 120
    assert axi.rate >= 0.99
    assert max(beats for _, beats in axi.bursts) == min(16, words * params.bus.beats)


def test_borders_between_rows_cost_no_beat():
    params = LoadParams(record=load_record(levels=2), block=16, bus_bits=128, capacity=512)
    rows = linear(100, 10, 16, pitch=8, x_base=-1, x_limit=8, y0_limit=1)
    _, axi = run([params], [[rows]], latency=100, shrink=2)
    assert len(axi.times) == 800
    assert axi.rate >= 0.99


@pytest.mark.parametrize("words", [1, 3])
def test_a_short_run_costs_a_burst_a_cycle(words):
    params = LoadParams(record=load_record(levels=2), block=16, bus_bits=128, capacity=256)
    runs = linear(300, words, 16, pitch=4, x_limit=words, y0_limit=1)
    _, axi = run([params], [[runs]], latency=10)
    assert len(axi.bursts) == 300
    assert axi.rate >= 0.99


def test_what_is_outside_costs_a_cycle_a_run():
    params = LoadParams(record=load_record(levels=2), block=16, bus_bits=128, capacity=512)
    runs = linear(100, 20, 16, x_limit=0, y0_limit=1)
    readers, axi = run([params], [[runs]], shrink=20)
    assert not axi.bursts
    assert readers[0].times[-1] - readers[0].times[0] <= 105


def test_a_tile_of_the_whole_buffet_and_longer_gaps_come_through():
    params = LoadParams(record=load_record(levels=2), block=16, bus_bits=128, capacity=21)
    whole = linear(1, 21, 16, x_limit=100, y0_limit=1)
    gaps = linear(2, 200, 16, x_base=-90, x_limit=5, y0_limit=1)
    run([params], [[whole, gaps, whole]], opens={0: 100})


def test_words_in_flight_are_limited():
    limit = 24
    params = LoadParams(
        record=load_record("load_weights", checks=0, clips=False),
        block=16,
        bus_bits=128,
        capacity=512,
        in_flight_words=limit,
    )
    _, axi = run([params], [[linear(5, 40, 16)]], latency=100)
    # a round trip of 100 cycles and more for each 24 words at most
    assert axi.times[-1] > 200 // limit * 100


def test_it_is_urgent_while_less_than_the_watermark_is_there_or_coming():
    params = LoadParams(
        record=load_record("load_weights", checks=0, clips=False),
        block=16,
        bus_bits=128,
        capacity=64,
        watermark=20,
    )
    dut, axi, seen = LoadSide((params,)), ReadMemory(128, latency=30), []

    def step(ctx, *samples):
        axi.step(ctx, dut.ar, dut.r, *samples[:4])
        ctx.set(dut.config0, linear(1, 24, 16))
        ctx.set(dut.start0, axi.now == 5)
        ctx.set(dut.response0.ready, 1)
        ctx.set(dut.request0.valid, 150 < axi.now <= 154 or axi.now == 164)
        ctx.set(dut.request0.payload, {"index": 0, "read": 1, "shrink": 1})
        seen.append(samples[4:])
        return axi.now == 175

    ar = raw(dut.ar.valid, dut.ar.payload.address, ar_length(dut), dut.r.ready)
    simulate(dut, 200, [*ar, dut.urgent0, dut.space0, dut.working0], step)
    requested = next(n for n, (urgent, _, _) in enumerate(seen[5:], 5) if not urgent)
    assert all(urgent for urgent, _, _ in seen[2:requested])
    assert seen[requested][1] == 64, "nothing has come yet"
    assert not any(urgent for urgent, _, _ in seen[requested:165])
    assert seen[160][1] == 64 - 20
    assert all(urgent for urgent, _, _ in seen[168:])


@pytest.mark.parametrize("clips", [True, False])
@pytest.mark.parametrize("wrong", ["base", "offset_base", "offset1"])
def test_nothing_is_loaded_from_within_a_word(wrong, clips):
    """The runs before are loaded; no address is rounded."""
    record = load_record(checks=int(clips), clips=clips)
    params = LoadParams(record=record, block=16, bus_bits=64, capacity=64)
    limits = {"x_limit": 9, "y0_limit": 9} if clips else {}
    values = linear(3, 4, 16, pitch=5) | limits
    values[wrong] = values.get(wrong, 0) + 8
    dut, axi, seen = LoadSide((params,)), ReadMemory(64, latency=10), []

    def step(ctx, *samples):
        axi.step(ctx, dut.ar, dut.r, *samples[:4])
        ctx.set(dut.config0, values)
        ctx.set(dut.start0, axi.now == 5)
        seen.append(samples[4:])
        return axi.now == 100

    ar = raw(dut.ar.valid, dut.ar.payload.address, ar_length(dut), dut.r.ready)
    simulate(dut, 120, [*ar, dut.unaligned0, dut.working0], step)
    first = next(n for n, (unaligned, _) in enumerate(seen) if unaligned)
    assert first < 15
    assert all(unaligned and working for unaligned, working in seen[first:])
    assert axi.bursts == ([(values["base"], 8)] if wrong == "offset1" else [])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"block": 12}, "block must be a power of two up to 256 bytes, not 12"),
        (
            {"bus_bits": 256},
            "bus width must be a power of two from 8 bits to a word of 128 bits, not 256",
        ),
        (
            {"burst_beats": 3},
            "burst beats must be a power of two from 1, a word, to 256, not 3",
        ),
        ({"capacity": 15}, "capacity must be at least 16 words, a burst, not 15"),
        ({"watermark": 65}, "watermark must be 0..64 words, the capacity, not 65"),
        ({"bursts": 1}, "bursts in flight must be at least 2, not 1"),
        (
            {"in_flight_words": 8},
            "in-flight words must be at least 16, a burst, or 0 for no limit, not 8",
        ),
        (
            {"record": load_record(clips=False)},
            "record load_input must have the form x, as it has y0",
        ),
    ],
)
def test_impossible_sizes_are_refused(options, message):
    sizes = {"record": load_record(), "block": 16, "bus_bits": 128, "capacity": 64}
    with pytest.raises(ValueError, match=f"^{message}$"):
        LoadParams(**(sizes | options))


@pytest.mark.parametrize("clips", [True, False])
def test_it_becomes_verilog(clips):
    record = load_record(checks=int(clips), clips=clips)
    params = LoadParams(record=record, block=16, bus_bits=64, capacity=8192)
    text = emit(LoadEngine, params)
    assert "[-1:0]" not in text
    assert "initial" not in text
