"""Whatever a descriptor or the memory says: nothing outside the windows, and a way back."""

import random
from collections import Counter

import pytest
from error_bench import DONE, ERROR, Case, at_rest, image_of, push, read, two_layers, write

from rtl_gen.isa import errors
from rtl_gen.isa.descriptors import ENGINES
from rtl_gen.isa.registers import BY_NAME, FETCH, PAGE_BITS
from rtl_gen.sim.job import SLVERR, ErrorRange
from rtl_gen.sim.script import Idle, Poll, WaitInterrupt

START, RESET = 1, 4  # of CONTROL
PATIENCE = 2_000
PAGE = 1 << PAGE_BITS
LONG_ENOUGH = 30_000  # cycles; a nest whose bounds are wrong may go on for ever, and be reset


@pytest.fixture(scope="module")
def case() -> Case:
    return two_layers()


def corrupted(case: Case, rng: random.Random):
    """A layer with one field of one engine changed: any value that has its bits."""
    engine = rng.choice(case.machine.engines)
    field = rng.choice(case.machine.records[engine].fields)
    low = -(1 << (field.bits - 1)) if field.signed else 0
    old = case.field(engine, field.name)
    value = rng.choice([old ^ (1 << rng.randrange(field.bits)), low + rng.getrandbits(field.bits)])
    if field.signed:  # a flipped bit may be the sign's
        value = (value - low) % (1 << field.bits) + low
    return f"{engine}.{field.name} {old} -> {value}", case.descriptors(
        **{engine: {field.name: value}}
    )


def wrong_tile(case: Case, rng: random.Random):
    """A layer whose load engine counts other tiles than the feeders retire."""
    engine = rng.choice(("load_input", "load_weights"))
    right = case.field(engine, "tile_words")
    record = case.machine.records[engine]
    (field,) = (field for field in record.fields if field.name == "tile_words")
    value = rng.choice([0, 1, right - 1, right + 1, 2 * right, rng.getrandbits(field.bits)])
    return f"{engine}.tile_words {right} -> {value}", case.descriptors(
        **{engine: {"tile_words": value}}
    )


def check_corrupted(case: Case, seeds, fetched: bool = False, corrupted=corrupted) -> Counter:
    """Run broken layers, reset, and run a right one behind each; returns how they ended.

    With ``fetched`` descriptors lie in memory, their checksums and versions right. The right ones
    are pushed then, and fetched behind those that are pushed.
    """
    pages = [
        (step.output_address // PAGE, (step.output_address + step.output.tensor.bytes - 1) // PAGE)
        for step in case.program.steps
    ]
    first, last = min(a for a, _ in pages), max(b for _, b in pages)
    names, jobs, ends = [], [], Counter()
    for seed in seeds:
        name, words = corrupted(case, random.Random(seed))
        names.append(f"seed {seed}: {name}")
        script = [write("INTERRUPT_ENABLE", DONE | ERROR), write("WATCHDOG", PATIENCE)]
        image = image_of(words if fetched else case.descriptors(1))
        script += [*case.windows, *(case.point_at(image) if fetched else push(words))]
        script += [write("CONTROL", START), Idle(LONG_ENOUGH)]
        script += [*read("STATUS"), write("CONTROL", RESET)]
        script += [Poll(BY_NAME["CONTROL"].offset, RESET, 0), write("INTERRUPT", DONE | ERROR)]
        if fetched:
            script += [*case.point_at(b""), *push(case.descriptors(1))]
        else:
            script += case.point_at(image)
        script += [write("CONTROL", START), WaitInterrupt(), *read("STATUS")]
        job = case.job(script, cycle_limit=400_000, image=image)
        job.windows[:] = [(first * PAGE, (last - first + 1) * PAGE)]
        jobs.append(job)
    for name, result in zip(names, case.simulation.run(jobs), strict=True):
        assert [one for one in result.problems if "had no response" not in one] == [], name
        assert result.reads[1] == BY_NAME["STATUS"].reset, name
        assert case.right(result, 1), name
        status = BY_NAME["STATUS"].unpack(result.reads[0])
        end = "goes on" if status["running"] else errors.explain(status["error_code"])
        ends[end] += 1
    return ends


@pytest.mark.parametrize("fetched", [False, True])
def test_some_corrupted_descriptors(case, fetched):
    check_corrupted(case, range(15), fetched)


@pytest.mark.long
def test_wrong_tiles_of_a_double_buffer_and_a_scratchpad():
    case = two_layers(input_idiom="double_buffer", weights_idiom="scratchpad")
    ends = check_corrupted(case, range(12), corrupted=wrong_tile)
    assert any("progress" in end for end in ends), "some wait for ever, but for the watchdog"


@pytest.mark.long
@pytest.mark.parametrize("fetched", [False, True])
def test_two_hundred_corrupted_descriptors(case, fetched, tell):
    ends = check_corrupted(case, range(100, 300), fetched)
    for end, count in ends.most_common():
        tell(f"{count:4} corrupted descriptors: {end}")
    assert len(ends) >= 4


def check_beats(case: Case, beats: list[tuple[int, str]]) -> None:
    """An error response at each of some beats ends in the status of its engine.

    The layer is fetched, so that beats of the fetch are among them.
    """
    jobs, image = [], image_of(case.descriptors(0))
    for address, _ in beats:
        script = [write("INTERRUPT_ENABLE", DONE | ERROR), write("WATCHDOG", PATIENCE)]
        script += [*case.windows, *case.point_at(image), write("CONTROL", START)]
        script += [WaitInterrupt(), at_rest(), *read("STATUS", "INTERRUPT")]
        size = case.machine.design.bus_bits // 8
        error = ErrorRange(address, address + size - 1, SLVERR)
        jobs.append(case.job(script, error, image=image))
    for (address, engine), result in zip(beats, case.simulation.run(jobs), strict=True):
        where = f"{engine} at {address:#x}"
        assert [one for one in result.problems if "had no response" not in one] == [], where
        status = BY_NAME["STATUS"].unpack(result.reads[0])
        code = errors.WRITE_RESPONSE if engine == "store" else errors.READ_RESPONSE
        assert errors.explain(status["error_code"]) == errors.explain(code), where
        number = FETCH if engine == "fetch" else ENGINES.index(engine)
        assert status["error_engine"] == number, where
        assert result.reads[1] == ERROR, where


def beats_of(case: Case) -> list[tuple[int, str]]:
    """The address of every beat of the first layer, and the engine, or fetch, that moves it."""
    size, step = case.machine.design.bus_bits // 8, case.program.steps[0]
    found = []
    images = case.program.images()
    for engine in ("load_input", "load_weights", "load_parameters", "load_residual"):
        base = case.field(engine, "base")
        found += [(at, engine) for at in range(base, base + len(images[base]), size)]
    base = case.image_address
    length = len(image_of(case.descriptors(0)))
    found += [(at, "fetch") for at in range(base, base + length, size)]
    base = step.output_address
    return found + [(at, "store") for at in range(base, base + step.output.tensor.bytes, size)]


def test_an_error_at_some_beats_ends_in_the_right_status(case):
    check_beats(case, beats_of(case)[::23])


@pytest.mark.long
def test_an_error_at_every_beat_ends_in_the_right_status(case):
    check_beats(case, beats_of(case))
