"""Layers on arrays with tagged buses, bit-exact: any folding, any stride, dilation and padding."""

from pathlib import Path

import pytest
from designs import run_cases
from random_layers import Limits
from tagged_layers import coverage_of_foldings, draw_tagged, tagged_machine

PROJECT = Path(__file__).resolve().parents[2]
SMALL = {"rows": 3, "columns": 5, "inputs": 13, "weights": 52}


def run_drawn(machine, count, limits, tell):
    cases = draw_tagged(machine, count, limits)
    found = coverage_of_foldings(cases)
    tell(f"{machine.design.rows}x{machine.design.columns}, {count} layers: {found}")
    run_cases(machine, cases, tell, seed=3)
    return found


def test_layers_on_a_small_array(tell):
    found = run_drawn(tagged_machine(**SMALL), 24, Limits(pixels=12, macs=200_000), tell)
    assert min(found.values()) >= 3


@pytest.mark.long
@pytest.mark.parametrize("shape", [(3, 5), (12, 14)], ids=lambda shape: f"{shape[0]}x{shape[1]}")
def test_layers_on_two_arrays(shape, tell):
    sizes = SMALL if shape == (3, 5) else {"rows": 12, "columns": 14, "inputs": 24, "weights": 256}
    limits = Limits(macs=500_000 if shape == (3, 5) else 2_000_000)
    found = run_drawn(tagged_machine(**sizes), 100, limits, tell)
    assert min(found.values()) >= 15


@pytest.mark.long
def test_alexnet_in_fewer_cycles_than_eyeriss(tell, monkeypatch):
    """Batch 4, bit-exact, from start to interrupt, memory included; the model is within 1 %."""
    monkeypatch.syspath_prepend(str(PROJECT / "benchmarks"))
    import alexnet

    for measure in alexnet.measures():
        tell(f"{measure.name}: {measure.value:.10g} {measure.unit} (mark {measure.mark})")
        assert measure.holds, measure
        if measure.name.endswith("estimate"):
            assert abs(measure.value - 1) <= 0.01, measure
