"""Networks of MLPerf Tiny as program files on 16 x 16 PEs: from Python and by the C driver."""

import numpy as np
import pytest
from c_driver import CDriver, build_driver
from small_networks import PROJECT

import rtl_gen
from rtl_gen.host.compile import compile_network
from rtl_gen.host.simulated import SimulatedDevice
from rtl_gen.nn.golden_run import run_graph
from rtl_gen.nn.model_file import read_model

ADAPTIVE = PROJECT / "dataflows" / "adaptive.yaml"


@pytest.mark.long
@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["ic_resnet8_int8", "kws_dscnn_int8"])
def test_a_network_from_its_file(name, shared_data, tmp_path, tell):
    design = rtl_gen.load(ADAPTIVE)
    graph = read_model(shared_data / "models" / f"{name}.tflite")
    file = compile_network(design.machine, graph).file
    (given,), (port,) = graph.inputs, graph.outputs
    rng = np.random.default_rng(8)
    with SimulatedDevice(design.build(), memory_bytes=1 << 20, seed=1) as device:
        accelerator = rtl_gen.Accelerator(design, device)
        driver = CDriver(build_driver(tmp_path, ADAPTIVE), device, device.memory)
        accelerator.load(file.to_bytes())
        x = rng.integers(-128, 128, accelerator.inputs[given.name]).astype(np.int8)
        stored = given.convert(x).reshape(graph.tensors[given.tensor].shape)
        golden = port.convert(run_graph(graph, {given.tensor: stored})[port.tensor])
        accelerator.write_input(given.name, x)
        cycles = accelerator.run()
        np.testing.assert_array_equal(accelerator.read_output(port.name), golden)
        device.memory[:] = rng.integers(0, 256, device.memory_bytes)
        driver.cached[:] = device.memory
        y = np.zeros_like(golden)
        assert driver.open() == driver.load(file.to_bytes()) == "OK"
        assert driver.write_input(given.name, x) == driver.call("run") == "OK"
        assert driver.read_output(port.name, y) == "OK"
        np.testing.assert_array_equal(y, golden)
        tell(f"{name}: {cycles} cycles from Python, {driver.cycles()} from C")
