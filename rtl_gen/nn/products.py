"""Nodes whose operands are all activations: products of two, channels joined or taken apart."""

from dataclasses import dataclass, field

import numpy as np

from rtl_gen.golden.quantize import layer_output
from rtl_gen.spec.layer import Layer, Quantization

__all__ = ["JoinNode", "PartNode", "ProductNode"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ProductNode:
    """For each head the matrix product of two activations, whose channels are those of all heads.

    An image of the first operand is (rows, heads c). With ``along`` = "c" one of the second is
    (columns, heads c) and the result a b^T, as queries times keys; with "k" it is
    (c, heads columns) and the result a b, as probabilities times values. An image of the output is
    (rows, heads columns). All lie as rows of an image of height 1, so heads are never moved.

    Parameters
    ----------
    heads, rows, c, columns
        Sizes of one image.
    along
        Which dimension of the second operand its channels are.
    multiplier, shift, bias
        One each for all outputs.
    inputs
        Names of the two activations.
    operand_zero
        Zero point of the second; the first's is ``quantization``'s.

    Raises
    ------
    ValueError
        If ``along`` is another.
    """

    name: str
    heads: int
    rows: int
    c: int
    columns: int
    along: str
    multiplier: int
    shift: int
    inputs: tuple[str, str]
    output: str
    operand_zero: int = 0
    bias: int = 0
    batch: int = 1
    quantization: Quantization = field(default_factory=Quantization)

    def __post_init__(self):
        if self.along not in ("c", "k"):
            raise ValueError(f"{self.name}: along must be c or k, not {self.along!r}")

    @property
    def input(self) -> str:
        """The first operand, which comes from the input buffer."""
        return self.inputs[0]

    @property
    def layer(self) -> Layer:
        """A convolution over one row of pixels, in as many groups as heads."""
        return Layer(
            name=self.name,
            operation="conv2d",
            sizes={"n": self.batch, "g": self.heads, "k": self.columns, "c": self.c}
            | {"p": 1, "q": self.rows, "r": 1, "s": 1},
            symbols={"u": 1, "v": 1, "d": 1, "e": 1, "t": 0, "l": 0},
            extents={"h": 1, "w": self.rows},
            quantization=self.quantization,
        )

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(n, 1, rows, channels)."""
        return (self.batch, 1, self.rows, self.heads * self.c)

    @property
    def operand_shape(self) -> tuple[int, ...]:
        """(n, 1, rows of the second operand, its channels)."""
        rows, own = (self.columns, self.c) if self.along == "c" else (self.c, self.columns)
        return (self.batch, 1, rows, self.heads * own)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(n, 1, rows, channels)."""
        return (self.batch, 1, self.rows, self.heads * self.columns)

    def operand(self, b: np.ndarray) -> np.ndarray:
        """The second operand's values as (n, heads, c, columns)."""
        split = b.reshape(
            -1, self.operand_shape[2], self.heads, self.operand_shape[3] // self.heads
        )
        return split.transpose((0, 2, 3, 1) if self.along == "c" else (0, 2, 1, 3))

    def sums(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The sums of products, int64 (n, rows, heads, columns)."""
        split = a.reshape(-1, self.rows, self.heads, self.c).astype(np.int64)
        weights = self.operand(b).astype(np.int64) - self.operand_zero
        return np.einsum("nqgc,ngck->nqgk", split - self.quantization.input_zero, weights)

    def run(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """int8 (n, 1, rows, heads columns)."""
        sums = self.sums(a, b) + self.bias
        multipliers = np.full(sums.shape[-1], self.multiplier)
        shifts = np.full(sums.shape[-1], self.shift)
        outputs = layer_output(sums, multipliers, shifts, self.quantization)
        return outputs.reshape(-1, *self.output_shape[1:])


@dataclass(frozen=True, kw_only=True)
class JoinNode:
    """Channels of several activations side by side (a concatenation along the last dimension)."""

    name: str
    inputs: tuple[str, ...]
    output: str

    def run(self, *images: np.ndarray) -> np.ndarray:
        """int8 (n, ..., channels of all)."""
        return np.concatenate(images, axis=-1)


@dataclass(frozen=True, kw_only=True)
class PartNode:
    """Some channels of an activation, from ``first`` on."""

    name: str
    first: int
    channels: int
    input: str
    output: str

    @property
    def inputs(self) -> tuple[str]:
        return (self.input,)

    def run(self, x: np.ndarray) -> np.ndarray:
        """int8 (n, ..., channels)."""
        return x[..., self.first : self.first + self.channels]
