"""The residual addition of a layer: how its outputs and another tensor are scaled and added."""

from dataclasses import dataclass, replace

import numpy as np

from ..golden.elementwise import AddFactors, add
from ..golden.quantize import Rounding

__all__ = ["Addition"]


@dataclass(frozen=True, kw_only=True)
class Addition:
    """``own`` + ``residual``, both int8, as TFLite adds them (golden.elementwise).

    Parameters
    ----------
    factors
        (multiplier, shift) of the layer's own output, of the residual, and of their sum. Shifts of
        the first two are -31 to 0, of the sum -31 to 30.
    own_zero, residual_zero, output_zero
        Zero points.
    act_min, act_max, rounding
        Of the result.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    factors: AddFactors
    own_zero: int = 0
    residual_zero: int = 0
    output_zero: int = 0
    act_min: int = -128
    act_max: int = 127
    rounding: Rounding = "double"

    def __post_init__(self):
        for name, (multiplier, shift) in zip(self.factors._fields, self.factors):
            highest = 30 if name == "output" else 0
            if multiplier not in range(1 << 31) or shift not in range(-31, highest + 1):
                raise ValueError(
                    f"the factor of the {name} operand must be 0..2^31 - 1 with a shift of "
                    f"-31..{highest}, not {multiplier} and {shift}"
                )
        self.golden(np.zeros(1, np.int8), np.zeros(1, np.int8))

    @property
    def swapped(self) -> "Addition":
        """The same addition with the other operand as the layer's own output."""
        own, residual, result = self.factors
        return replace(
            self,
            factors=AddFactors(residual, own, result),
            own_zero=self.residual_zero,
            residual_zero=self.own_zero,
        )

    def golden(self, own: np.ndarray, residual: np.ndarray) -> np.ndarray:
        """The int8 result for two int8 arrays of one shape."""
        return add(
            own,
            residual,
            self.factors,
            first_zero=self.own_zero,
            second_zero=self.residual_zero,
            output_zero=self.output_zero,
            act_min=self.act_min,
            act_max=self.act_max,
            rounding=self.rounding,
        )

    def fields(self) -> dict[str, int]:
        """Fields of :data:`rtl_gen.isa.descriptors.ADDITION`, but for where the residual lies."""
        own, residual, result = self.factors
        return {
            "residual": 1,
            "own_zero": self.own_zero,
            "own_multiplier": own[0],
            "own_right": -own[1],
            "residual_zero": self.residual_zero,
            "residual_multiplier": residual[0],
            "residual_right": -residual[1],
            "sum_multiplier": result[0],
            "sum_shift": result[1],
            "sum_zero": self.output_zero,
            "sum_min": self.act_min,
            "sum_max": self.act_max,
            "sum_single_rounding": int(self.rounding == "single"),
        }
