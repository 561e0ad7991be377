"""A small float CNN in numpy: convolutions with ReLU and one dense layer, trained by Adam.

Activations are NHWC, convolution weights (k, r, s, c) and dense weights (features, classes), the
order in which the accelerator and TFLite see them. The dense layer has no bias: ONNX's
QLinearMatMul has none either.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

__all__ = ["CHANNELS", "KERNEL", "PAD", "STRIDES", "Network", "convolve", "train"]

# The architecture: three convolutions 3x3, padded by one; the last one halves the image.
CHANNELS = (1, 16, 24, 40)
STRIDES = (1, 1, 2)
KERNEL = 3
PAD = 1
CLASSES = 10
IMAGE = 8


@dataclass
class Network:
    """The parameters: a weight and a bias of each convolution, and the dense layer's weight."""

    weights: list[np.ndarray]
    biases: list[np.ndarray]
    dense: np.ndarray

    @classmethod
    def random(cls, rng: np.random.Generator) -> "Network":
        """Normal weights with the variance 2 / inputs that keeps ReLU layers' variance (He)."""
        weights, biases, size = [], [], IMAGE
        for c, k, stride in zip(CHANNELS, CHANNELS[1:], STRIDES):
            deviation = np.sqrt(2 / (KERNEL * KERNEL * c))
            weights.append(rng.normal(0, deviation, (k, KERNEL, KERNEL, c)).astype(np.float32))
            biases.append(np.zeros(k, np.float32))
            size = _output_size(size, stride)
        features = size * size * CHANNELS[-1]
        dense = rng.normal(0, np.sqrt(1 / features), (features, CLASSES)).astype(np.float32)
        return cls(weights, biases, dense)

    @property
    def parameters(self) -> list[np.ndarray]:
        return [*self.weights, *self.biases, self.dense]

    def activations(self, x: np.ndarray) -> list[np.ndarray]:
        """The input (n, 8, 8, 1), every convolution's output after ReLU, and the scores (n, 10)."""
        tensors = [x]
        for weight, bias, stride in zip(self.weights, self.biases, STRIDES):
            tensors.append(np.maximum(convolve(tensors[-1], weight, bias, stride), 0))
        return [*tensors, tensors[-1].reshape(len(x), -1) @ self.dense]

    def accuracy(self, x: np.ndarray, labels: np.ndarray) -> float:
        return float((self.activations(x)[-1].argmax(1) == labels).mean())


def _output_size(size: int, stride: int) -> int:
    return (size + 2 * PAD - KERNEL) // stride + 1


def _windows(x: np.ndarray, stride: int) -> np.ndarray:
    """Every filter window of the padded images as a row: (n, p, q, r * s * c)."""
    padded = np.pad(x, ((0, 0), (PAD, PAD), (PAD, PAD), (0, 0)))
    windows = sliding_window_view(padded, (KERNEL, KERNEL), axis=(1, 2))
    windows = windows[:, ::stride, ::stride].transpose(0, 1, 2, 4, 5, 3)
    return np.ascontiguousarray(windows).reshape(*windows.shape[:3], -1)


def convolve(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: int) -> np.ndarray:
    """Convolution of (n, h, w, c) by (k, r, s, c) with the padding of this network."""
    return _windows(x, stride) @ weight.reshape(len(weight), -1).T + bias


def _gradients(network: Network, x: np.ndarray, targets: np.ndarray) -> list[np.ndarray]:
    """Of the mean cross-entropy, in the order of ``Network.parameters``."""
    tensors = network.activations(x)
    scores = tensors.pop()
    probabilities = np.exp(scores - scores.max(1, keepdims=True))
    probabilities /= probabilities.sum(1, keepdims=True)
    above = (probabilities - targets) / len(x)
    dense = tensors[-1].reshape(len(x), -1).T @ above
    above = (above @ network.dense.T).reshape(tensors[-1].shape)
    weights, biases = [], []
    for layer in reversed(range(len(STRIDES))):
        above = above * (tensors[layer + 1] > 0)
        weight = network.weights[layer]
        flat = above.reshape(-1, len(weight))
        rows = _windows(tensors[layer], STRIDES[layer]).reshape(len(flat), -1)
        weights.insert(0, (flat.T @ rows).reshape(weight.shape))
        biases.insert(0, flat.sum(0))
        if layer > 0:
            above = _input_gradient(above, weight, STRIDES[layer], tensors[layer].shape)
    return [*weights, *biases, dense]


def _input_gradient(
    above: np.ndarray, weight: np.ndarray, stride: int, shape: tuple[int, ...]
) -> np.ndarray:
    """The convolution backwards: each window's gradient is added where the window was read."""
    n, p, q, k = above.shape
    rows = (above.reshape(-1, k) @ weight.reshape(k, -1)).reshape(n, p, q, KERNEL, KERNEL, -1)
    padded = np.zeros((n, shape[1] + 2 * PAD, shape[2] + 2 * PAD, shape[3]), np.float32)
    for r in range(KERNEL):
        for s in range(KERNEL):
            bottom, right = r + stride * p, s + stride * q
            padded[:, r:bottom:stride, s:right:stride] += rows[:, :, :, r, s]
    return padded[:, PAD:-PAD, PAD:-PAD]


@dataclass
class _Adam:
    """Adam (Kingma, Ba: "Adam: a method for stochastic optimization", 2015, algorithm 1)."""

    parameters: list[np.ndarray]
    step: int = 0
    means: list[np.ndarray] = field(init=False)
    squares: list[np.ndarray] = field(init=False)

    def __post_init__(self):
        self.means = [np.zeros_like(p) for p in self.parameters]
        self.squares = [np.zeros_like(p) for p in self.parameters]

    def update(self, gradients: list[np.ndarray], rate: float, decay: float) -> None:
        """One step; ``decay`` pulls every parameter towards zero, in proportion to ``rate``."""
        self.step += 1
        for p, g, mean, square in zip(self.parameters, gradients, self.means, self.squares):
            mean += 0.1 * (g - mean)
            square += 0.001 * (g * g - square)
            unbiased = mean / (1 - 0.9**self.step)
            spread = np.sqrt(square / (1 - 0.999**self.step)) + 1e-8
            p -= np.float32(rate) * (unbiased / spread + np.float32(decay) * p)


def _shifted(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each image moved by -1, 0 or 1 pixel in both directions; what enters is background."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    moved = np.empty_like(x)
    for image, (row, column) in enumerate(rng.integers(0, 3, (len(x), 2))):
        moved[image] = padded[image, row : row + x.shape[1], column : column + x.shape[2]]
    return moved


def train(
    x: np.ndarray,
    labels: np.ndarray,
    rng: np.random.Generator,
    *,
    epochs: int,
    batch: int = 64,
    rate: float = 3e-3,
    decay: float = 1e-3,
    smoothing: float = 0.05,
) -> Network:
    """Train on images (n, 8, 8, 1) of 0..1.

    The rate falls as half a cosine; the targets are smoothed, which keeps the scores small and
    so the int8 steps of the last layer fine.
    """
    network = Network.random(rng)
    optimizer = _Adam(network.parameters)
    targets = np.full((len(x), CLASSES), smoothing / CLASSES, np.float32)
    targets[np.arange(len(x)), labels] += 1 - smoothing
    steps = epochs * -(-len(x) // batch)
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for first in range(0, len(x), batch):
            chosen = order[first : first + batch]
            gradients = _gradients(network, _shifted(x[chosen], rng), targets[chosen])
            now = rate * 0.5 * (1 + np.cos(np.pi * optimizer.step / steps))
            optimizer.update(gradients, now, decay)
    return network
