"""Transposed convolutions as nodes of a network; :mod:`rtl_gen.nn.phases` says how they run."""

from dataclasses import dataclass, field

import numpy as np

from rtl_gen.golden.quantize import layer_output
from rtl_gen.golden.transposed_convolution import transposed_conv2d
from rtl_gen.spec.layer import Quantization

__all__ = ["InterleaveNode", "TransposedNode"]


@dataclass(frozen=True, kw_only=True, eq=False)
class TransposedNode:
    """A transposed convolution with its data.

    Parameters
    ----------
    image, size
        Rows and columns of the input and of the output.
    weight
        (k, r, s, c) with the channels c of one group; int8, or int16 of -255..255.
    bias, multiplier, shift
        As those of a :class:`~rtl_gen.nn.graph.Node`.
    stride, dilation, before
        Of rows and columns, see :func:`~rtl_gen.golden.transposed_convolution.transposed_conv2d`.

    Raises
    ------
    ValueError
        If sizes or shapes do not agree.
    """

    name: str
    image: tuple[int, int]
    size: tuple[int, int]
    weight: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    input: str
    output: str
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    before: tuple[int, int] = (0, 0)
    groups: int = 1
    batch: int = 1
    quantization: Quantization = field(default_factory=Quantization)

    def __post_init__(self):
        sides = (*self.image, *self.size, *self.stride, *self.dilation, self.groups, self.batch)
        if min(sides) < 1 or min(self.before) < 0:
            raise ValueError(
                f"{self.name}: images, strides, dilations and groups must be 1 or more and what is "
                f"cut off 0 or more, not {sides} and {self.before}"
            )
        if self.weight.ndim != 4 or len(self.weight) % self.groups:
            raise ValueError(
                f"{self.name}: weight must be (k, r, s, c) with k a multiple of {self.groups}, not "
                f"{self.weight.shape}"
            )

    @property
    def inputs(self) -> tuple[str]:
        return (self.input,)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(n, h, w, c) with the channels of all groups."""
        return (self.batch, *self.image, self.groups * self.weight.shape[3])

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(n, p, q, k) with the channels of all groups."""
        return (self.batch, *self.size, len(self.weight))

    def run(self, x: np.ndarray) -> np.ndarray:
        """int8 (n, p, q, k); int32 of a raw result."""
        sums = transposed_conv2d(
            x.reshape(-1, *self.input_shape[1:]),
            self.weight,
            self.bias,
            size=self.size,
            stride=self.stride,
            dilation=self.dilation,
            before=self.before,
            groups=self.groups,
            input_zero=self.quantization.input_zero,
        )
        return layer_output(sums, self.multiplier, self.shift, self.quantization)


@dataclass(frozen=True, kw_only=True)
class InterleaveNode:
    """Pixels of several activations in turns: row p u + i, column q v + j of ``phases[i][j]``."""

    name: str
    phases: tuple[tuple[str, ...], ...]
    output: str

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(name for row in self.phases for name in row)

    def run(self, *images: np.ndarray) -> np.ndarray:
        """(n, p, q, channels), of the type of the images (n, rows, columns, channels)."""
        u, v = len(self.phases), len(self.phases[0])
        n, channels = len(images[0]), images[0].shape[-1]
        rows = sum(image.shape[1] for image in images[::v])
        columns = sum(image.shape[2] for image in images[:v])
        whole = np.zeros((n, rows, columns, channels), images[0].dtype)
        for number, image in enumerate(images):
            whole[:, number // v :: u, number % v :: v] = image
        return whole
