"""Whole networks from their files, each as one program, against TFLite's own tensors."""

from dataclasses import replace

import numpy as np
import pytest
from designs import DATAFLOWS

from rtl_gen.golden.elementwise import add_factors
from rtl_gen.mapping.addition import Addition
from rtl_gen.networks import map_graph, run_network
from rtl_gen.nn.graph import Graph, ModelError, Port, Tensor
from rtl_gen.nn.lower import lower
from rtl_gen.nn.operators import AdditionNode, PoolNode, SoftmaxNode
from rtl_gen.nn.tflite import read_tflite
from rtl_gen.reuse.machine import Machine
from rtl_gen.sim.programs import build_machine
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.design import KIB
from rtl_gen.spec.parse import load_design


def reference() -> Machine:
    """The reference design, with residuals, and with images as the network has them."""
    design = load_design(DATAFLOWS / "weight_stationary.yaml")
    return Machine(replace(design, post_add=True, buffers=replace(design.buffers, image=4 * KIB)))


def run(shared_data, name: str, last: str):
    """A network up to one of its nodes, on the first of its given inputs; and TFLite's tensors."""
    machine = reference()
    graph = read_tflite(shared_data / "models" / f"{name}_int8.tflite").until(last)
    with np.load(shared_data / name / f"{name}_io.npz") as file:
        inputs = {graph.inputs[0].tensor: graph.inputs[0].convert(file["x"][:1])}
    with np.load(shared_data / name / f"{name}_trace.npz") as file:
        traced = {key: file[key][0] for key in file.files}
    network = map_graph(machine, graph, inputs)
    return run_network(network, Simulation(build_machine(machine), seed=1)), traced


def check(done, traced, last: str, tell) -> None:
    """Every tensor is TFLite's, whatever stays on chip; cycles of layers are those of the run."""
    assert done.exact, done.problems
    for n, layer in enumerate(done.layers):
        got = done.network.lowered.result(n, done.checked.outputs[n])[0]
        np.testing.assert_array_equal(got, traced[layer.name.split(" + ")[-1]], err_msg=layer.name)
    (output,) = done.outputs.values()
    np.testing.assert_array_equal(output[0], traced[last])
    assert all(layer.cycles > 0 for layer in done.layers)
    assert 0 <= done.done.cycles - sum(layer.cycles for layer in done.layers) < 20
    tell(
        f"{done.network.graph.name} to {last}, one program: {done.done.cycles} cycles, MAC use "
        f"{100 * done.mac_use:.1f} %, {done.bytes_moved[0]} bytes read, "
        f"{done.bytes_moved[1]} written"
    )


@pytest.mark.shared_data
def test_resnet8_up_to_its_pool(shared_data, tell):
    """Operators 0 to 12, the three additions included: nine convolutions and the average pool."""
    last = "op12_AVERAGE_POOL_2D"
    done, traced = run(shared_data, "ic_resnet8", last)
    check(done, traced, last, tell)
    program = done.network.program
    assert len(done.layers) == 10 and sum(" + " in layer.name for layer in done.layers) == 3
    # Nothing leaves but the last tensor.
    assert [layer.on_chip for layer in done.layers] == [True] * 9 + [False]
    # All that crosses the port, counted there: the image as it is, and nothing between the layers.
    (image,) = program.inputs.values()
    assert len(image) == 32 * 32 * 3
    constants = sum(len(data) for step in program.steps for data in step.images.values())
    descriptors = len(program.descriptor_image())
    descriptors += -descriptors % (done.network.machine.design.bus_bits // 8)
    result = program.steps[-1].output.tensor.bytes
    assert done.bytes_moved == (constants + len(image) + descriptors, result)


@pytest.mark.shared_data
def test_dscnn_up_to_its_scores(shared_data, tell):
    """Depthwise layers with diagonal weights, a pool over the whole image, a matrix product."""
    last = "op11_FULLY_CONNECTED"
    done, traced = run(shared_data, "kws_dscnn", last)
    check(done, traced, last, tell)
    assert [layer.on_chip for layer in done.layers] == [True] * 10 + [False]


def graph_of(*nodes, shapes: dict[str, tuple[int, ...]], inputs=("x",)) -> Graph:
    tensors = {
        name: Tensor(name=name, shape=shape, scale=1, zero=0) for name, shape in shapes.items()
    }
    ports = [
        Port(name=name, tensor=name, index=np.arange(int(np.prod(shapes[name][1:]))))
        for name in (*inputs, nodes[-1].output)
    ]
    return Graph(
        name="some", nodes=nodes, tensors=tensors, inputs=tuple(ports[:-1]), outputs=(ports[-1],)
    )


def test_all_nodes_that_cannot_run_are_named():
    window = {"image": (4, 4, 8), "stride": (1, 1), "pad": (0, 0, 0, 0)}
    clamp = {"act_min": -128, "act_max": 127}
    graph = graph_of(
        PoolNode(name="a", kind="max", kernel=(2, 2), input="x", output="y", **window, **clamp),
        SoftmaxNode(
            name="b", shape=(3, 3, 8), multiplier=1, left_shift=0, diff_min=0, input="y", output="z"
        ),
        shapes={"x": (1, 4, 4, 8), "y": (1, 3, 3, 8), "z": (1, 3, 3, 8)},
    )
    with pytest.raises(ModelError) as caught:
        lower(graph, reference())
    assert str(caught.value).splitlines() == [
        "some: weight_stationary cannot run it because of",
        "  a: no hardware for a maximum pool yet",
        "  b: no hardware for softmax yet",
    ]


def test_an_addition_of_inputs_cannot_be_fused():
    addition = Addition(factors=add_factors(1, 1, 1))
    graph = graph_of(
        AdditionNode(name="sum", addition=addition, inputs=("x", "w"), output="y"),
        shapes={"x": (1, 4), "w": (1, 4), "y": (1, 4)},
        inputs=("x", "w"),
    )
    with pytest.raises(ModelError, match="sum: no layer gives its operand"):
        lower(graph, reference())


def test_a_part_of_a_network_ends_with_a_node_it_has(shared_data):
    graph = read_tflite(shared_data / "models" / "kws_dscnn_int8.tflite")
    assert [port.tensor for port in graph.until("op01_DEPTHWISE_CONV_2D").outputs] == [
        graph.nodes[1].output
    ]
    with pytest.raises(ModelError, match="has no node op99, but op00_CONV_2D, "):
        graph.until("op99")
