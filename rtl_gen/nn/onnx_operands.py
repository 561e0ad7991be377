"""What an ONNX node says of itself: its attributes and its constant operands, checked.

Source: ONNX operator definitions of QLinearConv and QLinearMatMul (opset 10 on).
"""

from dataclasses import dataclass

import numpy as np
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper

from rtl_gen.golden.quantize import quantize_multiplier
from rtl_gen.golden.window import same_padding
from rtl_gen.nn.graph import Refusal

__all__ = ["Operands", "array_of", "attributes_of", "constant", "padding"]

_ATTRIBUTE_TYPES = {
    "allowzero": AttributeProto.INT,
    "auto_pad": AttributeProto.STRING,
    "axis": AttributeProto.INT,
    "dilations": AttributeProto.INTS,
    "group": AttributeProto.INT,
    "kernel_shape": AttributeProto.INTS,
    "pads": AttributeProto.INTS,
    "perm": AttributeProto.INTS,
    "strides": AttributeProto.INTS,
    "value": AttributeProto.TENSOR,
}


@dataclass(frozen=True, kw_only=True)
class Operands:
    """Operands 1 to 7, which QLinearConv and QLinearMatMul have in common.

    ``weight`` is as in the file, ``weight_scale`` a vector of one value or one an output channel.
    """

    x_scale: float
    x_zero: int
    weight: np.ndarray
    weight_scale: np.ndarray
    y_scale: float
    y_zero: int

    @classmethod
    def of(cls, proto: NodeProto, constants: dict[str, np.ndarray]) -> "Operands":
        """Raises Refusal where they are of other types or not constant."""
        _, x_scale, x_zero, weight, weight_scale, weight_zero, y_scale, y_zero = proto.input[:8]
        zero = constant(constants, weight_zero, "the weight's zero point", np.int8)
        if zero.any():
            raise Refusal(f"the weight's zero point must be 0, not {zero.reshape(-1).tolist()}")
        scale = constant(constants, weight_scale, "the weight's scale", np.float32)
        operands = cls(
            x_scale=_scalar(constants, x_scale, "the input's scale", np.float32),
            x_zero=_scalar(constants, x_zero, "the input's zero point", np.int8),
            weight=constant(constants, weight, "the weight", np.int8),
            weight_scale=scale.reshape(-1),
            y_scale=_scalar(constants, y_scale, "the output's scale", np.float32),
            y_zero=_scalar(constants, y_zero, "the output's zero point", np.int8),
        )
        if operands.weight.size == 0:
            raise Refusal(f"the weight must not be empty, of shape {operands.weight.shape}")
        return operands

    def rescaling(self, channels: int) -> tuple[np.ndarray, np.ndarray]:
        """Multiplier and shift of every output channel, int32.

        The scales are float32 values; their product and quotient are taken in double precision.
        """
        if self.weight_scale.size not in (1, channels):
            raise Refusal(
                f"the weight's scale must have 1 or {channels} values, not {self.weight_scale.size}"
            )
        factor = self.x_scale * self.weight_scale.astype(np.float64) / self.y_scale
        try:
            multiplier, shift = quantize_multiplier(factor)
        except ValueError as error:
            outside = factor[~((factor >= 0) & (factor < 2.0**30))]
            raise Refusal(
                f"x_scale * w_scale / y_scale must be 0 or more and below 2^30 in every channel, "
                f"not {float(outside[0]) if outside.size else float(factor.max())}"
            ) from error
        multiplier = np.broadcast_to(multiplier, channels).astype(np.int32)
        return multiplier, np.broadcast_to(shift, channels).astype(np.int32)


def attributes_of(proto: NodeProto) -> dict:
    """The node's attributes by name; Refusal where one is unknown or of another type."""
    for each in proto.attribute:
        if each.name not in _ATTRIBUTE_TYPES:
            raise Refusal(f"the attribute {each.name} is not supported")
        if _ATTRIBUTE_TYPES[each.name] != each.type:
            kind = AttributeProto.AttributeType.Name(_ATTRIBUTE_TYPES[each.name])
            raise Refusal(f"the attribute {each.name} must be of type {kind}")
    return {each.name: helper.get_attribute_value(each) for each in proto.attribute}


def array_of(tensor: TensorProto) -> np.ndarray:
    """The data of a constant; Refusal if they are damaged or in another file."""
    if tensor.data_location == TensorProto.EXTERNAL:
        raise Refusal("its data are in another file; save the model with all data in it")
    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError) as error:
        raise Refusal(f"its data are damaged ({error})") from error


def constant(constants: dict[str, np.ndarray], name: str, what: str, dtype: type) -> np.ndarray:
    """A constant operand; Refusal if it is none or of another type."""
    if name not in constants:
        raise Refusal(f"{what} must be a constant of the file")
    array = constants[name]
    if array.dtype != dtype:
        raise Refusal(f"{what} must be {np.dtype(dtype)}, not {array.dtype}")
    return array


def _scalar(constants: dict[str, np.ndarray], name: str, what: str, dtype: type) -> float | int:
    array = constant(constants, name, what, dtype)
    if array.size != 1:
        raise Refusal(f"{what} must be one number, not of shape {array.shape}")
    value = array.item()
    if dtype is np.float32 and not 0 < value < np.inf:
        raise Refusal(f"{what} must be above 0, not {value!r}")
    return value


def padding(
    attributes: dict,
    image: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
) -> tuple[int, int, int, int]:
    """A convolution's ``pads`` or ``auto_pad``: rows above, columns left, rows below, right."""
    mode = attributes.get("auto_pad", b"NOTSET").decode(errors="replace")
    if mode == "VALID":
        return (0, 0, 0, 0)
    if mode == "NOTSET":
        pads = tuple(attributes.get("pads", (0, 0, 0, 0)))
        if len(pads) != 4 or min(pads) < 0:
            raise Refusal(f"pads must be four, 0 or more, not {pads}")
        return pads
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise Refusal(f"auto_pad {mode!r} is not one that ONNX knows")
    before, after = [], []
    for size, taps, step, spread in zip(image, kernel, stride, dilation):
        less, more = same_padding(size, taps, stride=step, dilation=spread)
        before.append(less if mode == "SAME_UPPER" else more)
        after.append(more if mode == "SAME_UPPER" else less)
    return (*before, *after)
