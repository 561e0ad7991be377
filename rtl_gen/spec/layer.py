"""A layer: an operation with sizes, stride, padding, dilation, groups and quantization."""

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Layer", "Quantization", "conv2d", "matmul"]

Rounding = Literal["double", "single"]


@dataclass(frozen=True, kw_only=True)
class Quantization:
    """How an int32 accumulator becomes an int8 output, and what the operands' zeros are.

    The per-channel multipliers and shifts are data of the layer (arrays), not part of this.

    Parameters
    ----------
    input_zero, output_zero
        Zero points, -128 to 127.
    act_min, act_max
        Clamp of the output, after its zero point was added: -128 <= act_min <= act_max <= 127.
    rounding
        ``double`` (gemmlowp, TFLite's reference kernels) or ``single`` (one rounding shift).
    raw
        The result is the int32 sum, bias included: nothing is rescaled or clamped.
    """

    input_zero: int = 0
    output_zero: int = 0
    act_min: int = -128
    act_max: int = 127
    rounding: Rounding = "double"
    raw: bool = False

    def __post_init__(self):
        for name in ("input_zero", "output_zero", "act_min", "act_max"):
            value = getattr(self, name)
            if value not in range(-128, 128):
                raise ValueError(f"{name} must be -128..127, not {value!r}")
        if self.act_min > self.act_max:
            raise ValueError(f"act_min {self.act_min} must not exceed act_max {self.act_max}")
        if self.rounding not in ("double", "single"):
            raise ValueError(f"rounding must be 'double' or 'single', not {self.rounding!r}")


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One operation with all its sizes.

    Parameters
    ----------
    name
        For messages and tables.
    operation
        Name of the operation, for example ``conv2d`` or ``matmul``.
    sizes
        Size of each dimension of the operation. For ``conv2d``: n batch, g groups, k and c output
        and input channels *of one group*, p q output rows and columns, r s filter rows and columns.
        For ``matmul``: m k n.
    symbols
        Value of each run-time symbol of the operation's projections. For ``conv2d``: u v strides
        and d e dilations of rows and columns, t l rows and columns of padding above and left.
    extents
        Size of each tensor rank whose projection is not a plain dimension. For ``conv2d``: h w,
        the input's rows and columns.
    quantization
        Zero points, clamp and rounding.
    repeats
        Dimensions along which the weights do not change: they are laid out and loaded once.
    parts
        Dimensions of which several values in a row meet the same inputs, and how many: with
        ``{"r": 2}`` rows 2 r and 2 r + 1 of the filter both lie over row r of the window. So a
        weight of more than 8 bits is the sum of such parts.
    constant
        Of a layer normalization: what is added to N^2 times a row's variance.
    """

    name: str
    operation: str
    sizes: dict[str, int]
    symbols: dict[str, int] = field(default_factory=dict)
    extents: dict[str, int] = field(default_factory=dict)
    quantization: Quantization = field(default_factory=Quantization)
    repeats: tuple[str, ...] = ()
    parts: dict[str, int] = field(default_factory=dict)
    constant: int = 0

    def __post_init__(self):
        for name, count in self.parts.items():
            if count < 1 or self.sizes.get(name, 1) % count:
                raise ValueError(
                    f"{self.name}: parts of {name} must divide its size {self.sizes.get(name)}, "
                    f"not {count!r}"
                )
        for kind in ("sizes", "extents"):
            for name, value in getattr(self, kind).items():
                if not isinstance(value, int) or value < 1:
                    raise ValueError(f"{self.name}: {name} must be at least 1, not {value!r}")

    def position(self, dimension: str, value: int) -> int:
        """Where a value of a dimension lies in the tensors whose ranks it moves along."""
        return value // self.parts.get(dimension, 1)

    @property
    def macs(self) -> int:
        """Multiply-accumulates, padding included: the product of all sizes."""
        product = 1
        for size in self.sizes.values():
            product *= size
        return product


def conv2d(
    *,
    name: str = "conv2d",
    k: int,
    c: int,
    h: int,
    w: int,
    r: int,
    s: int,
    n: int = 1,
    groups: int = 1,
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    pad: tuple[int, int, int, int] = (0, 0, 0, 0),
    quantization: Quantization | None = None,
    repeats: tuple[str, ...] = (),
) -> Layer:
    """A convolution in the terms of frameworks.

    Parameters
    ----------
    k, c
        Output and input channels of the whole layer; both multiples of ``groups``.
    h, w, r, s
        Input rows and columns, filter rows and columns.
    stride, dilation
        Of rows and columns.
    pad
        Rows above, columns left, rows below, columns right.
    repeats
        See :class:`Layer`.

    Raises
    ------
    ValueError
        If the groups do not divide the channels, a stride, a dilation or padding is out of range,
        or the padded image is smaller than the filter.
    """
    if groups < 1 or c % groups or k % groups:
        raise ValueError(f"{name}: groups must divide c = {c} and k = {k}, not {groups!r}")
    for word, values, least in (("stride", stride, 1), ("dilation", dilation, 1), ("pad", pad, 0)):
        if min(values) < least:
            raise ValueError(f"{name}: {word} must be at least {least}, not {min(values)!r}")
    top, left, bottom, right = pad
    p = (h + top + bottom - (r - 1) * dilation[0] - 1) // stride[0] + 1
    q = (w + left + right - (s - 1) * dilation[1] - 1) // stride[1] + 1
    if p < 1 or q < 1:
        raise ValueError(
            f"{name}: the padded image, {h + top + bottom} x {w + left + right}, "
            f"must not be smaller than the filter"
        )
    return Layer(
        name=name,
        operation="conv2d",
        sizes={"n": n, "g": groups, "k": k // groups, "c": c // groups}
        | {"p": p, "q": q, "r": r, "s": s},
        symbols={"u": stride[0], "v": stride[1], "d": dilation[0], "e": dilation[1]}
        | {"t": top, "l": left},
        extents={"h": h, "w": w},
        quantization=quantization or Quantization(),
        repeats=repeats,
    )


def matmul(
    *, name: str = "matmul", m: int, k: int, n: int, quantization: Quantization | None = None
) -> Layer:
    """An (m, k) by (k, n) matrix product; ``n`` are the output features of a dense layer."""
    return Layer(
        name=name,
        operation="matmul",
        sizes={"m": m, "k": k, "n": n},
        quantization=quantization or Quantization(),
    )
