"""The sliding window that convolutions and pools share: extents, padding, and what it covers."""

from collections.abc import Iterator

import numpy as np

__all__ = ["as_bias", "as_image", "as_weights", "output_extent", "same_padding", "windows"]

Pair = tuple[int, int]
Sides = tuple[int, int, int, int]


def output_extent(
    extent: int, kernel: int, *, stride: int = 1, dilation: int = 1, before: int = 0, after: int = 0
) -> int:
    """Positions that a window of ``kernel`` taps takes along one side of a padded image.

    Raises
    ------
    ValueError
        If a parameter is out of range or the padded image is smaller than the window.
    """
    for name, value in (("kernel", kernel), ("stride", stride), ("dilation", dilation)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value!r}")
    if before < 0 or after < 0:
        raise ValueError(f"padding must be 0 or more on each side, not {before!r} and {after!r}")
    span = (kernel - 1) * dilation + 1
    padded = extent + before + after
    if padded < span:
        raise ValueError(f"the padded image, {padded}, must not be smaller than the window, {span}")
    return (padded - span) // stride + 1


def same_padding(extent: int, kernel: int, *, stride: int = 1, dilation: int = 1) -> Pair:
    """Padding (before, after) that gives ceil(extent / stride) outputs; the odd one comes after.

    Source: TFLite, ``padding.h`` (SAME).
    """
    outputs = -(-extent // stride)
    total = max((outputs - 1) * stride + (kernel - 1) * dilation + 1 - extent, 0)
    return total // 2, total - total // 2


def as_image(x) -> np.ndarray:
    """``x`` as an int64 array of n, h, w, c, or an error that says what it is instead."""
    x = np.asarray(x)
    if x.ndim != 4 or x.dtype.kind not in "iu":
        raise ValueError(f"x must be integers of shape (n, h, w, c), not {x.dtype} of {x.shape}")
    return x.astype(np.int64)


def as_weights(w, ranks: int, shape: str) -> np.ndarray:
    """``w`` as an int64 array, or an error that says what it is instead of ``shape``."""
    w = np.asarray(w)
    if w.ndim != ranks or w.dtype.kind not in "iu":
        raise ValueError(f"w must be integers of shape {shape}, not {w.dtype} of {w.shape}")
    return w.astype(np.int64)


def as_bias(bias, k: int) -> np.ndarray:
    """``bias`` as an int64 array (k,), zeros for None, or an error that says what it is."""
    bias = np.zeros(k, np.int64) if bias is None else np.asarray(bias)
    if bias.shape != (k,) or bias.dtype.kind not in "iu":
        raise ValueError(f"bias must be integers of shape ({k},), not {bias.dtype} of {bias.shape}")
    return bias.astype(np.int64)


def windows(
    x: np.ndarray,
    kernel: Pair,
    *,
    stride: Pair = (1, 1),
    dilation: Pair = (1, 1),
    pad: Sides = (0, 0, 0, 0),
    fill: int = 0,
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield, for each tap (r, s) of the window, what it meets at all output positions.

    Parameters
    ----------
    x
        Image, (n, h, w, c).
    kernel, stride, dilation
        Of rows and columns.
    pad
        Rows above, columns left, rows below, columns right; they hold ``fill``.

    Yields
    ------
    r, s, elements
        ``elements`` is a view of shape (n, p, q, c).
    """
    top, left, bottom, right = pad
    rows, columns = x.shape[1:3]
    p = output_extent(
        rows, kernel[0], stride=stride[0], dilation=dilation[0], before=top, after=bottom
    )
    q = output_extent(
        columns, kernel[1], stride=stride[1], dilation=dilation[1], before=left, after=right
    )
    padded = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
    for r in range(kernel[0]):
        first_row = r * dilation[0]
        row_range = slice(first_row, first_row + (p - 1) * stride[0] + 1, stride[0])
        for s in range(kernel[1]):
            first_column = s * dilation[1]
            column_range = slice(first_column, first_column + (q - 1) * stride[1] + 1, stride[1])
            yield r, s, padded[:, row_range, column_range]
