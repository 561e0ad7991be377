"""From a network's graph to the layers that a chained program takes."""

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from rtl_gen.mapping.chain import ChainedLayer, Operand
from rtl_gen.mapping.cost import estimate
from rtl_gen.mapping.mapper import choose_mapping
from rtl_gen.mapping.mapping import MappingError
from rtl_gen.mapping.sources import Words
from rtl_gen.mapping.vector_tables import MOST_TAPS
from rtl_gen.nn.channel_views import ChannelViews
from rtl_gen.nn.dense_batch import dense_batch
from rtl_gen.nn.fuse import FusedAddition, fuse_additions
from rtl_gen.nn.graph import Graph, GraphNode, ModelError, Node
from rtl_gen.nn.operators import AdditionNode, LayerNormNode, PoolNode, SoftmaxNode, TableNode
from rtl_gen.nn.phases import split
from rtl_gen.nn.pooling import average_pool_node
from rtl_gen.nn.products import JoinNode, PartNode, ProductNode
from rtl_gen.nn.to_program import OperationNode, diagonal, product_node, to_operation
from rtl_gen.nn.transposed import InterleaveNode, TransposedNode
from rtl_gen.nn.vector_layers import vector_node
from rtl_gen.reuse.machine import Machine
from rtl_gen.spec.operation import Operation

__all__ = ["LoweredNetwork", "lower"]

WITHOUT_ARRAY = {
    PoolNode: "a maximum pool",
    SoftmaxNode: "softmax",
    TableNode: "a table of a function",
    LayerNormNode: "layer normalization",
}
"""Nodes that are no layers of the array, by what messages call them."""


@dataclass(frozen=True, eq=False)
class LoweredNetwork:
    """A network as layers of a design's operations.

    Parameters
    ----------
    graph
        The network.
    nodes
        The layers that run, in their order.
    fused
        By the number of a layer, the addition that takes its output.
    views
        Activations that are channels of other ones, or pixels of several in turns.
    phases
        By the name of what it gives, each layer that is a phase of a transposed convolution: what
        the network has in its place, and every how many rows and columns of it, from which on.
    """

    graph: Graph
    nodes: tuple[OperationNode, ...]
    fused: dict[int, FusedAddition]
    views: ChannelViews
    phases: dict[str, tuple[TransposedNode, tuple[slice, slice]]]

    @cached_property
    def gives(self) -> tuple[str, ...]:
        """Of each layer the activation that it gives: the sum, where an addition is fused in."""
        return tuple(
            self.fused[n].node.output if n in self.fused else node.node.output
            for n, node in enumerate(self.nodes)
        )

    def chain(self, inputs: dict[str, np.ndarray]) -> list[ChainedLayer]:
        """The layers for a program, with the network's inputs (n, h, w, c) or (n, features)."""
        made = {name: n for n, name in enumerate(self.gives)}
        wanted = {own for port in self.graph.outputs for own in self.views.layers(port.tensor)}

        def read(name: str):
            return self.views.source(name, made) if name not in inputs else None

        layers = []
        for n, node in enumerate(self.nodes):
            name, added = node.node.input, self.fused.get(n)
            source = node.source(inputs[name]) if name in inputs else read(name)
            layer = ChainedLayer(
                node.layer,
                node.data,
                Words(source) if node.words and name not in inputs else source,
                stored=self.gives[n] in wanted,
            )
            if isinstance(node.node, ProductNode):
                other, product = node.node.inputs[1], node.node
                source = product.operand(inputs[other]) if other in inputs else read(other)
                operand = Operand(source, product.along, product.operand_zero)
                layer = replace(layer, operand=operand)
            if added:
                residual = read(added.residual)
                if added.residual in inputs:
                    residual = node.as_output(inputs[added.residual])
                layer = replace(layer, residual=residual, addition=added.addition)
            layers.append(layer)
        return layers

    def name(self, number: int) -> str:
        """A layer's name, with that of the addition that is fused into it."""
        own = self.nodes[number].node.name
        return f"{own} + {self.fused[number].node.name}" if number in self.fused else own

    def macs(self, number: int) -> int:
        """The network's own MACs of a layer, however it runs: a pool has none."""
        output = self.nodes[number].node.output  # names of nodes may repeat
        if output in self.phases:
            own = self.nodes[number].node
            return own.layer.macs if own.weight.any() else 0  # without taps it is the bias
        node = next(node for node in self.graph.nodes if node.output == output)
        return node.layer.macs if isinstance(node, Node | ProductNode) else 0

    def result(self, number: int, output: np.ndarray) -> np.ndarray:
        """The output of a layer, as the graph stores the activation that it gives."""
        result, name = self.nodes[number].result(output), self.gives[number]
        return result if name in self.phases else result.reshape(self.graph.tensors[name].shape)

    def expected(self, number: int, activations: dict[str, np.ndarray]) -> np.ndarray:
        """What a layer must give, of the network's activations as numpy computes them."""
        name = self.gives[number]
        if name not in self.phases:
            return activations[name]
        node, (rows, columns) = self.phases[name]
        return activations[node.output].reshape(-1, *node.output_shape[1:])[:, rows, columns]

    def layers_of(self, name: str) -> list[int]:
        """The layers that give an activation, one or several."""
        own = self.views.layers(name)
        return [n for n, given in enumerate(self.gives) if given in own]

    def assemble(self, name: str, outputs: dict[int, np.ndarray]) -> np.ndarray:
        """An activation as the graph stores it, from the outputs of :meth:`layers_of` by number."""
        results = {self.gives[n]: self.result(n, output) for n, output in outputs.items()}
        return self.views.assemble(name, results).reshape(self.graph.tensors[name].shape)

    @property
    def given(self) -> list:
        """The outputs of the network that several layers give, as a chained layer would read."""
        made = {name: n for n, name in enumerate(self.gives)}
        names = [port.tensor for port in self.graph.outputs if port.tensor in self.views]
        return [self.views.source(name, made) for name in names]


