"""Writes an encoder block of a transformer as an int8 ONNX file, with random weights.

Attention, addition, normalization, two layers with GELU between, addition, normalization (Vaswani
et al., "Attention Is All You Need", 2017), of real numbers between QuantizeLinear and
DequantizeLinear as quantizers write it. Beside the file it gives an input and what numpy, with real
numbers between the same quantizations, makes of every tensor. Run it with::

    python examples/transformer/write_onnx.py encoder.onnx
    rtl-gen run examples/transformer/attention.yaml encoder.onnx
"""

import argparse
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["Encoder", "Form", "encoder"]

OPSET, IR_VERSION = 20, 9  # the first with Gelu

Form = Literal["projections", "fused", "slices"]
"""How it is written: queries, keys and values by a layer each, and heads by Reshape and Transpose;
by one layer and a Split; each head by Slices, and Concat. The last two write GELU with Erf."""


@dataclass(frozen=True)
class Encoder:
    """A block with its data.

    Parameters
    ----------
    model
        The file's content; its input is ``x`` (1, tokens, width), its output ``y``, both float.
    x
        float32, an input.
    values
        Every quantized tensor, int8, by the name of what QuantizeLinear makes.
    """

    model: onnx.ModelProto
    x: np.ndarray
    values: dict[str, np.ndarray]


