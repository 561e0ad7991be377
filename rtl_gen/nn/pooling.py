"""Average pools as what a convolution's hardware runs: sums of ones, requantized."""

import numpy as np

from rtl_gen.nn.graph import ModelError, Node
from rtl_gen.spec.layer import Quantization, conv2d

__all__ = ["average_pool_node", "window_sums"]

LARGEST_WINDOW = 2895
"""Elements for which the rounded quotient is exact: 128 n / 2^31 < 1 / 2n."""


def average_pool_node(
    *,
    name: str,
    image: tuple[int, int],
    channels: int,
    kernel: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
    pad: tuple[int, int, int, int] = (0, 0, 0, 0),
    act_min: int = -128,
    act_max: int = 127,
    input: str = "",
    output: str = "",
) -> Node:
    """An average pool of int8 images as a depthwise convolution whose weights are all 1.

    With n elements under the window the factor is floor(2^31 / n) + 1 over 2^31, a little more than
    1 / n: what lies half-way goes away from zero, as TFLite's division does, and the excess moves
    nothing else over a half.

    Raises
    ------
    ModelError
        If the image is padded, as the number of elements then differs from window to window, or
        the window has more than 2,895 elements.
    """
    size = kernel[0] * kernel[1]
    if any(pad):
        raise ModelError(f"{name}: an average pool with padding does not run yet")
    if size > LARGEST_WINDOW:
        raise ModelError(
            f"{name}: an average pool over {size} elements would not be exact; at most "
            f"{LARGEST_WINDOW} are allowed"
        )
    # 1 has no such factor: twice the sum, halved.
    weight, multiplier = (2, 1 << 30) if size == 1 else (1, (1 << 31) // size + 1)
    return window_sums(
        name=name,
        image=image,
        channels=channels,
        kernel=kernel,
        stride=stride,
        quantization=Quantization(act_min=act_min, act_max=act_max),
        weight=weight,
        multiplier=multiplier,
        input=input,
        output=output,
    )


def window_sums(
    *,
    name: str,
    image: tuple[int, int],
    channels: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    quantization: Quantization,
    multiplier: int,
    input: str,
    output: str,
    batch: int = 1,
    pad: tuple[int, int, int, int] = (0, 0, 0, 0),
    weight: int = 1,
    shift: int = 0,
) -> Node:
    """What lies under a window, channel by channel, summed and rescaled: a depthwise convolution
    with equal weights, of which one set serves all taps.

    Raises
    ------
    ValueError
        If the window does not fit the image.
    """
    layer = conv2d(
        name=name,
        n=batch,
        k=channels,
        c=channels,
        h=image[0],
        w=image[1],
        r=kernel[0],
        s=kernel[1],
        groups=channels,
        stride=stride,
        pad=pad,
        quantization=quantization,
        repeats=("r", "s"),
    )
    return Node(
        layer=layer,
        weight=np.full((channels, *kernel, 1), weight, np.int8),
        bias=np.zeros(channels, np.int32),
        multiplier=np.full(channels, multiplier, np.int32),
        shift=np.full(channels, shift, np.int32),
        input=input,
        output=output,
    )
