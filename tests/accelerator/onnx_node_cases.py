"""The node tests that ONNX ships for operators that matter here, and what becomes of each.

``docs/onnx.md`` has the list; ``python tests/accelerator/onnx_node_cases.py`` writes it anew.
"""

from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from designs import small_machine
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

from rtl_gen.mapping.mapping import MappingError
from rtl_gen.networks import Network, map_graph
from rtl_gen.nn.golden_run import run_graph
from rtl_gen.nn.graph import ModelError
from rtl_gen.nn.onnx import read_onnx
from rtl_gen.nn.onnx_nodes import OPERATORS
from rtl_gen.reuse.machine import Machine
from rtl_gen.spec.design import KIB

__all__ = ["PAGE", "PASS", "Case", "Refused", "collect", "machine_for", "mapped", "page"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "onnx.md"

PASS = ("QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger")
"""Operators of which every case must pass."""

LOOKED_AT = {
    *PASS, "Add", "AveragePool", "Clip", "Conv", "DequantizeLinear", "DynamicQuantizeLinear",
    "Gemm", "GlobalAveragePool", "GlobalMaxPool", "MatMul", "MaxPool", "Pad", "QuantizeLinear",
    "Relu", "Softmax",
}  # fmt: skip

VECTOR = ("Clip", "MaxPool", "Relu")
"""Operators that need a vector unit, where they are of integers."""

FOLLOWS = "unnamed, makes "
"""How what is said of a node begins; the name of its only node is no part of a case's reason."""


class Refused(Exception):
    """Why a case does not run."""


@dataclass(frozen=True, eq=False)
class Case:
    """A model of one node with its first input and output; all other operands are constants."""

    name: str
    operator: str
    model: onnx.ModelProto
    x: np.ndarray
    expected: np.ndarray


@cache
def collect() -> tuple[Case, ...]:
    """All cases of the operators, in the order in which ONNX has them."""
    found = []
    with np.errstate(all="ignore"):
        shipped = collect_testcases(None)
    for case in shipped:
        ops = {node.op_type for node in case.model.graph.node}
        if len(case.model.graph.node) == 1 and ops <= LOOKED_AT and case.data_sets:
            inputs, outputs = case.data_sets[0]
            arrays = [_plain(each) for each in inputs]
            model = onnx.ModelProto.FromString(case.model.SerializeToString())
            _, *others = model.graph.input
            del model.graph.input[1:]
            for value, array in zip(others, arrays[1:]):
                model.graph.initializer.append(numpy_helper.from_array(array, value.name))
            found.append(Case(case.name, ops.pop(), model, arrays[0], _plain(outputs[0])))
    return tuple(found)


def _plain(value) -> np.ndarray:
    """A case's operand, some of which are kept as in files."""
    is_stored = isinstance(value, onnx.TensorProto)
    return numpy_helper.to_array(value) if is_stored else np.asarray(value)


def machine_for(case: Case | None = None) -> Machine:
    """A small design: that of the tests of wide results, whose build serves here; pools
    and tables, which the array does not run, have one with a vector unit.
    """
    others = {"vector_lanes": 4} if case and case.operator in VECTOR else {}
    return small_machine(
        "weight_stationary",
        3,
        5,
        buffers=2 * KIB,
        post_raw=True,
        post_lanes=2,
        post_add=True,
        **others,
    )


def mapped(case: Case, folder: Path) -> Network:
    """The case as a program.

    Raises
    ------
    Refused
        If the model has something that does not run, or the design does not run it.
    """
    path = folder / "case.onnx"
    path.write_bytes(case.model.SerializeToString())
    try:
        graph = read_onnx(path, rounding="single")
        (port,) = graph.inputs
        inputs = {port.tensor: port.convert(case.x).reshape(graph.tensors[port.tensor].shape)}
        return map_graph(machine_for(case), graph, inputs)
    except (ModelError, MappingError) as error:
        lines = str(error).splitlines()
        reason = lines[min(1, len(lines) - 1)].strip()
        if reason.startswith(FOLLOWS):
            _, reason = reason.split("): ", 1)
        raise Refused(reason) from error


def units_away(case: Case, got: np.ndarray) -> int:
    """How many values differ, by one unit; of an operator that does not rescale none may."""
    assert got.dtype == case.expected.dtype and got.shape == case.expected.shape, case.name
    away = np.abs(got.astype(np.int64) - case.expected.astype(np.int64))
    most = 1 if case.operator.startswith("QLinear") else 0
    assert away.max() <= most, f"{case.name}: {got} {case.expected}"
    return int(away.sum())


def page() -> str:
    """The page: what is read, what passes, and what is refused for which reason."""
    passed, refused, away = [], defaultdict(list), 0
    with TemporaryDirectory() as folder:
        for case in collect():
            try:
                network = mapped(case, Path(folder))
            except Refused as refusal:
                refused[case.operator, str(refusal)].append(case.name)
                continue
            (output,) = network.graph.outputs
            golden = run_graph(network.graph, network.inputs)[output.tensor]
            away += units_away(case, output.convert(golden))
            design = "vector unit" if network.machine.vectors else "array"
            passed.append(f"| `{case.name}` | {case.operator} | {design} |")
    rows = [
        f"| {operator} | {reason} | {', '.join(f'`{name}`' for name in names)} |"
        for (operator, reason), names in sorted(refused.items())
    ]
    count = sum(map(len, refused.values()))
    return TEXT.format(
        operators=", ".join(f"`{name}`" for name in OPERATORS),
        version=onnx.__version__,
        looked_at=", ".join(sorted(LOOKED_AT)),
        cases=len(passed) + count,
        passes=len(passed),
        away=away or "none",
        refusals=count,
        passed="\n".join(passed),
        refused="\n".join(rows),
    )


TEXT = """# ONNX operators

Written by `python tests/accelerator/onnx_node_cases.py`, and compared with what is there by
`tests/accelerator/test_onnx_node_tests.py`.

A file's integer operators are read as they are; operators of real numbers where quantizers put
DequantizeLinear before and QuantizeLinear behind them, of int8 or uint8. `docs/architecture.md`
(*ONNX files*) says what each becomes. What cannot run is refused, all of a file in one message.

Read are: {operators}.

## The node tests of ONNX

ONNX {version} ships a case or more for each operator. Of those that matter here ({looked_at}) there
are {cases}. Operands but the first, which are inputs there, are constants here.

**{passes} pass**, in RTL, bit by bit as numpy gives them, on 3 x 5 PEs. Where a result is rescaled
ONNX does so in floating point, so values may be a unit away; {away} are.

| case | operator | runs on |
|---|---|---|
{passed}

**{refusals} are refused.** Most are of real numbers that nothing quantizes; what such an operator
does between DequantizeLinear and QuantizeLinear is tested with random graphs against ONNX Runtime
(`tests/nn/test_nn_onnx_random.py`).

| operator | reason | cases |
|---|---|---|
{refused}
"""


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"wrote {PAGE}")
