"""Inputs and outputs of other types than int8: uint8, and int32 sums, from Python and in C."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from c_driver import CDriver, build_driver
from fake_registers import FakeRegisters
from onnx import TensorProto, helper
from small_networks import TINY
from test_program_files import sealed

import rtl_gen
from rtl_gen.api import load
from rtl_gen.host.compile import compile_network
from rtl_gen.host.layout import axes_of, gather, positions_of, scatter
from rtl_gen.host.simulated import SimulatedDevice
from rtl_gen.hw.accelerator_params import design_hash
from rtl_gen.isa.program_file import ProgramFile
from rtl_gen.isa.program_format import HEADER
from rtl_gen.mapping.chain import chain_layers
from rtl_gen.nn.golden_run import run_graph
from rtl_gen.nn.graph import Graph, ModelError
from rtl_gen.nn.onnx import read_onnx
from rtl_gen.sim.programs import build_machine
from tests.nn.onnx_models import ModelBuilder

sys.path.insert(0, str(Path(__file__).parents[1] / "accelerator"))

from onnx_node_cases import machine_for

SHAPE = (2, 7, 4, 5)
MEMORY = 1 << 20


def model() -> onnx.ModelProto:
    """uint8 to int32 sums of 23 channels, of which the first begins in mid-word, and to uint8."""
    made = ModelBuilder(*SHAPE, dtype=TensorProto.UINT8)
    weight = made.constant("w", made.rng.integers(-128, 128, (23, 7, 3, 3)).astype(np.int8))
    zero = made.constant("zero", np.uint8(131))
    made.node("ConvInteger", "sums", (weight, zero), pads=[1, 1, 1, 1])
    made.tensor = "x"
    made.zero = 3  # of int8
    made.conv("bytes", (9, 7, 1, 1), zero=lambda value: np.uint8(value + 128))
    model = made.model(4, TensorProto.UINT8)
    model.graph.output.append(
        helper.make_tensor_value_info("sums_out", TensorProto.INT32, [None] * 4)
    )
    return model


@pytest.fixture(scope="module")
def graph(tmp_path_factory) -> Graph:
    path = tmp_path_factory.mktemp("model") / "types.onnx"
    path.write_bytes(model().SerializeToString())
    return read_onnx(path)


@pytest.fixture(scope="module")
def compiled(graph):
    return compile_network(machine_for(), graph)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return build_driver(tmp_path_factory.mktemp("driver"), TINY)  # it serves every design


def drawn(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, SHAPE).astype(np.uint8)


def golden(graph: Graph, x: np.ndarray) -> dict[str, np.ndarray]:
    (port,) = graph.inputs
    stored = port.convert(x).reshape(graph.tensors[port.tensor].shape)
    tensors = run_graph(graph, {port.tensor: stored})
    return {port.name: port.convert(tensors[port.tensor]) for port in graph.outputs}


@pytest.mark.parametrize("element", ["int8", "uint8", "int32"])
def test_arrays_go_into_memory_and_come_back(element):
    """Every value of a byte, and all 32 bits; the accelerator's own is int8."""
    limits, rng = np.iinfo(element), np.random.default_rng(2)
    array = rng.integers(limits.min, limits.max + 1, (16, 16)).astype(element)
    array[0, :2] = limits.min, limits.max
    width = array.itemsize
    first, axes = axes_of(width * np.arange(256).reshape(16, 16) + 40)
    data = scatter(array, axes, 256 * width, element)
    assert first == 40
    stored = np.frombuffer(data, "<i4" if width == 4 else np.int8).reshape(16, 16)
    np.testing.assert_array_equal(stored, array.astype(int) - 128 * (element == "uint8"))
    back = gather(data, axes, (16, 16), element)
    assert back.dtype == element
    np.testing.assert_array_equal(back, array)


def test_the_file_says_types_and_how_the_program_packs(graph, compiled):
    """Inputs as the program has them in memory, outputs as it takes them from there."""
    file = ProgramFile.from_bytes(compiled.file.to_bytes())
    assert file == compiled.file
    types = {tensor.name: (tensor.element, tensor.zero) for tensor in file.tensors}
    outputs = {port.name: graph.tensors[port.tensor] for port in graph.outputs}
    assert types["x"] == ("uint8", 131) and types["sums_out"] == ("int32", 0)
    assert types["bytes_out"] == ("uint8", outputs["bytes_out"].zero + 128)
    x, (port,) = drawn(1), graph.inputs
    stored = port.convert(x).reshape(graph.tensors[port.tensor].shape)
    program = chain_layers(machine_for(), compiled.lowered.chain({port.tensor: stored}))
    for tensor in file.named("input")["x"]:
        data = scatter(x, tensor.layout, tensor.bytes, tensor.element)
        assert program.inputs[tensor.offset + program.base] == data
    rng = np.random.default_rng(3)
    for port in graph.outputs:
        number = compiled.lowered.gives.index(port.tensor)
        step, (tensor,) = program.steps[number], file.named("output")[port.name]
        memory = rng.bytes(step.output.tensor.bytes)
        right = port.convert(compiled.lowered.result(number, step.output.tensor.unpack(memory)))
        first = tensor.offset - (step.output_address - program.base)
        got = gather(memory[first:], tensor.layout, tensor.shape, tensor.element)
        assert got.dtype == right.dtype == tensor.element
        np.testing.assert_array_equal(got, right.reshape(tensor.shape))


