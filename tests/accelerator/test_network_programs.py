"""Whole networks from their files, each as one program, against TFLite's own tensors."""

import time
import zlib
from dataclasses import replace

import numpy as np
import pytest
from designs import DATAFLOWS

from rtl_gen.networks import map_graph, run_network
from rtl_gen.nn.golden_run import run_graph
from rtl_gen.nn.tflite import read_tflite
from rtl_gen.report.run_model import plain_run
from rtl_gen.reuse.machine import Machine
from rtl_gen.sim.programs import build_machine
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.design import KIB
from rtl_gen.spec.parse import load_design
from tests.nn.tflite_models import File, convolution


def reference() -> Machine:
    """The reference design, with residuals, a vector unit, and images as the network has them."""
    design = load_design(DATAFLOWS / "weight_stationary.yaml")
    buffers = replace(design.buffers, image=4 * KIB)
    return Machine(replace(design, post_add=True, vector_lanes=4, buffers=buffers))


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
    check_estimates(done)
    tell(
        f"{done.network.graph.name} to {last}, one program: {done.done.cycles} cycles, MAC use "
        f"{100 * done.mac_use:.1f} %, {done.bytes_moved[0]} bytes read, "
        f"{done.bytes_moved[1]} written"
    )


def check_estimates(done) -> None:
    """The cost model is within 5 % of each layer's cycles, or 20 cycles, for a host sees a layer
    complete some cycles late; and within 3 % of the network's.
    """
    for layer in done.layers:
        off = abs(layer.estimate - layer.cycles)
        assert off <= max(20, 0.05 * layer.cycles), (layer.name, layer.estimate, layer.cycles)
    assert done.network.estimated_cycles == pytest.approx(done.done.cycles, rel=0.03)


@pytest.mark.shared_data
def test_resnet8(shared_data, tell):
    """All of it, the three additions and the softmax included."""
    last = "op15_SOFTMAX"
    done, traced = run(shared_data, "ic_resnet8", last)
    check(done, traced, last, tell)
    program = done.network.program
    assert len(done.layers) == 12 and sum(" + " in layer.name for layer in done.layers) == 3
    # Nothing leaves but the last tensor.
    assert [layer.on_chip for layer in done.layers] == [True] * 11 + [False]
    # All that crosses the port, counted there: the image as it is, and nothing between the layers.
    (image,) = program.inputs.values()
    assert len(image) == 32 * 32 * 3
    constants = sum(len(data) for step in program.steps for data in step.images.values())
    descriptors = len(program.descriptor_image())
    descriptors += -descriptors % (done.network.machine.design.bus_bits // 8)
    result = program.steps[-1].output.tensor.bytes
    assert done.bytes_moved == (constants + len(image) + descriptors, result)


@pytest.mark.shared_data
def test_dscnn(shared_data, tell):
    """Depthwise layers with diagonal weights, a pool over the whole image, a matrix product."""
    last = "op12_SOFTMAX"
    done, traced = run(shared_data, "kws_dscnn", last)
    check(done, traced, last, tell)
    assert [layer.on_chip for layer in done.layers] == [True] * 11 + [False]


@pytest.mark.long
@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["ic_resnet8", "kws_dscnn"])
def test_all_given_inputs(name, shared_data, tell):
    """The whole network as one program on each input: real, extreme and random ones. Every layer's
    output has the checksum of TFLite's, and is TFLite's where that is given; so is the last.
    """
    machine = reference()
    graph = read_tflite(shared_data / "models" / f"{name}_int8.tflite")
    (port,), (output,) = graph.inputs, graph.outputs
    with np.load(shared_data / name / f"{name}_io.npz") as file:
        given, wanted, sums = file["x"], file["y"], file["op_crc32"]
    with np.load(shared_data / name / f"{name}_trace.npz") as file:
        traced = {key: file[key] for key in file.files}
    simulation = Simulation(build_machine(machine), seed=1)
    cycles, begun = set(), time.monotonic()
    for n in range(len(given)):
        x = port.convert(given[n : n + 1]).reshape(graph.tensors[port.tensor].shape)
        done = run_network(map_graph(machine, graph, {port.tensor: x}), simulation)
        assert done.exact, f"input {n}: {done.problems or done.explain()}"
        for number, layer in enumerate(done.layers):
            last = layer.name.split(" + ")[-1]
            got = done.network.lowered.result(number, done.checked.outputs[number])
            assert zlib.crc32(got.tobytes()) == sums[n, int(last[2:4])], f"input {n}: {last}"
            if n < len(traced[last]):
                np.testing.assert_array_equal(got[0], traced[last][n], err_msg=f"input {n}: {last}")
        np.testing.assert_array_equal(done.outputs[output.name].reshape(-1), wanted[n].reshape(-1))
        cycles.add(done.done.cycles)
    assert len(given) == len(sums) >= 12
    tell(
        f"{name}: {len(given)} inputs, {len(done.layers)} layers each, in "
        f"{time.monotonic() - begun:.0f} s; {min(cycles)} to {max(cycles)} cycles"
    )


