"""Fusing residual additions into the layers whose outputs they add."""

from collections.abc import Mapping, Sequence

import numpy as np

from rtl_gen.mapping.addition import Addition
from rtl_gen.mapping.chain import ChainedLayer
from rtl_gen.nn.graph import ModelError
from rtl_gen.nn.operators import AdditionNode
from rtl_gen.nn.to_program import OperationNode

__all__ = ["fuse_additions"]


def fuse_additions(
    nodes: Sequence[OperationNode],
    additions: Sequence[AdditionNode],
    sources: Mapping[str, np.ndarray],
) -> list[ChainedLayer]:
    """A network's layers in their order, each with the addition that takes its output.

    Of the two layers that an addition joins the later one adds, if nothing else reads its output;
    the output of the earlier is the residual.

    Parameters
    ----------
    nodes
        In the order in which they run.
    sources
        By the names of the network's inputs, the arrays, as the operation's activation.

    Raises
    ------
    ModelError
        If an operand of an addition is no layer's output, or something else reads it too; if a
        layer reads what is neither an input nor given by a layer.
    """
    made = {node.node.output: n for n, node in enumerate(nodes)}
    fused: dict[int, tuple[int, Addition]] = {}
    left = list(additions)
    while left:
        # One whose operands are there: the sum of another addition is there once that is fused.
        ready = [one for one in left if all(name in made for name in one.inputs)]
        if not ready:
            lacking = next(name for name in left[0].inputs if name not in made)
            raise ModelError(f"{left[0].name}: no layer gives its operand {lacking}")
        addition = ready[0]
        left.remove(addition)
        first, second = addition.inputs
        swap = made[second] > made[first]
        own, residual = (second, first) if swap else (first, second)
        read = [node.node.input for node in nodes]
        read += [name for other in additions if other is not addition for name in other.inputs]
        if own in read or made[own] in fused:
            raise ModelError(f"{addition.name}: something else reads its operand {own} as well")
        how = addition.addition.swapped if swap else addition.addition
        fused[made[own]] = (made[residual], how)
        made[addition.output] = made[own]
    layers = []
    for n, node in enumerate(nodes):
        name = node.node.input
        if name not in made and name not in sources:
            raise ModelError(f"{node.layer.name}: neither a layer nor an input gives {name}")
        read = made[name] if name in made else sources[name]
        layers.append(ChainedLayer(node.layer, node.data, read, *fused.get(n, (None, None))))
    return layers