def test_elements_must_lie_in_the_tensor(compiled):
    """A sum of which the last byte does not is refused."""
    tensor = compiled.file.named("output")["sums_out"][0]
    assert tensor.last == positions_of(tensor.layout, tensor.shape).max() + 3
    for size, fine in ((tensor.last + 1, True), (tensor.last, False)):
        file = replace(compiled.file, tensors=(replace(tensor, bytes=size),))
        if fine:
            file.check_tables()
        else:
            with pytest.raises(ValueError, match="elements of sums_out, as far as byte"):
                file.check_tables()


def test_c_puts_them_where_python_does(compiled, library):
    memory = np.random.default_rng(1).integers(0, 256, MEMORY).astype(np.uint8)
    driver = CDriver(library, FakeRegisters(TINY), memory)
    # As if it were for the design whose registers these are: nothing runs.
    file = replace(compiled.file, design_hash=design_hash(load(TINY).design))
    assert driver.open() == driver.load(file.to_bytes()) == "OK"
    x = drawn(4)
    assert driver.write_input("x", x) == "OK"
    assert driver.write_input("x", x.astype(np.int32)) == "WRONG_SIZE"
    for tensor in file.named("input")["x"]:
        data = driver.memory[tensor.offset :][: tensor.bytes].tobytes()
        np.testing.assert_array_equal(gather(data, tensor.layout, tensor.shape, "uint8"), x)
    found = {each.name.decode(): each for each in driver.tensors(1)}
    rng = np.random.default_rng(5)
    for name, (tensor,) in file.named("output").items():
        limits = np.iinfo(tensor.element)
        array = rng.integers(limits.min, limits.max + 1, tensor.shape).astype(tensor.element)
        data = scatter(array, tensor.layout, tensor.bytes, tensor.element)
        driver.memory[tensor.offset :][: tensor.bytes] = np.frombuffer(data, np.uint8)
        got = np.zeros_like(array)
        assert driver.read_output(name, got) == "OK"
        np.testing.assert_array_equal(got, array)
        assert driver.read_output(name, got.reshape(-1)[1:]) == "WRONG_SIZE"
        numbers = (found[name].element, found[name].element_bytes)
        assert numbers == {"uint8": (1, 1), "int32": (2, 4)}[tensor.element]
        assert found[name].zero == tensor.zero
    (sums,) = file.named("output")["sums_out"]
    given = replace(sums, direction="input")  # no network has such an input yet
    assert driver.load(replace(file, tensors=(given,)).to_bytes()) == "OK"
    array = rng.integers(-(1 << 31), 1 << 31, sums.shape).astype(np.int32)
    assert driver.write_input("sums_out", array) == "OK"
    data = driver.memory[sums.offset :][: sums.bytes].tobytes()
    np.testing.assert_array_equal(gather(data, sums.layout, sums.shape, "int32"), array)
    short = replace(sums, bytes=sums.last)
    assert driver.load(replace(file, tensors=(short,)).to_bytes()) == "NOT_A_PROGRAM"


def test_files_of_the_first_version_are_read(compiled, library):
    """They had int8 alone, and are else the same."""
    int8 = tuple(replace(tensor, element="int8") for tensor in compiled.file.tensors[:1])
    data = bytearray(replace(compiled.file, tensors=int8).to_bytes()[:-4])
    at = HEADER.offsets["version"]
    assert data[at : at + 4] == b"\2\0\0\0"
    data[at] = 1
    old = ProgramFile.from_bytes(sealed(bytes(data)))
    assert old.tensors == int8
    driver = CDriver(library, FakeRegisters(TINY), np.zeros(MEMORY, np.uint8))
    assert driver.open() == "OK"
    assert driver.load(sealed(bytes(data))) == "OTHER_DESIGN"  # and not NEWER_FORMAT


def test_python_and_c_run_it(graph, compiled, library):
    """In RTL: uint8 in, int32 sums and uint8 out, as numpy and the model's file have them."""
    machine = machine_for()
    with SimulatedDevice(build_machine(machine), memory_bytes=MEMORY, seed=5) as device:
        accelerator = rtl_gen.Accelerator(None, device)
        accelerator.load(compiled.file.to_bytes())
        assert accelerator.types == {"x": "uint8", "bytes_out": "uint8", "sums_out": "int32"}
        means = graph.tensors["bytes_out"]
        assert accelerator.meanings["bytes_out"] == (means.scale, means.zero + 128)
        assert accelerator.meanings["x"] == (
            1.0,
            131,
        )  # ConvInteger, which reads it first, has none
        x = drawn(6)
        with pytest.raises(ModelError, match=r"input x: must be uint8 of shape .* not int8"):
            accelerator.write_input("x", x.view(np.int8))
        accelerator.write_input("x", x)
        accelerator.run()
        right = golden(graph, x)
        for name, values in right.items():
            got = accelerator.read_output(name)
            assert got.dtype == values.dtype == accelerator.types[name]
            np.testing.assert_array_equal(got, values)
        assert right["sums_out"].std() > 1000 and right["bytes_out"].std() > 15

        device.memory[:] = np.random.default_rng(7).integers(0, 256, device.memory_bytes)
        driver, x = CDriver(library, device, device.memory), drawn(8)
        assert driver.open() == driver.load(compiled.file.to_bytes()) == "OK"
        assert driver.write_input("x", x) == driver.call("run") == "OK"
        for name, values in golden(graph, x).items():
            got = np.zeros(values.shape, values.dtype)
            assert driver.read_output(name, got) == "OK"
            np.testing.assert_array_equal(got, values)
