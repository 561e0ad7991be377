"""The bench's host: scripts, their results, time-outs, and what is said of them."""

import re
from dataclasses import replace

import pytest
from copier_jobs import (
    CLEAR,
    CONTROL,
    FINISH,
    IDENTITY,
    MODE,
    SUM,
    copied,
    copy_job,
    random_bytes,
    start,
)

from rtl_gen.sim.job import Job, MemoryTiming
from rtl_gen.sim.result import RULES
from rtl_gen.sim.script import Idle, Poll, Read, Stamp, WaitInterrupt, Write

DONE = 2  # of the copier's control register


def test_reads_polls_stamps_and_pauses(copier):
    polling = Job(
        name="polling",
        script=[
            Read(IDENTITY),
            *start(64),
            Poll(CONTROL, DONE, DONE),
            Stamp(),
            Idle(500),
            Stamp(),
            Read(CONTROL),
            Write(CONTROL, CLEAR),
            Poll(CONTROL, 0xFFFF_FFFF, 0),
            Read(CONTROL),
        ],
        cycle_limit=10_000,
    )
    calm, stalled = copier.run([polling, Job(**vars(polling) | {"host_stall": 700, "seed": 3})])
    for result in (calm, stalled):
        assert result.problems == ()
        assert result.reads == [0x434F5059, DONE, 0]
        begun, ended, rested = result.stamps
        assert begun < result.interrupt_cycle <= ended
        assert rested - ended == 502  # the pause, its fetch and the stamp's
    assert stalled.cycles > calm.cycles + 30


def test_a_count_that_goes_past_what_is_awaited(copier):
    """2, of a register that is 3: reached if it is awaited at least, and never if just so."""
    waits = {at_least: Poll(MODE, 0xFF, 2, at_least) for at_least in (True, False)}
    jobs = [
        Job(name=str(at_least), script=[Write(MODE, 3), wait, Read(MODE)], cycle_limit=1000)
        for at_least, wait in waits.items()
    ]
    reached, stuck = copier.run(jobs)
    assert reached.problems == () and reached.reads == [3]
    assert stuck.timed_out
    (less,) = copier.run([Job(name="less", script=[Write(MODE, 1), waits[True]], cycle_limit=1000)])
    assert less.timed_out


def test_a_long_script(copier):
    """As many writes as a program of a network has, with only the last one counting."""
    writes = [Write(MODE, value % 4) for value in range(20_000)]
    (result,) = copier.run([Job(name="long", script=[*writes, Read(MODE)], cycle_limit=200_000)])
    assert result.reads == [19_999 % 4]
    assert result.cycles <= 4 * 20_000 + 10


def test_a_job_that_times_out_is_reported_and_the_next_one_runs(copier):
    forever = Job(
        name="forever",
        script=[*start(1 << 20), Poll(CONTROL, DONE, DONE), WaitInterrupt()],
        cycle_limit=5000,
    )
    seen = []
    jobs = [copy_job(64, name="before"), forever, copy_job(64, name="after")]
    before, stuck, after = copier.run(jobs, on_result=lambda result: seen.append(result.name))
    assert seen == ["before", "forever", "after"]
    assert stuck.timed_out and stuck.interrupt_cycle is None
    assert stuck.problems == (
        "timed out after 5000 cycles at entry 9: Poll(address=0, mask=2, expected=2, "
        "at_least=False)",
    )
    assert str(stuck).startswith("forever: timed out after 5000 cycles at entry 9")
    assert stuck.counters["reads_open"] > 0
    for result, job in ((before, jobs[0]), (after, jobs[2])):
        assert not result.problems and copied(job, result)


def test_registers_keep_their_values_until_a_reset(copier):
    def reading(name, reset):
        return Job(name=name, script=[Read(MODE)], cycle_limit=100, reset=reset)

    first = Job(name="write", script=[Write(MODE, 2)], cycle_limit=100)
    results = copier.run([first, reading("kept", False), reading("reset", True)])
    assert [result.reads for result in results] == [[], [2], [3]]


