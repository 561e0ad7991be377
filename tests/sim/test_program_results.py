"""What a program's result says of the accelerator's own registers."""

from types import SimpleNamespace

import pytest

from rtl_gen.isa.descriptors import ENGINES
from rtl_gen.isa.errors import BAD_CHECKSUM, READ_RESPONSE, explain
from rtl_gen.isa.registers import BY_NAME, FETCH, NO_ENGINE
from rtl_gen.sim.programs import COUNTERS, ProgramResult
from rtl_gen.sim.result import ENGINE_COUNTERS, engine_counts

GOOD = dict.fromkeys(COUNTERS, 0) | {"READ_BEATS": 40, "WRITE_BEATS": 7, "CYCLES_LOW": 500}
SEEN = {name: n for n, name in enumerate(ENGINE_COUNTERS, 1)}  # of BYTES: beats or words
BUS_BYTES, BLOCK = 8, 16
for name in SEEN.keys() & GOOD.keys():
    on_bus = name.startswith(("BYTES_LOAD", "BYTES_STORE"))
    size = (BUS_BYTES if on_bus else BLOCK) if name.startswith("BYTES") else 1
    GOOD[name] = SEEN[name] * size

DESIGN = SimpleNamespace(bus_bits=8 * BUS_BYTES)
MACHINE = SimpleNamespace(design=DESIGN, block=BLOCK, engines=ENGINES)
PROGRAM = SimpleNamespace(steps=[SimpleNamespace(mapping=SimpleNamespace(machine=MACHINE))])


def problems(*, status=None, **counters):
    """Of a run from a start written in cycles 100 to 104 to an interrupt in cycle 602."""
    seen = SimpleNamespace(
        problems=("seen by the bench",),
        timed_out=False,
        counters={"read_beats": 40, "write_beats": 7},
        stamps=[100, 104],
        engines=SEEN,
        interrupt_cycle=602,
    )
    counters["STATUS"] = BY_NAME["STATUS"].pack(status or {})
    first, *others = ProgramResult(PROGRAM, [], GOOD | counters, seen).problems
    assert first == "seen by the bench"
    return others


@pytest.mark.parametrize("cycles", [497, 498, 502])
def test_counters_that_agree(cycles):
    assert problems(CYCLES_LOW=cycles) == []


@pytest.mark.parametrize(
    ("counters", "message"),
    [
        ({"READ_BEATS": 41}, "READ_BEATS says 41, but 40 moved"),
        ({"WRITE_BEATS": 0}, "WRITE_BEATS says 0, but 7 moved"),
        ({"CYCLES_HIGH": 1}, f"CYCLES says {500 + (1 << 32)}, but 498 to 502 passed"),
        ({"CYCLES_LOW": 496}, "CYCLES says 496, but 498 to 502 passed"),
        ({"CYCLES_LOW": 503}, "CYCLES says 503, but 498 to 502 passed"),
    ],
)
def test_counters_that_do_not(counters, message):
    assert problems(**counters) == [message]


@pytest.mark.parametrize("name", sorted(SEEN.keys() & GOOD.keys()))
def test_every_counter_of_an_engine_is_compared(name):
    [message] = problems(**{name: GOOD[name] + 1})
    assert message == f"{name} says {GOOD[name] + 1}, but the bench saw {GOOD[name]}"


def test_counts_of_engines_come_in_one_word():
    word = sum(count << 32 * n for n, count in enumerate(SEEN.values()))
    assert engine_counts(word) == SEEN
    assert len(SEEN.keys() & GOOD.keys()) == 44


def test_errors_are_told_in_words():
    """Counters of a run that ended early are not looked at."""
    status = {
        "error": 1,
        "error_code": READ_RESPONSE,
        "error_engine": ENGINES.index("load_weights"),
        "error_descriptor": 3,
    }
    message = f"the accelerator reports: load_weights, descriptor 3: {explain(READ_RESPONSE)}"
    assert problems(status=status, READ_BEATS=3) == [message]
    status |= {"error_code": BAD_CHECKSUM, "error_engine": FETCH}
    message = f"the accelerator reports: fetch, packet 3: {explain(BAD_CHECKSUM)}"
    assert problems(status=status) == [message]
    status = {"error": 1, "error_code": READ_RESPONSE, "error_engine": NO_ENGINE}
    assert problems(status=status) == [f"the accelerator reports: {explain(READ_RESPONSE)}"]
    assert problems(status={"overflow": 1}) == ["a total, or one with its bias, overflowed"]
