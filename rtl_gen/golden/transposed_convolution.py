"""Transposed convolution, as accumulators.

Source: TFLite, ``reference/integer_ops/transpose_conv.h`` (int8, a multiplier for each channel):
every input element is scattered, times the filter, over the output; what falls outside is dropped.
ONNX's ConvTranspose adds dilations and groups. Images are (n, h, w, c).
"""

import numpy as np

from rtl_gen.golden.window import Pair, as_bias, as_image, as_weights

__all__ = ["transposed_conv2d"]


def transposed_conv2d(
    x,
    w,
    bias=None,
    *,
    size: Pair,
    stride: Pair = (1, 1),
    dilation: Pair = (1, 1),
    before: Pair = (0, 0),
    groups: int = 1,
    input_zero: int = 0,
) -> np.ndarray:
    """Accumulators of a transposed convolution.

    Parameters
    ----------
    x
        Input, (n, h, w, c).
    w
        Weights, (k, r, s, c / groups); their zero point is 0.
    bias
        (k,), or None for none.
    size
        Rows and columns of the output.
    stride, dilation
        Of rows and columns: input row a meets output row a * stride + r * dilation - before.
    before
        Rows above and columns left of the output that are cut off.
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
        If shapes do not agree.
    """
    x, w = as_image(x) - input_zero, as_weights(w, 4, "(k, r, s, c / groups)")
    n, h, width, c = x.shape
    if groups < 1 or len(w) % groups or w.shape[3] * groups != c:
        raise ValueError(
            f"w must be (k, r, s, c / groups) for c = {c} and groups = {groups}, not {w.shape}"
        )
    k, r, s, depth = w.shape
    split = w.reshape(groups, k // groups, r, s, depth)
    pixels = x.reshape(n, h, width, groups, depth)
    sums = np.zeros((n, *size, k), np.int64)
    for i in range(r):
        rows = _meets(h, size[0], stride[0], i * dilation[0] - before[0])
        for j in range(s):
            columns = _meets(width, size[1], stride[1], j * dilation[1] - before[1])
            products = np.einsum("nabgc,gkc->nabgk", pixels, split[:, :, i, j])
            products = products.reshape(n, h, width, k)[:, rows[0]][:, :, columns[0]]
            sums[:, rows[1][:, None], columns[1]] += products
    return sums + as_bias(bias, k)


def _meets(extent: int, size: int, stride: int, first: int) -> tuple[np.ndarray, np.ndarray]:
    """Input positions that a tap scatters to a place within the output, and these places."""
    taken = np.arange(extent)
    places = taken * stride + first
    inside = (places >= 0) & (places < size)
    return taken[inside], places[inside]
