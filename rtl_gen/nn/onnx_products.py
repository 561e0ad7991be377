"""Matrix products of two activations in an ONNX file, with heads wherever Transpose put them.

Source: ONNX operator definitions of MatMul and QLinearMatMul.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rtl_gen.golden.quantize import quantize_multiplier
from rtl_gen.nn.graph import Refusal
from rtl_gen.nn.layout import View
from rtl_gen.nn.onnx_operands import Meaning
from rtl_gen.nn.onnx_values import Pending, Real
from rtl_gen.nn.products import ProductNode
from rtl_gen.spec.layer import Quantization

if TYPE_CHECKING:
    from rtl_gen.nn.onnx_reader import NodeReader

__all__ = ["Product", "product_of_two"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Product(Pending):
    """For each head the product of two activations.

    Parameters
    ----------
    first, second
        What it reads.
    rows, columns
        Of each: where the values of an image lie, (heads, rows, c) and (heads, c, columns).
    shape
        Of an image of the output in the file: (..., rows, columns).
    factor
        What it is multiplied with.
    """

    first: Real
    second: Real
    rows: np.ndarray
    columns: np.ndarray
    shape: tuple[int, ...]
    factor: float = 1.0

    def scaled(self, factor: float) -> "Product":
        """Multiplied with a number above 0."""
        low, high = self.low * factor, self.high * factor
        return replace(self, factor=self.factor * factor, low=low, high=high)

    def emit(self, reader: "NodeReader", output: str, meaning: Meaning) -> View:
        heads, rows, c = self.rows.shape
        columns = self.columns.shape[-1]
        own = self.rows.transpose(1, 0, 2).reshape(1, rows, heads * c)
        order = reader.order(self.first.view.tensor, own, self.first.meaning)
        if not np.array_equal(order.reshape(-1), own.reshape(-1)):
            raise Refusal(
                "the first operand's values would have to move: a row's of all heads must lie "
                "side by side"
            )
        scales = (self.first.meaning.scale, self.second.meaning.scale, self.factor)
        try:
            multiplier, shift = quantize_multiplier(float(np.prod(scales)) / meaning.scale)
            node = ProductNode(
                name=self.name,
                heads=heads,
                rows=rows,
                c=c,
                columns=columns,
                along=self._along(reader),
                multiplier=int(multiplier),
                shift=int(shift),
                inputs=(self.first.view.tensor, self.second.view.tensor),
                output=output,
                operand_zero=self.second.meaning.zero,
                batch=reader.batch,
                quantization=Quantization(
                    input_zero=self.first.meaning.zero,
                    output_zero=meaning.zero,
                    rounding=reader.rounding,
                    **self.limits(meaning),
                ),
            )
        except ValueError as error:
            raise Refusal(str(error)) from error
        order = np.arange(heads * rows * columns).reshape(heads, rows, columns)
        order = order.transpose(1, 0, 2).reshape(1, rows, heads * columns)
        return reader.add(node, self.shape, order, meaning)

    def _along(self, reader: "NodeReader") -> str:
        """Which dimension of the second operand the channels are as which it is stored."""
        heads, c, columns = self.columns.shape
        view, meaning = self.second.view, self.second.meaning
        lies = {
            "c": self.columns.transpose(2, 0, 1).reshape(1, columns, heads * c),
            "k": self.columns.transpose(1, 0, 2).reshape(1, c, heads * columns),
        }
        stored = reader.orders[view.tensor]
        wanted = reader.preferred(view) if stored is None else stored
        for along, own in lies.items():
            if np.array_equal(wanted.reshape(-1), own.reshape(-1)):
                reader.order(view.tensor, own, meaning)
                return along
        raise Refusal(
            "the second operand's values would have to move: of each head its columns or its rows "
            "must be channels, side by side with those of all heads"
        )


def product_of_two(name: str, first: Real, second: Real) -> Product:
    """A product by the rules of numpy's matmul; each image of the one meets its own of the other.

    Raises
    ------
    Refusal
        If the shapes do not go together, or matrices meet several of the other operand's.
    """
    a, b = first.view.index, second.view.index
    fits = a.ndim == b.ndim >= 2 and a.shape[-1] == b.shape[-2]
    rows = a.reshape(-1, *a.shape[-2:])
    if fits and a.shape[:-2] != b.shape[:-2] and b.size == b.shape[-2] * b.shape[-1]:
        rows = a.reshape(1, -1, a.shape[-1])  # one matrix meets them all
    elif not fits or a.shape[:-2] != b.shape[:-2]:
        raise Refusal(
            f"multiplies images of {a.shape} and {b.shape}, which must be (..., rows, c) and "
            f"(..., c, columns) with the same leading sizes"
        )
    return Product(
        name=name,
        first=first,
        second=second,
        rows=rows,
        columns=b.reshape(-1, *b.shape[-2:]),
        shape=(*a.shape[:-1], b.shape[-1]),
    )
