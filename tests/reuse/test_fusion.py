"""Several dataflows brought together: one skew, roles of operands, places on the array."""

import dataclasses

import pytest

from rtl_gen.reuse import Placement, fuse
from rtl_gen.spec.dataflow import Dataflow, SpatialLoop
from rtl_gen.spec.operation import SpecError, parse_einsum

MATMUL = parse_einsum("O[m,n] += A[m,k] * B[k,n]", name="matmul")
WINDOW = parse_einsum("O[q,c] += I[w=q+s,c] * W[s,c]", name="window")
THREE = parse_einsum("O[m,n] += A[m,k] * B[k,n] * C[k]", name="three")


def flow(operation, order, rows, columns, **links):
    spatial = tuple(SpatialLoop(d, axis) for axis, d in enumerate((rows, columns)) if d)
    return Dataflow(
        name=f"{operation.name} {order}",
        operation=operation,
        temporal=tuple(order.split()),
        spatial=spatial,
        **links,
    )


CHAIN = flow(MATMUL, "n k m", "k", "n")
TAPS = flow(WINDOW, "c q", "s", "c", moving=("I",))


def test_the_skew_is_that_of_who_names_one():
    named = dataclasses.replace(CHAIN, skew=(-1, 0))
    fusion = fuse([Placement(TAPS, (3, 4)), Placement(named, (3, 4))])
    assert [mode.reuse.skew for mode in fusion.modes] == [(-1, 0), (-1, 0)]


def test_an_open_skew_suits_all():
    """Alone the chain would go down; the window moves up, against that."""
    fusion = fuse([Placement(CHAIN, (3, 4)), Placement(TAPS, (3, 4))])
    assert fuse([Placement(CHAIN, (3, 4))]).grid.skew == (1, 0)
    assert fusion.grid.skew == (-1, 0)


def test_two_skews():
    one, two = (dataclasses.replace(CHAIN, skew=skew) for skew in ((1, 0), (0, 0)))
    with pytest.raises(SpecError) as caught:
        fuse([Placement(one, (3, 4)), Placement(two, (3, 4))])
    assert str(caught.value) == (
        "links.skew: matmul n k m has a skew of rows 1, columns 0 and matmul n k m of rows 0, "
        "columns 0, but a step of either reaches a PE at one time; say here which skew all have"
    )


def test_a_skew_that_does_not_suit_one_of_them():
    named = dataclasses.replace(CHAIN, skew=(1, 0))
    with pytest.raises(SpecError, match="window c q: elements of I move from PE to PE") as caught:
        fuse([Placement(named, (3, 4)), Placement(TAPS, (3, 4))])
    assert caught.value.key == "links.skew.rows"


def test_another_number_of_operands():
    other = flow(THREE, "n k m", "k", "n")
    with pytest.raises(SpecError, match="a PE that multiplies 2 operands for"):
        fuse([Placement(CHAIN, (3, 4)), Placement(other, (3, 4))])


@pytest.mark.parametrize(("skew", "origin"), [((1, 0), (0, 0)), ((-1, 0), (3, 0))])
def test_less_than_the_array_lies_where_steps_begin(skew, origin):
    small = dataclasses.replace(CHAIN, spatial=(SpatialLoop("k", 0, 2), SpatialLoop("n", 1)))
    flows = [dataclasses.replace(each, skew=skew) for each in (CHAIN, small)]
    fusion = fuse([Placement(each, (5, 4)) for each in flows])
    assert fusion.grid.extent == (5, 4)
    assert [mode.origin for mode in fusion.modes] == [(0, 0), origin]
    assert [fusion.modes[1].uses(pe) for pe in ((0, 0), (4, 0))] == [skew[0] > 0, skew[0] < 0]
