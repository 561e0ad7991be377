"""A network as the accelerator sees it: layers in execution order, activations in NHWC."""

from dataclasses import dataclass, replace

import numpy as np

from rtl_gen.golden.quantize import Rounding
from rtl_gen.nn.operators import AdditionNode, LayerNormNode, PoolNode, SoftmaxNode, TableNode
from rtl_gen.nn.products import JoinNode, PartNode, ProductNode
from rtl_gen.nn.transposed import TransposedNode
from rtl_gen.spec.layer import Layer

__all__ = [
    "Graph",
    "GraphNode",
    "ModelError",
    "Node",
    "Port",
    "Refusal",
    "Tensor",
    "check_options",
]


class ModelError(Exception):
    """A model file, or data for it, that cannot be used; the message is meant for its user."""


class Refusal(Exception):
    """Why one node of a model file cannot run; readers list those of all nodes."""


def check_options(batch: int, rounding: Rounding) -> None:
    """What every reader of model files is told beside the file; ValueError if it is not allowed."""
    if batch < 1:
        raise ValueError(f"batch must be at least 1 image, not {batch!r}")
    if rounding not in ("double", "single"):
        raise ValueError(f"rounding must be 'double' or 'single', not {rounding!r}")


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """An activation: int8, (n, h, w, c) or (n, features); int32 where it is ``raw``.

    ``scale`` and ``zero`` say what its values mean: real = scale * (value - zero). ``unsigned``:
    the model file has uint8, of which the top bit is flipped here.
    """

    name: str
    shape: tuple[int, ...]
    scale: float
    zero: int
    unsigned: bool = False
    raw: bool = False

    def reshaped(self, shape: tuple[int, ...]) -> "Tensor":
        """The same values, one behind the other, in another shape."""
        return replace(self, shape=shape)


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """A multiply-accumulate layer with its data.

    Parameters
    ----------
    layer
        A ``conv2d`` or ``matmul`` of `rtl_gen.spec.layer`.
    weight
        (k, r, s, c) with the channels c of one group, or (k, n) for a matmul. int8, or int16 of
        -255..255: weights less their zero points.
    bias, multiplier, shift
        int32, one each for every output channel: k of them, or n for a matmul. A result is
        acc * multiplier / 2^31 * 2^shift, so a negative shift goes to the right.
    input, output
        Names of activations. The input's values, image by image and in the order in which they
        are stored, are `input_shape`: where the model flattens NCHW before a matmul, the reader has
        put the weight's rows in NHWC order, and flattening is a matter of names only.
    per_image
        Each image has weights of its own: the layer's groups are the images of the network, and
        it has one image itself.

    Raises
    ------
    ValueError
        If an array's shape or type does not fit the layer.
    """

    layer: Layer
    weight: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    input: str
    output: str
    per_image: bool = False

    def __post_init__(self):
        sizes = self.layer.sizes
        if self.layer.operation == "conv2d":
            weight_shape = (sizes["g"] * sizes["k"], sizes["r"], sizes["s"], sizes["c"])
        elif self.layer.operation == "matmul":
            weight_shape = (sizes["k"], sizes["n"])
        else:
            raise ValueError(
                f"{self.layer.name}: operation must be conv2d or matmul, "
                f"not {self.layer.operation!r}"
            )
        wide = self.weight.dtype == np.int16
        self._check("weight", np.int16 if wide else np.int8, weight_shape)
        if wide and self.weight.size and np.abs(self.weight).max() > 255:
            raise ValueError(f"{self.layer.name}: weights of 9 bits must be -255..255")
        images = sizes["g"] if self.per_image else 1
        for name in ("bias", "multiplier", "shift"):
            self._check(name, np.int32, (images * self.output_shape[-1],))

    def _check(self, name: str, dtype: type, shape: tuple[int, ...]) -> None:
        array = getattr(self, name)
        if array.dtype != dtype or array.shape != shape:
            raise ValueError(
                f"{self.layer.name}: {name} must be {np.dtype(dtype)} of shape {shape}, "
                f"not {array.dtype} of {array.shape}"
            )

    @property
    def name(self) -> str:
        return self.layer.name

    @property
    def inputs(self) -> tuple[str]:
        return (self.input,)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(n, h, w, c) with the channels of all groups, or (m, k)."""
        sizes, extents = self.layer.sizes, self.layer.extents
        if self.layer.operation == "matmul":
            return (sizes["m"], sizes["k"])
        if self.per_image:
            return (sizes["g"], extents["h"], extents["w"], sizes["c"])
        return (sizes["n"], extents["h"], extents["w"], sizes["g"] * sizes["c"])

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(n, p, q, k) with the channels of all groups, or (m, n)."""
        sizes = self.layer.sizes
        if self.layer.operation == "matmul":
            return (sizes["m"], sizes["n"])
        if self.per_image:
            return (sizes["g"], sizes["p"], sizes["q"], sizes["k"])
        return (sizes["n"], sizes["p"], sizes["q"], sizes["g"] * sizes["k"])


