"""Known networks as graphs, with random int8 weights: shapes and topology are those of the papers,
the numbers such that activations spread over int8.

What a reader would give of a model file: convolutions with their batch normalization folded in,
ReLU and ReLU6 as zero points and clamps, additions, pools and the last dense layer as nodes.
"""

from collections.abc import Sequence

import numpy as np

from rtl_gen.golden.elementwise import add_factors
from rtl_gen.mapping.addition import Addition
from rtl_gen.nn.graph import Graph, GraphNode, Node, Port, Tensor
from rtl_gen.nn.operators import AdditionNode, PoolNode
from rtl_gen.spec.layer import Layer, Quantization, conv2d, matmul

__all__ = ["BOTTLENECKS", "STAGES", "mobilenetv2", "random_input", "resnet50"]

STAGES = ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2))
"""Of ResNet-50 v1.5: blocks, channels of their 3x3 layers, stride of the first block; four times as
many come out."""

BOTTLENECKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Of MobileNetV2: expansion, output channels, blocks, stride of the first (its table 2)."""

SCALE = 0.05
"""Of all activations: real = scale * (value - zero)."""

RELU_ZERO, LINEAR_ZERO = -128, 3
"""Zero points of activations behind a ReLU, and of all others."""

SPREAD = 40
"""Standard deviation, of int8, that a layer's sums are scaled to."""

MEAN_SQUARE = {RELU_ZERO: SPREAD**2 / 2, LINEAR_ZERO: SPREAD**2}
"""Of an activation less its zero point, about."""

WEIGHT_DEVIATION = 74
"""Of int8 weights, all as likely."""


