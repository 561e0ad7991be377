"""What an ONNX node says of itself: its attributes and its constant operands, checked.

Source: ONNX operator definitions (opset 10 on), and those of com.microsoft that ONNX Runtime adds.
"""

from dataclasses import dataclass

import numpy as np
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper

from rtl_gen.golden.window import same_padding
from rtl_gen.nn.graph import Refusal

__all__ = [
    "MICROSOFT",
    "REALS",
    "Meaning",
    "QuantizedConstant",
    "array_of",
    "attributes_of",
    "constant",
    "name_of",
    "pads_of",
    "pair_of",
]

MICROSOFT = "com.microsoft"
"""The domain of ONNX Runtime's own operators."""
REALS = (np.float32, np.float16)
"""Types of scales."""

_INT, _INTS, _FLOAT = AttributeProto.INT, AttributeProto.INTS, AttributeProto.FLOAT
_ATTRIBUTE_TYPES = {
    "allowzero": _INT,
    "alpha": _FLOAT,
    "approximate": AttributeProto.STRING,
    "auto_pad": AttributeProto.STRING,
    "axes": _INTS,
    "axis": _INT,
    "beta": _FLOAT,
    "block_size": _INT,
    "ceil_mode": _INT,
    "channels_last": _INT,
    "count_include_pad": _INT,
    "dilations": _INTS,
    "ends": _INTS,
    "epsilon": _FLOAT,
    "group": _INT,
    "keepdims": _INT,
    "kernel_shape": _INTS,
    "max": _FLOAT,
    "min": _FLOAT,
    "noop_with_empty_axes": _INT,
    "num_outputs": _INT,
    "opset": _INT,
    "output_dtype": _INT,
    "output_padding": _INTS,
    "output_shape": _INTS,
    "pads": _INTS,
    "perm": _INTS,
    "saturate": _INT,
    "split": _INTS,
    "starts": _INTS,
    "stash_type": _INT,
    "storage_order": _INT,
    "strides": _INTS,
    "transA": _INT,
    "transB": _INT,
    "value": AttributeProto.TENSOR,
}


@dataclass(frozen=True)
class Meaning:
    """What the values of an activation mean: real = scale * (value - zero).

    ``zero`` is that of int8; ``unsigned``: the file has uint8, whose top bit is flipped here.
    """

    scale: float
    zero: int
    unsigned: bool = False

    def nearest(self, real: float) -> int:
        """The value of a real number, ties to even, clamped to int8."""
        return int(np.clip(np.rint(np.float64(real) / self.scale) + self.zero, -128, 127))

    @classmethod
    def of(cls, constants: dict, scale: str, zero: str, what: str) -> "Meaning":
        """From the names of the constants that say it; without a zero point it is uint8's 0."""
        unsigned, value = True, 0
        if zero:
            array = constant(constants, zero, f"{what}'s zero point", np.int8, np.uint8)
            value, unsigned = _one(array, f"{what}'s zero point"), array.dtype == np.uint8
        factor = _one(constant(constants, scale, f"{what}'s scale", *REALS), f"{what}'s scale")
        if not 0 < factor < np.inf:
            raise Refusal(f"{what}'s scale must be above 0, not {factor!r}")
        return cls(factor, value - 128 if unsigned else value, unsigned)


@dataclass(frozen=True, eq=False)
class QuantizedConstant:
    """A constant of int8, uint8 or int32 with its meaning.

    Parameters
    ----------
    values
        int64, less their zero points.
    scale
        A vector, of one value or one for each position along ``axis``.
    """

    values: np.ndarray
    scale: np.ndarray
    axis: int

    @classmethod
    def of(cls, array, scale, zero, axis: int, what: str) -> "QuantizedConstant":
        """From arrays; ``zero`` None is 0.

        Raises
        ------
        Refusal
            If the zero points have another type, or there are not one or as many as positions.
        """
        if array.size == 0:
            raise Refusal(f"{what} must not be empty, of shape {array.shape}")
        axis %= max(1, array.ndim)
        zero = np.zeros(1, array.dtype) if zero is None else np.asarray(zero)
        if zero.dtype != array.dtype:
            raise Refusal(f"{what}'s zero point must be {array.dtype} like it, not {zero.dtype}")
        positions = array.shape[axis] if array.ndim else 1
        zero, scale = zero.reshape(-1), np.asarray(scale, np.float64).reshape(-1)
        for name, values in (("scale", scale), ("zero point", zero)):
            if values.size not in (1, positions):
                raise Refusal(
                    f"{what}'s {name} must have 1 or {positions} values, not {values.size}"
                )
        spread = [1] * array.ndim
        if zero.size > 1:
            spread[axis] = zero.size
        values = array.astype(np.int64) - zero.astype(np.int64).reshape(spread)
        return cls(values, scale, axis)

    @property
    def real(self) -> np.ndarray:
        """Its numbers."""
        spread = [1] * self.values.ndim
        if self.scale.size > 1:
            spread[self.axis] = self.scale.size
        return self.values * self.scale.reshape(spread)

    @property
    def transposed(self) -> "QuantizedConstant":
        """Of a matrix."""
        return QuantizedConstant(self.values.T, self.scale, 1 - self.axis)

    def channel_scale(self, axis: int) -> np.ndarray:
        """A scale for each position along an axis; Refusal if they change along another."""
        if self.scale.size > 1 and self.axis != axis:
            raise Refusal(f"the weight's scale must be one, or one an output channel (axis {axis})")
        return np.broadcast_to(self.scale, self.values.shape[axis])


