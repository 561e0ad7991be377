"""ONNX nodes that are no multiply-accumulate layers: additions, pools, functions, factors.

Source: ONNX operator definitions, and those of com.microsoft.
"""

from collections.abc import Callable

import numpy as np
from onnx import NodeProto

from rtl_gen.nn.graph import Refusal
from rtl_gen.nn.layout import View
from rtl_gen.nn.onnx_layers import Mac
from rtl_gen.nn.onnx_operands import MICROSOFT, Meaning, constant, name_of
from rtl_gen.nn.onnx_operators import Function, Sum, global_pool, pool, unary
from rtl_gen.nn.onnx_products import Product
from rtl_gen.nn.onnx_reader import NodeReader
from rtl_gen.nn.onnx_values import Pending, Real

__all__ = ["OTHER_OPERATORS"]


def _read_add(reader: NodeReader, proto: NodeProto, attributes: dict) -> None:
    held = [name in reader.quantized or name in reader.constants for name in proto.input]
    if any(held):
        number = held.index(True)
        numbers = reader.numbers(proto.input[number], "the constant")
        value = reader.value(proto.input[1 - number])
        if isinstance(value, Mac):
            reader.values[proto.output[0]] = value.biased(numbers)
            return
        if value is not None and numbers.size != 1:
            raise Refusal("adds a constant of several numbers to what no layer gives")
        if value is not None:
            by = float(numbers.item())
            _apply(reader, proto, lambda x: x + by)
        return
    first, second = (reader.real(name) for name in proto.input)
    if first is not None and second is not None:
        reader.values[proto.output[0]] = Sum(name=name_of(proto), first=first, second=second)


def _read_product(reader: NodeReader, proto: NodeProto, attributes: dict) -> None:
    """Mul and Div: by a constant number, or of functions of one activation."""
    held = [name in reader.quantized or name in reader.constants for name in proto.input]
    divides = proto.op_type == "Div"
    if not any(held):
        if divides:
            raise Refusal("divides by an activation")
        first, second = (_function(reader, name, name_of(proto)) for name in proto.input)
        if first is not None and second is not None:
            reader.values[proto.output[0]] = first.times(second)
        return
    numbers = reader.numbers(proto.input[held.index(True)], "the constant")
    if numbers.size != 1:
        raise Refusal("multiplies with a constant of several numbers")
    factor = float(numbers.item())
    if divides and (held[0] or not factor):
        raise Refusal("divides by 0" if held[1] else "divides by an activation")
    factor = 1 / factor if divides else factor
    value = reader.value(proto.input[held.index(False)])
    if isinstance(value, Real | Mac | Product) and factor > 0:
        reader.values[proto.output[0]] = value.scaled(factor)
    else:
        _apply(reader, proto, lambda x: x * factor)


def _function(reader: NodeReader, name: str, node: str) -> Function | None:
    """An activation's real numbers, or what a function makes of them, as a function."""
    value = reader.value(name)
    if isinstance(value, Function) and not value.moves:
        return value
    x = reader.real(name)
    return None if x is None else Function(name=node, x=x)


def _read_clamp(reader: NodeReader, proto: NodeProto, attributes: dict) -> None:
    """Relu and Clip."""
    low, high = (0.0, np.inf) if proto.op_type == "Relu" else (-np.inf, np.inf)
    low, high = attributes.get("min", low), attributes.get("max", high)
    limits = [*proto.input[1:], "", ""][:2]
    value = reader.value(proto.input[0])
    if isinstance(value, View):
        reader.values[proto.output[0]] = _clamp_integers(reader, proto, value, limits)
        return
    low, high = (
        float(reader.numbers(name, "the limit").item()) if name else limit
        for name, limit in zip(limits, (low, high))
    )
    if isinstance(value, Pending):
        reader.values[proto.output[0]] = value.clamped(low, high)
    elif (x := reader.real(proto.input[0])) is not None:
        function = Function(name=name_of(proto), x=x).clamped(low, high)
        reader.values[proto.output[0]] = function


def _clamp_integers(reader: NodeReader, proto: NodeProto, view: View, limits: list[str]) -> View:
    """Relu and Clip of the integers themselves, which mean behind it what they did."""
    unsigned = reader.unsigned[view.tensor]
    kind = np.uint8 if unsigned else np.int8
    bounds = [0 if proto.op_type == "Relu" else np.iinfo(kind).min, np.iinfo(kind).max]
    for n, name in enumerate(limits):
        if name:
            limit = constant(reader.constants, name, "the limit", kind)
            bounds[n] = int(limit.reshape(-1)[0])
    own = reader.own(view)
    low, high = (own.scale * (bound - 128 * unsigned - own.zero) for bound in bounds)
    function = Function(name=name_of(proto), x=Real(view=view, meaning=own)).clamped(low, high)
    return function.stored(reader, proto.output[0], own)


