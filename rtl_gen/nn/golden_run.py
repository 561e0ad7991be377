"""Runs a graph in numpy: what the accelerator must give, tensor by tensor."""

import numpy as np

from rtl_gen.golden.convolution import conv2d, fully_connected
from rtl_gen.golden.quantize import layer_output
from rtl_gen.nn.graph import Graph, GraphNode, ModelError, Node

__all__ = ["run_graph", "run_node"]


def run_graph(graph: Graph, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every activation by name, int8, or int32 of layers whose result is raw.

    Parameters
    ----------
    inputs
        int8 activations by name, as the graph stores them: (n, h, w, c) or (n, features), for any
        number n of images. `Port.convert` makes them from arrays in the model file's order.

    Raises
    ------
    ModelError
        If an input is missing, or not int8 or of the right shape; or one is not an input.
    """
    names = [port.tensor for port in graph.inputs]
    if sorted(inputs) != sorted(names):
        raise ModelError(
            f"{graph.name}: inputs must be {', '.join(names)}, not {', '.join(inputs) or 'none'}"
        )
    for name, array in inputs.items():
        image = graph.tensors[name].shape[1:]
        if array.dtype != np.int8 or array.shape[1:] != image:
            shape = ", ".join(["n", *(str(size) for size in image)])
            raise ModelError(
                f"{graph.name}: input {name} must be int8 of shape ({shape}), "
                f"not {array.dtype} of {array.shape}"
            )
    tensors = dict(inputs)
    for node in graph.nodes:
        output = run_node(node, *(tensors[name] for name in node.inputs))
        shape = graph.tensors[node.output].shape[1:]  # where rows of heads are rows of the node
        tensors[node.output] = output.reshape(len(output), *shape)
    return tensors


def run_node(node: GraphNode, *operands: np.ndarray) -> np.ndarray:
    """A node's int8 output (int32 of raw layers) for int8 images, any number n of them.

    Each operand has n images of the size that the node takes; their dimensions may be split
    otherwise (a matmul takes (n, h, w, c) as (n, h * w * c)).
    """
    return _run_layer(node, *operands) if isinstance(node, Node) else node.run(*operands)


def _run_layer(node: Node, x: np.ndarray) -> np.ndarray:
    layer, quantization = node.layer, node.layer.quantization
    x = x.reshape(len(x), *node.input_shape[1:])
    if node.per_image:
        x = x.transpose(1, 2, 0, 3).reshape(1, *x.shape[1:3], -1)
    if layer.operation == "matmul":
        acc = fully_connected(x, node.weight.T, node.bias, input_zero=quantization.input_zero)
    else:
        acc = _convolve(node, x)
    y = layer_output(acc, node.multiplier, node.shift, quantization)
    if node.per_image:
        images, *_, channels = node.output_shape
        y = y.reshape(*y.shape[1:3], images, channels).transpose(2, 0, 1, 3)
    return y


def _convolve(node: Node, x: np.ndarray) -> np.ndarray:
    layer = node.layer
    sizes, extents, symbols = layer.sizes, layer.extents, layer.symbols
    stride, dilation = (symbols["u"], symbols["v"]), (symbols["d"], symbols["e"])
    top, left = symbols["t"], symbols["l"]
    # What the windows reach below and to the right of the image; a layer does not keep it.
    bottom = (sizes["p"] - 1) * stride[0] + (sizes["r"] - 1) * dilation[0] + 1 - top - extents["h"]
    right = (sizes["q"] - 1) * stride[1] + (sizes["s"] - 1) * dilation[1] + 1 - left - extents["w"]
    y = conv2d(
        x,
        node.weight,
        node.bias,
        stride=stride,
        dilation=dilation,
        pad=(top, left, max(bottom, 0), max(right, 0)),
        groups=sizes["g"],
        input_zero=layer.quantization.input_zero,
    )
    return y[:, : sizes["p"], : sizes["q"]]  # windows may end before the image does