def lower(graph: Graph, machine: Machine) -> LoweredNetwork:
    """A network's layers as a design runs them; additions go where outputs leave.

    What is no sum of products runs on the vector unit, if there is one. Else an average pool
    without padding is a depthwise convolution with weights of 1; a depthwise convolution runs as
    one, or with diagonal weights, whichever is estimated to take fewer cycles.

    Raises
    ------
    ModelError
        With the names of all nodes that the design does not run.
    """
    inputs = {port.tensor for port in graph.inputs}
    shapes = {name: graph.tensors[name].shape[1:] for name in inputs}
    nodes, additions, problems, views, phases = [], [], [], ChannelViews(inputs), {}
    for node in graph.nodes:
        try:
            if isinstance(node, AdditionNode):
                additions.append(node)
                shapes[node.output] = _added_shape(node, shapes)
                continue
            if isinstance(node, JoinNode | PartNode):
                views.add(node, shapes)
                continue
            if isinstance(node, TransposedNode):
                views.interleave(_add_phases(graph, node, machine, shapes, nodes, phases))
                shapes[node.output] = node.output_shape[1:]
                continue
            whole = node.input not in views
            nodes.append(_lowered(graph, node, machine, shapes, node.input in inputs, whole))
            shapes[node.output] = nodes[-1].image_shape
        except ModelError as error:
            problems.append(str(error))
            shapes[node.output] = graph.tensors[node.output].shape[1:]
    given = [port.tensor for port in graph.outputs]
    wanted = {*(name for node in nodes for name in node.node.inputs), *given}
    read = {own for name in wanted for own in views.layers(name)}
    if not problems:
        made = [node.node.output for node in nodes]
        fused, problems = fuse_additions(made, additions, inputs=inputs, read=read)
        problems += [f"output {name}: no layer gives it" for name in given if name in inputs]
    if problems:
        listed = "".join(f"\n  {problem}" for problem in problems)
        raise ModelError(f"{graph.name}: {machine.design.name} cannot run it because of{listed}")
    return LoweredNetwork(graph, tuple(nodes), fused, views, phases)


