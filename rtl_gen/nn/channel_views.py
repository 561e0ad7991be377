"""Activations that are no layer's output, but channels of one or of several side by side, or the
pixels of several in turns.
"""

import numpy as np

from rtl_gen.mapping.chain import Interleaved, Joined, Part
from rtl_gen.nn.graph import ModelError
from rtl_gen.nn.products import JoinNode, PartNode
from rtl_gen.nn.transposed import InterleaveNode

__all__ = ["ChannelViews"]


class ChannelViews:
    """What joined and split activations are made of.

    Parameters
    ----------
    inputs
        Names of the network's inputs, which lie apart.
    """

    def __init__(self, inputs: set[str]):
        self._inputs = inputs
        self._nodes: dict[str, JoinNode | PartNode | InterleaveNode] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._nodes

    def interleave(self, node: InterleaveNode) -> None:
        """Note a node; its pixels fit each other."""
        self._nodes[node.output] = node

    def add(self, node: JoinNode | PartNode, shapes: dict[str, tuple[int, ...]]) -> None:
        """Note a node, and the shape in which its output lies.

        Raises
        ------
        ModelError
            If it takes an input of the network, or images that differ in more than channels.
        """
        for name in node.inputs:
            if name in self._inputs:
                raise ModelError(
                    f"{node.name}: {name} is an input of the network, and has no place beside or "
                    f"within others; a layer's output has"
                )
        first = shapes[node.inputs[0]]
        if isinstance(node, PartNode):
            channels = node.channels
            if not 0 <= node.first < node.first + channels <= first[-1]:
                raise ModelError(
                    f"{node.name}: takes channels {node.first} to {node.first + channels - 1}, of "
                    f"{first[-1]}"
                )
        else:
            for name in node.inputs:
                if shapes[name][:-1] != first[:-1]:
                    raise ModelError(
                        f"{node.name}: joins images of {shapes[name]} and {first}, which must "
                        f"differ in channels only"
                    )
            channels = sum(shapes[name][-1] for name in node.inputs)
        shapes[node.output] = (*first[:-1], channels)
        self._nodes[node.output] = node

    def layers(self, name: str) -> set[str]:
        """The activations of which one is made, itself if it is no view."""
        node = self._nodes.get(name)
        return {name} if node is None else set().union(*map(self.layers, node.inputs))

    def source(self, name: str, made: dict[str, int]):
        """What a chained layer reads."""
        node = self._nodes.get(name)
        if node is None:
            return made[name]
        if isinstance(node, PartNode):
            return Part(self.source(node.input, made), node.first, node.channels)
        if isinstance(node, InterleaveNode):
            return self._interleaved(node, made)
        return Joined(tuple(self._joined(name, made)))

    def assemble(self, name: str, outputs: dict[str, np.ndarray]) -> np.ndarray:
        """An activation (n, h, w, c), from those of the layers that give it."""
        node = self._nodes.get(name)
        if node is None:
            return outputs[name]
        return node.run(*(self.assemble(own, outputs) for own in node.inputs))

    def _interleaved(self, node: InterleaveNode, made: dict[str, int]) -> Interleaved:
        return Interleaved(tuple(tuple(made[name] for name in row) for row in node.phases))

    def _joined(self, name: str, made: dict[str, int]) -> list[int | Interleaved]:
        """Layers side by side; what is joined of joined ones lies in one place."""
        node = self._nodes.get(name)
        if node is None:
            return [made[name]]
        if isinstance(node, InterleaveNode):
            return [self._interleaved(node, made)]
        if isinstance(node, PartNode):
            raise ModelError(
                f"{node.name}: a part of another activation cannot be joined with others, for it "
                f"lies in one place only"
            )
        return [number for own in node.inputs for number in self._joined(own, made)]
