"""An encoder block of a transformer as a network (Vaswani et al., "Attention Is All You Need",
2017): attention, addition, normalization, two layers with GELU between, addition, normalization.
"""

import numpy as np

from rtl_gen.golden.elementwise import add_factors
from rtl_gen.golden.layer_norm import layer_norm_factors
from rtl_gen.golden.quantize import quantize_multiplier
from rtl_gen.golden.softmax import softmax_factor
from rtl_gen.golden.table import FUNCTIONS, function_table
from rtl_gen.mapping.addition import Addition
from rtl_gen.nn.golden_run import run_node
from rtl_gen.nn.graph import Graph, Node, Port, Tensor
from rtl_gen.nn.operators import AdditionNode, LayerNormNode, SoftmaxNode, TableNode
from rtl_gen.nn.products import ProductNode
from rtl_gen.spec.layer import Quantization, conv2d

__all__ = ["encoder_block"]

SPREAD = 40
"""Deviation of what layers give; int8 has 127."""


class _Block:
    """A graph as it grows: each layer's scale is chosen from what it gives for one input."""

    def __init__(self, tokens: int, width: int, seed: int):
        self.rng = np.random.default_rng(seed)
        self.tokens, self.nodes = tokens, []
        x = self.rng.normal(0, SPREAD, (1, 1, tokens, width)).round().clip(-128, 127)
        self.values = {"x": x.astype(np.int8)}
        self.tensors = {"x": Tensor(name="x", shape=x.shape, scale=0.05, zero=3)}

    def add(self, node, scale: float, zero: int) -> str:
        """Append a node; returns the name of its output, which is the node's."""
        self.nodes.append(node)
        y = run_node(node, *(self.values[name] for name in node.inputs))
        self.values[node.output] = y
        self.tensors[node.output] = Tensor(name=node.name, shape=y.shape, scale=scale, zero=zero)
        return node.output

    def linear(self, name: str, source: str, width: int, zero: int) -> str:
        """A layer of ``width`` features for each token, with a scale for each feature's weights."""
        x, given = self.values[source].astype(np.int64), self.tensors[source]
        c = x.shape[-1]
        weight = self.rng.integers(-127, 128, (width, 1, 1, c)).astype(np.int8)
        sums = (x - given.zero).reshape(-1, c) @ weight.reshape(width, c).T.astype(np.int64)
        bias = self.rng.integers(-1, 2, width) * int(sums.std() / 4)
        real = SPREAD / sums.std() * self.rng.uniform(0.7, 1.3, width)
        multiplier, shift = quantize_multiplier(real)
        layer = conv2d(
            name=name,
            k=width,
            c=c,
            h=1,
            w=self.tokens,
            r=1,
            s=1,
            quantization=Quantization(input_zero=given.zero, output_zero=zero),
        )
        numbers = (array.astype(np.int32) for array in (bias, multiplier, shift))
        node = Node(
            layer=layer,
            weight=weight,
            **dict(zip(("bias", "multiplier", "shift"), numbers)),
            input=source,
            output=name,
        )
        return self.add(node, 0.05, zero)

    def product(self, name: str, a: str, b: str, heads: int, along: str, zero: int) -> str:
        """For each head the product of two activations."""
        x, y = self.values[a], self.values[b]
        c = x.shape[-1] // heads
        columns = y.shape[2] if along == "c" else y.shape[-1] // heads
        how = Quantization(input_zero=self.tensors[a].zero, output_zero=zero)
        common = {
            "name": name,
            "heads": heads,
            "rows": self.tokens,
            "c": c,
            "columns": columns,
            "along": along,
            "inputs": (a, b),
            "output": name,
            "operand_zero": self.tensors[b].zero,
            "quantization": how,
        }
        sums = ProductNode(**common, multiplier=0, shift=0).sums(x, y)
        multiplier, shift = quantize_multiplier(SPREAD / sums.std())
        node = ProductNode(**common, multiplier=int(multiplier), shift=int(shift))
        return self.add(node, 0.05, zero)

    def sum(self, name: str, a: str, b: str, zero: int) -> str:
        first, second = self.tensors[a], self.tensors[b]
        addition = Addition(
            factors=add_factors(first.scale, second.scale, 0.06),
            own_zero=first.zero,
            residual_zero=second.zero,
            output_zero=zero,
        )
        node = AdditionNode(name=name, addition=addition, inputs=(a, b), output=name)
        return self.add(node, 0.06, zero)

    def normalized(self, name: str, source: str, zero: int) -> str:
        width = self.values[source].shape[-1]
        factors = layer_norm_factors(
            self.rng.uniform(-1.5, 1.5, width),
            self.rng.uniform(-0.5, 0.5, width),
            epsilon=1e-5,
            input_scale=self.tensors[source].scale,
            output_scale=0.03,
        )
        node = LayerNormNode(
            name=name,
            shape=(1, self.tokens, width),
            constant=factors.constant,
            bias=factors.bias,
            multiplier=factors.multiplier,
            shift=factors.shift,
            input=source,
            output=name,
            output_zero=zero,
        )
        return self.add(node, 0.03, zero)

    def probabilities(self, name: str, source: str, heads: int) -> str:
        keys = self.values[source].shape[-1] // heads
        multiplier, left_shift, diff_min = softmax_factor(self.tensors[source].scale)
        node = SoftmaxNode(
            name=name,
            shape=(self.tokens, heads, keys),
            multiplier=multiplier,
            left_shift=left_shift,
            diff_min=diff_min,
            input=source,
            output=name,
        )
        self.add(node, 1 / 256, -128)
        self.values[name] = self.values[name].reshape(1, 1, self.tokens, heads * keys)
        shape = self.values[name].shape
        self.tensors[name] = Tensor(name=name, shape=shape, scale=1 / 256, zero=-128)
        return name

    def gelu(self, name: str, source: str, zero: int) -> str:
        given = self.tensors[source]
        table = function_table(
            FUNCTIONS["gelu"],
            input_scale=given.scale,
            input_zero=given.zero,
            output_scale=0.04,
            output_zero=zero,
        )
        return self.add(TableNode(name=name, input=source, output=name, table=table), 0.04, zero)


def encoder_block(
    *, tokens: int = 64, width: int = 128, heads: int = 4, hidden: int = 512, seed: int = 1
) -> tuple[Graph, dict[str, np.ndarray]]:
    """The network, and an input for which its values spread."""
    block = _Block(tokens, width, seed)
    query = block.linear("query", "x", width, 5)
    key = block.linear("key", "x", width, 0)
    value = block.linear("value", "x", width, -4)
    scores = block.product("scores", query, key, heads, "c", 7)
    weights = block.probabilities("weights", scores, heads)
    mixed = block.product("mixed", weights, value, heads, "k", 2)
    attended = block.sum("attended", block.linear("out", mixed, width, -6), "x", 1)
    first = block.normalized("first", attended, -2)
    activated = block.gelu("activated", block.linear("up", first, hidden, 0), -100)
    ended = block.sum("ended", block.linear("down", activated, width, 8), first, -3)
    last = block.normalized("last", ended, 0)
    shape = block.values[last].shape[1:]
    index = np.arange(int(np.prod(shape))).reshape(shape)
    ports = [Port(name=name, tensor=name, index=index) for name in ("x", last)]
    graph = Graph(
        name="encoder block",
        nodes=tuple(block.nodes),
        tensors=block.tensors,
        inputs=(ports[0],),
        outputs=(ports[1],),
    )
    return graph, {"x": block.values["x"]}
