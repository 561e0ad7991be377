"""Load, compute and store work in the same cycles, also for different layers.

Counters are sums and cannot show it, so these tests look at a waveform, cycle by cycle; and they
hold the counters to it. To read a beat and write one in every cycle needs a memory of two beats a
cycle; of the memory of the marks, one beat a cycle at a latency of 100, both share a cycle only
where a queue lies between.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from designs import small_machine
from waveform import cycles

from rtl_gen.isa.counters import reasons
from rtl_gen.isa.descriptors import ENGINES
from rtl_gen.mapping.mapping import Mapping
from rtl_gen.mapping.program import Program
from rtl_gen.sim.job import MemoryTiming
from rtl_gen.sim.layers import golden_output, random_data
from rtl_gen.sim.programs import build_machine, run_programs
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.design import KIB
from rtl_gen.spec.layer import conv2d

LOAD, WEIGHTS, PARAMETERS, STEP, STORE = (
    "load_input__moved",
    "load_weights__moved",
    "load_parameters__moved",
    "compute__step",
    "store__moved",
)
COMMIT, COMPLETED, COMPUTES = "compute__commit__valid", "store__completed", "compute__moved"
FEEDS = ("feed_input", "feed_weights", "feed_parameters")
STARTS = {name: f"{name}_control__start" for name in ENGINES[:8]}
SINGLE = (LOAD, WEIGHTS, PARAMETERS, STEP, STORE, COMMIT, COMPLETED, COMPUTES, *STARTS.values())
REQUESTS = tuple(f"{name}__request__{wire}" for name in FEEDS for wire in ("valid", "ready"))
ALIKE, LAST = 2, 2  # two layers of the same sizes, and the number of the one behind them


@dataclass(frozen=True)
class Activity:
    """In which cycles something moved, in order, for each of the signals."""

    at: dict[str, list[int]]
    counters: dict[str, int]

    def of_layer(self, signal: str, layer: int, events: int) -> set[int]:
        """The cycles of one of the layers that are alike, each of which has so many events."""
        return set(self.at[signal][layer * events : (layer + 1) * events])

    def busy(self, engine: str, ends: list[int]) -> int:
        """Cycles in which an engine has work: from each start to that layer's last cycle."""
        starts = self.at[STARTS[engine]]
        assert len(starts) == len(ends)
        cycles_ = (range(start, end + 1) for start, end in zip(starts, ends))
        return len(set(itertools.chain(*cycles_)))


def record(timing: MemoryTiming, waves: Path) -> Activity:
    """Two layers that do not depend on each other, and one that reads the output of the second."""
    machine = small_machine("weight_stationary", 4, 4, buffers=2 * KIB)
    first = conv2d(name="alike", k=4, c=64, h=8, w=6, r=1, s=1)
    second = conv2d(name="reader", k=4, c=4, h=8, w=6, r=1, s=1)
    program, expected = Program(), []
    for seed in range(ALIKE):
        source, data = random_data(machine.operation, first, seed)
        step = program.add(Mapping(machine, first, {"p": 1}, ("p",)), data, source=source)
        expected.append(golden_output(machine.operation, first, source, data))
    _, data = random_data(machine.operation, second, ALIKE)
    program.add(Mapping(machine, second, {"p": 1}, ("p",)), data, source=step)
    expected.append(golden_output(machine.operation, second, expected[-1], data))

    simulation = Simulation(build_machine(machine, waves=True), seed=1, waves=waves)
    [done] = run_programs(simulation, [("overlap", program)], timing=timing)
    assert not done.problems
    assert len(done.outputs) == len(expected)
    for got, right in zip(done.outputs, expected):
        np.testing.assert_array_equal(got, right)

    at: dict[str, list[int]] = {name: [] for name in (*SINGLE, *FEEDS)}
    for n, now in enumerate(cycles(waves, "bench.watched.dut", "aclk", (*SINGLE, *REQUESTS))):
        for name in FEEDS:
            now[name] = now[f"{name}__request__valid"] & now[f"{name}__request__ready"]
        for name in at:
            if now[name]:
                at[name].append(n)
    return Activity(at, done.counters)


@pytest.fixture(scope="module")
def activity(tmp_path_factory) -> Activity:
    """With stalls, so that the beats of a tile do not all come at one place of the one before."""
    timing = MemoryTiming(latency=30, bandwidth=2, stall_r=600, stall_w=800)
    return record(timing, tmp_path_factory.mktemp("overlap") / "program.vcd")


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> Activity:
    """With the memory of the marks."""
    return record(MemoryTiming(), tmp_path_factory.mktemp("reference") / "program.vcd")


@pytest.fixture(params=["activity", "reference"])
def either(request) -> Activity:
    return request.getfixturevalue(request.param)


# Of each of the layers that are alike: 48 pixels, 4 words of input each, 16 steps each, one word;
# 16 words of weights, 9 of parameters; 8 tiles of output.
BEATS, STEPS, STORED = 48 * 4, 48 * 16, 48
WEIGHT_BEATS, PARAMETER_BEATS, TILES = 16, 9, 8


