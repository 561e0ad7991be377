"""A small layer walked step by step: which PE uses which element in which cycle."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...reuse import Stretch
from ...reuse.wires import Port, Wire
from ...spec.dataflow import Dataflow
from ...spec.layer import Layer
from ...spec.operation import Operation, SpecError, Tensor

__all__ = ["MOST_PES", "Coordinate", "Element", "Loop", "Step", "Trace"]

MOST_PES, MOST_CYCLES = 64, 256

Coordinate = tuple[int, int]
Loop = tuple[str, str]
Element = tuple[int, ...]


@dataclass(frozen=True)
class Step:
    """What the array does in a cycle, as its first PE sees it.

    Parameters
    ----------
    kind
        ``step``, or what the array does while no PE works: a key of :attr:`Trace.idle`.
    trips
        Where each loop stands, by kind (``tile``, ``for``, ``pe``) and dimension.
    phase
        How dimensions run that are split into phases.
    """

    cycle: int
    kind: str
    trips: dict[Loop, int]
    phase: dict[str, Stretch]


class Trace(ABC):
    """The steps of a layer on an array.

    Parameters
    ----------
    layer, operation, dataflow
        What is walked.
    extent, pes
        How many rows and columns there are; the coordinates of all PEs.
    wires, ports, kept
        Links, lanes and exits, and of which tensors a PE keeps words.

    Attributes
    ----------
    steps
        As the first PE sees them.

    Raises
    ------
    SpecError
        If the array or the layer is too large to be followed.
    """

    def __init__(
        self,
        layer: Layer,
        operation: Operation,
        dataflow: Dataflow,
        *,
        extent: tuple[int, int],
        pes: Sequence[Coordinate],
        wires: Sequence[Wire],
        ports: Sequence[Port],
        kept: dict,
    ):
        self.layer, self.operation, self.dataflow = layer, operation, dataflow
        self.extent, self.pes = extent, pes
        self.wires, self.ports, self.kept = wires, ports, kept
        rows, columns = extent
        if rows * columns > MOST_PES:
            raise SpecError(
                f"{rows} x {columns} PEs are too many to follow step by step; at most {MOST_PES} "
                f"are drawn"
            )
        self.steps = tuple(itertools.islice(self._walk(), MOST_CYCLES + 1))
        if len(self.steps) > MOST_CYCLES:
            raise SpecError(
                f"{layer.name}: more than {MOST_CYCLES} cycles are too many to follow; give "
                f"smaller sizes"
            )

    @abstractmethod
    def _walk(self) -> Iterator[Step]:
        """All steps, one a cycle."""

    @abstractmethod
    def _index(self, step: Step, pe: Coordinate) -> dict[str, int]:
        """The trip of each dimension at a PE, in its phase."""

    @property
    @abstractmethod
    def idle(self) -> dict[str, str]:
        """What the array does while no PE works, by the kind of step."""

    @abstractmethod
    def delay(self, pe: Coordinate) -> int:
        """Cycles by which a PE is behind the first one."""

    @abstractmethod
    def works(self, step: Step, pe: Coordinate) -> bool:
        """Whether a PE does a MAC of the layer in a step: none beyond the layer's sizes."""

    @property
    def cycles(self) -> int:
        """Cycles until the last PE is done."""
        return len(self.steps) + max(map(self.delay, self.pes))

    @property
    def first(self) -> Step:
        """The first step in which PEs work."""
        return next(step for step in self.steps if step.kind == "step")

    def at(self, cycle: int, pe: Coordinate) -> Step | None:
        """The step that a PE sees in a cycle; None before the first and behind the last."""
        n = cycle - self.delay(pe)
        return self.steps[n] if 0 <= n < len(self.steps) else None

    def element(self, tensor: Tensor, step: Step, pe: Coordinate) -> Element:
        """The indices of the element that a PE uses, or adds to; some may lie in the padding."""
        index = self._index(step, pe)
        for dimension, stretch in step.phase.items():
            index[dimension] = stretch.scale * index[dimension] + stretch.start
        symbols = self.layer.symbols
        return tuple(
            rank.offset(symbols)
            + sum(
                term.value(symbols) * index[term.dimension] for term in rank.terms if term.dimension
            )
            for rank in tensor.ranks
        )

    def inside(self, tensor: Tensor, element: Element) -> bool:
        """Whether an element lies in its tensor, and not in the padding."""
        return all(0 <= n < self._extent(rank) for n, rank in zip(element, tensor.ranks))

    def _extent(self, rank) -> int:
        if rank.is_plain:
            return self.layer.sizes[rank.terms[0].dimension]
        return self.layer.extents[rank.name]
