"""Fusing residual additions into the layers whose outputs they add."""

from collections.abc import Sequence

import numpy as np

from rtl_gen.mapping.chain import ChainedLayer
from rtl_gen.nn.graph import ModelError
from rtl_gen.nn.to_program import OperationNode
from rtl_gen.nn.traced import TracedAddition

__all__ = ["fuse_additions"]


def fuse_additions(
    nodes: Sequence[OperationNode],
    additions: Sequence[TracedAddition],
    source: np.ndarray,
) -> list[ChainedLayer]:
    """A network's layers in their order, each with the addition that takes its output.

    Of the two layers that an addition joins the later one adds, if nothing else reads its output;
    the output of the earlier is the residual.

    Parameters
    ----------
    nodes
        In the order in which they run.
    source
        What layers read whose input no other gives: the network's input, as the operation's
        activation.

    Raises
    ------
    ModelError
        If an operand of an addition is no layer's output, or something else reads it too.
    """
    made = {node.node.output: n for n, node in enumerate(nodes)}
    fused: dict[int, tuple[TracedAddition, str, bool]] = {}
    for addition in sorted(additions, key=lambda a: max(made.get(x, -1) for x in a.inputs)):
        first, second = addition.inputs
        for name in addition.inputs:
            if name not in made:
                raise ModelError(f"{addition.name}: no layer gives its operand {name}")
        swap = made[second] > made[first]
        own, residual = (second, first) if swap else (first, second)
        if any(node.node.input == own for node in nodes):
            raise ModelError(f"{addition.name}: another layer reads its operand {own} as well")
        fused[made[own]] = (addition, residual, swap)
        made[addition.output] = made[own]
    layers = []
    for n, node in enumerate(nodes):
        residual = how = None
        if n in fused:
            addition, name, swap = fused[n]
            residual, how = made[name], addition.addition.swapped if swap else addition.addition
        read = made.get(node.node.input, source)
        layers.append(ChainedLayer(node.layer, node.data, read, residual, how))
    return layers
