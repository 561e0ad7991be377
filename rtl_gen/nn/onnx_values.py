"""What a name of an ONNX file stands for while it is read."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rtl_gen.nn.layout import View
from rtl_gen.nn.onnx_operands import Meaning

if TYPE_CHECKING:
    from rtl_gen.nn.onnx_reader import NodeReader

__all__ = ["FloatInput", "Pending", "Real", "Sums", "Value"]


@dataclass(frozen=True)
class FloatInput:
    """A network's input of real numbers, which a QuantizeLinear must read."""

    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Sums:
    """Results that are int32 sums: they are outputs of the network."""

    view: View


@dataclass(frozen=True, kw_only=True, eq=False)
class Real:
    """An activation as real numbers: what DequantizeLinear makes of it."""

    view: View
    meaning: Meaning

    def scaled(self, factor: float) -> "Real":
        """Multiplied with a number above 0: the same values mean other numbers."""
        meaning = replace(self.meaning, scale=self.meaning.scale * factor)
        return Real(view=self.view, meaning=meaning)


@dataclass(frozen=True, kw_only=True, eq=False)
class Pending(ABC):
    """What an operator makes of real numbers, before a QuantizeLinear says how it is stored.

    Parameters
    ----------
    name
        Of the operator.
    low, high
        Clamp, by a Relu or Clip behind it.
    moves
        Rearrangements behind it.
    """

    name: str
    low: float = -np.inf
    high: float = np.inf
    moves: tuple[Callable[[View], View], ...] = ()

    @abstractmethod
    def emit(self, reader: "NodeReader", output: str, meaning: Meaning) -> View:
        """Add what computes it to the graph, stored with a meaning, and return where it lies.

        Raises
        ------
        Refusal
            If no layer computes this.
        """

    def clamped(self, low: float, high: float) -> "Pending":
        """What a Relu or Clip leaves of it."""
        return replace(self, low=min(max(self.low, low), high), high=max(min(self.high, high), low))

    def moved(self, move: Callable[[View], View]) -> "Pending":
        """The same rearranged."""
        return replace(self, moves=(*self.moves, move))

    def limits(self, meaning: Meaning) -> dict[str, int]:
        """The clamp of the stored values."""
        low = -128 if self.low == -np.inf else meaning.nearest(self.low)
        high = 127 if self.high == np.inf else meaning.nearest(self.high)
        return {"act_min": low, "act_max": max(low, high)}

    def stored(self, reader: "NodeReader", output: str, meaning: Meaning) -> View:
        """As :meth:`emit`, with the rearrangements."""
        view = self.emit(reader, output, meaning)
        for move in self.moves:
            view = move(view)
        return view


Value = View | Real | Pending | FloatInput | Sums | None
"""A stored activation, one as real numbers, one that is not stored yet; None: unknown, for a node
before it is refused."""