GraphNode = (
    Node
    | AdditionNode
    | PoolNode
    | SoftmaxNode
    | TableNode
    | LayerNormNode
    | ProductNode
    | JoinNode
    | PartNode
    | TransposedNode
)
"""All have a ``name``, the names of their ``inputs`` and of their ``output``."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Port:
    """An input or output of the model file and the activation that stands for it.

    ``index`` says, for one image and in the target's shape, where in the source each value is: an
    input's source is the file's array and its target the activation; an output's the reverse.
    ``unsigned``: the file has uint8 where the activation has int8, with its top bit flipped.
    ``scale``, ``zero``: the file has real numbers, scale * (value - zero); an input is rounded
    (ties to even, as ONNX does) and clamped. None: the file has the activation's own numbers.
    ``shape`` is that of an image in the file; None: that of ``index``.
    """

    name: str
    tensor: str
    index: np.ndarray
    unsigned: bool = False
    scale: float | None = None
    zero: int = 0
    shape: tuple[int, ...] | None = None

    @property
    def dtype(self) -> np.dtype:
        """Of an input's array."""
        own = np.uint8 if self.unsigned else np.int8
        return np.dtype(own if self.scale is None else np.float32)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Of one image, as the file has it."""
        return self.index.shape if self.shape is None else self.shape

    def convert(self, source: np.ndarray) -> np.ndarray:
        """The source (n, ...) in the order of the target, for any number n of images.

        Raises
        ------
        ModelError
            If an image of the source has another number of values than the target.
        """
        if source.ndim < 1 or source.size != len(source) * self.index.size:
            raise ModelError(
                f"{self.name}: an image must have {self.index.size} values, "
                f"not an array of shape {source.shape}"
            )
        converted = source.reshape(len(source), -1)[:, self.index]
        if self.scale is not None:
            return self._scaled(converted)
        if not self.unsigned:
            return converted
        flipped = converted.view(np.uint8) ^ np.uint8(0x80)
        return flipped.view(np.int8) if source.dtype == np.uint8 else flipped

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        """Real numbers as int8, or the reverse."""
        scale = np.float32(self.scale)
        if values.dtype.kind == "f":
            nearest = np.rint(values.astype(np.float32) / scale) + self.zero
            return np.clip(nearest, -128, 127).astype(np.int8)
        return scale * (values.astype(np.float32) - np.float32(self.zero))


@dataclass(frozen=True, kw_only=True, eq=False)
class Graph:
    """A network: its nodes in execution order and every activation by name."""

    name: str
    nodes: tuple[GraphNode, ...]
    tensors: dict[str, Tensor]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    def until(self, name: str) -> "Graph":
        """The network up to one of its nodes, whose output becomes the only one.

        Raises
        ------
        ModelError
            If there is no such node.
        """
        names = [node.name for node in self.nodes]
        if name not in names:
            raise ModelError(f"{self.name}: has no node {name}, but {', '.join(names)}")
        nodes = self.nodes[: names.index(name) + 1]
        tensor = self.tensors[nodes[-1].output]
        index = np.arange(int(np.prod(tensor.shape[1:]))).reshape(tensor.shape[1:])
        port = Port(name=tensor.name, tensor=tensor.name, index=index)
        return replace(self, nodes=nodes, outputs=(port,))
