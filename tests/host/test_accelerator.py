"""One program file on one simulated accelerator, run from Python and by the C driver."""

from dataclasses import replace

import numpy as np
import pytest
from c_driver import CDriver, build_driver
from small_networks import DIGITS, TINY, digits, images

import rtl_gen
from rtl_gen.host.backend import DeviceError
from rtl_gen.host.compile import compile_network
from rtl_gen.host.simulated import SimulatedDevice
from rtl_gen.isa import errors
from rtl_gen.isa.descriptors import ENGINES
from rtl_gen.isa.program_format import ProgramFileError
from rtl_gen.nn.golden_run import run_graph
from rtl_gen.nn.graph import ModelError
from rtl_gen.sim.job import ErrorRange, MemoryTiming

BATCH = 2
MEMORY = 1 << 20
HIGH = 0xFEDC_BA98_7654_3000
"""An address whose high half counts."""


@pytest.fixture(scope="module")
def design():
    return rtl_gen.load(TINY)


@pytest.fixture(scope="module")
def build(design):
    return design.build()


@pytest.fixture(scope="module")
def file(design):
    return compile_network(design.machine, digits(BATCH)).file


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return build_driver(tmp_path_factory.mktemp("driver"), TINY)


def golden(x: np.ndarray) -> np.ndarray:
    graph = digits(len(x))
    (given,), (port,) = graph.inputs, graph.outputs
    return port.convert(run_graph(graph, {given.tensor: given.convert(x)})[port.tensor])


def device_with(build, *, address: int = 0x1000, seed: int = 5, **others) -> SimulatedDevice:
    """A device whose memory holds anything."""
    device = SimulatedDevice(build, memory_bytes=MEMORY, address=address, seed=seed, **others)
    device.memory[:] = np.random.default_rng(seed).integers(0, 256, device.memory_bytes)
    return device


@pytest.mark.parametrize("address, interrupt", [(0x1000, True), (HIGH, False)])
def test_python_and_c_run_the_same_file(design, build, file, library, address, interrupt):
    """The same bytes as numpy's from both, run after run; memory stalls, and held anything."""
    stalling = MemoryTiming.stalling(200)
    pause = 0 if interrupt else 500  # who polls the simulation all the time has it wait for him
    with device_with(build, address=address, timing=stalling, pause=pause) as device:
        accelerator = rtl_gen.Accelerator(design, device)
        accelerator.load(file.to_bytes())
        assert accelerator.inputs == {"image": (BATCH, 1, 8, 8)}
        assert accelerator.outputs == {"scores": (BATCH, 10)}
        driver = CDriver(library, device, device.memory, interrupt=interrupt)
        for n in range(2):
            x = images(100)[2 * n : 2 * n + 2]
            accelerator.load(file)
            accelerator.write_input("image", x)
            cycles = accelerator.run()
            np.testing.assert_array_equal(accelerator.read_output("scores"), golden(x))
            counters = accelerator.counters()
            assert counters["CYCLES_LOW"] == cycles > counters["STEPS"] > 50_000

            device.memory[:] = np.random.default_rng(n).integers(0, 256, device.memory_bytes)
            driver.cached[:] = device.memory
            x = images(100)[50 + 2 * n : 52 + 2 * n]
            assert driver.open() == driver.load(file.to_bytes()) == "OK"
            assert driver.write_input("image", x) == driver.call("run") == "OK"
            y = np.zeros((BATCH, 10), np.int8)
            assert driver.read_output("scores", y) == "OK"
            np.testing.assert_array_equal(y, golden(x))
            assert 0.9 < driver.cycles() / cycles < 1.1
        assert device.interrupts == (4 if interrupt else 2)


def bus_error(file, address: int) -> MemoryTiming:
    """A memory that answers the program's weights of the second layer with an error."""
    first = address + file.segments[2].offset
    return MemoryTiming(error=ErrorRange(first, first + 4095))


def test_a_bus_error_and_a_run_behind_it(design, build, file, library):
    """Both say what happened and where; the accelerator is reset, and the next run is right."""
    x, y = images(BATCH), np.zeros((BATCH, 10), np.int8)
    with device_with(build) as device:
        accelerator = rtl_gen.Accelerator(design, device)
        accelerator.load(file)
        accelerator.write_input("image", x)
        device.timing = bus_error(file, device.address)
        meant = f"load_weights, descriptor [01]: {errors.explain(errors.READ_RESPONSE)}"
        with pytest.raises(DeviceError, match=meant):
            accelerator.run()
        device.timing = MemoryTiming()
        accelerator.run()
        np.testing.assert_array_equal(accelerator.read_output("scores"), golden(x))

        driver = CDriver(library, device, device.memory)
        assert driver.open() == driver.load(file.to_bytes()) == "OK"
        assert driver.write_input("image", x) == "OK"
        device.timing = bus_error(file, device.address)
        assert driver.call("run") == "DEVICE_ERROR"
        error = driver.device.error
        assert (error.code, error.engine) == (errors.READ_RESPONSE, ENGINES.index("load_weights"))
        device.timing = MemoryTiming()
        assert driver.call("run") == driver.read_output("scores", y) == "OK"
        np.testing.assert_array_equal(y, golden(x))


def test_what_is_refused(design, build, file, tmp_path):
    """Each with one clear line; the device is still there for what is right."""
    with device_with(build) as device:
        accelerator = rtl_gen.Accelerator(None, device)
        with pytest.raises(DeviceError, match="no program is loaded"):
            accelerator.run()
        path = tmp_path / "net.bin"
        other = replace(file, design_hash=7)
        path.write_bytes(other.to_bytes())
        with pytest.raises(ProgramFileError, match=r"net\.bin: was made for the design 0*7, not f"):
            accelerator.load(path)
        with pytest.raises(ProgramFileError, match="the program: truncated"):
            accelerator.load(file.to_bytes()[:-1])
        with pytest.raises(ProgramFileError, match="wants 1052672 bytes of memory; there are 1044"):
            accelerator.load(replace(file, memory_bytes=MEMORY + 4096))
        accelerator.load(file)
        with pytest.raises(ModelError, match=r"must be int8 of shape \(2, 1, 8, 8\), not int8 of"):
            accelerator.write_input("image", images(3))
        with pytest.raises(ModelError, match="not float64"):
            accelerator.write_input("image", images(2) * 1.0)
        with pytest.raises(ModelError, match="there is no output image, but scores"):
            accelerator.read_output("image")
        device.cycles = 100
        with pytest.raises(DeviceError, match="timed out after 100 cycles"):
            accelerator.run()
        another = rtl_gen.load(DIGITS.parents[2] / "dataflows" / "weight_stationary.yaml")
        with pytest.raises(DeviceError, match="which is weight_stationary"):
            rtl_gen.Accelerator(another, device)
