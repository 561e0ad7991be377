"""An encoder block of a transformer as one program, every tensor against golden."""

import numpy as np
import pytest
from attention import ATTENTION, attention_machine
from encoder_block import encoder_block

from rtl_gen.networks import map_graph, run_network
from rtl_gen.nn.golden_run import run_graph
from rtl_gen.nn.graph import ModelError
from rtl_gen.nn.lower import lower
from rtl_gen.nn.products import ProductNode
from rtl_gen.reuse.fused_machine import machine_of
from rtl_gen.sim.programs import build_machine
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.parse import load_design


def check(machine, graph, inputs, tell) -> None:
    spreads = {name: graph.tensors[name].shape for name in inputs}
    network = map_graph(machine, graph, inputs)
    done = run_network(network, Simulation(build_machine(machine), seed=1))
    assert done.exact, done.problems or [(one.name, one.wrong) for one in done.layers]
    (output,) = done.outputs.values()
    assert output.std() > 15, "else wrong outputs hide in the clamp"
    kept = {layer.name for layer in done.layers if layer.on_chip}
    stored = {layer.name for layer in done.layers} - kept
    assert stored == {"key", "value", "last"}, "all else stays on chip"
    tell(
        f"{graph.name} of {spreads}: {done.done.cycles} cycles, MAC use {100 * done.mac_use:.1f} %"
    )
    for layer in done.layers:
        tell(f"{layer.name}: {layer.cycles} cycles, estimated {layer.estimate}")


@pytest.mark.long
def test_small_encoder_block(tell):
    machine = attention_machine(post_add=True, vector_lanes=4)
    check(machine, *encoder_block(tokens=16, width=32, heads=2, hidden=64), tell)


@pytest.mark.long
def test_encoder_block(tell):
    """64 tokens of width 128, 4 heads, on 16x16."""
    machine = machine_of(load_design(ATTENTION))
    check(machine, *encoder_block(), tell)


def test_encoder_block_that_cannot_run():
    """Without a vector unit, all nodes that need it are named; softmax of ragged heads is
    refused.
    """
    graph, _ = encoder_block(tokens=16, width=32, heads=2, hidden=64)
    with pytest.raises(ModelError) as error:
        lower(graph, attention_machine(post_add=True))
    lines = str(error.value).splitlines()
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        "weights",
        "first",
        "activated",
        "last",
    ]
    machine = attention_machine(post_add=True, vector_lanes=4)
    graph, _ = encoder_block(tokens=12, width=32, heads=2, hidden=64)
    with pytest.raises(ModelError, match="weights: rows of 12 elements lie in memory as channels"):
        lower(graph, machine)


def test_every_layer_of_the_block_gives_the_shapes_of_its_node():
    """What numpy gives goes to the operation's output and back, and inputs to its activation: with
    heads that are parts of the channels, and layers without any.
    """
    graph, inputs = encoder_block(tokens=16, width=32, heads=2, hidden=64)
    machine = attention_machine(post_add=True, vector_lanes=4)
    network, tensors = lower(graph, machine), run_graph(graph, inputs)
    assert any(isinstance(node.node, ProductNode) for node in network.nodes)
    for n, node in enumerate(network.nodes):
        right = tensors[network.gives[n]]
        output = node.as_output(right)
        assert output.shape == node.output_shape
        given = network.result(n, output)  # softmax gives a row for each head
        np.testing.assert_array_equal(given, right.reshape(given.shape))
        assert node.source(tensors[node.node.inputs[0]]).shape == node.input_shape
