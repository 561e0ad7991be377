"""The node tests that ONNX ships for its integer operators, through RTL.

Of each case all operands but the first are constants of the model. ONNX's numbers were not made
here; where the operator rescales, in floating point there, a result may be a unit away, counted.
"""

import numpy as np
import onnx
import pytest
from designs import small_machine
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

from rtl_gen.networks import map_graph, run_network
from rtl_gen.nn.golden_run import run_graph
from rtl_gen.nn.graph import ModelError
from rtl_gen.nn.onnx import read_onnx
from rtl_gen.sim.programs import build_machine
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.design import KIB

PASS = {"QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"}
"""Operators of which every case must pass."""

LOOKED_AT = PASS | {
    "Add", "AveragePool", "Clip", "Conv", "DequantizeLinear", "DynamicQuantizeLinear", "Gemm",
    "GlobalAveragePool", "GlobalMaxPool", "MatMul", "MaxPool", "QuantizeLinear", "Relu", "Softmax",
}  # fmt: skip


def plain(value) -> np.ndarray:
    """A case's operand, some of which are kept as in files."""
    is_stored = isinstance(value, onnx.TensorProto)
    return numpy_helper.to_array(value) if is_stored else np.asarray(value)


@pytest.fixture(scope="module")
def cases():
    """By name: the operator, the model with constant operands, input, output."""
    found = {}
    with np.errstate(all="ignore"):
        shipped = collect_testcases(None)
    for case in shipped:
        ops = {node.op_type for node in case.model.graph.node}
        if len(case.model.graph.node) == 1 and ops <= LOOKED_AT and case.data_sets:
            inputs, outputs = case.data_sets[0]
            arrays = [plain(each) for each in inputs]
            model = onnx.ModelProto.FromString(case.model.SerializeToString())
            _, *others = model.graph.input
            del model.graph.input[1:]
            for value, array in zip(others, arrays[1:]):
                model.graph.initializer.append(numpy_helper.from_array(array, value.name))
            found[case.name] = (ops.pop(), model, arrays[0], plain(outputs[0]))
    return found


def machine():
    """That of the tests of wide results: one build serves both."""
    return small_machine(
        "weight_stationary", 3, 5, buffers=2 * KIB, post_raw=True, post_lanes=2, post_add=True
    )


def read(model, folder):
    path = folder / "case.onnx"
    path.write_bytes(model.SerializeToString())
    return read_onnx(path, rounding="single")


def check(name, case, folder, simulation):
    """How many values are a unit away; raises ModelError where the case is refused."""
    operator, model, x, expected = case
    graph = read(model, folder)
    (port,), (output,) = graph.inputs, graph.outputs
    inputs = {port.tensor: port.convert(x).reshape(graph.tensors[port.tensor].shape)}
    network = map_graph(machine(), graph, inputs)
    run = run_network(network, simulation)
    assert run.exact, f"{name}: {run.problems} {run.explain()}"
    got = run.outputs[output.name]
    assert got.dtype == expected.dtype and got.shape == expected.shape, name
    golden = run_graph(graph, inputs)[output.tensor]
    np.testing.assert_array_equal(output.convert(golden), got)
    away = np.abs(got.astype(np.int64) - expected.astype(np.int64))
    assert away.max() <= (1 if operator.startswith("QLinear") else 0), f"{name}: {got} {expected}"
    return int(away.sum())


def run_all(cases, folder, tell, names):
    design = machine()
    simulation = Simulation(build_machine(design), seed=5)
    passed, refused = [], []
    for name in names:
        try:
            away = check(name, cases[name], folder, simulation)
            passed.append(f"passed: {name}" + (f", {away} values a unit away" if away else ""))
        except ModelError as error:
            refused.append(f"refused: {name}: {str(error).splitlines()[1].strip()}")
            assert cases[name][0] not in PASS, refused[-1]
    tell("\n".join([*passed, *refused, f"{len(passed)} passed, {len(refused)} refused"]))
    return passed


def test_a_case_of_each_kind_passes(cases, tmp_path, tell):
    names = ["test_qlinearconv", "test_qlinearmatmul_3D_uint8_float32", "test_matmulinteger",
             "test_convinteger_with_padding"]  # fmt: skip
    assert len(run_all(cases, tmp_path, tell, names)) == len(names)


@pytest.mark.long
def test_every_case_of_the_integer_operators_passes(cases, tmp_path, tell):
    names = [name for name, case in cases.items() if case[0] in PASS]
    assert len(names) >= 8
    assert len(run_all(cases, tmp_path, tell, names)) == len(names)


@pytest.mark.long
def test_other_cases_pass_or_are_refused_with_reasons(cases, tmp_path, tell):
    names = [name for name, case in cases.items() if case[0] not in PASS]
    run_all(cases, tmp_path, tell, names)
