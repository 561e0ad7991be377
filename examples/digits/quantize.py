"""From the float network to int8: symmetric weights per channel, asymmetric activations.

Source: B. Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", CVPR 2018, sections 2.1 to 2.4, with a weight scale of its own
for every output channel, as TFLite's int8 models have it. A real value is scale * (q - zero).
"""

from dataclasses import dataclass

import numpy as np
from network import Network

__all__ = ["Quantized", "Scale", "quantize", "quantize_images"]


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What an activation's int8 values mean: ``scale`` (a float32 value) and the zero point."""

    scale: float
    zero: int


@dataclass(frozen=True, kw_only=True)
class Quantized:
    """The int8 network.

    ``activations`` has the input's scale, every convolution's and the scores'. Weights are (k, r,
    s, c) and for the dense layer, which is the last, (features, classes) of NHWC features.
    ``weight_scales`` has one float32 an output channel, but one for the whole dense layer.
    """

    activations: list[Scale]
    weights: list[np.ndarray]
    weight_scales: list[np.ndarray]
    biases: list[np.ndarray]


# A pixel of 0..16 stands for 0..1. 15 int8 steps a grey level use most of the range and are exact.
STEPS_PER_LEVEL = 15
INPUT = Scale(scale=float(np.float32(1 / (16 * STEPS_PER_LEVEL))), zero=-128)


def quantize_images(pixels: np.ndarray) -> np.ndarray:
    """Pixels of 0..16 as the model's int8 input: 15 * pixel - 128."""
    return (pixels * STEPS_PER_LEVEL + INPUT.zero).astype(np.int8)


def quantize(network: Network, calibration: np.ndarray) -> Quantized:
    """Quantize after training.

    Parameters
    ----------
    network
        The trained float network.
    calibration
        Images (n, 8, 8, 1) of 0..1 whose activations set the ranges.
    """
    tensors = network.activations(calibration)
    relus = [_scale_of(0.0, float(tensor.max())) for tensor in tensors[1:-1]]
    scores = _scale_of(float(tensors[-1].min()), float(tensors[-1].max()))
    activations = [INPUT, *relus, scores]
    weights, scales, biases = [], [], []
    for layer, (weight, bias) in enumerate(zip(network.weights, network.biases)):
        scale = _weight_scale(np.abs(weight).max((1, 2, 3)))
        weights.append(_to_int8(weight, scale[:, None, None, None]))
        scales.append(scale)
        unit = activations[layer].scale * scale.astype(np.float64)
        biases.append(np.rint(bias / unit).astype(np.int32))
    scale = _weight_scale(np.abs(network.dense).max())
    weights.append(_to_int8(network.dense, scale))
    scales.append(scale)
    return Quantized(activations=activations, weights=weights, weight_scales=scales, biases=biases)


def _scale_of(low: float, high: float) -> Scale:
    """The scale that spreads low..high over -128..127; a ReLU's zero point becomes -128."""
    scale = float(np.float32((high - low) / 255))
    return Scale(scale=scale, zero=int(np.rint(-128 - low / scale)))


def _weight_scale(largest: np.ndarray) -> np.ndarray:
    """The largest magnitude becomes 127; a channel of zeros gets a small scale, not 0."""
    return np.maximum(largest / 127, 1e-8).astype(np.float32)


def _to_int8(weight: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(weight / scale), -127, 127).astype(np.int8)
