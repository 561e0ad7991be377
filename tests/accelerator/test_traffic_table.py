"""The table of what moves: predicted from the reuse analysis, counted in RTL, for all that ships.

The builds are those of the random layers.
"""

import numpy as np
import pytest
from designs import DATAFLOWS, small_machine
from test_random_layers import LONG_OTHERS, OTHERS, PRODUCTS

from rtl_gen.mapping.program import LayerData
from rtl_gen.sim.layers import check_layers, operand_shapes
from rtl_gen.sim.link_counters import LinkCounters
from rtl_gen.sim.programs import build_machine
from rtl_gen.sim.run import Simulation
from rtl_gen.sim.traffic import compare_traffic
from rtl_gen.spec.design import KIB
from rtl_gen.spec.layer import Layer

SHAPES = OTHERS | LONG_OTHERS
SHIPPED = sorted(path.stem for path in DATAFLOWS.glob("*.yaml"))
UNKNOWN = ("adaptive", "depthwise", "weight_and_output_stationary")  # what moves is not predicted
SHIPPED = [name for name in SHIPPED if name not in UNKNOWN]


def machine_of(name):
    if name in PRODUCTS:
        return small_machine(name, **PRODUCTS[name], buffers=1 * KIB)
    return small_machine(name, **SHAPES.get(name, {"rows": 4, "columns": 4}), buffers=2 * KIB)


def layer_of(machine, *, fits: bool) -> Layer:
    """A layer of several tiles; or one that ``fits`` the array, with channels for each PE."""
    operation, block = machine.operation, machine.block
    window = {
        d for rank in operation.activation.ranks if not rank.is_plain for d in rank.dimensions
    }
    sizes = {}
    for d in operation.dimensions:
        on_array = machine.spatial_size(d)
        if d in operation.batch:
            sizes[d] = on_array
        elif d in window:
            sizes[d] = 3 if d in operation.reduced else 4 * on_array
        else:
            sizes[d] = on_array if fits else block * on_array
    terms = [term for t in operation.tensors for rank in t.ranks for term in rank.terms]
    factors = {symbol for term in terms if term.dimension for symbol in term.symbols}
    symbols = {symbol: int(symbol in factors) for symbol in operation.symbols}
    extents = {
        rank.name: 1 + sum(sizes[d] - 1 for d in rank.dimensions)
        for rank in operation.activation.ranks
        if not rank.is_plain
    }
    name = "fits" if fits else "tiles"
    return Layer(name=name, operation=operation.name, sizes=sizes, symbols=symbols, extents=extents)


def ones(machine, layer):
    """Operands that are all 1."""
    operation, shapes = machine.operation, operand_shapes(machine.operation, layer)
    channels = [
        layer.sizes[rank.terms[0].dimension]
        for rank in operation.output.ranks
        if rank.terms[0].dimension in operation.weight.dimensions
    ]
    bias = np.zeros(channels, dtype=np.int64)
    weights = np.ones(shapes[operation.weights], dtype=np.int8)
    source = np.ones(shapes[operation.activation.name], dtype=np.int8)
    return layer, source, LayerData(weights, bias, bias + (1 << 30), bias - 4)


@pytest.mark.long
@pytest.mark.parametrize("name", SHIPPED)
def test_what_moves_is_what_was_predicted(name, tell):
    machine = machine_of(name)
    simulation = Simulation(build_machine(machine, links=True), seed=1)
    work = [ones(machine, layer_of(machine, fits=fits)) for fits in (False, True)]
    design = machine.design
    for check in check_layers(machine, simulation, work):
        assert check.exact, check.done.problems
        layer = check.mapping.layer
        tell(f"{name} on {design.rows} x {design.columns} PEs, {layer.sizes}")
        rows = compare_traffic(check.mapping, check, links=True)
        for row in rows:
            tell(f"  {row.name:42} {row.predicted:>10,} predicted {row.counted:>10,} counted")
        assert all(row.counted == row.predicted > 0 for row in rows)
    # In the layer that fits no PE idles, so that a word that is there is not 0: it is on the wire
    # in the very cycle in which it is counted. (What is shifted was there before the first load.)
    counts = LinkCounters(machine).read(check.done.result.links)
    assert all(x.nonzero == x.words for link, x in counts.items() if link.kind != "shift"), counts
