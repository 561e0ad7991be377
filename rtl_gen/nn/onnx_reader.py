"""What is known of an ONNX file while its nodes are read: what names stand for, what is stored."""

from dataclasses import dataclass, field

import numpy as np

from rtl_gen.golden.quantize import Rounding
from rtl_gen.nn.graph import GraphNode, Refusal, Tensor
from rtl_gen.nn.layout import View, channels_last
from rtl_gen.nn.onnx_operands import REALS, Meaning, QuantizedConstant, constant
from rtl_gen.nn.onnx_values import Real, Sums, Value

__all__ = ["NodeReader"]


@dataclass(kw_only=True)
class NodeReader:
    """What the nodes read so far make.

    Parameters
    ----------
    batch
        Images in every activation.
    rounding
        Of the requantization.
    opset
        The version of ONNX's own operators that the file was written for.
    constants, quantized
        The file's constant tensors by name; those of which DequantizeLinear makes real numbers.
    values
        Every other name in the file, to what it stands for; None where a refused node makes it.
    shapes, unsigned
        Of every stored activation: one image's shape in the file, and whether it is uint8 there.
    orders
        The same: for each stored value of one image its position in the file's order. None for an
        input that no node has read yet: its first reader decides.
    told
        Of inputs, what DequantizeLinear says that their values mean, whatever factor is behind.
    float_inputs
        Inputs of real numbers, to the activations that QuantizeLinear makes of them.
    tensors, nodes
        The graph's, as far as read.
    """

    batch: int
    rounding: Rounding
    opset: int = 13
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    quantized: dict[str, QuantizedConstant] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    unsigned: dict[str, bool] = field(default_factory=dict)
    orders: dict[str, np.ndarray | None] = field(default_factory=dict)
    told: dict[str, Meaning] = field(default_factory=dict)
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
            self.store(name, index, self.told.get(name, meaning))
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

    # Operands

    def meant(self, names: list[str]) -> Real | None:
        """An activation with the scale and the zero point that stand behind it."""
        meaning = Meaning.of(self.constants, *names[1:], "an operand")
        view = self.stored(names[0])
        return None if view is None else Real(view=view, meaning=meaning)

    def own(self, view: View) -> Meaning:
        """What a stored activation means by what made it; of an input that nothing says it of
        any meaning will do.
        """
        tensor = self.tensors.get(view.tensor)
        if tensor:
            return Meaning(tensor.scale, tensor.zero, tensor.unsigned)
        return Meaning(1.0, 0, self.unsigned[view.tensor])

    def value(self, name: str) -> Value:
        """What a name stands for; None if a refused node makes it."""
        if name not in self.values:
            what = "a constant" if name in self.constants or name in self.quantized else None
            why = what or "neither the file's nor made by a node before it"
            raise Refusal(f"its input {name!r} is {why}")
        return self.values[name]

    def stored(self, name: str) -> View | None:
        """Where a quantized activation lies; None if a refused node makes it."""
        value = self.value(name)
        if isinstance(value, Sums):
            raise Refusal(f"its input {name!r} is int32 sums, which leave the accelerator")
        if value is not None and not isinstance(value, View):
            raise Refusal(f"its input {name!r} is real numbers; QuantizeLinear must come before")
        return value

    def real(self, name: str) -> Real | None:
        """A quantized activation as real numbers; None if a refused node makes it."""
        value = self.value(name)
        if value is not None and not isinstance(value, Real):
            raise Refusal(
                f"its input {name!r} is not quantized; QuantizeLinear and DequantizeLinear must "
                f"come before"
            )
        return value

    def weight(self, name: str) -> QuantizedConstant:
        if name not in self.quantized:
            raise Refusal("the weight must be a constant of the file behind DequantizeLinear")
        return self.quantized[name]

    def numbers(self, name: str, what: str) -> np.ndarray:
        """Real numbers of a constant, quantized or not."""
        if name in self.quantized:
            return self.quantized[name].real
        return constant(self.constants, name, what, *REALS).astype(np.float64)

    def quantized_constant(self, name, scale, zero, axis, what, *more) -> QuantizedConstant:
        array = constant(self.constants, name, what, np.int8, np.uint8, *more)
        factors = constant(self.constants, scale, f"{what}'s scale", *REALS)
        zeros = None
        if zero:
            zeros = constant(self.constants, zero, f"{what}'s zero point", np.int8, np.uint8, *more)
        return QuantizedConstant.of(array, factors, zeros, axis, what)
