"""A wrong output is explained by the steps that make it."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
from designs import small_machine
from random_layers import Limits, draw_case

from rtl_gen.mapping.cost import trips
from rtl_gen.mapping.mapping import Mapping
from rtl_gen.mapping.program import LayerData
from rtl_gen.sim.explain_mismatch import explain
from rtl_gen.sim.issued_steps import issued_steps
from rtl_gen.sim.layers import LayerCheck, golden_output, random_data
from rtl_gen.spec.layer import conv2d

DATAFLOWS = (
    "weight_stationary",
    "output_stationary",
    "input_stationary",
    "matmul_weight_stationary",
)


def wrong_at(case, at, value):
    """A check of a layer of which one output came out wrong; and what is right."""
    right = golden_output(case.mapping.machine.operation, case.layer, case.source, case.data)
    outputs = right.copy()
    outputs[at] = value if value is not None else right[at] ^ 1
    done = SimpleNamespace(problems=(), outputs=[outputs])
    return LayerCheck(case.mapping, done, 1, at), right


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_the_steps_add_up_to_the_output(dataflow):
    machine, rng = small_machine(dataflow, 4, 3), random.Random(1)
    for seed in range(8):
        case = draw_case(machine, seed, tiled=seed % 2 == 0, limits=Limits(10, 40, 100_000))
        right = golden_output(machine.operation, case.layer, case.source, case.data)
        at = tuple(rng.randrange(size) for size in right.shape)
        check, _ = wrong_at(case, at, None)
        text = explain(check, case.source, case.data, limit=6)
        assert f"1 of {right.size} outputs are wrong" in text
        assert f", not {right[at]}\n" in text
        assert f"clamp {case.layer.quantization.act_min} to" in text
        assert f": {right[at]}" in text.split("clamp ")[1]  # the steps end at the right value


def test_steps_are_numbered_in_the_order_of_issue():
    """The outputs' steps together are all steps of the layer, each number as often as it has k."""
    machine = small_machine("weight_stationary", 4, 4)
    layer = conv2d(k=6, c=7, h=5, w=5, r=2, s=2)
    mapping = Mapping(machine, layer, {"p": 3}, ("p",))
    source, data = random_data(machine.operation, layer, 1)
    numbers = set()
    for at in np.ndindex(1, 1, 4, 4, 6):
        own = [step.number for step in issued_steps(mapping, source, data, at)]
        assert own == sorted(set(own))
        numbers |= set(own)
    assert numbers == set(range(trips(mapping, mapping.levels)))


@pytest.mark.parametrize(("row", "name"), [(0, "first"), (1, "last")])
def test_a_missing_pass_is_recognised(row, name):
    """What comes out without one filter row is said to lack that row."""
    machine = small_machine("weight_stationary", 4, 4)
    layer = conv2d(k=6, c=7, h=5, w=5, r=2, s=2)
    source, data = random_data(machine.operation, layer, 1)
    right = golden_output(machine.operation, layer, source, data)
    without = data.weights.copy()
    without[:, row] = 0
    lacking = LayerData(without, data.bias, data.multiplier, data.shift)
    outputs = golden_output(machine.operation, layer, source, lacking)
    at = tuple(int(x) for x in np.argwhere(outputs != right)[0])
    done = SimpleNamespace(problems=(), outputs=[outputs])
    check = LayerCheck(Mapping(machine, layer), done, int((outputs != right).sum()), at)
    text = explain(check, source, data)
    assert f"{outputs[at]} is what comes out with the {name} trip of r missing" in text


def test_a_layer_that_is_right_or_did_not_end():
    machine = small_machine("weight_stationary", 4, 4)
    case = draw_case(machine, 3, tiled=False, limits=Limits(8, 20, 50_000))
    done = SimpleNamespace(problems=(), outputs=[])
    text = explain(LayerCheck(case.mapping, done, 0, None), case.source, case.data)
    assert "all outputs are right" in text
    done = SimpleNamespace(problems=("timed out after 9 cycles",), outputs=[])
    text = explain(LayerCheck(case.mapping, done, 9, None), case.source, case.data)
    assert "timed out after 9 cycles" in text and "levels " in text