def test_a_register_that_answers_with_an_error_is_named(copier):
    script = [Read(SUM), Write(0x100, 1), Read(0xFFC)]
    (result,) = copier.run([Job(name="bad registers", script=script, cycle_limit=100)])
    assert result.reads[1] == 0
    assert result.problems == (
        "2 register accesses answered with an error, the first entry 1: Write(address=256, data=1)",
    )


def test_a_device_that_does_nothing_fails(nothing):
    job = copy_job(16, cycle_limit=2000)
    waiting = Job(name="waiting", script=[WaitInterrupt()], cycle_limit=2000)
    for result in nothing.run([job, waiting]):
        assert result.timed_out and len(result.problems) == 1
    (result,) = nothing.run([job])
    assert result.reached == "entry 0: Write(address=4, data=3)"
    assert not copied(job, result)


def test_each_broken_rule_is_named(copier):
    """faulty.v breaks rule n when told so by bit n, and no rule when told nothing."""

    def job(name, fault, source=0, target=1 << 20, burst=4):
        return Job(
            name=name,
            script=[
                Write(0x3FC, fault),
                *start(256, source=source, target=target, burst=burst),
                *FINISH[:1],
                *[Read(IDENTITY)] * 10,
            ],
            cycle_limit=5000,
            images={source: random_bytes(4096)},
            timing=MemoryTiming.stalling(500),
            host_stall=500,
            reset=True,
        )

    in_reset = RULES.index("a valid was high in reset")
    jobs = [job(f"rule {bit}", 1 << bit) for bit in range(in_reset)]
    jobs[5] = job("rule 5", 0, source=0xF80, burst=16)
    jobs[6] = job("rule 6", 0, target=0x10_0F80, burst=16)
    good, *bad = copier.run([job("no rule", 0), *jobs])
    assert [problem for problem in good.problems if not problem.startswith("1 register")] == []
    for bit, result in enumerate(bad):
        named = [problem.partition(" (the first")[0] for problem in result.problems]
        assert RULES[bit] in named, (bit, result.problems)
    # This one is broken by the reset of the next job.
    first, second, third = copier.run([job("sets", 1 << in_reset), job("clears", 0), job("", 0)])
    found = [any(RULES[in_reset] in x for x in each.problems) for each in (first, second, third)]
    assert found == [False, True, False]


EARLY = 1 << 13  # of faulty.v


def test_an_interrupt_before_all_is_written(copier):
    early = copy_job(64, name="early", reset=True)
    early = replace(early, script=[Write(0x3FC, EARLY), *early.script[:-1], Idle(1000)])
    early, good = copier.run([early, copy_job(64, reset=True)])
    (problem,) = (x for x in early.problems if "register" not in x)
    assert re.fullmatch(r"the interrupt rose while [1-4] write bursts had no response", problem)
    assert good.problems == () and good.counters["writes_open"] == 0


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: Write(0x1000, 0),
            r"^register address must be a multiple of 4 below 0x1000, not 4096$",
        ),
        (
            lambda: Read(2),
            r"^register address must be a multiple of 4 below 0x1000, not 2$",
        ),
        (lambda: Write(0, -1), r"^data must be an unsigned 32-bit value, not -1$"),
        (
            lambda: Poll(0, 1, 3),
            r"^expected must have no bit outside mask 0x1, not 0x3$",
        ),
        (lambda: Idle(0), r"^cycles must be 1..4294967295, not 0$"),
        (
            lambda: Job(name="x", script=[], cycle_limit=0),
            r"^cycle_limit must be at least 1 cycle, not 0$",
        ),
        (lambda: MemoryTiming(latency=1), r"^latency must be at least 2 cycles, not 1$"),
        (
            lambda: MemoryTiming(bandwidth=3.0),
            r"^bandwidth must be 1/256..2 beats a cycle, not 3.0$",
        ),
        (lambda: MemoryTiming(stall_w=1000), r"^stall_w must be 0..990 per mille, not 1000$"),
    ],
)
def test_what_a_job_may_not_be(make, message):
    with pytest.raises(ValueError, match=message):
        make()
