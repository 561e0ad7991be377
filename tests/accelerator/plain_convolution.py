"""A random convolution in the terms of frameworks: nothing shared with operations and mappings."""

import numpy as np
from random_layers import Case

from rtl_gen.golden.convolution import conv2d_int8

__all__ = ["plain_convolution"]


def plain_convolution(case: Case) -> np.ndarray:
    """The output (n, g, p, q, k) of a case, by the golden model's convolution."""
    layer, data = case.layer, case.data
    s, u, q = layer.sizes, layer.symbols, layer.quantization
    n, groups, h, w, c = case.source.shape
    below = (s["p"] - 1) * u["u"] + (s["r"] - 1) * u["d"] + 1 - u["t"] - h
    right = (s["q"] - 1) * u["v"] + (s["s"] - 1) * u["e"] + 1 - u["l"] - w
    output = conv2d_int8(
        case.source.transpose(0, 2, 3, 1, 4).reshape(n, h, w, groups * c),
        data.weights.transpose(0, 4, 1, 2, 3).reshape(groups * s["k"], s["r"], s["s"], c),
        data.bias.reshape(-1),
        data.multiplier.reshape(-1),
        data.shift.reshape(-1),
        stride=(u["u"], u["v"]),
        dilation=(u["d"], u["e"]),
        pad=(u["t"], u["l"], max(below, 0), max(right, 0)),
        groups=groups,
        input_zero=q.input_zero,
        output_zero=q.output_zero,
        act_min=q.act_min,
        act_max=q.act_max,
        rounding=q.rounding,
    )
    return output.reshape(n, s["p"], s["q"], groups, s["k"]).transpose(0, 3, 1, 2, 4)
