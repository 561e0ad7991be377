"""Convolution, depthwise convolution and fully connected layer, as accumulators and as int8.

Source: TFLite, ``reference/integer_ops/{conv,depthwise_conv,fully_connected}.h``. Images are
(n, h, w, c); padding contributes 0, as if it held the input's zero point.
"""

import numpy as np

from rtl_gen.golden.quantize import Rounding, output_int8
from rtl_gen.golden.window import Pair, Sides, as_bias, as_image, as_weights, windows

__all__ = [
    "conv2d",
    "conv2d_int8",
    "depthwise",
    "depthwise_int8",
    "fully_connected",
    "fully_connected_int8",
]


def conv2d(
    x,
    w,
    bias=None,
    *,
    stride: Pair = (1, 1),
    dilation: Pair = (1, 1),
    pad: Sides = (0, 0, 0, 0),
    groups: int = 1,
    input_zero: int = 0,
) -> np.ndarray:
    """Accumulators of a convolution.

    Parameters
    ----------
    x
        Input, (n, h, w, c).
    w
        Weights, (k, r, s, c / groups); their zero point is 0.
    bias
        (k,), or None for none.
    stride, dilation
        Of rows and columns.
    pad
        Rows above, columns left, rows below, columns right.
    groups
        Parts that the channels, input and output, fall into.
    input_zero
        The input's zero point.

    Returns
    -------
    numpy.ndarray
        int64, (n, p, q, k).

    Raises
    ------
    ValueError
        If shapes do not agree, or a window does not fit.
    """
    x = as_image(x)
    w = as_weights(w, 4, "(k, r, s, c / groups)")
    k, r, s, depth = w.shape
    if groups < 1 or k % groups or depth * groups != x.shape[3]:
        raise ValueError(
            f"groups must divide k = {k}, and x have groups x {depth} channels, "
            f"not groups = {groups!r} and c = {x.shape[3]}"
        )
    # g c k: one matrix a group, so that matmul runs over the groups.
    matrices = w.reshape(groups, k // groups, r, s, depth).transpose(2, 3, 0, 4, 1)
    acc = np.zeros(1, np.int64)
    for row, column, elements in windows(
        x - input_zero, (r, s), stride=stride, dilation=dilation, pad=pad
    ):
        n, p, q, _ = elements.shape
        pixels = elements.reshape(n * p * q, groups, depth).transpose(1, 0, 2)
        acc = acc + pixels @ matrices[row, column]
    return acc.transpose(1, 0, 2).reshape(n, p, q, k) + as_bias(bias, k)


def depthwise(
    x,
    w,
    bias=None,
    *,
    stride: Pair = (1, 1),
    dilation: Pair = (1, 1),
    pad: Sides = (0, 0, 0, 0),
    input_zero: int = 0,
) -> np.ndarray:
    """Accumulators of a depthwise convolution.

    Parameters
    ----------
    x
        Input, (n, h, w, c).
    w
        Weights, (1, r, s, k); k is c times the depth multiplier, and output channel k reads
        input channel k // depth multiplier.
    bias, stride, dilation, pad, input_zero
        As in :func:`conv2d`.

    Returns
    -------
    numpy.ndarray
        int64, (n, p, q, k).

    Raises
    ------
    ValueError
        If shapes do not agree, or a window does not fit.
    """
    x = as_image(x)
    w = as_weights(w, 4, "(1, r, s, k)")
    one, r, s, k = w.shape
    if one != 1 or k % x.shape[3]:
        raise ValueError(
            f"depthwise weights must be (1, r, s, k) with k a multiple of c = {x.shape[3]}, "
            f"not {w.shape}"
        )
    repeated = np.repeat(x - input_zero, k // x.shape[3], axis=3)
    acc = np.zeros(1, np.int64)
    for row, column, elements in windows(
        repeated, (r, s), stride=stride, dilation=dilation, pad=pad
    ):
        acc = acc + elements * w[0, row, column]
    return acc + as_bias(bias, k)


def fully_connected(x, w, bias=None, *, input_zero: int = 0, weight_zero: int = 0) -> np.ndarray:
    """Accumulators of a fully connected layer.

    Parameters
    ----------
    x
        Input, (n, c).
    w
        Weights, (k, c).
    bias
        (k,), or None for none.
    input_zero, weight_zero
        Zero points.

    Returns
    -------
    numpy.ndarray
        int64, (n, k).

    Raises
    ------
    ValueError
        If shapes do not agree.
    """
    x = np.asarray(x)
    w = as_weights(w, 2, "(k, c)")
    if x.ndim != 2 or x.dtype.kind not in "iu" or x.shape[1] != w.shape[1]:
        raise ValueError(
            f"x must be integers of shape (n, c) with c = {w.shape[1]}, not {x.dtype} of {x.shape}"
        )
    acc = (x.astype(np.int64) - input_zero) @ (w - weight_zero).T
    return acc + as_bias(bias, w.shape[0])


def conv2d_int8(
    x,
    w,
    bias,
    multiplier,
    shift,
    *,
    stride: Pair = (1, 1),
    dilation: Pair = (1, 1),
    pad: Sides = (0, 0, 0, 0),
    groups: int = 1,
    input_zero: int = 0,
    output_zero: int = 0,
    act_min: int = -128,
    act_max: int = 127,
    rounding: Rounding = "double",
) -> np.ndarray:
    """:func:`conv2d`, requantized: int8, (n, p, q, k).

    ``multiplier`` and ``shift`` are (k,) or numbers; the rest is as in :func:`conv2d` and
    :func:`~rtl_gen.golden.quantize.output_int8`.
    """
    acc = conv2d(
        x,
        w,
        bias,
        stride=stride,
        dilation=dilation,
        pad=pad,
        groups=groups,
        input_zero=input_zero,
    )
    return output_int8(
        acc,
        multiplier,
        shift,
        output_zero=output_zero,
        act_min=act_min,
        act_max=act_max,
        rounding=rounding,
    )


def depthwise_int8(
    x,
    w,
    bias,
    multiplier,
    shift,
    *,
    stride: Pair = (1, 1),
    dilation: Pair = (1, 1),
    pad: Sides = (0, 0, 0, 0),
    input_zero: int = 0,
    output_zero: int = 0,
    act_min: int = -128,
    act_max: int = 127,
    rounding: Rounding = "double",
) -> np.ndarray:
    """:func:`depthwise`, requantized: int8, (n, p, q, k); parameters as in :func:`conv2d_int8`."""
    acc = depthwise(x, w, bias, stride=stride, dilation=dilation, pad=pad, input_zero=input_zero)
    return output_int8(
        acc,
        multiplier,
        shift,
        output_zero=output_zero,
        act_min=act_min,
        act_max=act_max,
        rounding=rounding,
    )


def fully_connected_int8(
    x,
    w,
    bias,
    multiplier,
    shift,
    *,
    input_zero: int = 0,
    weight_zero: int = 0,
    output_zero: int = 0,
    act_min: int = -128,
    act_max: int = 127,
    rounding: Rounding = "double",
) -> np.ndarray:
    """:func:`fully_connected`, requantized: int8, (n, k); parameters as in :func:`conv2d_int8`."""
    acc = fully_connected(x, w, bias, input_zero=input_zero, weight_zero=weight_zero)
    return output_int8(
        acc,
        multiplier,
        shift,
        output_zero=output_zero,
        act_min=act_min,
        act_max=act_max,
        rounding=rounding,
    )