def test_outputs_that_later_layers_read_and_inputs_that_are_added(tmp_path):
    """conv(x) + x is read by a layer and given by the network: it stays on chip, and leaves."""
    file = File()
    x = file.tensor((1, 6, 6, 16), scale=0.5, zero=7, name="x")
    a = convolution(file, x, k=16, c=16, out=(1, 6, 6, 16))
    s = file.tensor((1, 6, 6, 16), scale=0.7, zero=3, name="sum")
    file.operator("ADD", [a, x], [s], "AddOptions")
    b = convolution(file, s, k=8, c=16, out=(1, 6, 6, 8))
    file.inputs, file.outputs = [x], [s, b]
    (tmp_path / "model.tflite").write_bytes(file.bytes())
    graph = read_tflite(tmp_path / "model.tflite")
    image = np.random.default_rng(1).integers(-128, 128, (1, 6, 6, 16)).astype(np.int8)
    machine = reference()
    network = map_graph(machine, graph, {"x": image})
    assert network.program.steps[1].mapping.placing.source is not None
    assert all(step.output_address is not None for step in network.program.steps)
    done = run_network(network, Simulation(build_machine(machine), seed=1))
    assert done.exact, done.problems or done.explain()
    golden = run_graph(graph, {"x": image})
    np.testing.assert_array_equal(done.outputs["sum"], golden["sum"])
    assert [layer.name for layer in done.layers] == ["op00_CONV_2D + op01_ADD", "op02_CONV_2D"]


@pytest.mark.parametrize("channels", [20, 32])
def test_a_dense_layer_meets_all_images_in_turn(tmp_path, channels):
    """Five images: behind a convolution on chip, and of the network's own input."""
    file = File()
    x = file.tensor((5, 3, 2, channels), scale=0.5, zero=7, name="x")
    a = convolution(file, x, k=channels, r=1, s=1, c=channels, out=(5, 3, 2, channels))
    ends = []
    for source in (a, x):
        numbers = {"scale": 0.5, "zero": 7} if source == x else {"scale": 0.1, "zero": -3}
        flat = file.tensor((5, 6 * channels), **numbers)
        file.operator("RESHAPE", [source], [flat])
        weight = np.random.default_rng(source).integers(-127, 128, (7, 6 * channels))
        weight = file.constant(weight.astype(np.int8), scale=0.01)
        ends.append(file.tensor((5, 7), scale=0.3, zero=2, name=f"y{source}"))
        file.operator("FULLY_CONNECTED", [flat, weight], [ends[-1]], "FullyConnectedOptions")
    file.inputs, file.outputs = [x], ends
    (tmp_path / "model.tflite").write_bytes(file.bytes())
    graph, machine = read_tflite(tmp_path / "model.tflite"), reference()
    images = np.random.default_rng(1).integers(-128, 128, (5, 3, 2, channels)).astype(np.int8)
    network = map_graph(machine, graph, {"x": images})
    dense = [step.mapping for step in network.program.steps][1:]
    assert [one.layer.sizes["q"] for one in dense] == [5, 5]
    assert [one.placing.source is not None for one in dense] == [True, False]
    done = run_network(network, Simulation(build_machine(machine), seed=1))
    assert done.exact, done.problems or done.explain()
    golden = run_graph(graph, {"x": images})
    for name in graph.outputs:
        np.testing.assert_array_equal(done.outputs[name.name], golden[name.tensor])
        assert golden[name.tensor].any()


@pytest.mark.long
@pytest.mark.shared_data
def test_a_run_that_does_not_end_has_no_figures(shared_data):
    done, _ = run(shared_data, "kws_dscnn", "op00_CONV_2D")
    result = replace(done.done.result, timed_out=True, problems=("timed out",))
    ended = replace(done, done=replace(done.done, result=result, counters={}, outputs=[]))
    assert ended.mac_use == 0 and ended.problems and not ended.exact
    assert plain_run(ended)["cycles"] is None
