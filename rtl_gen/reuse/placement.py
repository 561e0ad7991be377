"""Where the loops of a dataflow lie on an array of a given shape."""

from dataclasses import dataclass
from functools import cached_property
from operator import mul

from ..spec.dataflow import AXES, Dataflow
from ..spec.operation import SpecError, Tensor

__all__ = ["Placement"]

Coordinate = tuple[int, int]


@dataclass(frozen=True)
class Placement:
    """A dataflow on an array of ``rows x columns`` PEs.

    Parameters
    ----------
    dataflow, shape
        The nest and the array.
    split
        Names of the tensors whose strided ranks are split into phases (``phases.py``).

    Raises
    ------
    SpecError
        If an axis is filled beyond its size or two loops claim the whole of it.
    """

    dataflow: Dataflow
    shape: tuple[int, int]
    split: frozenset[str] = frozenset()

    def __post_init__(self):
        for axis in (0, 1):
            loops = self.dataflow.on_axis(axis)
            whole = [loop.dimension for loop in loops if loop.size is None]
            if len(whole) > 1:
                raise SpecError(
                    f"the loops over {' and '.join(whole)} each take what is left of the "
                    f"{AXES[axis]}; only one may be without a size",
                    key=f"nest.{AXES[axis]}.{whole[-1]}",
                )
            fixed = 1
            for loop in loops:
                fixed *= loop.size or 1
            if fixed > self.shape[axis]:
                raise SpecError(
                    f"the {AXES[axis]} are filled beyond their number: the loops on them take "
                    f"{fixed} PEs; at most {self.shape[axis]} are allowed",
                    key=f"nest.{AXES[axis]}.{loops[-1].dimension}",
                )

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """PEs along each spatial loop, in the order of ``dataflow.spatial``."""
        sizes = []
        for loop in self.dataflow.spatial:
            others = 1
            for other in self.dataflow.on_axis(loop.axis):
                others *= other.size or 1
            sizes.append(loop.size or self.shape[loop.axis] // others)
        return tuple(sizes)

    @cached_property
    def units(self) -> tuple[int, ...]:
        """How far each spatial loop moves its dimension: of two over one, the later is faster."""
        units, below = [], {}
        for loop, size in reversed(list(zip(self.dataflow.spatial, self.sizes))):
            units.append(below.get(loop.dimension, 1))
            below[loop.dimension] = units[-1] * size
        return tuple(reversed(units))

    @cached_property
    def pitches(self) -> tuple[int, ...]:
        """How many PEs along its axis each spatial loop moves: the last loop of an axis one."""
        pitches, below = [], [1, 1]
        for loop, size in reversed(list(zip(self.dataflow.spatial, self.sizes))):
            pitches.append(below[loop.axis])
            below[loop.axis] *= size
        return tuple(reversed(pitches))

    def vector(self, steps: tuple[int, ...]) -> Coordinate:
        """Steps of the spatial loops as rows and columns; no carry from loop to loop."""
        vector = [0, 0]
        for step, pitch, loop in zip(steps, self.pitches, self.dataflow.spatial):
            vector[loop.axis] += step * pitch
        return vector[0], vector[1]

    @cached_property
    def extent(self) -> tuple[int, int]:
        """Rows and columns of PEs that the spatial loops reach."""
        extent = [1, 1]
        for loop, size in zip(self.dataflow.spatial, self.sizes):
            extent[loop.axis] *= size
        return extent[0], extent[1]

    @cached_property
    def pes(self) -> tuple[Coordinate, ...]:
        """The PEs in use, row by row."""
        rows, columns = self.extent
        return tuple((i, j) for i in range(rows) for j in range(columns))

    def indices(self, pe: Coordinate) -> tuple[int, ...]:
        """The value of each spatial loop at a PE; an axis counts its last loop fastest."""
        left, found = list(pe), []
        for loop, size in reversed(list(zip(self.dataflow.spatial, self.sizes))):
            left[loop.axis], index = divmod(left[loop.axis], size)
            found.append(index)
        return tuple(reversed(found))

    def spatial_rows(self, tensor: Tensor) -> list[list[int]]:
        """The projection of a tensor over the spatial loops.

        Each product of run-time symbols is a number nobody knows yet, so each gives a row of its
        own: reuse must hold for all their values (derivation: stride and dilation are symbols).
        """
        dimensions = [loop.dimension for loop in self.dataflow.spatial]
        rows = projection(tensor, dimensions, split=tensor.name in self.split)
        return [[a * unit for a, unit in zip(row, self.units)] for row in rows]

    def trip_unit(self, dimension: str) -> int:
        """How far a trip of a hardware loop moves its dimension: past all PEs along it."""
        unit = 1
        for loop, size in zip(self.dataflow.spatial, self.sizes):
            unit *= size if loop.dimension == dimension else 1
        return unit

    def tick(self, tensor: Tensor) -> str | None:
        """The hardware loop whose trips are the ticks of a tensor: its innermost; None if none."""
        loops = [d for d in self.dataflow.hardware_loops if d in tensor.dimensions]
        return loops[-1] if loops else None

    def tick_key(self, tensor: Tensor) -> tuple[int, ...]:
        """By how much the key of a PE's element changes from one tick to the next."""
        tick = self.tick(tensor)
        rows = projection(tensor, [tick], split=tensor.name in self.split)
        return tuple(row[0] * self.trip_unit(tick) for row in rows)

    def element(self, tensor: Tensor, pe: Coordinate) -> tuple[int, ...]:
        """Which element a PE uses in a step, relative to the others: equal keys, equal elements."""
        if tensor.name not in self._rows:
            self._rows[tensor.name] = self.spatial_rows(tensor)
        indices = self.indices(pe)
        return tuple(sum(map(mul, row, indices)) for row in self._rows[tensor.name])

    @cached_property
    def _rows(self) -> dict[str, list[list[int]]]:
        """The projections found so far: of each tensor, every PE asks several times."""
        return {}


def projection(tensor: Tensor, dimensions: list[str], *, split: bool) -> list[list[int]]:
    """Integer rows over ``dimensions``: one per rank and product of symbols.

    In a phase, where ``split``, all symbols of a rank are one factor: one row per rank.
    """
    rows = []
    for rank in tensor.ranks:
        terms = [term for term in rank.terms if term.dimension]
        groups = [terms]
        if not split:
            kinds = dict.fromkeys(term.symbols for term in terms)
            groups = [[term for term in terms if term.symbols == kind] for kind in kinds]
        for group in groups:
            rows.append(
                [
                    sum(term.coefficient for term in group if term.dimension == dimension)
                    for dimension in dimensions
                ]
            )
    return rows
