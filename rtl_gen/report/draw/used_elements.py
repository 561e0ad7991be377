"""What is written and coloured of each tensor of a trace: elements, and what a PE stays with."""

from dataclasses import dataclass
from functools import cached_property

from ...spec.operation import Rank, Tensor
from .shades import shades
from .trace import Coordinate, Element, Step, Trace

__all__ = ["Use", "UsedElements"]


@dataclass(frozen=True)
class Use:
    """What a PE uses of a tensor in a cycle.

    Parameters
    ----------
    element
        Its indices in all ranks of the tensor.
    text
        The indices that vary within the trace.
    kept
        Those of the ranks that stay the same while the array walks its own loops.
    inside
        Whether it lies in the tensor and not in the padding.
    """

    element: Element
    text: str
    kept: Element
    inside: bool


class UsedElements:
    """The elements of one tensor in a trace."""

    def __init__(self, trace: Trace, tensor: Tensor):
        self.trace, self.tensor = trace, tensor
        self._all = [
            trace.element(tensor, step, pe)
            for step in trace.steps
            for pe in trace.pes
            if trace.works(step, pe)
        ]

    @cached_property
    def shown(self) -> tuple[int, ...]:
        """Which ranks vary within the trace; all if none does."""
        ranks = range(len(self.tensor.ranks))
        varying = tuple(n for n in ranks if len({element[n] for element in self._all}) > 1)
        return varying or tuple(ranks)

    @cached_property
    def kept_ranks(self) -> tuple[Rank, ...]:
        """Ranks that no loop of the array itself moves, and that tell PEs apart."""
        dataflow = self.trace.dataflow
        laid_out = {loop.dimension for loop in dataflow.spatial}
        return tuple(
            rank
            for rank in self.tensor.ranks
            if not set(rank.dimensions) & set(dataflow.hardware_loops)
            and set(rank.dimensions) & laid_out
        )

    @property
    def title(self) -> str:
        """``I[h,w]``: the tensor and the ranks that are shown."""
        return f"{self.tensor.name}[{','.join(self.tensor.ranks[n].name for n in self.shown)}]"

    def use(self, step: Step | None, pe: Coordinate) -> Use | None:
        """What a PE uses in a step; None if it does no MAC."""
        if step is None or not self.trace.works(step, pe):
            return None
        element = self.trace.element(self.tensor, step, pe)
        text = ",".join(str(element[n]) for n in self.shown)
        kept = tuple(element[self.tensor.ranks.index(rank)] for rank in self.kept_ranks)
        return Use(element, text, kept, self.trace.inside(self.tensor, element))

    @cached_property
    def shade(self) -> dict[Element, str]:
        """The colour of each element."""
        return shades(self._all)

    @cached_property
    def kept_shade(self) -> dict[Element, str]:
        """The colour of each of the things that PEs stay with."""
        ranks = [self.tensor.ranks.index(rank) for rank in self.kept_ranks]
        return shades([tuple(element[n] for n in ranks) for element in self._all])

    @cached_property
    def longest(self) -> int:
        """Characters of the longest text."""
        return max(len(",".join(str(element[n]) for n in self.shown)) for element in self._all)
