"""BATCH_MATMUL of a TensorFlow Lite file: products of two activations, in heads or not.

Source: ``kernels/batch_matmul.cc`` (``EvalInt8``, the kernel of FULLY_CONNECTED with one factor)
and ``kernel_util.cc`` (the product of both scales is rounded to float32).
"""

import numpy as np

from rtl_gen.golden.quantize import quantize_multiplier
from rtl_gen.nn.graph import Refusal
from rtl_gen.nn.products import ProductNode
from rtl_gen.nn.tflite_file import Operator
from rtl_gen.nn.tflite_parts import OperatorReader
from rtl_gen.nn.tflite_tensors import Seen

__all__ = ["read_product"]


def read_product(reader: OperatorReader, name: str, operator: Operator) -> None:
    """(n, heads, rows, c) times (n, heads, c, columns), each image with its own; also without the
    dimension of heads.

    Raises
    ------
    Refusal
        If it cannot run: above all where values would have to move.
    """
    made = reader.quantized(operator.outputs[0])
    first, second = (reader.quantized(number) for number in operator.inputs)
    a, b = (reader.view(number) for number in operator.inputs)
    y = reader.make(operator.outputs[0])
    if a is None or b is None:
        return
    rows, columns = a.order, b.order
    if operator.options.get("AdjX", 0):
        rows = rows.swapaxes(-1, -2)
    if operator.options.get("AdjY", 0):
        columns = columns.swapaxes(-1, -2)
    fits = rows.ndim == columns.ndim >= 2 and rows.shape[-1] == columns.shape[-2]
    if not fits or rows.shape[:-2] != columns.shape[:-2] or a.shape[0] != b.shape[0]:
        raise Refusal(
            f"multiplies {a.shape} and {b.shape}, which must be (n, ..., rows, c) and "
            f"(n, ..., c, columns) with the same leading sizes"
        )
    shape = (*rows.shape[:-1], columns.shape[-1])
    rows, columns = (x.reshape(-1, *x.shape[-2:]) for x in (rows, columns))
    heads, size, c = rows.shape
    if not _natural(rows.transpose(1, 0, 2)):
        raise Refusal(
            "the first operand's values would have to move: a row's of all heads must lie side by "
            "side"
        )
    along = "c" if _natural(columns.transpose(2, 0, 1)) else "k"
    if along == "k" and not _natural(columns.transpose(1, 0, 2)):
        raise Refusal(
            "the second operand's values would have to move: of each head its columns or its rows "
            "must be channels, side by side with those of all heads"
        )
    factor = float(first.scales[0].astype(np.float32) * second.scales[0].astype(np.float32))
    multiplier, shift = quantize_multiplier(factor / float(made.scales[0]))
    node = ProductNode(
        name=name,
        heads=heads,
        rows=size,
        c=c,
        columns=columns.shape[-1],
        along=along,
        multiplier=int(multiplier),
        shift=int(shift),
        inputs=(a.stored, b.stored),
        output=y.stored,
        operand_zero=int(second.zeros[0]),
        batch=a.shape[0],
        quantization=reader.quantization(operator),
    )
    reader.add(node, (a.shape[0], *shape), y)
    order = np.arange(heads * size * columns.shape[-1]).reshape(size, heads, -1)
    stored = reader.tensors[y.stored]
    reader.tensors[y.stored] = stored.reshaped((a.shape[0], size, heads * columns.shape[-1]))
    seen = Seen.of(y.stored, order.transpose(1, 0, 2).reshape(shape), a.shape[0])
    reader.seen[operator.outputs[0]] = seen


def _natural(order: np.ndarray) -> bool:
    """Whether values lie one behind the other."""
    return bool((order.reshape(-1) == np.arange(order.size)).all())
