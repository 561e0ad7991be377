"""Nodes of a network as layers of the vector unit."""

from dataclasses import dataclass, replace

import numpy as np

from rtl_gen.mapping.program import VectorData
from rtl_gen.mapping.vector_tables import (
    average_table,
    exponential_table,
    root_table,
    value_table,
)
from rtl_gen.nn.graph import GraphNode, ModelError
from rtl_gen.nn.operators import LayerNormNode, PoolNode, SoftmaxNode, TableNode
from rtl_gen.nn.to_program import OperationNode
from rtl_gen.reuse.vector_machine import PASSES
from rtl_gen.spec.layer import Layer, Quantization

__all__ = ["VectorNode", "vector_node"]

NO_TABLE = np.zeros(0, np.int32)
IDENTITY = (1 << 30, 1)
"""Multiplier and shift that leave a sum as it is."""


@dataclass(frozen=True, eq=False)
class VectorNode(OperationNode):
    """A node that the vector unit runs; images lie as n h w c.

    Parameters
    ----------
    heads
        Groups of channels with rows of their own, which lie as so many images.
    """

    node: GraphNode
    heads: int = 1

    def source(self, x: np.ndarray) -> np.ndarray:
        n, h, w, c = self.input_shape
        split = np.asarray(x, dtype=np.int8).reshape(n // self.heads, h, w, self.heads, c)
        return split.transpose(0, 3, 1, 2, 4).reshape(self.input_shape)

    def as_output(self, y: np.ndarray) -> np.ndarray:
        n, h, w, c = self.output_shape
        split = np.asarray(y, dtype=np.int8).reshape(n // self.heads, h, w, self.heads, c)
        return split.transpose(0, 3, 1, 2, 4).reshape(self.output_shape)

    def result(self, y: np.ndarray) -> np.ndarray:
        n, h, w, c = self.output_shape
        split = np.asarray(y, dtype=np.int8).reshape(n // self.heads, self.heads, h, w, c)
        return split.transpose(0, 2, 3, 1, 4).reshape(-1, *self.image_shape)

    @property
    def image_shape(self) -> tuple[int, ...]:
        return (*self.output_shape[1:3], self.heads * self.output_shape[3])


def vector_node(node: GraphNode, batch: int, shape: tuple[int, ...], block: int) -> VectorNode:
    """A node as a layer of the vector unit.

    Parameters
    ----------
    batch
        Images.
    shape
        Of an image of its input as it lies in memory: channels last, at most (h, w, c).
    block
        Channels of a memory word.

    Raises
    ------
    ModelError
        If images have more dimensions, or the node's rows are not the channels.
    """
    if len(shape) > 3:
        raise ModelError(f"{node.name}: images of {shape} have more than rows, columns, channels")
    image = (*(1,) * (3 - len(shape)), *shape)
    if isinstance(node, PoolNode):
        return _pool(node, batch)
    if isinstance(node, TableNode):
        quantization, layer = Quantization(), _windows(node, "table", batch, image)
        return _made(node, layer, value_table(node.table), quantization)
    # Groups of whole blocks lie one behind the other, as images do.
    heads, rest = divmod(image[-1], node.shape[-1])
    split = isinstance(node, SoftmaxNode) and not rest and not node.shape[-1] % block
    if split:
        image = (*image[:-1], node.shape[-1])
    elif node.shape[-1] != image[-1]:
        raise ModelError(
            f"{node.name}: rows of {node.shape[-1]} elements lie in memory as channels of {image}; "
            f"such a reshape would have to move data"
        )
    if isinstance(node, SoftmaxNode):
        table = exponential_table(
            multiplier=node.multiplier, left_shift=node.left_shift, diff_min=node.diff_min
        )
        heads = heads if split else 1
        layer = _windows(node, "softmax", heads * batch, image, kernel=(PASSES["softmax"], 1))
        made = _made(node, layer, table, Quantization(output_zero=-128))
        return replace(made, heads=heads)
    return _layer_norm(node, batch, image)


def _windows(
    node: GraphNode,
    function: str,
    batch: int,
    image,
    *,
    kernel=(1, 1),
    stride=(1, 1),
    pad=(0, 0, 0, 0),
) -> Layer:
    """A layer over windows of an image; passes over rows are windows that do not move."""
    height, width, channels = image
    dilation = 0 if function in PASSES else 1
    rows = height + pad[0] + pad[2] - dilation * (kernel[0] - 1)
    columns = width + pad[1] + pad[3] - kernel[1] + 1
    return Layer(
        name=node.name,
        operation=function,
        sizes={"n": batch, "c": channels}
        | {"p": -(-rows // stride[0]), "q": -(-columns // stride[1])}
        | {"r": kernel[0], "s": kernel[1]},
        symbols={"u": stride[0], "v": stride[1], "d": dilation, "e": 1, "t": pad[0], "l": pad[1]},
        extents={"h": height, "w": width},
        constant=node.constant if isinstance(node, LayerNormNode) else 0,
    )


def _pool(node: PoolNode, batch: int) -> VectorNode:
    largest = node.kind == "max"
    layer = _windows(
        node,
        "max_pool" if largest else "average_pool",
        batch,
        node.image,
        kernel=node.kernel,
        stride=node.stride,
        pad=node.pad,
    )
    # What lies outside is the least that there is, or nothing.
    quantization = Quantization(
        input_zero=-128 if largest else 0, act_min=node.act_min, act_max=node.act_max
    )
    try:
        table = NO_TABLE if largest else average_table(node.kernel[0] * node.kernel[1])
    except ValueError as error:
        raise ModelError(f"{node.name}: {error}") from None
    return _made(node, layer, table, quantization)


def _layer_norm(node: LayerNormNode, batch: int, image: tuple[int, ...]) -> VectorNode:
    layer = _windows(node, "layer_norm", batch, image, kernel=(PASSES["layer_norm"], 1))
    quantization = Quantization(
        output_zero=node.output_zero,
        act_min=node.act_min,
        act_max=node.act_max,
        rounding=node.rounding,
    )
    data = VectorData(root_table(), node.bias, node.multiplier, node.shift)
    return _made(node, layer, root_table(), quantization, data)


def _made(node, layer: Layer, table, quantization: Quantization, data=None) -> VectorNode:
    sizes, extents = layer.sizes, layer.extents
    layer = replace(layer, quantization=quantization)
    if data is None:
        multiplier, shift = (np.full(sizes["c"], x, np.int32) for x in IDENTITY)
        data = VectorData(table, np.zeros(sizes["c"], np.int32), multiplier, shift)
    return VectorNode(
        node,
        layer,
        data,
        (sizes["n"], extents["h"], extents["w"], sizes["c"]),
        (sizes["n"], sizes["p"], sizes["q"], sizes["c"]),
    )
