"""Programs fetched from memory: right ones, illegal ones, and a way back from the middle of one."""

import random

import pytest
from error_bench import DONE, ERROR, Case, at_rest, image_of, push, read, two_layers, write

from rtl_gen.isa import errors
from rtl_gen.isa.descriptors import ENGINES, HEADER, VERSION
from rtl_gen.isa.packets import packet, program_image
from rtl_gen.isa.registers import BY_NAME, FETCH, NO_ENGINE, engine_register
from rtl_gen.sim.job import ErrorRange
from rtl_gen.sim.script import Idle, Poll, Read, Stamp, WaitInterrupt

START, ABORT, RESET = (1 << n for n in range(3))  # of CONTROL
AT_RESET = BY_NAME["STATUS"].reset
PATIENCE = 3_000


@pytest.fixture(scope="module")
def case() -> Case:
    return two_layers()


def begin(case: Case) -> list:
    script = [write("INTERRUPT_ENABLE", DONE | ERROR), write("WATCHDOG", PATIENCE)]
    return [*script, *case.windows]


def until_it_ends() -> Poll:
    running = next(f for f in BY_NAME["STATUS"].fields if f.name == "running")
    return Poll(BY_NAME["STATUS"].offset, running.mask, 0)


def failed_run() -> list:
    return [until_it_ends(), at_rest(), *read("STATUS", "COMPLETED")]


def busy_cycles() -> list:
    """Of each engine: an engine that takes a descriptor is busy at least for a cycle."""
    return [Read(engine_register("BUSY", engine).offset) for engine in ENGINES]


def seen(result) -> dict[str, int]:
    """STATUS of a run that ended with an error; the bench found nothing else."""
    assert [one for one in result.problems if "had no response" not in one] == []
    status = BY_NAME["STATUS"].unpack(result.reads[0])
    assert (status["error"], status["running"], status["in_flight"]) == (1, 0, 0)
    return status


def check_error(status: dict[str, int], code: int, engine: int, descriptor: int, where: str = ""):
    assert errors.explain(status["error_code"]) == errors.explain(code), where
    assert (status["error_engine"], status["error_descriptor"]) == (engine, descriptor), where


@pytest.mark.parametrize("stalls", [0, 400])
def test_more_layers_than_the_queues_hold(case, stalls):
    """Packets wait for room in the queues, while the engines work through the layers before."""
    repeats = 24
    image = image_of(*(case.descriptors(n % 2) for n in range(repeats)))
    words = max(len(words) for words in case.descriptors().values())
    assert repeats * words > 2 * case.machine.design.queue_words
    script = [*begin(case), *case.point_at(image), write("CONTROL", START), Stamp()]
    script += [until_it_ends(), Stamp(), *read("STATUS", "COMPLETED")]
    stalling = {f"stall_{name}": stalls for name in ("ar", "r", "aw", "w", "b")}
    job = case.job(script, image=image, cycle_limit=600_000, **stalling)
    [result] = case.simulation.run([job])
    assert not [one for one in result.problems if "had no response" not in one]
    assert result.reads == [AT_RESET, repeats]
    assert case.right(result, 0) and case.right(result, 1)


def test_the_same_program_runs_again_with_a_start_alone(case):
    image = image_of(case.descriptors(0))
    script = [*begin(case), *case.point_at(image)]
    for _ in range(3):
        script += [write("CONTROL", START), WaitInterrupt(), *read("STATUS", "COMPLETED")]
        script += [*read("READ_BEATS"), write("INTERRUPT", DONE)]
    [result] = case.simulation.run([case.job(script, image=image)])
    assert not result.problems and case.right(result, 0)
    assert result.reads[:3] == result.reads[3:6] == result.reads[6:]
    beats = result.reads[2]
    assert result.reads[:2] == [AT_RESET, 1]
    assert 3 * beats == result.counters["read_beats"]


def test_the_next_program_may_be_named_while_one_is_fetched(case):
    first, second = image_of(case.descriptors(0)), image_of(case.descriptors(1))
    place = len(first) + -len(first) % 64
    script = [*begin(case), *case.point_at(first), write("CONTROL", START)]
    script += [*case.point_at(second, place), WaitInterrupt(), *read("STATUS", "COMPLETED")]
    script += [write("INTERRUPT", DONE), write("CONTROL", START), WaitInterrupt()]
    image = first + bytes(place - len(first)) + second
    [result] = case.simulation.run([case.job([*script, *read("STATUS")], image=image)])
    assert not result.problems
    assert result.reads == [AT_RESET, 1, AT_RESET]
    assert case.right(result, 0) and case.right(result, 1)


def test_what_the_host_pushes_before_the_start_runs_first(case):
    image = image_of(case.descriptors(0))
    pushed = case.program.steps[1].descriptors(last=False)
    script = [*begin(case), *case.point_at(image), *push(pushed), write("CONTROL", START)]
    script += [WaitInterrupt(), *read("STATUS", "COMPLETED")]
    [result] = case.simulation.run([case.job(script, image=image, latency=300)])
    assert not result.problems
    assert result.reads == [AT_RESET, 2]
    assert case.right(result, 0) and case.right(result, 1)


