"""Legality under formats: an array is as wide as its own formats ask, and is asked no more."""

import dataclasses
from pathlib import Path

import pytest

from rtl_gen.reuse import Placement, analyse, check_links
from rtl_gen.spec.dataflow import PELoop
from rtl_gen.spec.design import Formats
from rtl_gen.spec.parse import load_design

FLOWS = Path(__file__).parents[2] / "dataflows"
SHAPE = (16, 16)


@pytest.fixture(scope="module")
def flow():
    return load_design(FLOWS / "weight_stationary.yaml").dataflow


@pytest.mark.parametrize("most", [1, 4, 15, 16, 17, None])
def test_an_array_runs_the_nest_it_was_made_for(flow, most):
    """With max_reduction 4 no layer sums more than 4 products, whatever meets in the array."""
    placement = Placement(flow, SHAPE)
    array = analyse(placement, Formats(max_reduction=most))
    assert check_links(array, placement) == []


def in_the_pe(flow, most):
    """Filter rows in the PE: 16 x ``most`` products meet before a sum leaves."""
    temporal = tuple(dimension for dimension in flow.temporal if dimension != "r")
    return Placement(dataclasses.replace(flow, temporal=temporal, pe=(PELoop("r", most),)), SHAPE)


@pytest.mark.parametrize(("most", "refused"), [(None, True), (64, True), (40, False)])
def test_sums_too_wide_for_the_array_are_refused_unless_no_layer_has_them(flow, most, refused):
    """32 products take 21 bits, 80 of them 22; 40, the most that a layer may have, 21."""
    array = analyse(in_the_pe(flow, 2), Formats(max_reduction=most))
    assert array.psum_bits == 21
    reasons = check_links(array, in_the_pe(flow, 5))
    assert ("sums of O take 22 bits, not 21" in reasons) == refused
