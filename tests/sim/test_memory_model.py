"""The bench's memory: data, latency, bandwidth, bursts in flight, stalls, errors."""

from dataclasses import replace

import numpy as np
import pytest
from copier_jobs import (
    COPIER,
    FROM,
    READS,
    STROBES,
    TO,
    WRITES,
    copied,
    copy_job,
    duration,
    random_bytes,
)

from rtl_gen.sim.job import DECERR, ErrorRange, Job, MemoryTiming
from rtl_gen.sim.run import Simulation
from rtl_gen.sim.script import Write
from rtl_gen.sim.verilator import build

OVERHEAD = 7  # of host and copier, from the stamp before the start to the one after the interrupt


def test_bytes_move_and_nothing_beside_them_changes(copier):
    jobs = [copy_job(beats, burst=burst) for beats, burst in [(1, 1), (48, 16), (1024, 256)]]
    for job, result in zip(jobs, copier.run(jobs)):
        assert result.problems == ()
        assert copied(job, result)
        data = job.images[FROM]
        assert result.reads[0] == np.bitwise_xor.reduce(data.view(np.uint32))
        assert result.counters["write_bytes"] == len(data)
        assert (result.counters["reads_open"], result.counters["writes_open"]) == (0, 0)


def test_strobes(copier):
    """Only bytes whose strobe is high change, are counted, and can be out of a window."""
    whole = copy_job(16)
    part = replace(
        whole, script=[Write(STROBES, 0b0110_0100), *whole.script], windows=[(TO + 2, 253)]
    )
    short = replace(part, windows=[(TO + 3, 253)])
    images = {TO: np.zeros(256, np.uint8)}
    results = copier.run([replace(job, images=job.images | images) for job in (part, short)])
    strobed = np.isin(np.arange(256) % 8, (2, 5, 6))
    expected = np.where(strobed, random_bytes(256), 0)
    for result in results:
        assert np.array_equal(result.regions["out"][64:-64], expected)
        assert result.counters["write_bytes"] == strobed.sum()
    assert results[0].problems == ()
    assert results[1].problems == (
        f"1 bytes written outside the windows, the first at {TO + 2:#x}",
    )


@pytest.mark.parametrize("width", [64, 256])
def test_other_widths(width):
    text = COPIER.replace("DATA_WIDTH = 128", f"DATA_WIDTH = {width}")
    built = build("copier", text, data_width=width, name=f"copier-{width}")
    job = copy_job(128, width=width, timing=MemoryTiming.stalling(200), host_stall=200)
    (result,) = Simulation(built, seed=width).run([job])
    assert result.problems == ()
    assert copied(job, result)
    assert result.counters["read_beats"] == 128


def test_addresses_of_64_bits(copier):
    base = 0xFEDC_BA90_0000_0000
    high = Simulation(copier.build, memory_bytes=1 << 24, memory_base=base, seed=1)
    job = copy_job(32, source=base + FROM, target=base + TO)
    (result,) = high.run([job])
    assert result.problems == ()
    assert copied(job, result)


def test_latency_of_one_beat(copier):
    cases = [(mode, latency) for mode in (READS, WRITES) for latency in (3, 4, 10, 100, 1000)]
    jobs = [
        copy_job(1, burst=1, mode=mode, timing=MemoryTiming(latency=latency))
        for mode, latency in cases
    ]
    measured = [duration(result) for result in copier.run(jobs)]
    assert measured == [latency + OVERHEAD for _, latency in cases]


def test_bandwidth_of_one_direction(copier):
    beats = 4096
    cases = [(mode, bandwidth) for mode in (READS, WRITES) for bandwidth in (0.25, 0.75, 1.0)]
    jobs = [
        copy_job(beats, mode=mode, timing=MemoryTiming(bandwidth=bandwidth))
        for mode, bandwidth in cases
    ]
    numbers = np.repeat(np.arange(beats, dtype=np.uint32), 4)  # what it writes without reads
    for result, (mode, bandwidth) in zip(copier.run(jobs), cases):
        moving = duration(result) - 100 - OVERHEAD + 1  # cycles from the first beat to the last
        assert moving == pytest.approx((beats - 1) / bandwidth, abs=3)
        if mode == WRITES:
            assert np.array_equal(result.regions["out"][64:-64].view(np.uint32), numbers)


