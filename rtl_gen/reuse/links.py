"""Links: along which vectors the PEs of an array hand on, or share, the elements of a tensor."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..spec.dataflow import AXES
from ..spec.operation import SpecError, Tensor
from .lattice import null_basis
from .optional import moving_vector
from .placement import Coordinate, Placement

if TYPE_CHECKING:
    from .grid import Grid

__all__ = [
    "Link",
    "default_skew",
    "links_of",
    "moving_link",
    "origins",
    "reduction_kind",
    "sources_of",
]

Skew = tuple[int, int]


@dataclass(frozen=True)
class Link:
    """A PE takes the element of the PE at ``-vector``.

    Parameters
    ----------
    vector
        Rows and columns from source to target.
    delay
        Cycles between the two for one step, by the skew.
    ticks
        Ticks of the tensor that the target is behind: its source used the element so many ago.
    crossing
        Further cycles at most, where the two lie in different groups of PEs.
    """

    vector: Coordinate
    delay: int
    ticks: int = 0
    crossing: int = 0

    @property
    def kind(self) -> str:
        """The field's word for it."""
        if self.ticks:
            return "moving"
        axes = sum(map(bool, self.vector))
        if self.delay == 0:
            return "multicast"
        return "forward" if axes == 1 else "diagonal"

    @property
    def backward(self) -> "Link":
        """The same link, seen from its target."""
        return replace(self, vector=(-self.vector[0], -self.vector[1]))


def reduction_kind(delay: int) -> str:
    """The field's word for a link along which sums are added, so many cycles later."""
    return "reduce_forward" if delay else "reduce_tree"


def shared_vectors(placement: Placement, tensor: Tensor) -> list[Coordinate]:
    """Displacements of PEs along which the tensor is shared in a step, by its null lattice.

    On a folded axis a vector of loops is one of PEs by the pitches of the loops; whether it
    holds at a PE (no carry from loop to loop) is looked up there.
    """
    # A loop of one PE goes nowhere.
    loops = [n for n, size in enumerate(placement.sizes) if size > 1]
    rows = [[row[n] for n in loops] for row in placement.spatial_rows(tensor)]
    vectors = []
    for basis in null_basis(rows, len(loops)):
        if any(abs(step) >= placement.sizes[n] for step, n in zip(basis, loops)):
            continue  # it joins no two PEs
        steps = [0] * len(placement.sizes)
        for step, n in zip(basis, loops):
            steps[n] = step
        vectors.append(placement.vector(tuple(steps)))
    return vectors


def links_of(placement: Placement, tensor: Tensor, grid: "Grid") -> tuple[Link, ...]:
    """Links within a step, wires before registers, each oriented so that time goes forward.

    Raises
    ------
    SpecError
        If time goes forward on some of a link's places and back on others, as borders of groups
        lie on both axes.
    """
    links = [grid.oriented(vector) for vector in shared_vectors(placement, tensor)]
    for link in links:
        if link.delay < 0:
            raise SpecError(
                f"PEs along {link.vector} share an element of {tensor.name}, and groups of "
                f"{grid.paces[0].group} rows and {grid.paces[1].group} columns would bring it to "
                f"them in no order",
                key="links.reach",
            )
    return tuple(sorted(dict.fromkeys(links), key=lambda link: link.delay))


def moving_link(placement: Placement, tensor: Tensor, grid: "Grid") -> Link:
    """The link of an operand over which its elements move from tick to tick.

    Raises
    ------
    SpecError
        If the skew brings a step to the target too early: with a moving link time goes one way.
    """
    steps, ticks = moving_vector(placement, tensor, split=tensor.name in placement.split)
    vector = placement.vector(steps)
    link = grid.link(vector, ticks)
    if link.delay < 0:
        axis = next(axis for axis in (0, 1) if grid.paces[axis].direction * vector[axis] < 0)
        allowed = "0 or -1" if vector[axis] < 0 else "0 or 1"
        raise SpecError(
            f"elements of {tensor.name} move from PE to PE along {vector}, against the skew of "
            f"{grid.skew[axis]}; {allowed} is allowed",
            key=f"links.skew.{AXES[axis]}",
        )
    return link


def sources_of(
    placement: Placement, tensor: Tensor, links: tuple[Link, ...]
) -> dict[Coordinate, tuple[Coordinate, Link]]:
    """Who gives a PE its element: the first link whose source is in the array and has it."""
    keys = {pe: placement.element(tensor, pe) for pe in placement.pes}
    moved = placement.tick_key(tensor) if any(link.ticks for link in links) else ()
    sources = {}
    for pe, key in keys.items():
        for link in links:
            source = (pe[0] - link.vector[0], pe[1] - link.vector[1])
            if source not in keys:
                continue
            before = keys[source]
            if link.ticks:
                before = tuple(a - link.ticks * b for a, b in zip(before, moved))
            if before == key:
                sources[pe] = (source, link)
                break
    return sources


def origins(
    placement: Placement, sources: dict[Coordinate, tuple[Coordinate, Link]]
) -> dict[Coordinate, tuple[Coordinate, int]]:
    """For each PE the lane its elements come from, and by how many ticks it is behind."""
    found: dict[Coordinate, tuple[Coordinate, int]] = {}

    def origin(pe: Coordinate) -> tuple[Coordinate, int]:
        if pe not in found:
            if pe in sources:
                source, link = sources[pe]
                lane, ticks = origin(source)
                found[pe] = (lane, ticks + link.ticks)
            else:
                found[pe] = (pe, 0)
        return found[pe]

    for pe in placement.pes:
        origin(pe)
    return found


def default_skew(placement: Placement) -> Skew:
    """Systolic along the axis that reduces, broadcast along the other; moving links permitting."""
    vectors = shared_vectors(placement, placement.dataflow.operation.output)
    skew = (1, 0) if any(vectors) else (0, 0)
    for axis in (1, 0):
        if any(v[axis] and not v[1 - axis] for v in vectors):
            skew = (1, 0) if axis == 0 else (0, 1)
    moving = [
        placement.vector(moving_vector(placement, tensor, split=name in placement.split)[0])
        for name in placement.dataflow.moving
        for tensor in [placement.dataflow.operation.tensor(name)]
    ]
    turned = (skew, (-skew[0], -skew[1]))
    fitting = [way for way in turned if all(_delay(way, vector) >= 0 for vector in moving)]
    return fitting[0] if fitting else (0, 0)


def _delay(skew: Skew, vector: Coordinate) -> int:
    """Cycles by which the skew lets a step reach the end of a vector later than its start."""
    return skew[0] * vector[0] + skew[1] * vector[1]
