"""Maximum and average pools of int8 images; input and output have one scale and zero point.

Source: TFLite, ``reference/integer_ops/pooling.h``.
"""

import numpy as np

from rtl_gen.golden.quantize import clamp
from rtl_gen.golden.window import Pair, Sides, as_image, windows

__all__ = ["average_pool", "max_pool"]


def max_pool(
    x,
    *,
    kernel: Pair,
    stride: Pair = (1, 1),
    pad: Sides = (0, 0, 0, 0),
    act_min: int = -128,
    act_max: int = 127,
) -> np.ndarray:
    """Largest element under the window, clamped; padding never counts.

    Parameters
    ----------
    x
        int8, (n, h, w, c).
    kernel, stride
        Of rows and columns.
    pad
        Rows above, columns left, rows below, columns right.
    act_min, act_max
        Clamp of the output.

    Returns
    -------
    numpy.ndarray
        int8, (n, p, q, c).

    Raises
    ------
    ValueError
        If a window does not fit, or covers nothing but padding.
    """
    x = as_image(x)
    _covered(x, kernel, stride, pad)
    lowest = np.iinfo(np.int64).min
    taps = windows(x, kernel, stride=stride, pad=pad, fill=lowest)
    largest = np.full(1, lowest)
    for _, _, elements in taps:
        largest = np.maximum(largest, elements)
    return clamp(largest, act_min, act_max)


def average_pool(
    x,
    *,
    kernel: Pair,
    stride: Pair = (1, 1),
    pad: Sides = (0, 0, 0, 0),
    act_min: int = -128,
    act_max: int = 127,
) -> np.ndarray:
    """Mean of the elements under the window, a tie away from zero, clamped.

    Padding counts neither in the sum nor in the number of elements. Parameters, result and errors
    as in :func:`max_pool`.
    """
    x = as_image(x)
    count = _covered(x, kernel, stride, pad)
    total = np.zeros(1, np.int64)
    for _, _, elements in windows(x, kernel, stride=stride, pad=pad):
        total = total + elements
    # Division that truncates, of the magnitude: numpy's rounds toward minus infinity.
    mean = np.sign(total) * ((np.abs(total) + count // 2) // count)
    return clamp(mean, act_min, act_max)


def _covered(x: np.ndarray, kernel: Pair, stride: Pair, pad: Sides) -> np.ndarray:
    """Elements of the image under each window, (1, p, q, 1), at least one."""
    image = np.ones((1, *x.shape[1:3], 1), np.int64)
    count = np.zeros(1, np.int64)
    for _, _, elements in windows(image, kernel, stride=stride, pad=pad):
        count = count + elements
    if not count.all():
        _, row, column, _ = np.argwhere(count == 0)[0]
        raise ValueError(
            f"padding must be less than the window: at output ({row}, {column}) a window of "
            f"{kernel} with padding {pad} covers no element"
        )
    return count