def packets_of(case: Case) -> list[list[int]]:
    """Those of both layers, in the order in which they are fetched."""
    return [packet(words) for n in range(2) for words in case.descriptors(n).values()]


def with_header(old: list[int], **fields: int) -> list[int]:
    """A packet with another header, and the checksum that is right for that."""
    changed = HEADER.pack(HEADER.unpack(old[:1]) | fields)[0]
    return packet([changed, *old[2:]])


def illegal(case: Case, kind: str, n: int) -> tuple[bytes, int]:
    """Both layers with one thing wrong about packet n; the code of the error."""
    packets, rng = packets_of(case), random.Random(f"{kind} {n}")
    record = case.machine.records[ENGINES[n % len(ENGINES)]]
    words = packets[n]
    code = errors.BAD_CHECKSUM
    if kind == "a wrong bit":
        packets[n] = list(words)
        # Bits of the header could be another error: its own tests have them.
        packets[n][rng.randrange(1, len(words))] ^= 1 << rng.randrange(32)
    elif kind == "another engine":
        number = n % len(ENGINES)
        other = next(k for k in (0, 6, 7) if k != number)
        packets[n] = [words[0] ^ (number ^ other) << 16, *words[1:]]
        if len(words) - 2 > case.machine.records[ENGINES[other]].words:
            code = errors.DESCRIPTOR_TOO_LONG
    elif kind == "version":
        packets[n] = with_header(words, version=rng.choice([0, VERSION - 1, VERSION + 1, 255]))
        code = errors.BAD_VERSION
    elif kind == "engine":
        packets[n] = with_header(words, engine=rng.choice([len(ENGINES), 64, 255]))
        code = errors.BAD_ENGINE
    elif kind == "length":
        length = rng.choice([record.words + 1, 1 << 15])
        body = words[2:] + [rng.getrandbits(32)] * (record.words + 1 - len(words[2:]))
        packets[n] = with_header([words[0], 0, *body], words=length)
        code = errors.DESCRIPTOR_TOO_LONG
    else:
        assert kind == "truncated"
        packets[n:] = [words[: rng.randrange(1, len(words))]]
        code = errors.TRUNCATED_PROGRAM
    image = b"".join(word.to_bytes(4, "little") for words in packets for word in words)
    return image, code


KINDS = ("a wrong bit", "another engine", "version", "engine", "length", "truncated")


@pytest.mark.parametrize("kind", KINDS)
def test_an_illegal_packet_has_no_effect_but_its_error(case, kind):
    """Of each engine's first descriptor: nothing is written and that engine takes none.

    Of the second: the engine may be at the first, and the layer of the second does not run.
    """
    jobs, codes = [], []
    for n in range(2 * len(ENGINES)):
        image, code = illegal(case, kind, n)
        script = [*begin(case), *case.point_at(image), write("CONTROL", START), *failed_run()]
        jobs.append(case.job([*script, *busy_cycles()], image=image))
        codes.append(code)
    untouched = bytes([0xA5]) * case.program.steps[1].output.tensor.bytes
    for n, (result, code) in enumerate(zip(case.simulation.run(jobs), codes, strict=True)):
        where = f"packet {n}"
        check_error(seen(result), code, FETCH, n, where)
        assert result.regions["output1"].tobytes() == untouched, where
        if n < len(ENGINES):
            assert not result.counters["write_bytes"], where
            assert result.reads[1] == 0, where
            assert result.reads[2 + n] == 0, f"{where}: {ENGINES[n]} took it"
        else:
            first = result.reads[2 : 2 + n - len(ENGINES)]
            assert all(first) or not any(first[1:]), where


@pytest.mark.parametrize("fetched", [False, True])
def test_status_says_which_descriptor(case, fetched):
    """The second layer's: a base within a word; a response to its write; a header (by hand)."""
    jobs, wanted = [], []

    def add(second, error, code, engine, descriptor=1):
        image = image_of(case.descriptors(0), second) if fetched else b""
        pushed = [] if fetched else [*push(case.descriptors(0)), *push(second)]
        script = [*begin(case), *case.point_at(image)]
        script += [*pushed, write("CONTROL", START), *failed_run()]
        jobs.append(case.job(script, error, image=image, latency=200))
        wanted.append((code, ENGINES.index(engine), descriptor))

    for engine in ("load_input", "load_weights", "load_parameters", "store"):
        base = {"base": case.field(engine, "base") + 4}
        add(case.descriptors(1, **{engine: base}), None, errors.UNALIGNED, engine)
    step = case.program.steps[1]
    last = step.output_address + step.output.tensor.bytes - 16
    for at in (step.output_address, last):
        add(case.descriptors(1), ErrorRange(at, at), errors.WRITE_RESPONSE, "store")
    # The store has begun the second layer long before the first one's last response comes.
    step = case.program.steps[0]
    last = step.output_address + step.output.tensor.bytes - 16
    add(case.descriptors(1), ErrorRange(last, last), errors.WRITE_RESPONSE, "store", 0)
    for engine in [] if fetched else ENGINES:
        second = case.descriptors(1)
        words = second.pop(engine)
        second[engine] = [words[0] ^ 1 << 16]  # last: no word is taken after the error
        add(second, None, errors.BAD_ENGINE, engine)
    for one, result in zip(wanted, case.simulation.run(jobs), strict=True):
        check_error(seen(result), *one, where=str(one))


