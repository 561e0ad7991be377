"""Products of two activations in the terms of conv2d, and what they should give."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from rtl_gen.golden.quantize import output_int8
from rtl_gen.mapping.program import LayerData
from rtl_gen.reuse.fused_machine import machine_of
from rtl_gen.reuse.machine import Machine
from rtl_gen.spec.design import KIB, Buffers
from rtl_gen.spec.layer import Layer, Quantization
from rtl_gen.spec.parse import load_design

ATTENTION = Path(__file__).resolve().parents[2] / "examples" / "transformer" / "attention.yaml"


def attention_machine(
    rows: int = 8, columns: int = 8, block: int = 8, *, buffers: int = 4 * KIB, **others
) -> Machine:
    """The design that ships for attention on a smaller array."""
    design = replace(load_design(ATTENTION), vector_lanes=0)
    sizes = Buffers(
        input=buffers, weights=buffers, output=buffers, parameters=1 * KIB, accumulators=128
    )
    return machine_of(
        replace(
            design,
            rows=rows,
            columns=columns,
            block=block,
            bus_bits=8 * min(block, 16),
            post_lanes=block,
            buffers=sizes,
            **others,
        )
    )


def product_layer(
    name: str, *, rows: int, c: int, k: int, heads: int = 1, batch: int = 1, quantization=None
) -> Layer:
    """For each head and image (rows, c) by (c, k)."""
    return Layer(
        name=name,
        operation="conv2d",
        sizes={"n": batch, "g": heads, "k": k, "c": c, "p": 1, "q": rows, "r": 1, "s": 1},
        symbols={"u": 1, "v": 1, "d": 1, "e": 1, "t": 0, "l": 0},
        extents={"h": 1, "w": rows},
        quantization=quantization or Quantization(),
    )


def product_sums(layer: Layer, a: np.ndarray, b: np.ndarray, operand_zero: int) -> np.ndarray:
    """``a`` as (n, g, 1, q, c), ``b`` as (n, g, c, k); the sums as (n, g, 1, q, k)."""
    a = a.astype(np.int64) - layer.quantization.input_zero
    return np.einsum("ngpqc,ngck->ngpqk", a, b.astype(np.int64) - operand_zero)


def spread(rng: np.random.Generator, sums: np.ndarray) -> LayerData:
    """Parameters with which such sums spread over int8."""
    channels = sums.shape[1] * sums.shape[-1]
    fraction, shift = np.frexp(40 / (sums.std() + 1))
    return LayerData(
        None,
        rng.integers(-1000, 1000, channels) - int(sums.mean()),
        np.full(channels, int(fraction * (1 << 31))) - rng.integers(0, 1 << 24, channels),
        np.full(channels, shift),
    )


def golden_product(layer: Layer, sums: np.ndarray, data: LayerData) -> np.ndarray:
    """What a layer makes of its sums."""
    quantization, channels = layer.quantization, (layer.sizes["g"], 1, 1, layer.sizes["k"])
    return output_int8(
        sums + data.bias.reshape(channels),
        np.broadcast_to(data.multiplier.reshape(channels), sums.shape),
        np.broadcast_to(data.shift.reshape(channels), sums.shape),
        output_zero=quantization.output_zero,
        act_min=quantization.act_min,
        act_max=quantization.act_max,
        rounding=quantization.rounding,
    )
