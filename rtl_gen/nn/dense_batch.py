"""A fully connected layer over a batch of images: each image a pixel, each of its words a tap."""

import numpy as np

from rtl_gen.mapping.program import LayerData
from rtl_gen.nn.graph import Node
from rtl_gen.nn.to_program import OperationNode
from rtl_gen.spec.layer import Layer

__all__ = ["dense_batch"]


def dense_batch(node: Node, image: tuple[int, int], block: int) -> OperationNode | None:
    """A fully connected layer as a convolution along the words of all its images.

    As a filter as large as the image it would meet each image in one step, and a set of weights
    that is held would be used once. Here the words of all images, one behind the other as they lie
    in memory, are one row of pixels of a block of channels; the filter is as long as an image, and
    so is the stride. A set of weights meets all images in turn.

    Parameters
    ----------
    image
        Rows and columns of an image.
    block
        Channels of a memory word.

    Returns
    -------
    OperationNode or None
        None where it does not apply: for a single image, weights beyond int8, or a block of
        outputs and more (which lie by images elsewhere).
    """
    images, values, outputs = (node.layer.sizes[d] for d in "mkn")
    rows, columns = image
    channels, rest = divmod(values, rows * columns)
    narrow = node.weight.min() >= -128 and node.weight.max() <= 127
    if images == 1 or rest or outputs >= block or not narrow:
        return None
    blocks = -(-channels // block)
    words = rows * columns * blocks
    layer = Layer(
        name=node.layer.name,
        operation="conv2d",
        sizes={"n": 1, "g": 1, "k": outputs, "c": block, "p": 1, "q": images, "r": 1, "s": words},
        symbols={"u": 1, "v": words, "d": 1, "e": 1, "t": 0, "l": 0},
        extents={"h": 1, "w": images * words},
        quantization=node.layer.quantization,
    )
    # What fills up the last block of a pixel meets weights of 0.
    weights = np.zeros((rows, columns, blocks * block, outputs), np.int8)
    weights[:, :, :channels] = node.weight.reshape(rows, columns, channels, outputs)
    weights = weights.reshape(rows, columns, blocks, block, outputs)
    weights = weights.transpose(2, 0, 1, 3, 4).reshape(1, 1, words, block, outputs)
    return OperationNode(
        node,
        layer,
        LayerData(weights, node.bias, node.multiplier, node.shift),
        (1, 1, 1, images * words, block),
        (1, 1, 1, images, outputs),
        words=(rows, columns, channels),
    )
