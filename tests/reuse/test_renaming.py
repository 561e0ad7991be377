"""Names mean nothing: another name for every dimension and tensor changes nothing but names."""

import math
import random
from dataclasses import replace
from pathlib import Path

import pytest
from random_nests import draw_nest

from rtl_gen.flow.verilog import emit
from rtl_gen.hw.array.array import ArrayParams, PEArray
from rtl_gen.reuse import Placement, Reuse, analyse, optional_links
from rtl_gen.spec.dataflow import Dataflow
from rtl_gen.spec.operation import Operation, Rank, Tensor
from rtl_gen.spec.parse import load_design

SHIPPED = sorted((Path(__file__).parents[2] / "dataflows").glob("*.yaml"))
LONG = ("zeta", "a", "Q", "mm", "b9", "Aa", "x_1", "y", "_k", "row", "p", "q", "W", "n")


def new_names(rng, old) -> dict[str, str]:
    """Another name for each, so that their alphabetical order is another too."""
    return dict(zip(old, rng.sample(LONG, len(old))))


def renamed_operation(operation: Operation, dims, tensors, symbols) -> Operation:
    def rank(old: Rank) -> Rank:
        terms = tuple(
            replace(
                term,
                dimension=dims.get(term.dimension),
                symbols=tuple(sorted(symbols[s] for s in term.symbols)),
            )
            for term in old.terms
        )
        return Rank(dims.get(old.name, f"r_{old.name}"), terms)

    def tensor(old: Tensor) -> Tensor:
        ranks = {r.name: rank(r) for r in old.ranks}
        return Tensor(tensors[old.name], tuple(ranks.values()), ranks[old.blocked].name)

    return Operation(
        "renamed",
        tensor(operation.output),
        tuple(map(tensor, operation.operands)),
        tuple(symbols[s] for s in operation.symbols),
        tensors[operation.weights],
        tuple(dims[d] for d in operation.batch),
    )


def renamed(dataflow: Dataflow, rng):
    """The dataflow with all names changed, and the way back for dimensions and tensors."""
    operation = dataflow.operation
    dims = new_names(rng, operation.dimensions)
    tensors = {t.name: f"T{n}" for n, t in enumerate(reversed(operation.tensors))}
    symbols = {s: f"s{n}" for n, s in enumerate(reversed(operation.symbols))}
    other = replace(
        dataflow,
        name="renamed",
        operation=renamed_operation(operation, dims, tensors, symbols),
        temporal=tuple(dims[d] for d in dataflow.temporal),
        pe=tuple(replace(loop, dimension=dims[loop.dimension]) for loop in dataflow.pe),
        spatial=tuple(replace(x, dimension=dims[x.dimension]) for x in dataflow.spatial),
        shift={tensors[name]: axis for name, axis in dataflow.shift.items()},
        moving=tuple(tensors[name] for name in dataflow.moving),
        phases=tuple(tensors[name] for name in dataflow.phases),
        tagged=tuple(tensors[name] for name in dataflow.tagged),
        reach={tensors[name]: pes for name, pes in dataflow.reach.items()},
    )
    return other, {new: old for names in (dims, tensors) for old, new in names.items()}


def named_back(reuse: Reuse, back) -> tuple:
    """All of a reuse but its placement, in the old names."""

    def loops(found):
        return tuple((back[d], most) for d, most in found)

    def operand(one):
        if hasattr(one, "loops"):
            return replace(one, name=back[one.name], loops=loops(one.loops))
        return replace(one, name=back[one.name], ticks=back[one.ticks])

    output = replace(reuse.output, name=back[reuse.output.name], loops=loops(reuse.output.loops))
    return reuse.paces, tuple(map(operand, reuse.operands)), output, reuse.psum_bits


def same(dataflow) -> dict:
    """The way back of a dataflow that keeps its names."""
    operation = dataflow.operation
    return {name: name for name in (*operation.dimensions, *(t.name for t in operation.tensors))}


def cases(seeds) -> list:
    """Random nests, a seed each, and the dataflows that ship on arrays of two shapes."""
    drawn = []
    for seed in seeds:
        rng = random.Random(seed)
        drawn.append(pytest.param(*draw_nest(rng), rng, id=str(seed)))
    for file in SHIPPED:
        flow = load_design(file).dataflow
        asked = [math.prod(loop.size or 1 for loop in flow.on_axis(axis)) for axis in (0, 1)]
        for sides in ((4, 4), (3, 5)):
            shape, rng = tuple(map(max, sides, asked)), random.Random(file.stem)
            drawn.append(pytest.param(flow, shape, rng, id=f"{file.stem} {shape}"))
    return drawn


def test_the_shipped_dataflows_are_among_the_cases():
    assert len(SHIPPED) >= 6
    assert any(load_design(file).dataflow.shift for file in SHIPPED)


@pytest.mark.parametrize(("dataflow", "shape", "rng"), cases(range(400)))
def test_analysis_is_the_same(dataflow, shape, rng):
    other, back = renamed(dataflow, rng)
    placements = Placement(dataflow, shape), Placement(other, shape)
    first, second = map(analyse, placements)
    assert named_back(first, same(dataflow)) == named_back(second, back)
    for old, new in zip(dataflow.operation.tensors, other.operation.tensors):
        offers = [optional_links(p, t) for p, t in zip(placements, (old, new))]
        assert offers[0] == tuple(
            replace(link, loop=back[link.loop], phases=plain_phases(link, back))
            for link in offers[1]
        )


def plain_phases(link, back):
    return tuple(back.get(name, name.removeprefix("r_")) for name in link.phases)


WIRED = [case for case in cases(range(12)) if not case.values[0].tagged]


@pytest.mark.parametrize(("dataflow", "shape", "rng"), WIRED)
def test_verilog_is_the_same(dataflow, shape, rng):
    other, _ = renamed(dataflow, rng)
    texts = [emit(PEArray, ArrayParams(analyse(Placement(x, shape)))) for x in (dataflow, other)]
    assert texts[0] == texts[1]
    assert "module skewed_array(" in texts[0]
