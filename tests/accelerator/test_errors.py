"""Errors of a whole accelerator: what the host is told, and that the memory port comes to rest."""

import numpy as np
import pytest
from error_bench import DONE, ERROR, Case, at_rest, push, read, two_layers, write

from rtl_gen.isa import errors
from rtl_gen.isa.descriptors import ENGINES, header
from rtl_gen.isa.registers import BY_NAME, NO_ENGINE
from rtl_gen.sim.job import DECERR, SLVERR, ErrorRange
from rtl_gen.sim.result import Result
from rtl_gen.sim.script import Idle, Poll, Stamp, WaitInterrupt

PATIENCE = 3_000  # cycles: more than anything here takes without progress
QUIET = 3_000  # cycles after the error in which nothing may move any more

Descriptors = dict[str, list[int]]  # the words for each engine

MEMORY_ENGINES = [name for name in ENGINES if name.startswith(("load", "store"))]


@pytest.fixture(scope="module")
def case() -> Case:
    return two_layers()


def run(
    case: Case, words: Descriptors, error=None, begin=False, before=(), **timing
) -> tuple[Result, dict]:
    """Run into an error; what the bench saw, and what the host read once the port was at rest.

    Twice, the second time with a long wait behind it, in which nothing may move. With ``begin`` the
    run is on before the first word is pushed; ``before`` comes before either.
    """
    script = [write("INTERRUPT_ENABLE", DONE | ERROR), write("WATCHDOG", PATIENCE)]
    script += [*case.windows, *before]
    steps = [write("CONTROL", 1), *push(words)]
    script += [*(steps if begin else [*steps[1:], steps[0]]), WaitInterrupt(), at_rest()]
    names = ("STATUS", "INTERRUPT", "COMPLETED", "REFUSED")
    results = case.simulation.run(
        case.job([*script, *tail, *read(*names)], error, **timing) for tail in ([], [Idle(QUIET)])
    )
    for result in results:
        # The interrupt of an error does not wait for the memory; STATUS.in_flight says when.
        assert [one for one in result.problems if "had no response" not in one] == []
    for name in ("read_bursts", "write_bursts", "write_bytes"):
        moved = [result.counters[name] for result in results]
        assert moved[0] == moved[1], f"{name} after the error's interrupt"
    assert results[0].reads == results[1].reads
    seen = dict(zip(names, results[1].reads))
    return results[1], seen | BY_NAME["STATUS"].unpack(seen["STATUS"])


def check_error(seen: dict, code: int, engine: str | None) -> None:
    assert (seen["error"], seen["running"], seen["in_flight"]) == (1, 0, 0)
    assert errors.explain(seen["error_code"]) == errors.explain(code)
    assert seen["error_engine"] == (NO_ENGINE if engine is None else ENGINES.index(engine))
    assert seen["INTERRUPT"] == ERROR, "an error is no completion"


def test_without_an_error_all_is_right(case):
    result, seen = run(case, case.descriptors())
    assert (seen["error"], seen["INTERRUPT"], seen["COMPLETED"]) == (0, DONE, 1)
    assert case.right(result)
    # 7 channels, 4 at a time, in words of 16: bytes that no channel falls on are 0, as are the
    # residual's, and the two are added like all others.
    zero = np.zeros(1, np.int8)
    added = case.program.steps[0].added.addition.golden(zero, zero)
    pad = result.regions["output0"].reshape(-1, case.machine.block)[:, 8:].astype(np.int8)
    assert (pad == added).all()


@pytest.mark.parametrize("response", [SLVERR, DECERR])
@pytest.mark.parametrize("engine", ["load_input", "load_weights", "load_parameters"])
def test_a_read_error_is_put_down_to_its_engine_and_stops_the_store(case, engine, response):
    base = case.field(engine, "base")
    error = ErrorRange(base + 128, base + 131, response)
    result, seen = run(case, case.descriptors(), error)
    check_error(seen, errors.READ_RESPONSE, engine)
    assert seen["COMPLETED"] == 0
    # Far more would be stored if the engines went on.
    assert result.counters["write_bytes"] < case.program.steps[0].output.tensor.bytes // 2


@pytest.mark.parametrize("place", ["first", "last"])
def test_a_layer_whose_write_failed_is_not_complete(case, place):
    address, size = case.field("store", "base"), case.program.steps[0].output.tensor.bytes
    first = address if place == "first" else address + size - 16
    result, seen = run(case, case.descriptors(), ErrorRange(first, first + 15))
    check_error(seen, errors.WRITE_RESPONSE, "store")
    assert seen["COMPLETED"] == 0
    assert (result.counters["write_bytes"] == size) == (place == "last")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_bad_header_stops_the_run_before_anything_of_it_takes_effect(case, engine):
    record = case.machine.records[engine]
    for word, code in (
        (header(engine, record.words + 1), errors.DESCRIPTOR_TOO_LONG),
        (header(engine, 4) ^ 3 << 24, errors.BAD_VERSION),
    ):
        words = case.descriptors()
        del words[engine]
        words[engine] = [word]  # last, as no word is taken after the error
        result, seen = run(case, words, begin=True)
        check_error(seen, code, engine)
        assert seen["COMPLETED"] == 0
        assert not result.counters["write_bytes"]


