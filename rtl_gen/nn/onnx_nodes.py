"""One ONNX node at a time: integer operators, operators between DequantizeLinear and
QuantizeLinear, and what only rearranges.

An integer operator (QLinearConv) is read as what it stands for: real numbers of its operands, the
operator, and how its result is stored. So each operator is known once
(:mod:`rtl_gen.nn.onnx_layers`, :mod:`rtl_gen.nn.onnx_operators`).
"""

from dataclasses import dataclass, field

import numpy as np
from onnx import NodeProto

from rtl_gen.golden.quantize import Rounding
from rtl_gen.nn.graph import GraphNode, Refusal, Tensor
from rtl_gen.nn.layout import View, channels_last
from rtl_gen.nn.onnx_layers import Mac, convolution, product
from rtl_gen.nn.onnx_moves import MOVES, move_of
from rtl_gen.nn.onnx_operands import (
    REALS,
    Meaning,
    QuantizedConstant,
    array_of,
    attributes_of,
    constant,
)
from rtl_gen.nn.onnx_operators import Function, Softmax, Sum, global_pool, pool, unary
from rtl_gen.nn.onnx_values import FloatInput, Pending, Real, Sums, Value

__all__ = ["OPERATORS", "NodeReader", "node_title"]

MICROSOFT = "com.microsoft"


def node_title(node: NodeProto) -> str:
    """The node's name, or what it makes if it has none, and its operator."""
    name = node.name or f"unnamed, makes {', '.join(map(str, node.output))}"
    return f"{name} ({_operator(node)})"


def _operator(node: NodeProto) -> str:
    plain = node.domain in ("", "ai.onnx")
    return node.op_type if plain else f"{node.domain}.{node.op_type}"


