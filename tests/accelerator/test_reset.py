"""Abort and reset in the middle of anything, and a layer behind them that is right."""

import random

import pytest
from error_bench import DONE, ERROR, Case, at_rest, push, read, two_layers, write

from rtl_gen.isa import errors
from rtl_gen.isa.registers import BY_NAME, NO_ENGINE
from rtl_gen.sim.script import Idle, Poll, WaitInterrupt

START, ABORT, RESET = (1 << n for n in range(3))  # of CONTROL
AT_RESET = BY_NAME["STATUS"].reset


@pytest.fixture(scope="module")
def case() -> Case:
    return two_layers()


def cleared() -> Poll:
    return Poll(BY_NAME["CONTROL"].offset, RESET, 0)


def good_layer(case: Case, layer: int) -> list:
    """A run of one layer, from push to interrupt."""
    script = [*push(case.descriptors(layer)), write("CONTROL", START), WaitInterrupt()]
    return [*script, *read("STATUS", "COMPLETED"), write("INTERRUPT", DONE | ERROR)]


def check_resets(case: Case, cycles: list[int], words: list[int], **timing) -> None:
    """Resets so many cycles after a start, or after so many words of a push, each time a layer."""
    begin = [write("INTERRUPT_ENABLE", DONE | ERROR), *case.windows]
    jobs = []
    for cycle, count in zip(cycles, words, strict=True):
        pushed = push(case.descriptors(0))
        script = [*begin, *pushed, write("CONTROL", START), *push(case.descriptors(1))[:count]]
        script += [Idle(cycle + 1), write("CONTROL", RESET), cleared(), *read("STATUS")]
        script += [write("INTERRUPT", DONE | ERROR), *good_layer(case, 1)]
        jobs.append(case.job(script, cycle_limit=200_000, **timing))
    for cycle, count, result in zip(cycles, words, case.simulation.run(jobs), strict=True):
        where = f"reset {cycle} cycles after start and {count} words"
        assert not [one for one in result.problems if "had no response" not in one], where
        assert result.reads == [AT_RESET, AT_RESET, 1], where
        assert case.right(result, 1), where


def test_reset_at_any_time(case):
    rng = random.Random(1)
    check_resets(case, list(range(0, 900, 45)), [rng.randrange(200) for _ in range(20)])


@pytest.mark.long
@pytest.mark.parametrize("stalls", [0, 400])
def test_reset_at_each_of_five_hundred_cycles(case, stalls):
    """Both together a thousand; with stalls on all channels bursts hang for long."""
    rng = random.Random(stalls)
    cycles = rng.sample(range(3000), 500)
    words = [rng.choice((0, rng.randrange(200))) for _ in cycles]
    stalled = {f"stall_{name}": stalls for name in ("ar", "r", "aw", "w", "b")}
    check_resets(case, cycles, words, **stalled)


@pytest.mark.parametrize("cycle", [0, 40, 333])
def test_an_abort_ends_the_run_with_an_error_and_a_reset_makes_good(case, cycle):
    script = [write("INTERRUPT_ENABLE", DONE | ERROR), *case.windows]
    script += [*push(case.descriptors(0)), write("CONTROL", START), Idle(cycle + 1)]
    script += [write("CONTROL", ABORT), WaitInterrupt(), at_rest(), *read("STATUS", "INTERRUPT")]
    script += [write("CONTROL", RESET), cleared(), write("INTERRUPT", ERROR)]
    [result] = case.simulation.run([case.job([*script, *good_layer(case, 0)])])
    assert not [one for one in result.problems if "had no response" not in one]
    status = {"error": 1, "error_code": errors.ABORTED, "error_engine": NO_ENGINE}
    assert result.reads == [BY_NAME["STATUS"].pack(status), ERROR, AT_RESET, 1]
    assert case.right(result, 0)


def check_aborts(case: Case, cycles: list[int], **timing) -> None:
    """Aborts so many cycles after the start of two layers, then a reset and a layer."""
    jobs = []
    for cycle in cycles:
        script = [*case.windows, *push(case.descriptors(0)), *push(case.descriptors(1))]
        script += [write("CONTROL", START), Idle(cycle + 1), write("CONTROL", ABORT), at_rest()]
        script += [*read("STATUS"), write("CONTROL", RESET), cleared()]
        script += [write("INTERRUPT", DONE | ERROR), write("INTERRUPT_ENABLE", DONE | ERROR)]
        jobs.append(case.job([*script, *good_layer(case, 1)], cycle_limit=200_000, **timing))
    status = {"error": 1, "error_code": errors.ABORTED, "error_engine": NO_ENGINE}
    for cycle, result in zip(cycles, case.simulation.run(jobs), strict=True):
        where = f"abort {cycle} cycles after start"
        assert not [one for one in result.problems if "had no response" not in one], where
        assert result.reads == [BY_NAME["STATUS"].pack(status), AT_RESET, 1], where
        assert case.right(result, 1), where


def test_abort_at_any_time(case):
    check_aborts(case, list(range(3, 900, 90)), latency=60)


@pytest.mark.long
@pytest.mark.parametrize("stalls", [0, 400])
def test_abort_at_each_of_five_hundred_cycles(case, stalls):
    stalled = {f"stall_{name}": stalls for name in ("ar", "r", "aw", "w", "b")}
    check_aborts(case, random.Random(stalls).sample(range(1000), 500), latency=60, **stalled)


def test_an_abort_without_a_run_does_nothing(case):
    script = [write("CONTROL", ABORT), *read("STATUS"), *case.windows]
    script += [write("INTERRUPT_ENABLE", DONE), *good_layer(case, 0)]
    [result] = case.simulation.run([case.job(script)])
    assert result.reads == [AT_RESET, AT_RESET, 1]
    assert case.right(result, 0)