def _add_phases(
    graph: Graph, node: TransposedNode, machine: Machine, shapes: dict, nodes: list, phases: dict
) -> InterleaveNode:
    """Add the layers of a transposed convolution; their outputs take turns in the result."""
    of_network = node.input in {port.tensor for port in graph.inputs}
    parts = split(node)
    names = tuple(tuple(part.output for part in row) for row in parts)
    found = [_lowered(graph, part, machine, shapes, of_network) for row in parts for part in row]
    for number, layer in enumerate(found):
        rows, columns = len(parts), len(parts[0])
        turn = slice(number // columns, None, rows), slice(number % columns, None, columns)
        phases[layer.node.output] = node, turn
    nodes += found
    return InterleaveNode(name=node.name, phases=names, output=node.output)


def _lowered(
    graph: Graph,
    node: GraphNode,
    machine: Machine,
    shapes: dict,
    of_network: bool,
    whole: bool = True,
) -> OperationNode:
    """A layer; ``shapes`` are those in which activations lie in memory, images apart; ``whole``:
    its input is the whole output of one layer, or the network's own.
    """
    shape, batch = shapes[node.input], graph.tensors[graph.inputs[0].tensor].shape[0]
    if isinstance(node, PoolNode) and node.kind == "average":
        # On the unit a tap takes a cycle; on the array a sum that comes back at once waits.
        small = node.kernel[0] * node.kernel[1] <= MOST_TAPS
        if not (machine.vectors and (small or any(node.pad))):
            node = _as_layer(node, batch)
    if isinstance(node, ProductNode):
        for name, wanted in zip(node.inputs, (node.input_shape, node.operand_shape)):
            _check_image(node.name, wanted[1:], shapes[name])
        return product_node(node, machine)
    if not isinstance(node, Node):
        if not machine.vectors:
            raise ModelError(
                f"{node.name}: {WITHOUT_ARRAY[type(node)]} needs a vector unit, which the design "
                f"has not (vector: {{lanes: 4}})"
            )
        if isinstance(node, PoolNode) and not of_network:
            _check_image(node.name, node.image, shape)
        return vector_node(node, batch, shape, machine.block)
    if node.layer.operation != "matmul" and not of_network:
        _check_image(node.name, node.input_shape[1:], shape)
    return _cheapest(node, machine, shape[:2] if len(shape) == 3 else (1, 1), whole)


def _as_layer(node: PoolNode, batch: int) -> Node:
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
    return replace(pool, layer=replace(pool.layer, sizes=pool.layer.sizes | {"n": batch}))


def _added_shape(node: AdditionNode, shapes: dict) -> tuple[int, ...]:
    """The shape in which a sum lies: that of its operands, which must be one."""
    first, second = (shapes[name] for name in node.inputs)
    _check_image(node.name, first, second)
    return max(first, second, key=len)


def _check_image(name: str, wanted: tuple[int, ...], lies: tuple[int, ...]) -> None:
    """Activations lie by blocks of channels: other rows, columns, channels are other places."""
    if [size for size in wanted if size > 1] != [size for size in lies if size > 1]:
        raise ModelError(
            f"{name}: takes images of {wanted} that lie in memory as {lies}; such a reshape would "
            f"have to move data"
        )


def _cheapest(node: Node, machine: Machine, image: tuple[int, int], whole: bool) -> OperationNode:
    """The layer in the one of its forms that is estimated to take the fewest cycles.

    ``image``: rows and columns of what it reads; ``whole``: all that one layer gives.
    """
    forms, reason = [], None
    for operation in machine.design.operations:
        try:
            forms.append(_form(node, operation, machine, image))
            if operation.name == "conv2d" and node.layer.operation == "matmul" and whole:
                forms += [form for form in [dense_batch(node, image, machine.block)] if form]
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
