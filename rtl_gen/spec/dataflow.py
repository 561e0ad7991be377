"""Dataflows: which loops are spatial, which lie inside the PE, and the order of the rest."""

from dataclasses import dataclass, field

from .limits import Limit, shown
from .operation import Operation, SpecError
from .pace import Pace

__all__ = ["AXES", "PE_TRIPS", "SIDE", "SKEW", "Dataflow", "PELoop", "SpatialLoop"]

AXES = ("rows", "columns")

SIDE = Limit(range(1, 257), "PEs")
PE_TRIPS = Limit(range(1, 65537), "trips")
SKEW = Limit((-1, 0, 1), "cycles")


@dataclass(frozen=True)
class SpatialLoop:
    """A loop laid out over an axis of the array.

    Parameters
    ----------
    dimension
        The dimension it runs over.
    axis
        0 for rows, 1 for columns.
    size
        PEs it takes where several loops are folded on one axis; None for the whole axis, or
        what the others leave of it. The last loop of an axis is its fastest.
    """

    dimension: str
    axis: int
    size: int | None = None


@dataclass(frozen=True)
class PELoop:
    """A loop that lies inside the PE, with the largest trip count it may have at run time."""

    dimension: str
    maximum: int


@dataclass(frozen=True, kw_only=True)
class Dataflow:
    """A loop nest with its loops placed in time and space.

    Parameters
    ----------
    name
        A word a reader recognises, such as ``weight_stationary``.
    operation
        What is computed.
    temporal
        Dimensions of the loops outside the PE, outermost first; the last is the array's
        inner loop. Every dimension of the operation occurs here, in ``pe`` or in ``spatial``.
    pe
        Loops inside the PE, outermost first.
    spatial
        Loops laid out on the array; at least one.
    skew
        Cycles by which a step reaches the next PE along rows and columns: 0 is broadcast, 1 or -1
        systolic. None: chosen by the reuse analysis.
    shift
        Axis along which a stationary tensor is shifted in, or a stationary output out, by tensor;
        None: an operand is loaded by all its lanes at once.
    moving
        Names of the tensors whose moving links (a neighbour's element of earlier ticks) are taken.
    phases
        Names of the tensors whose strided windows are split into phases of stride 1, so that links
        hold that a stride would break; where only a moving link needs them they need not be named.
    tagged
        Names of the tensors that come on buses with row and column tags, to scratchpads.
    reach
        How many PEs in a line a wire of a tensor spans at most, or of a result, over how many
        sums are added in one cycle; those behind take from a register. By tensor.
    paces
        How a step goes along rows and columns, where skew and reach were made up into it already.

    Raises
    ------
    SpecError
        If a dimension is unknown, is missing, or stands twice where it may not. Its key names the
        loop by kind and dimension: ``nest.for.k``, ``nest.pe.s``, ``nest.rows.c``.
    """

    name: str
    operation: Operation
    temporal: tuple[str, ...]
    pe: tuple[PELoop, ...] = ()
    spatial: tuple[SpatialLoop, ...] = ()
    skew: tuple[int, int] | None = None
    shift: dict[str, int | None] = field(default_factory=dict)
    moving: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()
    tagged: tuple[str, ...] = ()
    reach: dict[str, int] = field(default_factory=dict)
    paces: tuple[Pace, Pace] | None = None

    def __post_init__(self):
        self._check_loops()
        self._check_places()
        self._check_links()

    @property
    def _loops(self) -> list[tuple[str, str]]:
        """Every loop as its kind and dimension, in the words of messages."""
        return [
            *(("for", dimension) for dimension in self.temporal),
            *(("pe", loop.dimension) for loop in self.pe),
            *((AXES[loop.axis], loop.dimension) for loop in self.spatial),
        ]

    def _check_loops(self):
        """Numbers of each loop."""
        for loop in self.spatial:
            if loop.axis not in (0, 1):
                raise SpecError(f"axis must be 0 (rows) or 1 (columns), not {shown(loop.axis)}")
            if loop.size is not None:
                SIDE.check(loop.size, f"nest.{AXES[loop.axis]}.{loop.dimension}")
        for loop in self.pe:
            PE_TRIPS.check(loop.maximum, f"nest.pe.{loop.dimension}")

    def _check_places(self):
        """Each dimension somewhere, none twice in one place."""
        known = self.operation.dimensions
        for number, (kind, dimension) in enumerate(self._loops):
            if dimension not in known:
                raise SpecError(
                    f"{self.operation.name} has no dimension {dimension!r}; it has "
                    f"{', '.join(known)}",
                    key=f"nest.{kind}.{dimension}",
                )
            if (kind, dimension) in self._loops[:number]:
                raise SpecError(
                    f"the loop over {dimension!r} stands twice here; once is allowed",
                    key=f"nest.{kind}.{dimension}",
                )
        looped = {dimension for _, dimension in self._loops}
        missing = [dimension for dimension in known if dimension not in looped]
        if missing:
            raise SpecError(
                f"there is no loop over {missing[0]!r}; every dimension of {self.operation.name} "
                f"({', '.join(known)}) needs one",
                key="nest",
            )
        if not self.temporal:
            raise SpecError(
                "a loop outside the PE is missing; the last of them is the array's inner loop",
                key="nest",
            )
        if not self.spatial:
            raise SpecError(
                "no loop is spatial; at least one must lie on rows or columns", key="nest"
            )

    def _check_links(self):
        """Numbers and names of what the algebra leaves open."""
        for axis, cycles in zip(AXES, self.skew or ()):
            SKEW.check(cycles, f"links.skew.{axis}")
        tensors = {tensor.name for tensor in self.operation.tensors}
        wanted = [(f"links.shift.{name}", name) for name in self.shift]
        wanted += [("links.moving", name) for name in self.moving]
        wanted += [("links.phases", name) for name in self.phases]
        wanted += [("links.tagged", name) for name in self.tagged]
        wanted += [(f"links.reach.{name}", name) for name in self.reach]
        for key, name in wanted:
            if name not in tensors:
                raise SpecError(
                    f"{self.operation.name} has no tensor {name!r}; it has "
                    f"{', '.join(tensor.name for tensor in self.operation.tensors)}",
                    key=key,
                )
        for name, axis in self.shift.items():
            if axis is None and name == self.operation.output.name:
                raise SpecError(
                    f"sums of {name} that stay in the PEs leave by shifting; rows or columns are "
                    f"allowed",
                    key=f"links.shift.{name}",
                )
            if axis not in (0, 1, None):
                raise SpecError(
                    f"axis must be 0 (rows) or 1 (columns), not {shown(axis)}",
                    key=f"links.shift.{name}",
                )
        for name, pes in self.reach.items():
            SIDE.check(pes, f"links.reach.{name}")

    @property
    def inner(self) -> str:
        """The innermost loop outside the PE."""
        return self.temporal[-1]

    @property
    def hardware_loops(self) -> tuple[str, ...]:
        """The inner loop and the loops in the PE, outermost first: what the array itself knows."""
        return (self.inner, *(loop.dimension for loop in self.pe))

    def on_axis(self, axis: int) -> tuple[SpatialLoop, ...]:
        """The loops on an axis, slowest first."""
        return tuple(loop for loop in self.spatial if loop.axis == axis)