def _read_unary(reader: NodeReader, proto: NodeProto, attributes: dict) -> None:
    _apply(reader, proto, unary(proto.op_type, attributes))


def _apply(reader: NodeReader, proto: NodeProto, function: Callable[[float], float]) -> None:
    """A unary function of the first operand that is no constant."""
    given = [x for x in proto.input if x not in reader.constants and x not in reader.quantized]
    if not given:
        raise Refusal("all its inputs are constants")
    name = given[0]
    value = reader.value(name)
    if isinstance(value, Function) and not value.moves:
        reader.values[proto.output[0]] = value.then(function)
    elif (x := reader.real(name)) is not None:
        reader.values[proto.output[0]] = Function(name=name_of(proto), x=x).then(function)


def _read_pool(reader: NodeReader, proto: NodeProto, attributes: dict) -> None:
    kind = "max" if "Max" in proto.op_type else "average"
    whole = proto.op_type.startswith("Global")
    value = reader.value(proto.input[0])
    integers = isinstance(value, View) and kind == "max"
    if integers:  # of values as they are
        value = Real(view=value, meaning=reader.own(value))
    elif (value := reader.real(proto.input[0])) is None:
        return
    made = (
        global_pool(name_of(proto), kind, value)
        if whole
        else pool(name_of(proto), kind, attributes, value)
    )
    if integers:
        made = made.stored(reader, proto.output[0], value.meaning)
    reader.values[proto.output[0]] = made


def _read_mean(reader: NodeReader, proto: NodeProto, attributes: dict) -> None:
    """ReduceMean over whole images."""
    x = reader.real(proto.input[0])
    if x is None:
        return
    rank = x.view.index.ndim + 1
    axes = attributes.get("axes")
    if len(proto.input) > 1 and proto.input[1]:
        axes = constant(reader.constants, proto.input[1], "the axes", np.int64).tolist()
    if axes is None or sorted(axis % rank for axis in axes) != list(range(2, rank)):
        raise Refusal(f"axes must be all behind the channels, not {axes}")
    made = global_pool(name_of(proto), "average", x)
    if not attributes.get("keepdims", 1):
        made = made.moved(lambda view: view.flatten())
    reader.values[proto.output[0]] = made


def _read_microsoft(reader: NodeReader, proto: NodeProto, attributes: dict) -> None:
    """Operators with the meaning of each operand and of the result among their inputs."""
    name, inputs = name_of(proto), list(proto.input)
    count = 2 if proto.op_type == "QLinearAdd" else 1
    reals = [reader.meant(inputs[3 * n : 3 * n + 3]) for n in range(count)]
    stored = Meaning.of(reader.constants, *(*inputs[3 * count :], "")[:2], "the output")
    if None in reals:
        return
    if proto.op_type == "QLinearAdd":
        made = Sum(name=name, first=reals[0], second=reals[1])
    elif proto.op_type == "QLinearAveragePool":
        made = pool(name, "average", attributes, reals[0])
    elif proto.op_type == "QLinearGlobalAveragePool":
        if attributes.get("channels_last", 0):
            raise Refusal("channels_last must be 0")
        made = global_pool(name, "average", reals[0])
    else:
        function = unary(proto.op_type.removeprefix("QLinear"), attributes)
        made = Function(name=name, x=reals[0]).then(function)
    reader.values[proto.output[0]] = made.stored(reader, proto.output[0], stored)


OTHER_OPERATORS = {
    "Add": (_read_add, (2,)),
    "Div": (_read_product, (2,)),
    "Mul": (_read_product, (2,)),
    "MaxPool": (_read_pool, (1,)),
    "GlobalMaxPool": (_read_pool, (1,)),
    "AveragePool": (_read_pool, (1,)),
    "GlobalAveragePool": (_read_pool, (1,)),
    "ReduceMean": (_read_mean, (1, 2)),
    "Relu": (_read_clamp, (1,)),
    "Clip": (_read_clamp, (1, 2, 3)),
    **dict.fromkeys(
        (
            *("Erf", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Sigmoid", "Tanh"),
            f"{MICROSOFT}.Gelu",
        ),
        (_read_unary, (1,)),
    ),
    **{
        f"{MICROSOFT}.{name}": (_read_microsoft, counts)
        for name, counts in (
            ("QLinearAdd", (7, 8)),
            ("QLinearAveragePool", (4, 5)),
            ("QLinearGlobalAveragePool", (5,)),
            ("QLinearLeakyRelu", (4, 5)),
            ("QLinearSigmoid", (4, 5)),
        )
    },
}
"""What is read, by what, and how many inputs each may have."""