@dataclass(kw_only=True)
class NodeReader:
    """Reads nodes in execution order and keeps what they make.

    Parameters
    ----------
    batch
        Images in every activation.
    rounding
        Of the requantization.
    constants, quantized
        The file's constant tensors by name; those of which DequantizeLinear makes real numbers.
    values
        Every other name in the file, to what it stands for; None where a refused node makes it.
    shapes, unsigned
        Of every stored activation: one image's shape in the file, and whether it is uint8 there.
    orders
        The same: for each stored value of one image its position in the file's order. None for an
        input that no node has read yet: its first reader decides.
    float_inputs
        Inputs of real numbers, to the activations that QuantizeLinear makes of them.
    tensors, nodes
        The graph's, as far as read.
    """

    batch: int
    rounding: Rounding
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    quantized: dict[str, QuantizedConstant] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    unsigned: dict[str, bool] = field(default_factory=dict)
    orders: dict[str, np.ndarray | None] = field(default_factory=dict)
    float_inputs: dict[str, tuple[str, Meaning]] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    nodes: list[GraphNode] = field(default_factory=list)

    # What is stored

    def add_input(self, name: str, shape: tuple[int, ...], *, unsigned: bool = False) -> None:
        """A stored activation that no node makes; ``shape`` is one image's."""
        self.values[name] = View.of(name, shape)
        self.shapes[name], self.unsigned[name], self.orders[name] = shape, unsigned, None

    def store(self, name: str, order: np.ndarray, meaning: Meaning | None) -> None:
        """An activation that is stored in this order, of one image's shape; without a meaning it
        is int32 sums.
        """
        scale, zero, unsigned = 1.0, 0, False
        if meaning:
            scale, zero, unsigned = meaning.scale, meaning.zero, meaning.unsigned
        self.orders[name], self.unsigned[name] = order, unsigned
        self.tensors[name] = Tensor(
            name=name,
            shape=(self.batch, *order.shape),
            scale=scale,
            zero=zero,
            unsigned=unsigned,
            raw=meaning is None,
        )

    def preferred(self, view: View) -> np.ndarray:
        """The order in which an input is stored for whom any order suits."""
        shape = self.shapes[view.tensor]
        index = np.arange(int(np.prod(shape))).reshape(shape)
        return channels_last(index) if index.ndim == 3 else index

    def order(self, name: str, index: np.ndarray, meaning: Meaning) -> np.ndarray:
        """The order in which an activation is stored; an input's first reader decides it."""
        if self.unsigned[name] != meaning.unsigned:
            kinds = [("int8", "uint8")[bit] for bit in (self.unsigned[name], meaning.unsigned)]
            raise Refusal(f"the input's zero point must be {kinds[0]} like it, not {kinds[1]}")
        if self.orders[name] is None:
            self.store(name, index, meaning)
        return self.orders[name]

    def add(
        self, node: GraphNode, shape: tuple[int, ...], order: np.ndarray, meaning: Meaning | None
    ) -> View:
        """Keep a node and what it makes: of a shape in the file, stored in an order."""
        self.nodes.append(node)
        self.shapes[node.output] = shape
        self.store(node.output, order, meaning)
        return View.of(node.output, shape)

    def add_like(self, node: GraphNode, view: View, meaning: Meaning) -> View:
        """Keep a node whose values lie as those of another activation."""
        self.nodes.append(node)
        self.shapes[node.output] = self.shapes[view.tensor]
        self.store(node.output, self.orders[view.tensor], meaning)
        return View(tensor=node.output, index=view.index)

    # Nodes

    def read(self, proto: NodeProto) -> None:
        """Read one node.

        Raises
        ------
        Refusal
            If the node cannot run. What it makes is unknown from then on, and nodes that read that
            are checked only for what does not depend on it.
        """
        for name in proto.output:
            self.values[name] = None
        operator = _operator(proto)
        if operator not in OPERATORS:
            raise Refusal("the operator is not supported")
        read, counts = OPERATORS[operator]
        if len(proto.input) not in counts or len(proto.output) != 1:
            few = [f"{counts[0]} to {counts[-1]}"] if len(counts) > 3 else list(map(str, counts))
            raise Refusal(
                f"must have {' or '.join(few)} inputs and 1 output, not {len(proto.input)} and "
                f"{len(proto.output)}"
            )
        read(self, proto, attributes_of(proto))

    def _read_constant(self, proto: NodeProto, attributes: dict) -> None:
        if set(attributes) != {"value"}:
            raise Refusal("must have the attribute value and no other")
        self.constants[proto.output[0]] = array_of(attributes["value"])
        del self.values[proto.output[0]]

    def _read_move(self, proto: NodeProto, attributes: dict) -> None:
        move = move_of(proto, attributes, self.constants, self.batch)
        value = self._value(proto.input[0])
        if isinstance(value, View):
            value = move(value)
        elif isinstance(value, Real):
            value = Real(view=move(value.view), meaning=value.meaning)
        elif isinstance(value, Sums):
            value = Sums(move(value.view))
        elif isinstance(value, Pending):
            value = value.moved(move)
        elif value is not None:
            raise Refusal("its input is real numbers; QuantizeLinear must read them first")
        self.values[proto.output[0]] = value

    def _read_quantize(self, proto: NodeProto, attributes: dict) -> None:
        source, output = proto.input[0], proto.output[0]
        zero = proto.input[2] if len(proto.input) > 2 else ""
        if attributes.get("block_size", 0):
            raise Refusal("block_size must be 0")
        meaning = Meaning.of(self.constants, proto.input[1], zero, "the output")
        value = self._value(source)
        if isinstance(value, FloatInput):
            if source in self.float_inputs:
                raise Refusal(f"the input {source} is quantized by another node already")
            self.float_inputs[source] = (output, meaning)
            self.add_input(output, value.shape, unsigned=meaning.unsigned)
        elif isinstance(value, Real) and value.meaning == meaning:
            self.values[output] = value.view
        elif isinstance(value, Real):
            name = proto.name or output
            self.values[output] = Function(name=name, x=value).stored(self, output, meaning)
        elif isinstance(value, Pending):
            self.values[output] = value.stored(self, output, meaning)
        elif value is not None:
            raise Refusal("its input is quantized already")

    def _read_dequantize(self, proto: NodeProto, attributes: dict) -> None:
        source, scale, *zero = proto.input
        zero = zero[0] if zero else ""
        if attributes.get("block_size", 0):
            raise Refusal("block_size must be 0")
        if source in self.constants:
            del self.values[proto.output[0]]
            self.quantized[proto.output[0]] = self._quantized(
                source, scale, zero, attributes.get("axis", 1), "the constant", np.int32
            )
            return
        value = self._stored(source)
        if value is None:
            return
        if zero or self.unsigned[value.tensor]:
            meaning = Meaning.of(self.constants, scale, zero, "the input")
        else:
            meaning = Meaning(Meaning.of(self.constants, scale, "", "the input").scale, 0)
        if meaning.unsigned != self.unsigned[value.tensor]:
            raise Refusal("its zero point must be of the type of its input")
        self.values[proto.output[0]] = Real(view=value, meaning=meaning)

    # Convolutions and matmuls

    def _read_qlinear(self, proto: NodeProto, attributes: dict) -> None:
        """QLinearConv and QLinearMatMul."""
        x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero = proto.input[:8]
        conv = proto.op_type == "QLinearConv"
        meaning = Meaning.of(self.constants, x_scale, x_zero, "the input")
        weight = self._quantized(w, w_scale, w_zero, 0 if conv else -1, "the weight")
        stored = Meaning.of(self.constants, y_scale, y_zero, "the output")
        bias = None
        if conv:
            channels = len(weight.values)
            bias = np.zeros(channels, np.int32)
            if len(proto.input) == 9 and proto.input[8]:
                bias = constant(self.constants, proto.input[8], "the bias", np.int32)
            if bias.shape != (channels,):
                raise Refusal(f"the bias must have shape ({channels},), not {bias.shape}")
        view = self._stored(x)
        if view is not None:
            mac = self._mac(proto, attributes, Real(view=view, meaning=meaning), weight, conv=conv)
            mac = mac if bias is None else mac.offset(bias)
            self.values[proto.output[0]] = mac.stored(self, proto.output[0], stored)

    def _read_integer(self, proto: NodeProto, attributes: dict) -> None:
        """ConvInteger and MatMulInteger, whose results are sums."""
        x, w, x_zero, w_zero = (*proto.input, "", "")[:4]
        array = constant(self.constants, w, "the weight", np.int8, np.uint8)
        conv = proto.op_type == "ConvInteger"
        zero = constant(self.constants, w_zero, "the weight's zero point", np.int8, np.uint8) if (
            w_zero
        ) else None  # fmt: skip
        axis = 0 if conv else -1
        weight = QuantizedConstant.of(array, np.ones(1), zero, axis, "the weight")
        view = self._stored(x)
        if view is None:
            return
        unsigned = self.unsigned[view.tensor]
        meaning = Meaning(1.0, -128 if unsigned else 0, unsigned)
        if x_zero:
            kind = np.uint8 if unsigned else np.int8
            value = constant(self.constants, x_zero, "the input's zero point", kind)
            if value.size != 1:
                raise Refusal(
                    f"the input's zero point must be one number, not of shape {value.shape}"
                )
            meaning = Meaning(1.0, int(value.item()) - 128 * unsigned, unsigned)
        mac = self._mac(proto, attributes, Real(view=view, meaning=meaning), weight, conv=conv)
        self.values[proto.output[0]] = Sums(mac.emit_sums(self, proto.output[0]))

    def _mac(self, proto, attributes, x: Real, weight: QuantizedConstant, *, conv: bool) -> Mac:
        if conv:
            return convolution(_name(proto), attributes, self.batch, x, weight)
        return product(_name(proto), self.batch, x, weight)

    def _read_float_mac(self, proto: NodeProto, attributes: dict) -> None:
        """Conv, MatMul and Gemm between real numbers."""
        weight, factor = self._weight(proto.input[1]), 1.0
        if proto.op_type == "Gemm":
            if attributes.get("transA", 0):
                raise Refusal("transA must be 0")
            if weight.values.ndim != 2:
                raise Refusal(f"the second operand must be a matrix, not {weight.values.shape}")
            weight = weight.transposed if attributes.get("transB", 0) else weight
            factor = attributes.get("beta", 1.0)
            scale = weight.scale * attributes.get("alpha", 1.0)
            weight = QuantizedConstant(weight.values, scale, weight.axis)
        bias = None
        if len(proto.input) > 2 and proto.input[2]:
            bias = self._numbers(proto.input[2], "the bias") * factor
        x = self._real(proto.input[0])
        if x is None:
            return
        mac = self._mac(proto, attributes, x, weight, conv=proto.op_type == "Conv")
        if bias is not None:
            spread = bias.reshape(-1, *[1] * (len(mac.shape) - 1)) if bias.ndim == 1 else bias
            mac = mac.biased(spread if proto.op_type == "Conv" else bias)
        self.values[proto.output[0]] = mac

    # Other operators

    def _read_add(self, proto: NodeProto, attributes: dict) -> None:
        held = [name in self.quantized or name in self.constants for name in proto.input]
        if any(held):
            number = held.index(True)
            numbers = self._numbers(proto.input[number], "the constant")
            value = self._value(proto.input[1 - number])
            if isinstance(value, Mac):
                self.values[proto.output[0]] = value.biased(numbers)
                return
            x = self._real(proto.input[1 - number])
            if numbers.size != 1:
                raise Refusal("adds a constant of several numbers to what no layer gives")
            if x is not None:
                by = float(numbers.item())
                self._apply(proto, lambda x: x + by)
            return
        first, second = (self._real(name) for name in proto.input)
        if first is not None and second is not None:
            self.values[proto.output[0]] = Sum(name=_name(proto), first=first, second=second)

    def _read_clamp(self, proto: NodeProto, attributes: dict) -> None:
        """Relu and Clip."""
        low, high = (0.0, np.inf) if proto.op_type == "Relu" else (-np.inf, np.inf)
        low, high = attributes.get("min", low), attributes.get("max", high)
        limits = [*proto.input[1:], "", ""][:2]
        low, high = (
            float(self._numbers(name, "the limit").item()) if name else limit
            for name, limit in zip(limits, (low, high))
        )
        value = self._value(proto.input[0])
        if isinstance(value, Pending):
            self.values[proto.output[0]] = value.clamped(low, high)
        elif (x := self._real(proto.input[0])) is not None:
            function = Function(name=_name(proto), x=x).clamped(low, high)
            self.values[proto.output[0]] = function

    def _read_unary(self, proto: NodeProto, attributes: dict) -> None:
        self._apply(proto, unary(proto.op_type, attributes))

    def _apply(self, proto: NodeProto, function) -> None:
        """A unary function of the first operand that is no constant."""
        name = next(x for x in proto.input if x not in self.constants and x not in self.quantized)
        value = self._value(name)
        if isinstance(value, Function) and not value.moves:
            self.values[proto.output[0]] = value.then(function)
        elif (x := self._real(name)) is not None:
            self.values[proto.output[0]] = Function(name=_name(proto), x=x).then(function)

    def _read_softmax(self, proto: NodeProto, attributes: dict) -> None:
        x = self._real(proto.input[0])
        if x is None:
            return
        if attributes.get("axis", -1) not in (-1, x.view.index.ndim):
            raise Refusal(f"axis must be the last, not {attributes['axis']}")
        self.values[proto.output[0]] = Softmax(name=_name(proto), x=x)

    def _read_pool(self, proto: NodeProto, attributes: dict) -> None:
        kind = "max" if "Max" in proto.op_type else "average"
        whole = proto.op_type.startswith("Global")
        value = self._value(proto.input[0])
        integers = isinstance(value, View) and kind == "max"
        if integers:  # of values as they are
            value = Real(view=value, meaning=self._own(value))
        elif (value := self._real(proto.input[0])) is None:
            return
        made = (
            global_pool(_name(proto), kind, value)
            if whole
            else pool(_name(proto), kind, attributes, value)
        )
        if integers:
            made = made.stored(self, proto.output[0], value.meaning)
        self.values[proto.output[0]] = made

    def _read_mean(self, proto: NodeProto, attributes: dict) -> None:
        """ReduceMean over whole images."""
        x = self._real(proto.input[0])
        if x is None:
            return
        rank = x.view.index.ndim + 1
        axes = attributes.get("axes")
        if len(proto.input) > 1 and proto.input[1]:
            axes = constant(self.constants, proto.input[1], "the axes", np.int64).tolist()
        if axes is None or sorted(axis % rank for axis in axes) != list(range(2, rank)):
            raise Refusal(f"axes must be all behind the channels, not {axes}")
        made = global_pool(_name(proto), "average", x)
        if not attributes.get("keepdims", 1):
            made = made.moved(lambda view: view.flatten())
        self.values[proto.output[0]] = made

    def _read_microsoft(self, proto: NodeProto, attributes: dict) -> None:
        """Operators with the meaning of each operand and of the result among their inputs."""
        name, inputs = _name(proto), list(proto.input)
        count = 2 if proto.op_type == "QLinearAdd" else 1
        reals = [self._meant(inputs[3 * n : 3 * n + 3]) for n in range(count)]
        stored = Meaning.of(self.constants, *(*inputs[3 * count :], "")[:2], "the output")
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
        self.values[proto.output[0]] = made.stored(self, proto.output[0], stored)

    # Operands

    def _meant(self, names: list[str]) -> Real | None:
        """An activation with the scale and the zero point that stand behind it."""
        meaning = Meaning.of(self.constants, *names[1:], "an operand")
        view = self._stored(names[0])
        return None if view is None else Real(view=view, meaning=meaning)

    def _own(self, view: View) -> Meaning:
        """What a stored activation means by what made it; of an input that nothing says it of
        any meaning will do.
        """
        tensor = self.tensors.get(view.tensor)
        if tensor:
            return Meaning(tensor.scale, tensor.zero, tensor.unsigned)
        return Meaning(1.0, 0, self.unsigned[view.tensor])

    def _value(self, name: str) -> Value:
        """What a name stands for; None if a refused node makes it."""
        if name not in self.values:
            what = "a constant" if name in self.constants or name in self.quantized else None
            why = what or "neither the file's nor made by a node before it"
            raise Refusal(f"its input {name!r} is {why}")
        return self.values[name]

    def _stored(self, name: str) -> View | None:
        """Where a quantized activation lies; None if a refused node makes it."""
        value = self._value(name)
        if isinstance(value, Sums):
            raise Refusal(f"its input {name!r} is int32 sums, which leave the accelerator")
        if value is not None and not isinstance(value, View):
            raise Refusal(f"its input {name!r} is real numbers; QuantizeLinear must come before")
        return value

    def _real(self, name: str) -> Real | None:
        """A quantized activation as real numbers; None if a refused node makes it."""
        value = self._value(name)
        if value is not None and not isinstance(value, Real):
            raise Refusal(
                f"its input {name!r} is not quantized; QuantizeLinear and DequantizeLinear must "
                f"come before"
            )
        return value

    def _weight(self, name: str) -> QuantizedConstant:
        if name not in self.quantized:
            raise Refusal("the weight must be a constant of the file behind DequantizeLinear")
        return self.quantized[name]

    def _numbers(self, name: str, what: str) -> np.ndarray:
        """Real numbers of a constant, quantized or not."""
        if name in self.quantized:
            return self.quantized[name].real
        return constant(self.constants, name, what, *REALS).astype(np.float64)

    def _quantized(self, name, scale, zero, axis, what, *more) -> QuantizedConstant:
        array = constant(self.constants, name, what, np.int8, np.uint8, *more)
        factors = constant(self.constants, scale, f"{what}'s scale", *REALS)
        zeros = None
        if zero:
            zeros = constant(self.constants, zero, f"{what}'s zero point", np.int8, np.uint8, *more)
        return QuantizedConstant.of(array, factors, zeros, axis, what)


