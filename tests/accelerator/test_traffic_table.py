"""What moves: predicted from the reuse analysis and counted in RTL, for all that ships."""

import numpy as np
import pytest
from designs import DATAFLOWS

from rtl_gen.mapping.mapper import choose_mapping
from rtl_gen.mapping.placing import OWN_INPUT
from rtl_gen.mapping.program import LayerData
from rtl_gen.mapping.traffic import link_classes, traffic
from rtl_gen.report.traffic_page import sample_layer, small_machine
from rtl_gen.reuse import HeldOperand
from rtl_gen.sim.layers import check_layers, operand_shapes
from rtl_gen.sim.link_counters import LinkCounters
from rtl_gen.sim.programs import build_machine
from rtl_gen.sim.run import Simulation
from rtl_gen.sim.traffic import compare_traffic

SHIPPED = sorted(path.stem for path in DATAFLOWS.glob("*.yaml"))


def ones(machine, layer):
    """Operands that are all 1."""
    operation, shapes = machine.operation, operand_shapes(machine.operation, layer)
    channels = [layer.sizes[d] for d in operation.channels]
    bias = np.zeros(channels, dtype=np.int64)
    weights = tuple(np.ones(shapes[t.name], dtype=np.int8) for t in operation.offline)
    weights = weights if len(weights) > 1 else weights[0]
    source = np.ones(shapes[operation.activation.name], dtype=np.int8)
    return layer, source, LayerData(weights, bias, bias + (1 << 30), bias - 4)


@pytest.mark.long
@pytest.mark.parametrize("name", SHIPPED)
def test_what_moves_is_what_was_predicted(name, tell):
    """The builds are those of the page of what moves."""
    whole = small_machine(DATAFLOWS / f"{name}.yaml")
    simulation, links = Simulation(build_machine(whole, links=True), seed=1), LinkCounters(whole)
    for machine in whole.alone:
        layers = [sample_layer(machine, fits=fits) for fits in (False, True)]
        work = [ones(machine, layer) for layer in layers]
        mappings = [choose_mapping(machine, layer, OWN_INPUT) for layer in layers]
        tagged = machine.design.dataflow.tagged
        for n, check in enumerate(check_layers(whole, simulation, work, mappings=mappings)):
            assert check.exact, check.done.problems
            tell(f"{machine.design.name}, {check.mapping.layer.sizes}")
            rows = compare_traffic(check.mapping, check, links=links)
            for row in rows:
                tell(f"  {row.name:42} {row.predicted:>10,} predicted {row.counted:>10,} counted")
            assert all(row.counted == row.predicted for row in rows)
            if n == 0 or not tagged:  # the sums of chains of one row go down none
                assert all(row.predicted > 0 or row.where == "unfold_input" for row in rows)
        if tagged:
            continue  # what a request brings besides, and rows beyond the chains, may be 0
        # In the layer that fits no PE idles, so that a word that is there is not 0: it is on the
        # wire in the very cycle in which it is counted. (What is shifted was there before the first
        # load, and so was what a row hands on to the next a cycle later; words that move enter with
        # the first ticks, and leave with the last. Where a filter has a rank that is a sum, loops
        # reach beyond tensors: what lies outside is 0, and so are sums of it.)
        mode = machine.mode_fields.get("mode", 0)
        moves = machine.moving and machine.operation.activation.name
        steps = traffic(check.mapping).steps
        members, operation = link_classes(machine.reuse), machine.operation
        held = {x.name for x in machine.reuse.operands if isinstance(x, HeldOperand)}
        sums = any(not rank.is_plain for t in operation.offline for rank in t.ranks)
        for link, count in links.read(check.done.result.links, mode).items():
            if link.tensor == moves:
                assert count.nonzero >= steps * len(members[link]), link
            elif link.kind == "shift" or (link.tensor in held and link.kind == "forward"):
                assert count.nonzero > 0, link
            elif sums:
                assert 0 < count.nonzero <= count.words, link
            else:
                assert count.nonzero == count.words, link