def test_bandwidth_is_shared(copier):
    """Copying moves two beats: at one a cycle a copied beat takes two cycles."""
    beats = 4096
    bandwidths = [0.5, 1.0, 1.5, 2.0]
    jobs = [copy_job(beats, timing=MemoryTiming(bandwidth=bandwidth)) for bandwidth in bandwidths]
    for job, result, bandwidth in zip(jobs, copier.run(jobs), bandwidths):
        assert copied(job, result)
        moving = duration(result) - 2 * 100  # a read's latency, then a response's
        assert moving == pytest.approx(2 * beats / bandwidth, rel=0.02)
        moved = result.counters["read_beats"] + result.counters["write_beats"]
        assert moved == 2 * beats
        assert (result.counters["both_beats"] > 100) == (bandwidth > 1)


def test_bursts_in_flight_are_limited(copier):
    """64 single beats in flight at a latency of 1000: no more than 64 in 1000 cycles."""
    timing = MemoryTiming(latency=1000)
    (result,) = copier.run([copy_job(640, burst=1, mode=READS, timing=timing)])
    assert 10 * 1000 <= duration(result) <= 10 * 1000 + 100


def test_stalls_of_each_channel(copier):
    """A channel stalled half of the time moves single-beat bursts half as fast."""
    beats = 2000
    modes = {"ar": READS, "r": READS, "aw": WRITES, "w": WRITES, "b": WRITES}
    jobs = []
    for channel, mode in modes.items():
        for rate in (0, 500):
            timing = MemoryTiming(latency=20, bandwidth=2.0, **{f"stall_{channel}": rate})
            jobs.append(copy_job(beats, burst=1, mode=mode, timing=timing))
    results = copier.run(jobs)
    for free, stalled in zip(results[::2], results[1::2]):
        assert duration(free) == pytest.approx(beats, abs=50)
        assert duration(stalled) == pytest.approx(2 * beats, rel=0.1)


def test_stalls_keep_the_data_and_repeat_with_their_seed(copier):
    timing = MemoryTiming.stalling(400)
    seeds = [1, 2, 1]
    jobs = [copy_job(512, timing=timing, host_stall=400, seed=seed) for seed in seeds]
    results = copier.run(jobs)
    assert all(copied(job, result) for job, result in zip(jobs, results))
    assert not any(result.problems for result in results)
    cycles = [result.cycles for result in results]
    assert cycles[0] == cycles[2] != cycles[1]


def test_error_range_and_outside_of_memory(copier):
    failing = MemoryTiming(error=ErrorRange(FROM + 256, FROM + 511))
    decode = MemoryTiming(error=ErrorRange(TO, TO + 15, DECERR))
    inside, writes, outside, after = copier.run(
        [
            copy_job(64, timing=failing),
            copy_job(64, timing=decode),
            Job(name="outside", script=copy_job(64, target=1 << 40).script, cycle_limit=10_000),
            copy_job(64),
        ]
    )
    assert (inside.counters["error_beats"], inside.reads[1]) == (16, 1)
    assert (writes.counters["error_beats"], writes.reads[1]) == (1, 1)
    assert (outside.counters["error_beats"], outside.reads[1]) == (4, 4)
    assert not inside.problems and not writes.problems  # the jobs ask for these errors
    assert outside.problems == (
        "1024 bytes written outside the windows, the first at 0x10000000000",
        "4 beats or write responses of the memory were errors",
    )
    assert after.counters["error_beats"] == 0 and not after.problems


def test_writes_outside_the_windows_are_named(copier):
    half = TO + 512
    jobs = [
        copy_job(64, windows=[(TO, 1024)]),
        copy_job(64, windows=[(FROM, 16), (TO, 512)]),
        copy_job(64, windows=[(TO, 512), (half, 512)]),
    ]
    whole, short, split = copier.run(jobs)
    assert whole.problems == () and split.problems == ()
    assert short.problems == (f"512 bytes written outside the windows, the first at {half:#x}",)


def test_reads_outside_what_may_be_read_are_named(copier):
    jobs = [
        copy_job(64, readable=[(TO, 64), (FROM, 1024)]),
        copy_job(64, readable=[(FROM, 500), (FROM + 512, 509)]),
    ]
    whole, short = copier.run(jobs)
    assert whole.problems == ()
    assert short.problems == (f"15 bytes read outside the windows, the first at {FROM + 500:#x}",)
    assert copied(jobs[1], short)
