"""From a network's nodes to what a program takes: layers and arrays in the operation's shapes.

A node has what frameworks have: activations n h w c with the channels of all groups, weights
k r s c or k n. An operation names its ranks itself (conv2d: inputs n g h w c, weights g r s c k).
"""

from dataclasses import dataclass

import numpy as np

from rtl_gen.mapping.program import LayerData
from rtl_gen.nn.graph import ModelError, Node
from rtl_gen.spec.layer import Layer
from rtl_gen.spec.operation import Operation

__all__ = ["OperationNode", "to_operation"]


@dataclass(frozen=True, eq=False)
class OperationNode:
    """A node in the terms of an operation.

    Parameters
    ----------
    node
        The layer of the network.
    layer, data
        The same as a layer of the operation, and its numbers.
    input_shape, output_shape
        Shapes of the operation's activation and output.
    """

    node: Node
    layer: Layer
    data: LayerData
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]

    def source(self, x: np.ndarray) -> np.ndarray:
        """The node's input (n, h, w, c) or (m, k), as the operation's activation."""
        x = np.asarray(x, dtype=np.int8)
        if len(self.input_shape) != 5 or self.node.layer.operation == "matmul":
            return x.reshape(self.input_shape)
        n, g, h, w, c = self.input_shape
        return x.reshape(n, h, w, g, c).transpose(0, 3, 1, 2, 4)

    def result(self, y: np.ndarray) -> np.ndarray:
        """The operation's output, as the node's: (n, p, q, k) or (m, n)."""
        y = np.asarray(y, dtype=np.int8).reshape(self.output_shape)
        if len(self.output_shape) == 5:
            y = y.transpose(0, 2, 3, 1, 4)
        return y.reshape(self.node.output_shape)


def to_operation(
    node: Node, operation: Operation, *, image: tuple[int, int] | None = None
) -> OperationNode:
    """A node as a layer of a design's operation.

    Parameters
    ----------
    node
        A convolution or a fully connected layer.
    operation
        ``conv2d`` runs both, ``matmul`` fully connected layers only.
    image
        Rows and columns of the image whose flattened values (h, w, c) a fully connected layer
        takes. It becomes a convolution whose filter is as large as the image, and reads the
        image as an earlier layer left it in memory. By default it becomes a 1x1 convolution over
        an image of one row, whose pixels are the m inputs.

    Raises
    ------
    ModelError
        If the operation cannot run the node, or the image has another number of values.
    """
    if operation.name not in ("conv2d", "matmul") or (
        operation.name == "matmul" and node.layer.operation != "matmul"
    ):
        raise ModelError(
            f"{node.layer.name}: a design that computes {operation.name} does not run "
            f"{node.layer.operation}"
        )
    if image is not None and (node.layer.operation, operation.name) != ("matmul", "conv2d"):
        raise ModelError(
            f"{node.layer.name}: only a fully connected layer on a conv2d design takes an image"
        )
    if node.layer.operation == "conv2d":
        return _convolution(node)
    return _as_convolution(node, image) if operation.name == "conv2d" else _matmul(node)


def _data(node: Node, weights: np.ndarray) -> LayerData:
    return LayerData(weights, node.bias, node.multiplier, node.shift)


def _convolution(node: Node) -> OperationNode:
    layer = node.layer
    s, extents = layer.sizes, layer.extents
    weights = node.weight.reshape(s["g"], s["k"], s["r"], s["s"], s["c"]).transpose(0, 2, 3, 4, 1)
    return OperationNode(
        node,
        layer,
        _data(node, weights),
        (s["n"], s["g"], extents["h"], extents["w"], s["c"]),
        (s["n"], s["g"], s["p"], s["q"], s["k"]),
    )


def _matmul(node: Node) -> OperationNode:
    s = node.layer.sizes
    return OperationNode(
        node, node.layer, _data(node, node.weight), (s["m"], s["k"]), (s["m"], s["n"])
    )


def _as_convolution(node: Node, image: tuple[int, int] | None) -> OperationNode:
    """A fully connected layer as a convolution: over one row of pixels, or with a large filter."""
    s = node.layer.sizes
    batch, pixels, (r, width) = (1, s["m"], (1, 1)) if image is None else (s["m"], 1, image)
    if r * width < 1 or s["k"] % (r * width):
        raise ModelError(
            f"{node.layer.name}: an image of {r} x {width} pixels does not have {s['k']} values"
        )
    channels = s["k"] // (r * width)
    columns = pixels + width - 1
    layer = Layer(
        name=node.layer.name,
        operation="conv2d",
        sizes={"n": batch, "g": 1, "k": s["n"], "c": channels}
        | {"p": 1, "q": pixels, "r": r, "s": width},
        symbols={"u": 1, "v": 1, "d": 1, "e": 1, "t": 0, "l": 0},
        extents={"h": r, "w": columns},
        quantization=node.layer.quantization,
    )
    weights = node.weight.reshape(1, r, width, channels, s["n"])
    return OperationNode(
        node,
        layer,
        _data(node, weights),
        (batch, 1, r, columns, channels),
        (batch, 1, 1, pixels, s["n"]),
    )
