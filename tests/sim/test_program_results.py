"""What a program's result says of the accelerator's own registers."""

from types import SimpleNamespace

import pytest

from rtl_gen.isa.descriptors import ENGINES
from rtl_gen.isa.errors import BAD_CHECKSUM, READ_RESPONSE, explain
from rtl_gen.isa.registers import BY_NAME, FETCH, NO_ENGINE
from rtl_gen.sim.programs import COUNTERS, ProgramResult

GOOD = dict.fromkeys(COUNTERS, 0) | {"READ_BEATS": 40, "WRITE_BEATS": 7, "CYCLES_LOW": 500}


def problems(*, status=None, **counters):
    """Of a run from a start written in cycles 100 to 104 to an interrupt in cycle 602."""
    seen = SimpleNamespace(
        problems=("seen by the bench",),
        timed_out=False,
        counters={"read_beats": 40, "write_beats": 7},
        stamps=[100, 104],
        interrupt_cycle=602,
    )
    counters["STATUS"] = BY_NAME["STATUS"].pack(status or {})
    first, *others = ProgramResult(None, [], GOOD | counters, seen).problems
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
        ({"CYCLES_LOW": 496}, "CYCLES says 496, but 498 to 502 passed"),
        ({"CYCLES_LOW": 503}, "CYCLES says 503, but 498 to 502 passed"),
    ],
)
def test_counters_that_do_not(counters, message):
    assert problems(**counters) == [message]


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