def attributes_of(proto: NodeProto) -> dict:
    """The node's attributes by name; Refusal where one is unknown or of another type."""
    for each in proto.attribute:
        if each.name not in _ATTRIBUTE_TYPES:
            raise Refusal(f"the attribute {each.name} is not supported")
        if _ATTRIBUTE_TYPES[each.name] != each.type:
            kind = AttributeProto.AttributeType.Name(_ATTRIBUTE_TYPES[each.name])
            raise Refusal(f"the attribute {each.name} must be of type {kind}")
    return {each.name: helper.get_attribute_value(each) for each in proto.attribute}


def name_of(proto: NodeProto) -> str:
    """A layer's name: the node's, or what it makes."""
    return proto.name or proto.output[0]


def array_of(tensor: TensorProto) -> np.ndarray:
    """The data of a constant; Refusal if they are damaged or in another file."""
    if tensor.data_location == TensorProto.EXTERNAL:
        raise Refusal("its data are in another file; save the model with all data in it")
    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError) as error:
        raise Refusal(f"its data are damaged ({error})") from error


def constant(constants: dict[str, np.ndarray], name: str, what: str, *dtypes: type) -> np.ndarray:
    """A constant operand; Refusal if it is none or of another type."""
    if name not in constants:
        raise Refusal(f"{what} must be a constant of the file")
    array = constants[name]
    if array.dtype not in dtypes:
        names = " or ".join(str(np.dtype(dtype)) for dtype in dtypes)
        raise Refusal(f"{what} must be {names}, not {array.dtype}")
    return array


def _one(array: np.ndarray, what: str) -> float | int:
    if array.size != 1:
        raise Refusal(f"{what} must be one number, not of shape {array.shape}")
    return array.item()


def pair_of(attributes: dict, name: str, axes: int, default: int = 1) -> tuple[int, int]:
    """An attribute of rows and columns; of a 1-D operator that of columns, rows have 1."""
    values = tuple(attributes.get(name, (default,) * axes))
    if len(values) != axes or min(values) < 1:
        raise Refusal(f"{name} must be {axes} numbers, 1 or more, not {values}")
    return (1,) * (2 - axes) + values


def pads_of(
    attributes: dict,
    axes: int,
    image: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int] = (1, 1),
) -> tuple[int, int, int, int]:
    """``pads`` or ``auto_pad`` of a window: rows above, columns left, rows below, right."""
    mode = attributes.get("auto_pad", b"NOTSET").decode(errors="replace")
    if mode == "VALID":
        return (0, 0, 0, 0)
    if mode == "NOTSET":
        pads = tuple(attributes.get("pads", (0,) * (2 * axes)))
        if len(pads) != 2 * axes or min(pads) < 0:
            count = {1: "two", 2: "four"}[axes]
            raise Refusal(f"pads must be {count}, 0 or more, not {pads}")
        return pads if axes == 2 else (0, pads[0], 0, pads[1])
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise Refusal(f"auto_pad {mode!r} is not one that ONNX knows")
    before, after = [], []
    for size, taps, step, spread in zip(image, kernel, stride, dilation):
        less, more = same_padding(size, taps, stride=step, dilation=spread)
        before.append(less if mode == "SAME_UPPER" else more)
        after.append(more if mode == "SAME_UPPER" else less)
    return (*before, *after)
