"""Reads a traced network: a folder of a TFLite model's layers with recorded activations.

The folder ``<net>`` holds ``graph.json`` (operators with shapes, zero points, multipliers, shifts),
``<net>_weights.npz``, ``<net>_io.npz`` (network inputs ``x``) and ``<net>_trace.npz`` (every
operator's output for the first of them, as TFLite's reference kernels gave it).
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rtl_gen.golden.quantize import Rounding
from rtl_gen.nn.graph import Node
from rtl_gen.spec.layer import Layer, Quantization, conv2d, matmul

__all__ = ["TracedLayer", "read_traced"]


@dataclass(frozen=True, kw_only=True, eq=False)
class TracedLayer:
    """A layer and what went in and came out: int8, one image each along the first dimension."""

    node: Node
    inputs: np.ndarray
    outputs: np.ndarray


def read_traced(folder: str | Path, rounding: Rounding = "double") -> list[TracedLayer]:
    """The convolutions and fully connected layers of a traced network; others are left out.

    Layers are of batch 1 and are named ``opNN`` by their place in the network.
    """
    folder = Path(folder)
    graph = json.loads((folder / "graph.json").read_text())
    with np.load(folder / f"{folder.name}_weights.npz") as file:
        weights = dict(file)
    with np.load(folder / f"{folder.name}_trace.npz") as file:
        traced = dict(file)
    with np.load(folder / f"{folder.name}_io.npz") as file:
        tensors = {graph["inputs"][0]: file["x"]}
    layers = []
    for op in graph["ops"]:
        name = f"op{op['i']:02d}"
        outputs = traced[f"{name}_{op['op']}"]
        tensors[op["output"]] = outputs
        if op["op"] in ("CONV_2D", "FULLY_CONNECTED"):
            inputs = tensors[op["inputs"][0]][: len(outputs)]
            node = _node(name, op, weights, rounding)
            layers.append(TracedLayer(node=node, inputs=inputs, outputs=outputs))
    return layers


def _node(name: str, op: dict, weights: dict[str, np.ndarray], rounding: Rounding) -> Node:
    weight = weights[f"{name}_w"]
    quantization = Quantization(
        input_zero=op["x_zp"],
        output_zero=op["y_zp"],
        act_min=op["act_min"],
        act_max=op["act_max"],
        rounding=rounding,
    )
    if op["op"] == "FULLY_CONNECTED":
        weight = np.ascontiguousarray(weight.T)
        k, n = weight.shape
        layer = matmul(name=name, m=1, k=k, n=n, quantization=quantization)
    else:
        layer = _conv_layer(name, op, weight.shape, quantization)
    channels = len(weights[f"{name}_b"])
    return Node(
        layer=layer,
        weight=weight,
        bias=weights[f"{name}_b"],
        multiplier=_per_channel(op["multiplier"], channels),
        shift=_per_channel(op["shift"], channels),
        input=str(op["inputs"][0]),
        output=str(op["output"]),
    )


def _conv_layer(name: str, op: dict, weight: tuple[int, ...], quantization: Quantization) -> Layer:
    _, h, w, c = op["in_shape"]
    k, r, s, depth = weight
    return conv2d(
        name=name,
        k=k,
        c=c,
        h=h,
        w=w,
        r=r,
        s=s,
        groups=c // depth,
        stride=tuple(op["stride"]),
        dilation=tuple(op["dilation"]),
        pad=tuple(op["pad_tlbr"]),
        quantization=quantization,
    )


def _per_channel(values: list[int] | int, channels: int) -> np.ndarray:
    """A fully connected layer has one value for all its channels."""
    return np.broadcast_to(np.asarray(values, np.int32), channels).copy()
