"""From a network's nodes to what a program takes: layers and arrays in the operation's shapes.

A node has what frameworks have: activations n h w c with the channels of all groups, weights
k r s c or k n. An operation names its ranks itself (conv2d: inputs n g h w c, weights g r s c k;
depthwise: inputs n h w c, weights r s c).
"""

from dataclasses import dataclass, replace

import numpy as np

from rtl_gen.mapping.program import LayerData
from rtl_gen.nn.graph import ModelError, Node
from rtl_gen.nn.products import ProductNode
from rtl_gen.reuse.machine import Machine
from rtl_gen.spec.layer import Layer
from rtl_gen.spec.operation import Operation

__all__ = ["OperationNode", "diagonal", "product_node", "runs_as", "to_operation"]


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
    groups_are_images
        Whether the operation's groups are the node's images, not parts of its channels.
    words
        Rows, columns and channels of an image, where the operation reads the words of all images as
        one row of pixels.
    """

    node: Node | ProductNode
    layer: Layer
    data: LayerData
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    groups_are_images: bool = False
    words: tuple[int, int, int] | None = None

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Of an image of its output, as it lies in memory."""
        return self.node.output_shape[1:]

    def source(self, x: np.ndarray) -> np.ndarray:
        """The node's input (n, h, w, c) or (m, k), as the operation's activation."""
        x = np.asarray(x, dtype=np.int8)
        if self.words:
            block, channels = self.input_shape[-1], self.words[-1]
            x = np.pad(x.reshape(-1, *self.words), [(0, 0)] * 3 + [(0, -channels % block)])
            words = x.reshape(*x.shape[:3], -1, block).transpose(0, 3, 1, 2, 4)
            return words.reshape(self.input_shape)
        if len(self.input_shape) != 5 or self.node.layer.operation == "matmul":
            return x.reshape(self.input_shape)
        n, g, h, w, c = self.input_shape
        if self.groups_are_images:
            return x.reshape(self.input_shape)
        return x.reshape(n, h, w, g, c).transpose(0, 3, 1, 2, 4)

    def as_output(self, y: np.ndarray) -> np.ndarray:
        """An activation of the shape of the node's output, as the operation's output."""
        y = np.asarray(y)
        if len(self.output_shape) != 5 or self.groups_are_images:
            return y.reshape(self.output_shape)
        n, g, p, q, k = self.output_shape
        return y.reshape(n, p, q, g, k).transpose(0, 3, 1, 2, 4)

    def result(self, y: np.ndarray) -> np.ndarray:
        """The operation's output, as the node's: (n, p, q, k) or (m, n)."""
        y = np.asarray(y).reshape(self.output_shape)
        if len(self.output_shape) == 5 and not self.groups_are_images:
            y = y.transpose(0, 2, 3, 1, 4)
        return y.reshape(self.node.output_shape)


def runs_as(layer: Layer, operation: Operation, *, image: tuple[int, int] | None = None) -> Layer:
    """A layer as a design of an operation runs it; it takes no numbers, so it costs nothing.

    A fully connected layer on a conv2d design is a 1x1 convolution over an image of one row, or
    one whose filter is as large as the ``image``; a convolution with as many groups as input and
    output channels is what a depthwise design computes.

    Raises
    ------
    ModelError
        If the operation does not run such a layer, or the image has another number of values.
    """
    kinds = (layer.operation, operation.name)
    if image is not None and kinds != ("matmul", "conv2d"):
        raise ModelError(
            f"{layer.name}: only a fully connected layer on a conv2d design takes an image"
        )
    if layer.operation == operation.name:
        return layer
    if kinds == ("matmul", "conv2d"):
        return _as_convolution(layer, image)
    if kinds == ("conv2d", "depthwise"):
        return _as_depthwise(layer)
    raise ModelError(
        f"{layer.name}: a design that computes {operation.name} does not run {layer.operation}"
    )


def to_operation(
    node: Node, operation: Operation, *, image: tuple[int, int] | None = None
) -> OperationNode:
    """A node as a layer of a design's operation.

    Parameters
    ----------
    node
        A convolution or a fully connected layer.
    operation
        ``conv2d`` runs both, ``matmul`` fully connected layers only, ``depthwise`` convolutions
        with as many groups as channels.
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
    layer = runs_as(node.layer, operation, image=image)
    if layer.operation == "matmul":
        return _matmul(node)
    make = _depthwise if layer.operation == "depthwise" else _convolution
    return replace(make(node, layer), groups_are_images=node.per_image)


def product_node(node: ProductNode, machine: Machine) -> OperationNode:
    """A product of two activations as a layer of a design.

    Raises
    ------
    ModelError
        If the design has no convolution, as which it runs.
    """
    if "conv2d" not in [operation.name for operation in machine.design.operations]:
        raise ModelError(f"{node.name}: a product of two activations needs a design of conv2d")
    channels, sizes = node.output_shape[-1], node.layer.sizes
    data = LayerData(
        None,
        np.full(channels, node.bias, np.int32),
        np.full(channels, node.multiplier, np.int32),
        np.full(channels, node.shift, np.int32),
    )
    n, g, k, c, q = (sizes[d] for d in "ngkcq")
    return OperationNode(node, node.layer, data, (n, g, 1, q, c), (n, g, 1, q, k))


def diagonal(node: Node, block: int) -> Node:
    """A depthwise convolution as one with a block of channels a group and diagonal weights.

    So a dense array computes it, at a channel a row, from channels that lie as those of any other
    layer; a group of one channel would take a word of its own for every pixel.

    Parameters
    ----------
    block
        Channels of a memory word; it must divide the layer's, if they are more.

    Raises
    ------
    ModelError
        If the layer is not depthwise, or its channels do not fill blocks.
    """
    layer, (channels, r, s, depth) = node.layer, node.weight.shape
    if depth != 1 or layer.sizes["g"] != channels or layer.sizes["k"] != 1:
        raise ModelError(f"{layer.name}: is no depthwise convolution")
    width = min(block, channels)
    if channels % width:
        raise ModelError(f"{layer.name}: {channels} channels are no multiple of {width}")
    weight = np.zeros((channels, r, s, width), node.weight.dtype)
    own = np.arange(channels)
    weight[own, :, :, own % width] = node.weight[..., 0]
    sizes = layer.sizes | {"g": channels // width, "k": width, "c": width}
    return replace(node, layer=replace(layer, sizes=sizes), weight=weight)


def _data(node: Node, weights: np.ndarray) -> LayerData:
    return LayerData(weights, node.bias, node.multiplier, node.shift)


ROWS = "r"
"""The dimension of a convolution's filter along which parts of weights lie side by side."""


