"""The table of what moves: predicted from the reuse analysis, counted in RTL, for all that ships.

The builds are those of the random layers.
"""

import numpy as np
import pytest
from designs import DATAFLOWS, small_machine
from test_random_layers import LONG_OTHERS, OTHERS, PRODUCTS

from rtl_gen.mapping.mapper import choose_mapping
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


def machine_of(name):
    if name in PRODUCTS:
        return small_machine(name, **PRODUCTS[name], buffers=1 * KIB)
    return small_machine(name, **SHAPES.get(name, {"rows": 4, "columns": 4}), buffers=2 * KIB)


def whole_layer(machine) -> Layer:
    """A layer whose sizes the array divides and whose channels fill words: nothing is idle."""
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
            sizes[d] = 2 if d in operation.reduced else 2 * on_array
        else:
            sizes[d] = block * on_array
    terms = [term for t in operation.tensors for rank in t.ranks for term in rank.terms]
    factors = {symbol for term in terms if term.dimension for symbol in term.symbols}
    symbols = {symbol: int(symbol in factors) for symbol in operation.symbols}
    extents = {
        rank.name: 1 + sum(sizes[d] - 1 for d in rank.dimensions)
        for rank in operation.activation.ranks
        if not rank.is_plain
    }
    return Layer(
        name="whole", operation=operation.name, sizes=sizes, symbols=symbols, extents=extents
    )


@pytest.mark.long
@pytest.mark.parametrize("name", SHIPPED)
def test_what_moves_is_what_was_predicted(name, tell):
    machine = machine_of(name)
    layer = whole_layer(machine)
    operation, shapes = machine.operation, operand_shapes(machine.operation, layer)
    source = np.ones(shapes[operation.activation.name], dtype=np.int8)
    weights = np.ones(shapes[operation.weights], dtype=np.int8)
    channels = [
        layer.sizes[rank.terms[0].dimension]
        for rank in operation.output.ranks
        if rank.terms[0].dimension in operation.weight.dimensions
    ]
    bias = np.zeros(channels, dtype=np.int64)
    data = LayerData(weights, bias, bias + (1 << 30), bias - 4)
    mapping = choose_mapping(machine, layer)
    build = build_machine(machine, links=True)
    [check] = check_layers(machine, Simulation(build, seed=1), [(layer, source, data)])
    assert check.exact, check.done.problems
    design = machine.design
    tell(f"{name} on {design.rows} x {design.columns} PEs, {layer.sizes}")
    rows = compare_traffic(mapping, check, links=True)
    for row in rows:
        tell(f"  {row.name:42} {row.predicted:>10,} predicted {row.counted:>10,} counted")
    assert all(row.counted == row.predicted for row in rows)
    assert sum(row.predicted for row in rows) > 1000
    # All operands are 1, so that a word that is there is not 0: it is on the wire when it is
    # counted. Before the first tile is held, words that are shifted through the PEs are 0.
    counts = LinkCounters(machine).read(check.done.result.links)
    for link, count in counts.items():
        assert count.nonzero == count.words or link.kind == "shift", link
        assert count.nonzero > count.words / 2
