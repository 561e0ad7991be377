"""One ONNX node at a time: quantized convolutions and matmuls, and what rearranges between them.

Source: ONNX operator definitions of QLinearConv, QLinearMatMul (opset 10 on), Flatten, Reshape and
Transpose. ONNX rescales in floating point; here it is TFLite's fixed point, whose results differ
from it by one unit at most, at ties.
"""

from dataclasses import dataclass, field

import numpy as np
from onnx import NodeProto

from rtl_gen.golden.quantize import Rounding
from rtl_gen.nn.graph import Node, Refusal, Tensor
from rtl_gen.nn.layout import View, channels_last, rows_as_stored
from rtl_gen.nn.onnx_operands import Operands, array_of, attributes_of, constant, padding
from rtl_gen.spec.layer import Layer, Quantization, conv2d, matmul

__all__ = ["OPERATORS", "NodeReader", "node_title"]

# The operators, and how many inputs each may have.
OPERATORS = {
    "QLinearConv": (8, 9),
    "QLinearMatMul": (8,),
    "Flatten": (1,),
    "Reshape": (2,),
    "Transpose": (1,),
    "Constant": (0,),
}


def node_title(node: NodeProto) -> str:
    """The node's name, or what it makes if it has none, and its operator."""
    name = node.name or f"unnamed, makes {', '.join(map(str, node.output))}"
    operator = node.op_type
    if node.domain not in ("", "ai.onnx"):
        operator = f"{node.domain}.{operator}"
    return f"{name} ({operator})"


