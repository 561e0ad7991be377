"""What a vector unit is built for."""

from dataclasses import dataclass

from ...isa.vector import TABLE_ENTRIES

__all__ = ["ELEMENT_BITS", "SUM_BITS", "VectorParams", "table_words"]

ELEMENT_BITS = 16
"""Of what a lane keeps: an element, or the sum of up to 255."""

SUM_BITS = 32
"""Of what leaves as a sum."""


def table_words(width: int) -> int:
    """Words of so many bits in which a table comes."""
    return TABLE_ENTRIES * SUM_BITS // width


@dataclass(frozen=True, kw_only=True)
class VectorParams:
    """A vector unit.

    Parameters
    ----------
    lanes
        Elements that are looked up, or multiplied, a cycle.
    width
        Elements of a step, which are the sums that leave together.
    block
        Elements of a word.
    post_phases
        Cycles that post-processing takes for the sums of a step.
    """

    lanes: int
    width: int
    block: int
    post_phases: int

    @property
    def phases(self) -> int:
        """Cycles in which the elements of a step are looked up."""
        return -(-self.width // self.lanes)

    @property
    def table_width(self) -> int:
        """Bits of the words in which a table comes."""
        return 8 * self.block

    @property
    def table_words(self) -> int:
        """Of a table."""
        return table_words(self.table_width)

    @property
    def latency(self) -> int:
        """Cycles from a step to its sums."""
        return self.phases + 5

    @property
    def moves(self) -> bool:
        """Whether a word has more elements than a step takes."""
        return self.width < self.block
