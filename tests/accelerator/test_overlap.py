"""Load, compute and store work in the same cycles, also for different layers.

Counters are sums and cannot show it, so these tests look at a waveform, cycle by cycle.
"""

from dataclasses import dataclass

import numpy as np
import pytest
from designs import small_machine
from waveform import cycles

from rtl_gen.mapping.mapping import Mapping
from rtl_gen.mapping.program import Program
from rtl_gen.sim.job import MemoryTiming
from rtl_gen.sim.layers import golden_output, random_data
from rtl_gen.sim.programs import build_machine, run_programs
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.design import KIB
from rtl_gen.spec.layer import conv2d

LOAD, WEIGHTS, STEP, STORE = (
    "load_input__moved",
    "load_weights__moved",
    "compute__step",
    "store__moved",
)
ALIKE, LAST = 2, 2  # two layers of the same sizes, and the number of the one behind them


@dataclass(frozen=True)
class Activity:
    """In which cycles something moved, in order, for each of the signals."""

    at: dict[str, list[int]]

    def of_layer(self, signal: str, layer: int, events: int) -> set[int]:
        """The cycles of one of the layers that are alike, each of which has so many events."""
        return set(self.at[signal][layer * events : (layer + 1) * events])


@pytest.fixture(scope="module")
def activity(tmp_path_factory) -> Activity:
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

    waves = tmp_path_factory.mktemp("overlap") / "program.vcd"
    simulation = Simulation(build_machine(machine, waves=True), seed=1, waves=waves)
    # Two beats a cycle, so that a read and a written beat do not exclude each other; stalls, so
    # that the beats of a tile do not all come at one place of the tile before.
    timing = MemoryTiming(latency=30, bandwidth=2, stall_r=600, stall_w=800)
    [done] = run_programs(simulation, [("overlap", program)], timing=timing)
    assert not done.problems
    assert len(done.outputs) == len(expected)
    for got, right in zip(done.outputs, expected):
        np.testing.assert_array_equal(got, right)

    at: dict[str, list[int]] = {name: [] for name in (LOAD, WEIGHTS, STEP, STORE)}
    for n, now in enumerate(cycles(waves, "bench.watched.dut", "aclk", tuple(at))):
        for name in at:
            if now[name]:
                at[name].append(n)
    assert len(at[STEP]) == done.counters["STEPS"]
    assert len(at[STORE]) == done.counters["WRITE_BEATS"]
    return Activity(at)


# Of each of the layers that are alike: 48 pixels, 4 words of input each, 16 steps each, one word.
BEATS, STEPS, STORED = 48 * 4, 48 * 16, 48


def test_the_layers_did_what_they_should(activity):
    """What the other tests tell the layers apart by."""
    assert len(activity.at[LOAD]) == ALIKE * BEATS + 48
    assert len(activity.at[STEP]) == ALIKE * STEPS + 48
    assert len(activity.at[STORE]) == ALIKE * STORED + 48


def test_all_three_move_in_one_cycle(activity):
    assert set(activity.at[LOAD]) & set(activity.at[STEP]) & set(activity.at[STORE])


def test_all_three_move_in_one_cycle_for_two_layers(activity):
    """The second layer is loaded while the first is computed and stored."""
    loads = activity.of_layer(LOAD, 1, BEATS)
    computes = activity.of_layer(STEP, 0, STEPS)
    assert loads & computes & activity.of_layer(STORE, 0, STORED)


def test_a_layer_is_computed_while_the_one_before_is_stored(activity):
    assert activity.of_layer(STEP, 1, STEPS) & activity.of_layer(STORE, 0, STORED)


def test_a_layer_that_reads_another_waits_for_its_last_word(activity):
    """Its input only: its weights do not depend on the other layer and are there before."""
    stored = max(activity.of_layer(STORE, 1, STORED))
    assert min(activity.at[LOAD][LAST * BEATS :]) > stored
    assert max(activity.at[WEIGHTS]) < stored


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
