"""Train the digit reader anew, quantize it and write ``digits.onnx`` and ``digits.npz``.

Run from anywhere: ``python examples/digits/train.py``; see README.md beside this file. The split,
the training and the files depend on ``SEED`` alone (on one machine and one version of numpy).
"""

from pathlib import Path

import numpy as np
from network import train
from onnx.reference import ReferenceEvaluator
from quantize import quantize, quantize_images
from sklearn.datasets import load_digits
from threadpoolctl import threadpool_limits
from write_onnx import write_onnx

SEED = 1998  # the year of the data set
HELD_BACK = 10  # images of each digit that neither training nor calibration sees
EPOCHS = 60
FOLDER = Path(__file__).parent


def main() -> None:
    pixels, labels = load_digits(return_X_y=True)
    pixels = pixels.reshape(-1, 8, 8, 1)
    rng = np.random.default_rng(SEED)
    held_back = hold_back(labels, rng)
    seen = np.setdiff1d(np.arange(len(labels)), held_back)
    real = (pixels / 16).astype(np.float32)
    with threadpool_limits(1):  # sums in one order, so that the same seed gives the same file
        network = train(real[seen], labels[seen], rng, epochs=EPOCHS)
        quantized = quantize(network, real[seen])
    write_onnx(quantized, FOLDER / "digits.onnx", image_size=8)
    images = quantize_images(pixels)
    np.savez_compressed(
        FOLDER / "digits.npz",
        images=images[held_back],
        labels=labels[held_back].astype(np.uint8),
        index=held_back.astype(np.uint16),
    )
    for name, chosen in (("the training images", seen), ("the images held back", held_back)):
        right = accuracy(images[chosen], labels[chosen])
        exact = network.accuracy(real[chosen], labels[chosen])
        print(f"{name} ({len(chosen)}): float {exact:.1%} right, int8 {right:.1%} right")


def hold_back(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Indices of the images to hold back: as many of each digit, drawn and ordered at random."""
    drawn = [rng.choice(np.flatnonzero(labels == d), HELD_BACK, replace=False) for d in range(10)]
    return rng.permutation(np.concatenate(drawn))


def accuracy(images: np.ndarray, labels: np.ndarray) -> float:
    """Of the file just written, by ONNX's own evaluator, on int8 images (n, 8, 8, 1)."""
    model = ReferenceEvaluator(str(FOLDER / "digits.onnx"))
    (scores,) = model.run(None, {"image": images.transpose(0, 3, 1, 2)})
    return float((scores.argmax(1) == labels).mean())


if __name__ == "__main__":
    main()