class _Growing:
    """A graph as it grows; ``image`` is what (h, w, c) an activation has, by its name."""

    def __init__(self, name: str, size: int, channels: int, seed: int):
        self.name, self.random = name, np.random.default_rng(seed)
        self.nodes: list[GraphNode] = []
        self.tensors: dict[str, Tensor] = {}
        self.input = self._tensor("image", (size, size, channels), LINEAR_ZERO)

    def _tensor(self, name: str, shape: tuple[int, ...], zero: int) -> str:
        self.tensors[name] = Tensor(name=name, shape=(1, *shape), scale=SCALE, zero=zero)
        return name

    def image(self, name: str) -> tuple[int, int, int]:
        return self.tensors[name].shape[1:]

    def _numbers(self, channels: int, terms: int, zero: int) -> dict[str, np.ndarray]:
        """Bias, multiplier and shift of a layer whose sums have so many terms."""
        deviation = WEIGHT_DEVIATION * np.sqrt(terms * MEAN_SQUARE[zero])
        scale = SPREAD / deviation * self.random.uniform(0.7, 1.4, channels)
        fraction, shift = np.frexp(scale)
        bias = self.random.normal(0, deviation / 4, channels)
        return {
            "bias": np.round(bias).astype(np.int32),
            "multiplier": np.minimum(np.round(fraction * 2**31), 2**31 - 1).astype(np.int32),
            "shift": shift.astype(np.int32),
        }

    def _quantization(self, read: str, relu: bool) -> Quantization:
        zero = RELU_ZERO if relu else LINEAR_ZERO
        return Quantization(input_zero=self.tensors[read].zero, output_zero=zero)

    def _weights(self, *shape: int) -> np.ndarray:
        return self.random.integers(-128, 128, shape, dtype=np.int8)

    def _append(self, layer: Layer, read: str, weight: np.ndarray, channels: int) -> str:
        zero = layer.quantization.output_zero
        numbers = self._numbers(channels, weight.size // channels, self.tensors[read].zero)
        node = Node(layer=layer, weight=weight, input=read, output=layer.name, **numbers)
        self.nodes.append(node)
        return self._tensor(layer.name, node.output_shape[1:], zero)

    def convolution(
        self,
        name: str,
        read: str,
        k: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        depthwise: bool = False,
        relu: bool = True,
    ) -> str:
        """A square convolution, padded by half of its filter."""
        h, w, c = self.image(read)
        layer = conv2d(
            name=name,
            k=k,
            c=c,
            h=h,
            w=w,
            r=kernel,
            s=kernel,
            groups=c if depthwise else 1,
            stride=(stride, stride),
            pad=(kernel // 2,) * 4,
            quantization=self._quantization(read, relu),
        )
        weight = self._weights(k, kernel, kernel, 1 if depthwise else c)
        return self._append(layer, read, weight, k)

    def dense(self, name: str, read: str, features: int) -> str:
        inputs = int(np.prod(self.image(read)))
        quantization = self._quantization(read, relu=False)
        layer = matmul(name=name, m=1, k=inputs, n=features, quantization=quantization)
        return self._append(layer, read, self._weights(inputs, features), features)

    def addition(self, name: str, first: str, second: str, *, relu: bool) -> str:
        zero = RELU_ZERO if relu else LINEAR_ZERO
        how = Addition(
            factors=add_factors(SCALE, SCALE, SCALE * np.sqrt(1.5)),
            own_zero=self.tensors[first].zero,
            residual_zero=self.tensors[second].zero,
            output_zero=zero,
        )
        self.nodes.append(
            AdditionNode(name=name, addition=how, inputs=(first, second), output=name)
        )
        return self._tensor(name, self.image(first), zero)

    def pool(self, name: str, read: str, kind: str, *, kernel: int, stride: int, pad: int) -> str:
        h, w, c = self.image(read)
        self.nodes.append(
            PoolNode(
                name=name,
                kind=kind,
                image=(h, w, c),
                kernel=(kernel, kernel),
                stride=(stride, stride),
                pad=(pad,) * 4,
                act_min=-128,
                act_max=127,
                input=read,
                output=name,
            )
        )
        p, q = ((x + 2 * pad - kernel) // stride + 1 for x in (h, w))
        return self._tensor(name, (p, q, c), self.tensors[read].zero)

    def graph(self, output: str) -> Graph:
        """The network, whose only output is an activation."""
        ports = []
        for name in (self.input, output):
            shape = self.image(name)
            index = np.arange(int(np.prod(shape))).reshape(shape)
            ports.append(Port(name=name, tensor=name, index=index))
        inputs, outputs = ports[:1], ports[1:]
        return Graph(
            name=self.name,
            nodes=tuple(self.nodes),
            tensors=self.tensors,
            inputs=tuple(inputs),
            outputs=tuple(outputs),
        )


def resnet50(
    *,
    size: int = 224,
    first: int = 64,
    stages: Sequence[tuple[int, int, int]] = STAGES,
    classes: int = 1000,
    seed: int = 1,
) -> Graph:
    """ResNet-50 v1.5, strides in the 3x3 layers: 53 convolutions, 16 additions, two pools, a dense
    layer; smaller with other arguments.

    Parameters
    ----------
    size
        Rows and columns of the image, of 3 channels.
    first
        Channels of the first layer.
    stages
        As :data:`STAGES`.
    classes
        Outputs of the dense layer.
    """
    net = _Growing("resnet50", size, 3, seed)
    last = net.convolution("first", net.input, first, kernel=7, stride=2)
    last = net.pool("pool", last, "max", kernel=3, stride=2, pad=1)
    for number, (blocks, channels, stride) in enumerate(stages, start=1):
        for block in range(blocks):
            name, moved, shortcut = f"layer{number}.{block}", 1 if block else stride, last
            if block == 0:
                shortcut = net.convolution(
                    f"{name}.downsample", last, 4 * channels, stride=stride, relu=False
                )
            inner = net.convolution(f"{name}.conv1", last, channels)
            inner = net.convolution(f"{name}.conv2", inner, channels, kernel=3, stride=moved)
            inner = net.convolution(f"{name}.conv3", inner, 4 * channels, relu=False)
            last = net.addition(f"{name}.add", inner, shortcut, relu=True)
    return net.graph(_classified(net, last, classes))


def mobilenetv2(
    *,
    size: int = 224,
    first: int = 32,
    bottlenecks: Sequence[tuple[int, int, int, int]] = BOTTLENECKS,
    head: int = 1280,
    classes: int = 1000,
    seed: int = 1,
) -> Graph:
    """MobileNetV2: 52 convolutions, 17 of them depthwise, 10 additions, a pool, a dense layer;
    smaller with other arguments.

    Parameters
    ----------
    size
        Rows and columns of the image, of 3 channels.
    first, head
        Channels of the first and of the last convolution.
    bottlenecks
        As :data:`BOTTLENECKS`.
    classes
        Outputs of the dense layer.
    """
    net = _Growing("mobilenetv2", size, 3, seed)
    last = net.convolution("first", net.input, first, kernel=3, stride=2)
    for number, (expansion, channels, blocks, stride) in enumerate(bottlenecks, start=1):
        for block in range(blocks):
            name, before, inside = f"{number}.{block}", last, net.image(last)[-1]
            width, moved = expansion * inside, 1 if block else stride
            if expansion > 1:
                last = net.convolution(f"{name}.expand", last, width)
            last = net.convolution(
                f"{name}.depthwise", last, width, kernel=3, stride=moved, depthwise=True
            )
            last = net.convolution(f"{name}.project", last, channels, relu=False)
            if moved == 1 and inside == channels:
                last = net.addition(f"{name}.add", last, before, relu=False)
    last = net.convolution("head", last, head)
    return net.graph(_classified(net, last, classes))


def _classified(net: _Growing, last: str, classes: int) -> str:
    """The mean of all pixels and a dense layer; returns its output's name."""
    rows = net.image(last)[0]
    last = net.pool("mean", last, "average", kernel=rows, stride=1, pad=0)
    return net.dense("dense", last, classes)


def random_input(graph: Graph, seed: int = 1) -> dict[str, np.ndarray]:
    """int8 activations for the inputs of a graph, by name."""
    random = np.random.default_rng(seed)
    return {
        port.tensor: random.integers(-128, 128, graph.tensors[port.tensor].shape, dtype=np.int8)
        for port in graph.inputs
    }