def _parts(weight: np.ndarray) -> list[np.ndarray]:
    """A weight of up to nine bits as the fewest int8 arrays whose sum it is."""
    parts, rest = [], weight.astype(np.int64)
    while not parts or rest.any():
        parts.append(np.clip(rest, -128, 127))
        rest = rest - parts[-1]
    return [part.astype(np.int8) for part in parts]


def _convolution(node: Node, layer: Layer) -> OperationNode:
    s, extents = layer.sizes, layer.extents
    if node.layer.operation == "matmul":
        weights = node.weight.reshape(1, s["r"], s["s"], s["c"], s["k"])
    else:
        weights = node.weight.reshape(s["g"], s["k"], s["r"], s["s"], s["c"])
        weights = weights.transpose(0, 2, 3, 4, 1)
    parts = _parts(weights)
    if len(parts) > 1:
        rows = s[ROWS] * len(parts)
        weights = np.stack(parts, axis=2).reshape(s["g"], rows, s["s"], s["c"], s["k"])
        layer = replace(layer, sizes=s | {ROWS: rows}, parts={ROWS: len(parts)})
    else:
        (weights,) = parts
    return OperationNode(
        node,
        layer,
        _data(node, weights),
        (s["n"], s["g"], extents["h"], extents["w"], s["c"]),
        (s["n"], s["g"], s["p"], s["q"], s["k"]),
    )


def _narrow(node: Node, operation: str) -> Node:
    """The node, if its weights have 8 bits."""
    if len(_parts(node.weight)) > 1:
        raise ModelError(
            f"{node.name}: its weights less their zero points have 9 bits, which {operation} does "
            f"not compute; conv2d does"
        )
    return replace(node, weight=node.weight.astype(np.int8))


def _depthwise(node: Node, layer: Layer) -> OperationNode:
    node = _narrow(node, layer.operation)
    s, extents = layer.sizes, layer.extents
    return OperationNode(
        node,
        layer,
        _data(node, node.weight[..., 0].transpose(1, 2, 0)),
        (s["n"], extents["h"], extents["w"], s["c"]),
        (s["n"], s["p"], s["q"], s["c"]),
    )


def _matmul(node: Node) -> OperationNode:
    node = _narrow(node, "matmul")
    s = node.layer.sizes
    return OperationNode(
        node, node.layer, _data(node, node.weight), (s["m"], s["k"]), (s["m"], s["n"])
    )


def _as_convolution(layer: Layer, image: tuple[int, int] | None) -> Layer:
    """A fully connected layer as a convolution: over one row of pixels, or with a large filter."""
    s = layer.sizes
    batch, pixels, (r, width) = (1, s["m"], (1, 1)) if image is None else (s["m"], 1, image)
    if r * width < 1 or s["k"] % (r * width):
        raise ModelError(
            f"{layer.name}: an image of {r} x {width} pixels does not have {s['k']} values"
        )
    return Layer(
        name=layer.name,
        operation="conv2d",
        sizes={"n": batch, "g": 1, "k": s["n"], "c": s["k"] // (r * width)}
        | {"p": 1, "q": pixels, "r": r, "s": width},
        symbols={"u": 1, "v": 1, "d": 1, "e": 1, "t": 0, "l": 0},
        extents={"h": r, "w": pixels + width - 1},
        quantization=layer.quantization,
    )


def _as_depthwise(layer: Layer) -> Layer:
    """A convolution with one input and one output channel a group."""
    s = layer.sizes
    if (s["k"], s["c"]) != (1, 1):
        raise ModelError(
            f"{layer.name}: a design that computes depthwise runs convolutions with as many groups "
            f"as channels; this one has {s['c']} input and {s['k']} output channels a group"
        )
    return replace(
        layer,
        operation="depthwise",
        sizes={"n": s["n"], "c": s["g"]} | {name: s[name] for name in ("p", "q", "r", "s")},
    )
