"""Reads a traced network: a folder of a TFLite model's layers with recorded activations.

The folder ``<net>`` holds ``graph.json`` (operators with shapes, zero points, multipliers, shifts),
``<net>_weights.npz``, ``<net>_io.npz`` (network inputs ``x``) and ``<net>_trace.npz`` (every
operator's output for the first of them, as TFLite's reference kernels gave it).
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rtl_gen.golden.elementwise import AddFactors
from rtl_gen.golden.quantize import Rounding
from rtl_gen.mapping.addition import Addition
from rtl_gen.nn.graph import Node
from rtl_gen.nn.pooling import average_pool_node
from rtl_gen.spec.layer import Layer, Quantization, conv2d, matmul

__all__ = ["TracedAddition", "TracedLayer", "read_additions", "read_traced"]


@dataclass(frozen=True, kw_only=True, eq=False)
class TracedLayer:
    """A layer and what went in and came out: int8, one image each along the first dimension."""

    node: Node
    inputs: np.ndarray
    outputs: np.ndarray


def read_traced(
    folder: str | Path, rounding: Rounding = "double", *, pools: bool = False
) -> list[TracedLayer]:
    """The convolutions and fully connected layers of a traced network; others are left out.

    Layers are of batch 1 and are named ``opNN`` by their place in the network.

    Parameters
    ----------
    pools
        Whether average pools are given as well, as depthwise convolutions.
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
        if op["op"] == "AVERAGE_POOL_2D" and pools:
            inputs = tensors[op["inputs"][0]][: len(outputs)]
            layers.append(TracedLayer(node=_pool(name, op), inputs=inputs, outputs=outputs))
    return layers


def _pool(name: str, op: dict) -> Node:
    return average_pool_node(
        name=name,
        image=tuple(op["in_shape"][1:3]),
        channels=op["in_shape"][3],
        kernel=tuple(op["kernel"]),
        stride=tuple(op["stride"]),
        pad=tuple(op["pad_tlbr"]),
        act_min=op["act_min"],
        act_max=op["act_max"],
        input=str(op["inputs"][0]),
        output=str(op["output"]),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class TracedAddition:
    """A residual addition, the tensors that it adds and gives, and what came out.

    ``addition`` is that of the first input, as a layer's own output, and the second.
    """

    name: str
    addition: Addition
    inputs: tuple[str, str]
    output: str
    outputs: np.ndarray


def read_additions(folder: str | Path, rounding: Rounding = "double") -> list[TracedAddition]:
    """The residual additions of a traced network, named ``opNN`` by their place in it."""
    folder = Path(folder)
    graph = json.loads((folder / "graph.json").read_text())
    with np.load(folder / f"{folder.name}_trace.npz") as file:
        traced = dict(file)
    found = []
    for op in graph["ops"]:
        if op["op"] != "ADD":
            continue
        addition = Addition(
            factors=AddFactors(*(tuple(op[name]) for name in ("m1", "m2", "mo"))),
            own_zero=op["x_zp"],
            residual_zero=op["x2_zp"],
            output_zero=op["y_zp"],
            act_min=op["act_min"],
            act_max=op["act_max"],
            rounding=rounding,
        )
        name = f"op{op['i']:02d}"
        found.append(
            TracedAddition(
                name=name,
                addition=addition,
                inputs=(str(op["inputs"][0]), str(op["inputs"][1])),
                output=str(op["output"]),
                outputs=traced[f"{name}_ADD"],
            )
        )
    return found


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
