"""Tiles in banked memories: the words of a step lie apart, and nothing else grows."""

from dataclasses import replace
from pathlib import Path

import pytest
from mapped_layers import machine_of

from rtl_gen.mapping.input_engines import InputEngines
from rtl_gen.mapping.mapping import Mapping
from rtl_gen.mapping.output_engines import OutputEngines
from rtl_gen.mapping.placing import Placing
from rtl_gen.mapping.step_words import least_crowded
from rtl_gen.reuse.machine import Machine
from rtl_gen.spec.layer import conv2d
from rtl_gen.spec.parse import load_design

DESIGN = Path(__file__).resolve().parents[1] / "designs" / "three_rows.yaml"
KEPT = Placing(whole=True)


def three_rows(**buffers) -> Machine:
    design = load_design(DESIGN)
    return Machine(replace(design, buffers=replace(design.buffers, **buffers)))


def banks_of(source: InputEngines) -> list[int]:
    """The banks of the words of the first step, from the descriptor alone."""
    fields = source.feed()
    machine = source.mapping.machine
    (size,) = machine.input_read_sizes
    return [n * fields["index_word0"] % machine.banks for n in range(size)]


@pytest.mark.parametrize("width", range(4, 12))
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_rows_have_an_odd_pitch(width, stride, dilation):
    shape = {"k": 4, "c": 20, "h": 11, "w": width, "r": 3, "s": 1}
    layer = conv2d(**shape, stride=(stride, 1), dilation=(dilation, 1))
    source = InputEngines(Mapping(three_rows(input=16384), layer))
    apart = dilation % 2 or stride % 2 == 0  # at an even dilation and stride rows are left out
    assert len(set(banks_of(source))) == (3 if apart else 2)
    assert source.step_words.cycles == (1 if apart else 2)
    assert source.pieces("w") - width in (0, 1)
    if apart:
        assert source.pitches["h"] % 2 == 1


@pytest.mark.parametrize("width", range(4, 12))
@pytest.mark.parametrize("filter_rows", [1, 3])
def test_outputs_that_stay_suit_their_reader_whatever_made_them(width, filter_rows):
    layer = conv2d(k=20, c=4, h=8, w=width, r=filter_rows, s=1)
    kept = OutputEngines(Mapping(three_rows(), layer, placing=KEPT))
    assert kept.pitches["p"] == width + (width + 1) % 2
    gone = OutputEngines(Mapping(three_rows(), layer))
    assert gone.pitches["p"] == width


def test_outputs_of_one_shape_lie_alike():
    """So that one can be added to the other where both lie on chip."""
    machine, found = three_rows(), set()
    for filter_rows, stride, dilation in ((1, 1, 1), (3, 1, 1), (3, 2, 1), (3, 1, 2), (1, 3, 1)):
        rows = (6 - 1) * stride + (filter_rows - 1) * dilation + 1
        shape = {"k": 20, "c": 4, "h": rows, "w": 8, "r": filter_rows, "s": 1}
        layer = conv2d(**shape, stride=(stride, 1), dilation=(dilation, 1))
        kept = OutputEngines(Mapping(machine, layer, placing=KEPT))
        found.add(tuple(kept.pitches.items()))
    assert len(found) == 1


def test_an_output_that_fills_its_memory_keeps_its_rows():
    layer = conv2d(k=4, c=4, h=16, w=16, r=1, s=1)
    kept = OutputEngines(Mapping(three_rows(input=4096, output=4096), layer, placing=KEPT))
    assert kept.pitches["p"] == 16 and kept.tile_words == 256


def test_words_of_rows_that_no_tap_needs_are_not_read():
    machine = three_rows()
    layer = conv2d(k=4, c=4, h=8, w=8, r=1, s=1, stride=(2, 2), pad=(1, 0, 1, 0))
    fields = InputEngines(Mapping(machine, layer)).feed()
    row = machine.checked_ranks.index("h")
    assert fields[f"y{row}_base"] + fields[f"y{row}_word0"] >= fields[f"y{row}_limit"]


def test_of_two_blocks_a_step_the_words_lie_in_two_banks():
    machine = machine_of("weight_stationary", 32, 4)
    assert (machine.input_reads, machine.banks) == (2, 2)
    for width in (6, 7):
        layer = conv2d(k=4, c=64, h=6, w=width, r=3, s=3)
        assert InputEngines(Mapping(machine, layer)).step_words.cycles == 1
        kept = OutputEngines(Mapping(machine, layer, placing=KEPT))
        assert kept.pitches["k"] % 2 == 1


def test_designs_of_one_word_a_step_know_no_banks():
    machine = machine_of("weight_stationary", 4, 4)
    assert (machine.input_reads, machine.banks, machine.input_read_sizes) == (1, 1, ())
    layer = conv2d(k=20, c=20, h=8, w=8, r=3, s=3, pad=(1, 1, 1, 1))
    assert InputEngines(Mapping(machine, layer)).pieces("w") == 10
    assert OutputEngines(Mapping(machine, layer, placing=KEPT)).pitches["p"] == 8


def test_the_least_is_added():
    used = {"c": 2, "h": 3, "w": 4}
    found = least_crowded(lambda pitches: pitches["h"] % 4, used, 99, ["c", "w"], 4)
    assert found == {"c": 0, "w": 0}
    found = least_crowded(lambda pitches: (pitches["h"] + 2) % 4, used, 99, ["c", "w"], 4)
    assert found == {"c": 0, "w": 2}
    found = least_crowded(lambda pitches: (pitches["h"] + 2) % 4, used, 30, ["c", "w"], 4)
    assert found == {"c": 0, "w": 0}, "all that would help is too large"
