"""Where a value of the model file lies in an activation as the accelerator stores it.

A model file may flatten, reshape and transpose activations between layers. None of that computes
anything, so no hardware does it: the reader follows each value to the place where it is stored.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["View", "channels_last", "inverse", "rows_as_stored"]


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """A rearranged activation.

    Parameters
    ----------
    tensor
        The activation that is rearranged.
    index
        For one image, in the shape of the view without its batch: the position of each value in
        the activation, flattened in the order in which the model file has it.
    """

    tensor: str
    index: np.ndarray

    @classmethod
    def of(cls, tensor: str, shape: tuple[int, ...]) -> "View":
        """An activation as it is; ``shape`` is the file's, without the batch."""
        return cls(tensor=tensor, index=np.arange(int(np.prod(shape))).reshape(shape))

    def flatten(self) -> "View":
        """(n, features)."""
        return View(tensor=self.tensor, index=self.index.reshape(-1))

    def transpose(self, axes: tuple[int, ...]) -> "View":
        """``axes`` count from the batch, which stays where it is: ``axes[0]`` is 0."""
        return View(tensor=self.tensor, index=self.index.transpose([axis - 1 for axis in axes[1:]]))

    def reshape(self, shape: tuple[int, ...]) -> "View":
        """``shape`` is without the batch, which stays as it is."""
        return View(tensor=self.tensor, index=self.index.reshape(shape))


def channels_last(index: np.ndarray) -> np.ndarray:
    """An index (c, h, w) as (h, w, c)."""
    return index.transpose(1, 2, 0)


def inverse(order: np.ndarray) -> np.ndarray:
    """The inverse of a permutation of any shape, as a vector."""
    return np.argsort(order, axis=None)


def rows_as_stored(weight: np.ndarray, index: np.ndarray, order: np.ndarray) -> np.ndarray:
    """A matmul's weight with its rows in the order in which the activation is stored.

    Parameters
    ----------
    weight
        (k, n), its rows in the order of the view that the file multiplies.
    index
        The view's index, k values.
    order
        For each stored value, its position in the file's order of the activation.
    """
    return weight[inverse(index)[order.reshape(-1)]]