def test_the_layers_did_what_they_should(either):
    """What the other tests tell the layers apart by."""
    assert len(either.at[LOAD]) == ALIKE * BEATS + 48
    assert len(either.at[WEIGHTS]) == ALIKE * WEIGHT_BEATS + 1
    assert len(either.at[PARAMETERS]) == (ALIKE + 1) * PARAMETER_BEATS
    assert len(either.at[STEP]) == ALIKE * STEPS + 48
    assert len(either.at[STORE]) == ALIKE * STORED + 48
    assert len(either.at[COMMIT]) == (ALIKE + 1) * TILES


def test_sums_of_moves_are_those_of_the_counters(either):
    at, counters = either.at, either.counters
    assert counters["STEPS"] == len(at[STEP])
    assert counters["READ_BEATS"] == len(at[LOAD]) + len(at[WEIGHTS]) + len(at[PARAMETERS])
    assert counters["WRITE_BEATS"] == len(at[STORE])


def test_an_engine_is_busy_until_its_last_beat_word_or_response(either):
    """Also where all its bursts have been asked for, or its last burst has been given out."""
    at, counters = either.at, either.counters

    def nth(signal, *events):
        return [at[signal][end - 1] for end in itertools.accumulate(events)]

    ends = {
        "load_input": nth(LOAD, BEATS, BEATS, 48),
        "load_weights": nth(WEIGHTS, WEIGHT_BEATS, WEIGHT_BEATS, 1),
        "load_parameters": nth(PARAMETERS, *[PARAMETER_BEATS] * 3),
        "compute": nth(COMMIT, TILES, TILES, TILES),
        "store": [completed - 1 for completed in at[COMPLETED]],
    }
    found = {engine: counters[f"BUSY_{engine.upper()}"] for engine in ends}
    assert found == {engine: either.busy(engine, ends[engine]) for engine in ends}


def test_an_engine_that_is_busy_moves_or_waits_for_one_thing(either):
    """Whatever moves does so while its engine is busy."""
    moves = {"load_input": LOAD, "load_weights": WEIGHTS, "load_parameters": PARAMETERS}
    moves |= {"compute": COMPUTES, "store": STORE} | {name: name for name in FEEDS}
    for engine in STARTS:
        kinds = [f"WAIT_{reason.upper()}" for reason in reasons(engine)]
        waits = sum(either.counters[f"{kind}_{engine.upper()}"] for kind in kinds)
        busy = either.counters[f"BUSY_{engine.upper()}"]
        assert busy - waits == len(either.at[moves[engine]]), engine
        assert waits > 0, engine


def test_two_at_a_time_move_with_the_memory_of_the_marks(reference):
    """Of different layers, too."""
    assert reference.of_layer(LOAD, 1, BEATS) & reference.of_layer(STEP, 0, STEPS)
    assert reference.of_layer(STORE, 0, STORED) & reference.of_layer(STEP, 1, STEPS)


def test_all_three_move_in_one_cycle(either):
    assert set(either.at[LOAD]) & set(either.at[STEP]) & set(either.at[STORE])


def test_all_three_move_in_one_cycle_for_two_layers(activity):
    """The second layer is loaded while the first is computed and stored."""
    loads = activity.of_layer(LOAD, 1, BEATS)
    computes = activity.of_layer(STEP, 0, STEPS)
    assert loads & computes & activity.of_layer(STORE, 0, STORED)


def test_a_layer_is_computed_while_the_one_before_is_stored(activity):
    assert activity.of_layer(STEP, 1, STEPS) & activity.of_layer(STORE, 0, STORED)


def test_a_layer_that_reads_another_waits_for_its_last_word(either):
    """Its input only: its weights do not depend on the other layer and are there before."""
    stored = max(either.of_layer(STORE, 1, STORED))
    assert min(either.at[LOAD][LAST * BEATS :]) > stored
    assert max(either.at[WEIGHTS]) < stored


def test_the_waveform_is_sampled_before_the_edge(tmp_path):
    """What changes at an edge belongs to the next cycle."""
    waves = tmp_path / "small.vcd"
    waves.write_text(
        "$scope module a $end\n$scope module b $end\n"
        "$var wire 1 ! clk $end\n$var wire 1 # x $end\n$var wire 4 % y [3:0] $end\n"
        "$upscope $end\n$var wire 1 & x $end\n$upscope $end\n$enddefinitions $end\n"
        "#0\n0!\n0#\nb0000 %\n1&\n#5\n1!\n1#\nb1010 %\n#10\n0!\n#15\n1!\n0#\n"
        "#20\n0!\n#25\n1!\n#30\n"
    )
    found = list(cycles(waves, "a.b", "clk", ("x", "y")))
    assert found == [{"x": 0, "y": 0}, {"x": 1, "y": 10}, {"x": 0, "y": 10}]
    with pytest.raises(KeyError):
        next(cycles(waves, "a.b", "clk", ("z",)))