def _name(proto: NodeProto) -> str:
    return proto.name or proto.output[0]


OPERATORS = {
    "QLinearConv": (NodeReader._read_qlinear, (8, 9)),
    "QLinearMatMul": (NodeReader._read_qlinear, (8,)),
    "ConvInteger": (NodeReader._read_integer, (2, 3, 4)),
    "MatMulInteger": (NodeReader._read_integer, (2, 3, 4)),
    "QuantizeLinear": (NodeReader._read_quantize, (2, 3)),
    "DequantizeLinear": (NodeReader._read_dequantize, (2, 3)),
    "Conv": (NodeReader._read_float_mac, (2, 3)),
    "Gemm": (NodeReader._read_float_mac, (2, 3)),
    "MatMul": (NodeReader._read_float_mac, (2,)),
    "Add": (NodeReader._read_add, (2,)),
    "MaxPool": (NodeReader._read_pool, (1,)),
    "GlobalMaxPool": (NodeReader._read_pool, (1,)),
    "AveragePool": (NodeReader._read_pool, (1,)),
    "GlobalAveragePool": (NodeReader._read_pool, (1,)),
    "ReduceMean": (NodeReader._read_mean, (1, 2)),
    "Softmax": (NodeReader._read_softmax, (1,)),
    "Relu": (NodeReader._read_clamp, (1,)),
    "Clip": (NodeReader._read_clamp, (1, 2, 3)),
    **dict.fromkeys(
        ("Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Sigmoid", "Tanh"),
        (NodeReader._read_unary, (1,)),
    ),
    **{
        f"{MICROSOFT}.{name}": (NodeReader._read_microsoft, counts)
        for name, counts in (
            ("QLinearAdd", (7, 8)),
            ("QLinearAveragePool", (4, 5)),
            ("QLinearGlobalAveragePool", (5,)),
            ("QLinearLeakyRelu", (4, 5)),
            ("QLinearSigmoid", (4, 5)),
        )
    },
    **{name: (NodeReader._read_move, counts) for name, counts in MOVES.items()},
    "Constant": (NodeReader._read_constant, (0,)),
}
"""What is read, by what, and how many inputs each may have."""