class _Writer:
    """A graph as it grows, with the real numbers of every tensor for one input."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.constants = [], []
        self.real: dict[str, np.ndarray] = {}
        self.quantized: dict[str, np.ndarray] = {}
        self.scale: dict[str, float] = {}

    def constant(self, name: str, array) -> str:
        if name not in {each.name for each in self.constants}:
            self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, operator: str, inputs, outputs: dict[str, np.ndarray], **attributes) -> str:
        """A node, and the real numbers that it makes by name; returns the first name."""
        names = list(outputs)
        self.nodes.append(helper.make_node(operator, inputs, names, name=names[0], **attributes))
        self.real |= outputs
        return names[0]

    def quantize(self, name: str, *, scale: float | None = None, zero: int | None = None) -> str:
        """Quantize a tensor as its numbers want it, or as is given, and take it as real again."""
        x = self.real[name]
        if scale is None:
            scale, zero = _meaning(x)
        scale = np.float32(scale)
        suffixes = (
            self.constant(f"{name}_scale", scale),
            self.constant(f"{name}_zero", np.int8(zero)),
        )
        stored = np.clip(np.rint(x / np.float64(scale)) + zero, -128, 127)
        own = f"{name}_q"
        self.quantized[own] = stored.astype(np.int8)
        self.node("QuantizeLinear", [name, *suffixes], {own: x})
        real = (stored - zero) * np.float64(scale)
        self.scale[f"{name}_real"] = float(scale)
        return self.node("DequantizeLinear", [own, *suffixes], {f"{name}_real": real})

    def linear(self, name: str, source: str, width: int, spread: float) -> str:
        """A layer for each token, with a scale for each feature; its bias is int32."""
        x = self.real[source]
        weight = self.rng.integers(-127, 128, (x.shape[-1], width))
        scale = self.rng.uniform(0.7, 1.3, width) * spread / (x @ weight).std()
        scale = scale.astype(np.float32)
        zeros = np.zeros(width, np.int8)
        stored = self.constant(f"{name}_weight", weight.astype(np.int8))
        operands = [
            self.constant(f"{name}_weight_scale", scale),
            self.constant(f"{name}_weight_zero", zeros),
        ]
        real = weight * scale.astype(np.float64)
        taken = self.node(
            "DequantizeLinear", [stored, *operands], {f"{name}_weight_real": real}, axis=1
        )
        made = self.node("MatMul", [source, taken], {f"{name}_product": x @ real})
        steps = (np.float32(self.scale[source]) * scale).astype(np.float32)
        bias = np.rint(self.rng.normal(0, spread / 4, width) / steps).astype(np.int32)
        operands = [self.constant(f"{name}_bias", bias), self.constant(f"{name}_bias_scale", steps)]
        real = bias * steps.astype(np.float64)
        bias_real = self.node("DequantizeLinear", operands, {f"{name}_bias_real": real}, axis=0)
        return self.quantize(
            self.node("Add", [made, bias_real], {name: x @ self.real[taken] + real})
        )

    def reshape(self, name: str, source: str, *shape: int) -> str:
        target = self.constant(f"{name}_shape", np.array(shape, np.int64))
        return self.node("Reshape", [source, target], {name: self.real[source].reshape(shape)})

    def transpose(self, name: str, source: str, *axes: int) -> str:
        return self.node(
            "Transpose", [source], {name: self.real[source].transpose(axes)}, perm=axes
        )

    def slice(self, name: str, source: str, first: int, last: int) -> str:
        """Channels ``first`` to before ``last``."""
        bounds = [self.constant(f"channel{n}", np.array([n], np.int64)) for n in (first, last, -1)]
        return self.node("Slice", [source, *bounds], {name: self.real[source][..., first:last]})

    def scores(self, name: str, query: str, key: str, depth: int) -> str:
        """Softmax of queries times transposed keys over the root of their length."""
        product = self.real[query] @ self.real[key]
        made = self.node("MatMul", [query, key], {f"{name}_product": product})
        root = np.float32(depth**-0.5)
        factor = self.constant("inverse_root", root)
        scaled = self.node("Mul", [made, factor], {f"{name}_scores": product * root})
        taken = self.quantize(scaled)
        powers = np.exp(self.real[taken] - self.real[taken].max(-1, keepdims=True))
        soft = powers / powers.sum(-1, keepdims=True)
        self.node("Softmax", [taken], {name: soft}, axis=-1)
        return self.quantize(name, scale=1 / 256, zero=-128)

    def sum(self, name: str, first: str, second: str) -> str:
        real = self.real[first] + self.real[second]
        return self.quantize(self.node("Add", [first, second], {name: real}))

    def normalized(self, name: str, source: str) -> str:
        x, epsilon = self.real[source], 1e-5
        width = x.shape[-1]
        gamma = self.rng.uniform(0.5, 1.5, width).astype(np.float32)
        beta = self.rng.uniform(-0.5, 0.5, width).astype(np.float32)
        centred = x - x.mean(-1, keepdims=True)
        real = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon) * gamma + beta
        operands = [self.constant(f"{name}_gamma", gamma), self.constant(f"{name}_beta", beta)]
        made = self.node(
            "LayerNormalization", [source, *operands], {name: real}, axis=-1, epsilon=epsilon
        )
        return self.quantize(made)

    def gelu(self, name: str, source: str, *, by_erf: bool) -> str:
        x = self.real[source]
        erf = np.vectorize(math.erf)(x / math.sqrt(2))
        real = x * (1 + erf) / 2
        if not by_erf:
            return self.quantize(self.node("Gelu", [source], {name: real}))
        root, one, half = (
            self.constant(what, np.float32(number))
            for what, number in (("root", math.sqrt(2)), ("one", 1), ("half", 0.5))
        )
        inner = self.node("Div", [source, root], {f"{name}_inner": x / math.sqrt(2)})
        inner = self.node("Erf", [inner], {f"{name}_erf": erf})
        inner = self.node("Add", [inner, one], {f"{name}_more": 1 + erf})
        inner = self.node("Mul", [source, inner], {f"{name}_twice": x * (1 + erf)})
        return self.quantize(self.node("Mul", [inner, half], {name: real}))


def _meaning(x: np.ndarray) -> tuple[float, int]:
    """Scale and zero point with which int8 holds all these numbers, and 0."""
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    scale = (high - low) / 255
    return scale, round(-128 - low / scale)


def encoder(
    *,
    tokens: int = 64,
    width: int = 128,
    heads: int = 4,
    hidden: int = 512,
    form: Form = "projections",
    seed: int = 1,
) -> Encoder:
    """A block; the scale of each tensor is chosen from what it has for one random input."""
    writer = _Writer(seed)
    writer.real["x"] = writer.rng.normal(0, 1, (1, tokens, width)).astype(np.float32)
    x = writer.quantize("x")
    mixed = {"projections": _heads, "fused": _heads, "slices": _sliced_heads}[form](
        writer, x, heads, fused=form == "fused"
    )
    attended = writer.sum("attended", writer.linear("out", mixed, width, 1), x)
    first = writer.normalized("first", attended)
    up = writer.linear("up", first, hidden, 1.5)
    activated = writer.gelu("activated", up, by_erf=form != "projections")
    ended = writer.sum("ended", writer.linear("down", activated, width, 1), first)
    last = writer.normalized("last", ended)
    shape = [1, tokens, width]
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", last)]
    graph = helper.make_graph(
        writer.nodes, f"encoder_{form}", ports[:1], ports[1:], writer.constants
    )
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return Encoder(model, writer.real["x"], writer.quantized)


def _heads(writer: _Writer, x: str, heads: int, *, fused: bool) -> str:
    """Attention of all heads at once: they are a dimension of their own in between."""
    _, tokens, width = writer.real[x].shape
    depth = width // heads
    if fused:
        taken = writer.linear("qkv", x, 3 * width, 1.6)
        sizes = writer.constant("thirds", np.full(3, width, np.int64))
        parts = np.split(writer.real[taken], 3, -1)
        names = ("query", "key", "value")
        writer.node("Split", [taken, sizes], dict(zip(names, parts)), axis=-1)
    else:
        names = [writer.linear(name, x, width, 1.6) for name in ("query", "key", "value")]
    apart = [writer.reshape(f"{name}_heads", name, 1, tokens, heads, depth) for name in names]
    orders = ((0, 2, 1, 3), (0, 2, 3, 1), (0, 2, 1, 3))
    query, key, value = (
        writer.transpose(f"{name}_moved", name, *axes) for name, axes in zip(apart, orders)
    )
    weights = writer.scores("weights", query, key, depth)
    product = writer.real[weights] @ writer.real[value]
    mixed = writer.node("MatMul", [weights, value], {"mixed": product})
    joined = writer.transpose("mixed_moved", mixed, 0, 2, 1, 3)
    return writer.quantize(writer.reshape("joined", joined, 1, tokens, width))


def _sliced_heads(writer: _Writer, x: str, heads: int, *, fused: bool) -> str:
    """Attention head by head, on slices of queries, keys and values."""
    width = writer.real[x].shape[-1]
    depth = width // heads
    taken = [writer.linear(name, x, width, 1.6) for name in ("query", "key", "value")]
    for n in range(heads):
        query, key, value = (
            writer.slice(f"{name}{n}", name, n * depth, (n + 1) * depth) for name in taken
        )
        key = writer.transpose(f"{key}_moved", key, 0, 2, 1)
        weights = writer.scores(f"weights{n}", query, key, depth)
        product = writer.real[weights] @ writer.real[value]
        writer.node("MatMul", [weights, value], {f"mixed{n}": product})
    names = [f"mixed{n}" for n in range(heads)]
    every = np.concatenate([writer.real[name] for name in names], -1)
    scale, zero = _meaning(every)  # one, so that joining them moves nothing
    names = [writer.quantize(name, scale=scale, zero=zero) for name in names]
    every = np.concatenate([writer.real[name] for name in names], -1)
    writer.node("Concat", names, {"joined": every}, axis=-1)
    return writer.quantize("joined", scale=scale, zero=zero)


def main() -> None:
    """Write a file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path)
    for name, default in (
        ("tokens", 64),
        ("width", 128),
        ("heads", 4),
        ("hidden", 512),
        ("seed", 1),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--form", choices=Form.__args__, default="projections")
    given = vars(parser.parse_args())
    path = given.pop("path")
    block = encoder(**given)
    path.write_bytes(block.model.SerializeToString(deterministic=True))
    np.savez(path.with_suffix(".npz"), x=block.x)
    print(f"{path}, and an input for it in {path.with_suffix('.npz')}")


if __name__ == "__main__":
    main()