@pytest.mark.parametrize("offset", [4, 8])
def test_a_program_that_begins_within_a_word_of_the_bus_is_not_read(case, offset):
    image = image_of(case.descriptors(0))
    script = [*begin(case), *case.point_at(image, offset), write("CONTROL", START), *failed_run()]
    [result] = case.simulation.run([case.job(script, image=bytes(offset) + image)])
    check_error(seen(result), errors.UNALIGNED, FETCH, 0)
    assert not result.counters["read_bursts"]


@pytest.mark.parametrize("offset", [1 << 20, -(1 << 12), 1 << 40])
def test_a_program_outside_the_windows_is_not_read(case, offset):
    """A page below the image lies in the window but holds no program: its version is refused."""
    image = image_of(case.descriptors(0))
    script = [*begin(case), *case.point_at(image, offset), write("CONTROL", START)]
    script += [*failed_run(), *read("REFUSED")]
    [result] = case.simulation.run([case.job(script, image=image)])
    status = seen(result)
    if offset < 0:
        assert errors.explain(status["error_code"]) == errors.explain(errors.BAD_VERSION)
    else:
        check_error(status, errors.OUTSIDE_WINDOWS, FETCH, 0)
        assert result.reads[2] == 1 and not result.counters["read_bursts"]


def test_a_program_out_of_order_ends_with_the_watchdog(case):
    """One engine's descriptors before all others: they never fit, and nobody could go on."""
    layers = [case.descriptors(n % 2) for n in range(20)]
    first = [layer.pop("compute") for layer in layers]
    others = [words for layer in layers for words in layer.values()]
    image = program_image([*first, *others])
    script = [*begin(case), *case.point_at(image), write("CONTROL", START), *failed_run()]
    [result] = case.simulation.run([case.job(script, image=image)])
    check_error(seen(result), errors.WATCHDOG, NO_ENGINE, 0)
    assert not result.counters["write_bytes"]


def check_interrupted(case: Case, cycles: list[int], ends: int, **timing) -> None:
    """End a fetch so many cycles after the start; then one that is whole, and one by hand."""
    image, good = image_of(*(case.descriptors(n % 2) for n in range(6))), case.descriptors(1)
    whole = image_of(good)
    place = len(image) + -len(image) % 64
    jobs = []
    for cycle in cycles:
        script = [*begin(case), *case.point_at(image), write("CONTROL", START), Idle(cycle + 1)]
        script += [write("CONTROL", ends)]
        if ends == ABORT:
            script += [WaitInterrupt(), at_rest(), *read("STATUS"), write("CONTROL", RESET)]
        script += [Poll(BY_NAME["CONTROL"].offset, RESET, 0), write("INTERRUPT", DONE | ERROR)]
        for pushed in (False, True):
            script += case.point_at(b"") + push(good) if pushed else case.point_at(whole, place)
            script += [write("CONTROL", START), WaitInterrupt(), *read("STATUS", "COMPLETED")]
            script += [write("INTERRUPT", DONE | ERROR)]
        memory = image + bytes(place - len(image)) + whole
        jobs.append(case.job(script, image=memory, cycle_limit=200_000, **timing))
    aborted = {"error": 1, "error_code": errors.ABORTED, "error_engine": NO_ENGINE}
    before = [BY_NAME["STATUS"].pack(aborted)] if ends == ABORT else []
    for cycle, result in zip(cycles, case.simulation.run(jobs), strict=True):
        where = f"{cycle} cycles after start"
        assert not [one for one in result.problems if "had no response" not in one], where
        assert result.reads == [*before, *[AT_RESET, 1] * 2], where
        assert case.right(result, 1), where


@pytest.mark.parametrize("ends", [ABORT, RESET])
@pytest.mark.parametrize("stalls", [0, 400])
def test_abort_and_reset_in_the_middle_of_a_fetch(case, ends, stalls):
    stalling = {f"stall_{name}": stalls for name in ("ar", "r", "aw", "w", "b")}
    check_interrupted(case, list(range(0, 1300, 65)), ends, **stalling)


@pytest.mark.long
@pytest.mark.parametrize("ends", [ABORT, RESET])
def test_abort_and_reset_at_each_cycle_of_a_fetch(case, ends):
    check_interrupted(case, list(range(400)), ends)
