"""From a network's graph to the layers that a chained program takes."""

from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from rtl_gen.mapping.chain import ChainedLayer
from rtl_gen.mapping.cost import estimate
from rtl_gen.mapping.mapper import choose_mapping
from rtl_gen.mapping.mapping import MappingError
from rtl_gen.nn.fuse import fuse_additions
from rtl_gen.nn.graph import Graph, ModelError, Node
from rtl_gen.nn.operators import AdditionNode, PoolNode, SoftmaxNode
from rtl_gen.nn.pooling import average_pool_node
from rtl_gen.nn.to_program import OperationNode, diagonal, to_operation
from rtl_gen.reuse.machine import Machine
from rtl_gen.spec.operation import Operation

__all__ = ["LoweredNetwork", "lower"]


@dataclass(frozen=True, eq=False)
class LoweredNetwork:
    """A network as layers of a design's operations.

    Parameters
    ----------
    graph
        The network.
    nodes
        The layers that run, in their order.
    gives
        Of each layer the activation that it gives: the sum, where an addition is fused into it.
    """

    graph: Graph
    nodes: tuple[OperationNode, ...]
    gives: tuple[str, ...]

    def chain(self, inputs: dict[str, np.ndarray]) -> list[ChainedLayer]:
        """The layers for a program, with the network's inputs (n, h, w, c) or (n, features)."""
        additions = [node for node in self.graph.nodes if isinstance(node, AdditionNode)]
        sources = {}
        for node in self.nodes:
            if node.node.input in inputs:
                sources[node.node.input] = node.source(inputs[node.node.input])
        return fuse_additions(self.nodes, additions, sources)

    def name(self, number: int) -> str:
        """A layer's name, with that of the addition that is fused into it."""
        node, gives = self.nodes[number], self.gives[number]
        added = [one.name for one in self.graph.nodes if one.output == gives]
        own = node.node.name
        return own if node.node.output == gives else f"{own} + {added[0]}"

    def macs(self, number: int) -> int:
        """The network's own MACs of a layer, however it runs: a pool has none."""
        name = self.nodes[number].node.name
        node = next(node for node in self.graph.nodes if node.name == name)
        return node.layer.macs if isinstance(node, Node) else 0

    def result(self, number: int, output: np.ndarray) -> np.ndarray:
        """The output of a layer, as the graph stores the activation that it gives."""
        return (
            self.nodes[number].result(output).reshape(self.graph.tensors[self.gives[number]].shape)
        )


def lower(graph: Graph, machine: Machine) -> LoweredNetwork:
    """A network's layers as a design runs them; additions go where outputs leave.

    An average pool is a depthwise convolution with weights of 1; a depthwise convolution runs as
    one, or with diagonal weights, whichever is estimated to take fewer cycles.

    Raises
    ------
    ModelError
        With the names of all nodes that the design does not run.
    """
    nodes, problems = [], []
    for node in graph.nodes:
        if isinstance(node, AdditionNode):
            continue
        try:
            nodes.append(_lowered(graph, node, machine))
        except ModelError as error:
            problems.append(str(error))
    if problems:
        listed = "".join(f"\n  {problem}" for problem in problems)
        raise ModelError(f"{graph.name}: {machine.design.name} cannot run it because of{listed}")
    gives = [node.node.output for node in nodes]
    for node in graph.nodes:
        if isinstance(node, AdditionNode):
            lacking = [name for name in node.inputs if name not in gives]
            if lacking:
                raise ModelError(f"{node.name}: no layer gives its operand {lacking[0]}")
            # Fused into the later of the two layers whose outputs it adds.
            gives[max(gives.index(name) for name in node.inputs)] = node.output
    return LoweredNetwork(graph, tuple(nodes), tuple(gives))


def _lowered(graph: Graph, node: Node | PoolNode, machine: Machine) -> OperationNode:
    if isinstance(node, PoolNode) and node.kind == "average":
        pool = average_pool_node(
            name=node.name,
            image=node.image[:2],
            channels=node.image[2],
            kernel=node.kernel,
            stride=node.stride,
            pad=node.pad,
            act_min=node.act_min,
            act_max=node.act_max,
            input=node.input,
            output=node.output,
        )
        node = replace(
            pool, layer=replace(pool.layer, sizes=pool.layer.sizes | {"n": _batch(graph)})
        )
    if not isinstance(node, Node):
        what = "softmax" if isinstance(node, SoftmaxNode) else "a maximum pool"
        raise ModelError(f"{node.name}: no hardware for {what} yet")
    image = graph.tensors[node.input].shape[1:3]
    return _cheapest(node, machine, image if len(image) == 2 else (1, 1))


def _batch(graph: Graph) -> int:
    return graph.tensors[graph.inputs[0].tensor].shape[0]


def _cheapest(node: Node, machine: Machine, image: tuple[int, int]) -> OperationNode:
    """The layer in the one of its forms that is estimated to take the fewest cycles.

    ``image``: rows and columns of what it reads.
    """
    forms, reason = [], None
    for operation in machine.design.operations:
        try:
            forms.append(_form(node, operation, machine, image))
        except ModelError as error:
            reason = error
    if len(forms) == 1:
        return forms[0]
    costs = {}
    for form in forms:
        try:
            costs[form] = estimate(choose_mapping(machine, form.layer)).cycles
        except MappingError as error:
            reason = error
    if not costs:
        raise ModelError(str(reason))
    return min(costs, key=costs.__getitem__)


def _form(
    node: Node, operation: Operation, machine: Machine, image: tuple[int, int]
) -> OperationNode:
    """A layer as an operation runs it: where it is depthwise, a dense one has diagonal weights."""
    if operation.name != "conv2d":
        return to_operation(node, operation)
    if node.layer.operation == "matmul":
        return to_operation(node, operation, image=image)
    sizes = node.layer.sizes
    if sizes["g"] > 1 and sizes["c"] == sizes["k"] == 1:
        # Channels that do not fill words stay groups of one.
        with suppress(ModelError):
            return to_operation(diagonal(node, machine.block), operation)
    return to_operation(node, operation)
