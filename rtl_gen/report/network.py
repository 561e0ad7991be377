"""Runs a network layer by layer in RTL, each layer on what the hardware gave before."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..api import LoadedDesign
from ..mapping.cost import estimate
from ..mapping.mapper import choose_mapping
from ..mapping.mapping import Mapping
from ..mapping.placing import OWN_INPUT, Placing
from ..nn.golden_run import run_graph
from ..nn.graph import Graph
from ..nn.to_program import OperationNode, to_operation
from ..operands import Operands, operation_for
from ..sim.layers import check_layers
from ..sim.run import Simulation
from ..sim.verilator import Build
from .layer_result import LayerResult

__all__ = ["MappedNetwork", "NodeResult", "map_network", "run_layer", "run_network"]


@dataclass(frozen=True, eq=False)
class NodeResult:
    """A layer of a network that ran.

    Parameters
    ----------
    result
        Compared with the golden model on the input that it really had.
    golden
        The network's tensor in numpy.
    wrong
        Outputs that differ from it.
    """

    result: LayerResult
    golden: np.ndarray
    wrong: int

    @property
    def exact(self) -> bool:
        return self.result.exact and not self.wrong

    @property
    def verdict(self) -> str:
        """``bit-exact``, or what is wrong, in a line."""
        if self.result.exact and self.wrong:
            return f"right for its input, but {self.wrong} outputs are not the network's"
        return self.result.verdict


@dataclass(frozen=True, eq=False)
class MappedNetwork:
    """A network whose layers are mapped on a design."""

    design: LoadedDesign
    graph: Graph
    nodes: tuple[OperationNode, ...]
    mappings: tuple[Mapping, ...]

    @property
    def cycles(self) -> int:
        """Estimated, of all layers."""
        return sum(estimate(mapping).cycles for mapping in self.mappings)


def map_network(design: LoadedDesign, graph: Graph) -> MappedNetwork:
    """Map every layer, each as that of the design's operations which takes fewest cycles.

    Raises
    ------
    ModelError, MappingError
        If the design does not run one of them.
    """
    machine = design.machine
    nodes = tuple(to_operation(node, operation_for(machine, node.layer)) for node in graph.nodes)
    own = {port.tensor for port in graph.inputs}  # what no layer of the network lays out
    mappings = tuple(
        choose_mapping(machine, node.layer, OWN_INPUT if node.node.input in own else Placing())
        for node in nodes
    )
    return MappedNetwork(design, graph, nodes, mappings)


def run_network(
    network: MappedNetwork,
    build: Build,
    inputs: dict[str, np.ndarray],
    *,
    on_progress: Callable[[str, int], None] | None = None,
    on_result: Callable[[NodeResult], None] | None = None,
) -> tuple[list[NodeResult], dict[str, np.ndarray]]:
    """Run all layers; compare each output with the golden model and with the network in numpy.

    Parameters
    ----------
    inputs
        int8 activations by name, as `run_graph` takes them.
    on_progress
        Called with a layer's name and its cycles, as it runs.

    Returns
    -------
    list, dict
        A result for each layer, and every tensor as the hardware gave it.
    """
    expected = run_graph(network.graph, inputs)
    tensors, results = dict(inputs), []
    for node, mapping in zip(network.nodes, network.mappings):
        result = run_layer(node, mapping, build, tensors[node.node.input], on_progress=on_progress)
        golden = expected[node.node.output]
        # A layer that gave nothing leaves the next one numpy's tensor, so that it is tried too.
        given = golden if result.output is None else result.output.reshape(golden.shape)
        wrong = golden.size if result.output is None else int((given != golden).sum())
        tensors[node.node.output] = given
        results.append(NodeResult(result, golden, wrong))
        if on_result:
            on_result(results[-1])
    return results, tensors


def run_layer(
    node: OperationNode,
    mapping: Mapping,
    build: Build,
    x: np.ndarray,
    *,
    waves: Path | None = None,
    on_progress: Callable[[str, int], None] | None = None,
) -> LayerResult:
    """Run one layer on an input as the network has it; compare it with the golden model."""
    operands = Operands(node.layer, node.source(x), node.data, node)
    (check,) = check_layers(
        mapping.machine,
        Simulation(build, waves=waves),
        [(operands.layer, operands.source, operands.data)],
        mappings=[mapping],
        on_progress=on_progress,
    )
    return LayerResult(node.node.layer, operands, check, waves=waves)