@pytest.mark.parametrize("engine", ["load_input", "compute", "load_residual"])
@pytest.mark.parametrize("beyond", [1, 64])
def test_a_region_outside_its_memory_is_refused(case, engine, beyond):
    words = case.machine.buffer_words("output" if engine != "load_input" else "input")
    size = case.field(engine, "region_size")
    wrong = {"region_first": words - size + beyond}
    if wrong["region_first"] >= words:
        wrong = {"region_size": words + beyond}
    result, seen = run(case, case.descriptors(**{engine: wrong}))
    check_error(seen, errors.OUTSIDE_MEMORY, engine)
    assert not result.counters["write_bytes"]


@pytest.mark.parametrize("engine", MEMORY_ENGINES)
def test_nothing_is_read_or_written_at_an_address_within_a_word(case, engine):
    wrong = {"base": case.field(engine, "base") + 8}
    result, seen = run(case, case.descriptors(**{engine: wrong}))
    check_error(seen, errors.UNALIGNED, engine)
    assert not result.counters["write_bytes"]


@pytest.mark.parametrize("engine", MEMORY_ENGINES)
@pytest.mark.parametrize("far", [1 << 20, 1 << 40])
def test_nothing_is_read_or_written_outside_the_windows(case, engine, far):
    wrong = {"base": case.field(engine, "base") + far}
    result, seen = run(case, case.descriptors(**{engine: wrong}))
    check_error(seen, errors.OUTSIDE_WINDOWS, engine)
    assert seen["REFUSED"] == 1
    assert not result.counters["write_bytes"]


@pytest.mark.parametrize("closed", [0, 1])
def test_windows_are_closed_until_the_host_opens_them(case, closed):
    """The first is for reading, the second for writing."""
    shut = write(f"WINDOW{closed}_ACCESS", 0)
    result, seen = run(case, case.descriptors(), before=[shut])
    assert errors.explain(seen["error_code"]) == errors.explain(errors.OUTSIDE_WINDOWS)
    assert not result.counters["write_bytes" if closed else "read_bursts"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_missing_descriptor_ends_with_the_watchdog(case, engine):
    words = case.descriptors()
    del words[engine]
    _, seen = run(case, words)
    check_error(seen, errors.WATCHDOG, None)
    assert seen["COMPLETED"] == 0


def test_after_an_error_the_port_comes_to_rest_whatever_the_memory_does(case):
    """Stalls on all channels, bursts of every engine under way."""
    address = case.program.steps[0].output_address
    stalls = {f"stall_{name}": 500 for name in ("ar", "r", "aw", "w", "b")}
    error = ErrorRange(address, address + 15)
    _, seen = run(case, case.descriptors(), error, latency=200, **stalls)
    check_error(seen, errors.WRITE_RESPONSE, "store")


def test_a_reset_makes_good(case):
    base = case.field("load_weights", "base")
    run(case, case.descriptors(), ErrorRange(base, base))
    result, seen = run(case, case.descriptors())
    assert (seen["error"], seen["INTERRUPT"], seen["COMPLETED"]) == (0, DONE, 1)
    assert case.right(result)


def test_each_layer_that_asks_has_its_interrupt(case):
    """Two layers, each with an interrupt, the second pushed while the first is under way."""
    script = [write("INTERRUPT_ENABLE", DONE), *case.windows]
    script += [*push(case.descriptors(0)), write("CONTROL", 1)]
    script += push(case.descriptors(1))
    for _ in range(2):
        script += [WaitInterrupt(), *read("COMPLETED", "STATUS"), write("INTERRUPT", DONE)]
    [result] = case.simulation.run([case.job(script)])
    assert not result.problems
    running = BY_NAME["STATUS"].pack({"running": 1, "error_engine": NO_ENGINE})
    idle = BY_NAME["STATUS"].reset
    assert result.reads[0] == 1 and result.reads[1] & running == running
    assert result.reads[2:] == [2, idle]
    assert case.right(result, 0) and case.right(result, 1)


def test_a_host_that_streams_words_faster_than_they_are_used_loses_none(case):
    """More descriptors than a queue holds: the host's writes wait, also where layers end."""
    repeats, slow = 24, {"bandwidth": 1 / 16, "cycle_limit": 400_000}
    words = [push(case.descriptors(n % 2)) for n in range(repeats)]
    script = [write("INTERRUPT_ENABLE", DONE), *case.windows, write("CONTROL", 1), Stamp()]
    for one in words:
        script += one
    running = next(f for f in BY_NAME["STATUS"].fields if f.name == "running")
    script += [Stamp(), Poll(BY_NAME["STATUS"].offset, running.mask, 0)]
    [result] = case.simulation.run([case.job([*script, *read("STATUS", "COMPLETED")], **slow)])
    assert not [one for one in result.problems if "had no response" not in one]
    begun, pushed = result.stamps
    assert pushed - begun > 10 * sum(map(len, words)), "no write waited"
    assert result.reads == [BY_NAME["STATUS"].reset, repeats]
    assert case.right(result, 0) and case.right(result, 1)
