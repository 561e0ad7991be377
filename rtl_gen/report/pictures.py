"""Small grey images for terminals and text files."""

from collections.abc import Sequence

import numpy as np
from rich.text import Text

__all__ = ["colored", "plain_rows", "side_by_side"]

SHADES = " .:+*#@"
GAP = 3


def plain_rows(image: np.ndarray) -> list[str]:
    """An int8 image (rows, columns) as text: two characters a pixel, the darker the larger."""
    levels = (image.astype(int) + 128) * len(SHADES) // 256
    return ["".join(SHADES[level] * 2 for level in row) for row in levels]


def side_by_side(images: Sequence[np.ndarray], captions: Sequence[str]) -> str:
    """Images as text, each with a caption below."""
    blocks = [
        [*plain_rows(image), caption.ljust(2 * image.shape[1])]
        for image, caption in zip(images, captions)
    ]
    return "\n".join((" " * GAP).join(row).rstrip() for row in zip(*blocks))


def colored(images: Sequence[np.ndarray], captions: Sequence[str], good: Sequence[bool]) -> Text:
    """Images in grey half blocks, two pixels a character; captions green where ``good``, or red."""
    text = Text()
    for top in range(0, images[0].shape[0], 2):
        for image in images:
            upper, lower = image[top].astype(int) + 128, image[top + 1].astype(int) + 128
            for a, b in zip(upper, lower):
                text.append("▀", style=f"rgb({a},{a},{a}) on rgb({b},{b},{b})")
            text.append(" " * GAP)
        text.append("\n")
    for image, caption, right in zip(images, captions, good):
        text.append(caption.ljust(image.shape[1] + GAP), style="green" if right else "bold red")
    return text