@dataclass(kw_only=True)
class NodeReader:
    """Reads nodes in execution order and keeps what they make.

    Parameters
    ----------
    batch
        Images in every activation.
    rounding
        Of the requantization.
    constants
        The file's constant tensors by name.
    views
        Every activation's name in the file, to where its values lie; None where a refused node
        makes it.
    orders
        Of every stored activation: for each stored value of one image its position in the file's
        order. None for an input that no node has read yet: its first reader decides.
    tensors, nodes
        The graph's, as far as read.
    """

    batch: int
    rounding: Rounding
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    views: dict[str, View | None] = field(default_factory=dict)
    orders: dict[str, np.ndarray | None] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)

    def add_input(self, name: str, shape: tuple[int, ...]) -> None:
        """An input of the file; ``shape`` is one image's."""
        self.views[name] = View.of(name, shape)
        self.orders[name] = None

    def store(self, name: str, order: np.ndarray, scale: float, zero: int) -> None:
        """An activation that is stored in this order, which has the shape of one image."""
        shape = (self.batch, *order.shape)
        self.orders[name] = order
        self.tensors[name] = Tensor(name=name, shape=shape, scale=scale, zero=zero)

    def read(self, proto: NodeProto) -> None:
        """Read one node.

        Raises
        ------
        Refusal
            If the node cannot run. What it makes is unknown from then on, and nodes that read that
            are checked only for what does not depend on it.
        """
        for name in proto.output:
            self.views[name] = None
        if proto.domain not in ("", "ai.onnx") or proto.op_type not in OPERATORS:
            raise Refusal("the operator is not supported")
        counts = OPERATORS[proto.op_type]
        if len(proto.input) not in counts or len(proto.output) != 1:
            raise Refusal(
                f"must have {' or '.join(map(str, counts))} inputs and 1 output, "
                f"not {len(proto.input)} and {len(proto.output)}"
            )
        {
            "QLinearConv": self._read_conv,
            "QLinearMatMul": self._read_matmul,
            "Flatten": self._read_flatten,
            "Reshape": self._read_reshape,
            "Transpose": self._read_transpose,
            "Constant": self._read_constant,
        }[proto.op_type](proto, attributes_of(proto))

    def _read_conv(self, proto: NodeProto, attributes: dict) -> None:
        operands = Operands.of(proto, self.constants)
        weight = operands.weight
        if weight.ndim != 4:
            raise Refusal(f"only 2-D convolutions are supported, not a weight of {weight.shape}")
        bias = np.zeros(len(weight), np.int32)
        if len(proto.input) == 9 and proto.input[8]:
            bias = constant(self.constants, proto.input[8], "the bias", np.int32)
        if bias.shape != (len(weight),):
            raise Refusal(f"the bias must have shape ({len(weight)},), not {bias.shape}")
        rescaling = operands.rescaling(len(weight))
        view = self._view(proto.input[0])
        if view is None:
            return
        if view.index.ndim != 3:
            raise Refusal(f"the input must be (n, c, h, w), not of rank {view.index.ndim + 1}")
        layer = self._conv_layer(proto, attributes, view.index.shape, operands)
        index = channels_last(view.index)
        order = self._order(view.tensor, index, operands)
        if not np.array_equal(order.reshape(-1), index.reshape(-1)):
            raise Refusal("its input is rearranged in a way that would have to move data")
        weight = np.ascontiguousarray(weight.transpose(0, 2, 3, 1))
        node = _node(proto, layer, weight, bias, rescaling, view.tensor)
        self._add(node, operands)

    def _conv_layer(
        self, proto: NodeProto, attributes: dict, image: tuple[int, ...], operands: Operands
    ) -> Layer:
        """The layer of a convolution of an image (c, h, w)."""
        k, depth, r, s = operands.weight.shape
        c, h, w = image
        stride = tuple(attributes.get("strides", (1, 1)))
        dilation = tuple(attributes.get("dilations", (1, 1)))
        groups = attributes.get("group", 1)
        if tuple(attributes.get("kernel_shape", (r, s))) != (r, s):
            raise Refusal(f"kernel_shape must be the weight's, {r} x {s}")
        if len(stride) != 2 or len(dilation) != 2 or min(*stride, *dilation) < 1:
            raise Refusal(f"strides {stride} and dilations {dilation} must be two each, 1 or more")
        if depth * groups != c:
            raise Refusal(f"the weight is for {depth * groups} input channels, not {c}")
        try:
            return conv2d(
                name=_layer_name(proto),
                n=self.batch,
                k=k,
                c=c,
                h=h,
                w=w,
                r=r,
                s=s,
                groups=groups,
                stride=stride,
                dilation=dilation,
                pad=padding(attributes, (h, w), (r, s), stride, dilation),
                quantization=self._quantization(operands),
            )
        except ValueError as error:
            raise Refusal(str(error)) from error

    def _read_matmul(self, proto: NodeProto, attributes: dict) -> None:
        operands = Operands.of(proto, self.constants)
        weight = operands.weight
        if weight.ndim != 2:
            raise Refusal(f"the second operand must be (k, n), not of shape {weight.shape}")
        k, n = weight.shape
        rescaling = operands.rescaling(n)
        view = self._view(proto.input[0])
        if view is None:
            return
        if view.index.shape != (k,):
            shape = (self.batch, *view.index.shape)
            raise Refusal(f"the first operand must be ({self.batch}, {k}), not {shape}")
        layer = matmul(
            name=_layer_name(proto),
            m=self.batch,
            k=k,
            n=n,
            quantization=self._quantization(operands),
        )
        order = self._order(view.tensor, view.index, operands)
        weight = rows_as_stored(weight, view.index, order)
        bias = np.zeros(n, np.int32)
        self._add(_node(proto, layer, weight, bias, rescaling, view.tensor), operands)

    def _read_flatten(self, proto: NodeProto, attributes: dict) -> None:
        axis = attributes.get("axis", 1)
        view = self._view(proto.input[0])
        if view is None:
            return
        if axis not in (1, -view.index.ndim):
            raise Refusal(f"axis must be 1, which keeps the images apart, not {axis}")
        self.views[proto.output[0]] = view.flatten()

    def _read_reshape(self, proto: NodeProto, attributes: dict) -> None:
        target = constant(self.constants, proto.input[1], "the shape", np.int64).reshape(-1)
        keep_zeros = attributes.get("allowzero", 0)
        view = self._view(proto.input[0])
        if view is None:
            return
        old = (self.batch, *view.index.shape)
        new = [
            old[axis] if size == 0 and not keep_zeros and axis < len(old) else int(size)
            for axis, size in enumerate(target)
        ]
        known = int(np.prod([size for size in new if size != -1]))
        if new.count(-1) == 1 and known > 0:
            new[new.index(-1)] = int(np.prod(old)) // known
        if min(new, default=0) < 1 or np.prod(new) != np.prod(old) or new[0] != self.batch:
            raise Refusal(
                f"must keep the first dimension, the images: {old} cannot become {target.tolist()}"
            )
        self.views[proto.output[0]] = view.reshape(tuple(new[1:]))

    def _read_transpose(self, proto: NodeProto, attributes: dict) -> None:
        axes = attributes.get("perm")
        if axes and axes[0] != 0:
            raise Refusal(f"perm must keep the first dimension, the images, not {list(axes)}")
        view = self._view(proto.input[0])
        if view is None:
            return
        rank = view.index.ndim + 1
        if axes is None or sorted(axes) != list(range(rank)):
            raise Refusal(f"perm must order the {rank} dimensions, the images first, not {axes}")
        self.views[proto.output[0]] = view.transpose(tuple(axes))

    def _read_constant(self, proto: NodeProto, attributes: dict) -> None:
        if set(attributes) != {"value"}:
            raise Refusal("must have the attribute value and no other")
        self.constants[proto.output[0]] = array_of(attributes["value"])
        del self.views[proto.output[0]]

    def _view(self, name: str) -> View | None:
        """Where an activation lies; None if a refused node makes it."""
        if name not in self.views:
            raise Refusal(f"its input {name!r} is neither the file's nor made by a node before it")
        return self.views[name]

    def _order(self, name: str, index: np.ndarray, operands: Operands) -> np.ndarray:
        """The order in which an activation is stored; an input's first reader decides it."""
        if self.orders[name] is None:
            self.store(name, index, operands.x_scale, operands.x_zero)
        return self.orders[name]

    def _quantization(self, operands: Operands) -> Quantization:
        """Saturation is all that clamps: a ReLU's output zero point is -128."""
        return Quantization(
            input_zero=operands.x_zero, output_zero=operands.y_zero, rounding=self.rounding
        )

    def _add(self, node: Node, operands: Operands) -> None:
        """Keep a node and what it makes: in the file (c, h, w), stored (h, w, c); or a vector."""
        *pixels, channels = node.output_shape[1:]
        view = View.of(node.output, (channels, *pixels))
        order = channels_last(view.index) if pixels else view.index
        self.nodes.append(node)
        self.views[node.output] = view
        self.store(node.output, order, operands.y_scale, operands.y_zero)


def _layer_name(proto: NodeProto) -> str:
    return proto.name or proto.output[0]


def _node(
    proto: NodeProto,
    layer: Layer,
    weight: np.ndarray,
    bias: np.ndarray,
    rescaling: tuple[np.ndarray, np.ndarray],
    source: str,
) -> Node:
    return Node(
        layer=layer,
        weight=weight,
        bias=bias,
        multiplier=rescaling[0],
        shift=rescaling[1],
        input=source,
        output=proto.output[0],
    )
