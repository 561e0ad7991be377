"""Reuse analysis: how each tensor of a dataflow moves through the array.

Source: Krishna et al., Data Orchestration in Deep Learning Accelerators (2020), chapter 2, put
into integer lattices: a tensor is shared along every vector of PEs that its projection sends to 0.
"""

from dataclasses import dataclass

from ..spec.dataflow import AXES
from ..spec.design import Formats
from ..spec.operation import SpecError, Tensor
from .lattice import null_basis
from .placement import Coordinate, Placement

__all__ = ["HeldOperand", "Link", "OutputReuse", "Reuse", "StreamedOperand", "analyse"]

Key = tuple[int, ...]


@dataclass(frozen=True)
class Link:
    """A PE takes an element from the PE at ``-vector``, ``delay`` cycles after that PE used it."""

    vector: Coordinate
    delay: int

    @property
    def kind(self) -> str:
        """The field's word for it."""
        axes = sum(map(bool, self.vector))
        if self.delay == 0:
            return "multicast"
        return "forward" if axes == 1 else "diagonal"


@dataclass(frozen=True)
class StreamedOperand:
    """An operand that enters the array at its lanes, step by step.

    Parameters
    ----------
    links
        In the order in which a PE tries them; the first whose source lies in the array is taken.
    lanes
        PEs without a source, in row order.
    keys
        The element each lane carries, relative to the others.
    ticks
        The hardware loop that fetches a new element; deeper loops use it again.
    """

    name: str
    links: tuple[Link, ...]
    lanes: tuple[Coordinate, ...]
    keys: tuple[Key, ...]
    ticks: str

    @property
    def elements(self) -> tuple[Key, ...]:
        """Distinct elements that enter in a step, in the order of the lanes."""
        return tuple(dict.fromkeys(self.keys))


@dataclass(frozen=True)
class HeldOperand:
    """A stationary operand: held in the PE while the inner loop runs, with a shadow.

    Parameters
    ----------
    depth
        Words held in a PE: the loops in the PE that index it.
    loops
        Those loops and their maxima, outermost first: the address is their mixed radix.
    shift
        Axis along which it is shifted in; None: every lane loads at once.
    links, lanes, keys
        As for a streamed operand, for one load tick; along ``shift`` PEs take from their
        neighbour.
    """

    name: str
    depth: int
    loops: tuple[tuple[str, int], ...]
    shift: int | None
    links: tuple[Link, ...]
    lanes: tuple[Coordinate, ...]
    keys: tuple[Key, ...]

    @property
    def elements(self) -> tuple[Key, ...]:
        """Distinct elements that enter in a load tick, in the order of the lanes."""
        return tuple(dict.fromkeys(self.keys))


@dataclass(frozen=True)
class OutputReuse:
    """Where a result is reduced and where it leaves.

    Parameters
    ----------
    links
        Chains along which partial sums are added, in the order in which a PE tries them.
    exits
        PEs from which sums leave.
    keys
        The output each exit carries; exits of one key are added at the edge.
    accumulate
        Whether a PE sums over hardware loops.
    loops
        Loops in the PE that index the accumulators of a PE, with their maxima.
    stationary
        Whether a sum stays in the PE over all reduction loops; else the rest is added at the edge.
    drain
        Axis along which stationary sums are shifted out; None: they leave by chain or lane.
    steps_in_pe
        Largest number of products that meet in a PE before a sum leaves it; None: all of them.
    """

    name: str
    links: tuple[Link, ...]
    exits: tuple[Coordinate, ...]
    keys: tuple[Key, ...]
    accumulate: bool
    loops: tuple[tuple[str, int], ...]
    stationary: bool
    drain: int | None
    steps_in_pe: int | None

    @property
    def depth(self) -> int:
        """Accumulators in a PE."""
        depth = 1
        for _, maximum in self.loops:
            depth *= maximum
        return depth if self.accumulate else 0

    @property
    def elements(self) -> tuple[Key, ...]:
        """Distinct outputs that leave together, in the order of the exits."""
        return tuple(dict.fromkeys(self.keys))


@dataclass(frozen=True)
class Reuse:
    """What the array of a placement is made of."""

    placement: Placement
    skew: tuple[int, int]
    operands: tuple[StreamedOperand | HeldOperand, ...]
    output: OutputReuse
    psum_bits: int

    def operand(self, name: str) -> StreamedOperand | HeldOperand:
        return next(operand for operand in self.operands if operand.name == name)

    @property
    def control_links(self) -> tuple[Link, ...]:
        """How what every PE must know travels: along one axis, by wire if one is not skewed."""
        links = [Link(v, sum(s * a for s, a in zip(self.skew, v))) for v in ((0, 1), (1, 0))]
        turned = [k if k.delay >= 0 else _reverse(Link(k.vector, -k.delay)) for k in links]
        real = [k for k in turned if self.placement.extent[0 if k.vector[0] else 1] > 1]
        return tuple(sorted(real, key=lambda link: link.delay)[:1])

    def shift_link(self, axis: int) -> Link:
        """The link from neighbour to neighbour along an axis, in the direction of time."""
        direction = -1 if self.skew[axis] < 0 else 1
        vector = (direction, 0) if axis == 0 else (0, direction)
        return Link(vector, abs(self.skew[axis]))

    def delay(self, pe: Coordinate) -> int:
        """Cycles from the first PE that sees a step to this one."""
        start = sum(min(0, s * (n - 1)) for s, n in zip(self.skew, self.placement.extent))
        return sum(s * x for s, x in zip(self.skew, pe)) - start


def analyse(placement: Placement, formats: Formats | None = None) -> Reuse:
    """Derive links, lanes, storage and reduction of every tensor.

    Raises
    ------
    SpecError
        If the dataflow asks for a link that does not exist.
    """
    dataflow = placement.dataflow
    if dataflow.moving:
        raise SpecError(
            f"no moving link of {dataflow.moving[0]} can be built; its elements enter at lanes",
            key="links.moving",
        )
    output = dataflow.operation.output
    skew = dataflow.skew or _default_skew(placement)
    for name, axis in dataflow.shift.items():
        _check_shift(placement, dataflow.operation.tensor(name), axis)
    reuse_of = [_operand(placement, tensor, skew) for tensor in dataflow.operation.operands]
    result = _output(placement, output, skew)
    bits = (formats or Formats()).bits_for(_products(placement, result, formats or Formats()))
    return Reuse(placement, skew, tuple(reuse_of), result, bits)


def _vectors(placement: Placement, tensor: Tensor) -> list[Coordinate]:
    """Displacements of PEs along which the tensor is shared, by its null lattice.

    On a folded axis a vector of loops is one of PEs by the weights of the loops; whether it
    holds at a PE (no carry from loop to loop) is looked up there.
    """
    # A loop of one PE goes nowhere.
    loops = [n for n, size in enumerate(placement.sizes) if size > 1]
    sizes = [placement.sizes[n] for n in loops]
    axes = [placement.dataflow.spatial[n].axis for n in loops]
    weights, below = [], [1, 1]
    for size, axis in reversed(list(zip(sizes, axes))):
        weights.append(below[axis])
        below[axis] *= size
    weights.reverse()
    rows = [[row[n] for n in loops] for row in placement.spatial_rows(tensor)]
    vectors = []
    for basis in null_basis(rows, len(loops)):
        if any(abs(step) >= size for step, size in zip(basis, sizes)):
            continue  # it joins no two PEs
        vector = [0, 0]
        for step, weight, axis in zip(basis, weights, axes):
            vector[axis] += step * weight
        vectors.append((vector[0], vector[1]))
    return vectors


def _default_skew(placement: Placement) -> tuple[int, int]:
    """Systolic along the axis that reduces, broadcast along the other."""
    vectors = _vectors(placement, placement.dataflow.operation.output)
    for axis in (0, 1):
        if any(v[axis] and not v[1 - axis] for v in vectors):
            return (1, 0) if axis == 0 else (0, 1)
    return (1, 0) if any(vectors) else (0, 0)


def _links(placement, tensor, skew) -> tuple[Link, ...]:
    """Links of a tensor, wires before registers, each oriented so that time goes forward.

    Wires all go one way, down or else to the right: on a folded axis two of them may be parallel,
    and must not close a circle.
    """
    links = []
    for vector in _vectors(placement, tensor):
        delay = sum(s * v for s, v in zip(skew, vector))
        if delay < 0 or (delay == 0 and vector < (0, 0)):
            vector, delay = (-vector[0], -vector[1]), -delay
        links.append(Link(vector, delay))
    return tuple(sorted(dict.fromkeys(links), key=lambda link: link.delay))


def _sources(placement, tensor, links) -> dict[Coordinate, tuple[Coordinate, Link]]:
    """Who gives a PE its element: the first link whose source is in the array and has it."""
    keys = {pe: placement.element(tensor, pe) for pe in placement.pes}
    sources = {}
    for pe in placement.pes:
        for link in links:
            source = (pe[0] - link.vector[0], pe[1] - link.vector[1])
            if keys.get(source) == keys[pe]:
                sources[pe] = (source, link)
                break
    return sources


def _depth_loops(placement, tensor, loops) -> tuple[tuple[str, int], ...]:
    return tuple(
        (loop.dimension, loop.maximum) for loop in loops if loop.dimension in tensor.dimensions
    )


def _operand(placement, tensor, skew) -> StreamedOperand | HeldOperand:
    dataflow = placement.dataflow
    links = _links(placement, tensor, skew)
    if len(links) > 1 and _everywhere(placement, tensor):
        # One element for all PEs: wires or registers along one axis; the edge delays the rest.
        links = links[:1]
    if dataflow.inner in tensor.dimensions:
        ticks = [d for d in dataflow.hardware_loops if d in tensor.dimensions][-1]
        sources = _sources(placement, tensor, links)
        lanes = tuple(pe for pe in placement.pes if pe not in sources)
        keys = tuple(placement.element(tensor, pe) for pe in lanes)
        return StreamedOperand(tensor.name, links, lanes, keys, ticks)
    loops = _depth_loops(placement, tensor, dataflow.pe)
    depth = 1
    for _, maximum in loops:
        depth *= maximum
    shift = dataflow.shift.get(tensor.name, _shift_axis(placement, tensor, skew))
    wires = tuple(link for link in links if shift is None or not link.vector[shift])
    sources = _sources(placement, tensor, wires)
    lanes = tuple(
        pe
        for pe in placement.pes
        if pe not in sources and (shift is None or pe[shift] == _entry(placement, skew, shift))
    )
    keys = tuple(placement.element(tensor, pe) for pe in lanes)
    return HeldOperand(tensor.name, depth, loops, shift, wires, lanes, keys)


def _entry(placement, skew, axis) -> int:
    """Where along an axis shifted words enter: where time begins."""
    return placement.extent[axis] - 1 if skew[axis] < 0 else 0


def _leave(placement, skew, axis) -> int:
    """Where along an axis shifted words leave."""
    return placement.extent[axis] - 1 - _entry(placement, skew, axis)


def _everywhere(placement, tensor) -> bool:
    """Whether one element serves every PE."""
    return len({placement.element(tensor, pe) for pe in placement.pes}) == 1


def _varies(placement, tensor, axis) -> bool:
    """Whether neighbours along an axis hold different elements."""
    here = placement.element(tensor, (0, 0))
    step = [0, 0]
    for position in range(1, placement.extent[axis]):
        step[axis] = position
        if placement.element(tensor, (step[0], step[1])) != here:
            return True
    return False


def _shift_axis(placement, tensor, skew) -> int | None:
    """The axis to shift along: one where the tensor varies, without a skew if there is one."""
    axes = [axis for axis in (1, 0) if _varies(placement, tensor, axis)]
    return min(axes, key=lambda axis: abs(skew[axis]), default=None)


def _check_shift(placement, tensor, axis):
    dataflow, key = placement.dataflow, f"links.shift.{tensor.name}"
    if dataflow.inner in tensor.dimensions:
        raise SpecError(
            f"{tensor.name} is not stationary, the inner loop {dataflow.inner!r} indexes it; only "
            f"what stays in the PEs can be shifted",
            key=key,
        )
    if placement.extent[axis] > 1 and not _varies(placement, tensor, axis):
        raise SpecError(
            f"{tensor.name} is the same all along the {AXES[axis]}; there is nothing to shift",
            key=key,
        )


def _output(placement, tensor, skew) -> OutputReuse:
    dataflow = placement.dataflow
    reduced = [d for d in dataflow.hardware_loops if d not in tensor.dimensions]
    stationary = dataflow.inner in reduced
    outermost = dataflow.hardware_loops.index(reduced[0]) if reduced else 0
    deeper = [p for p in dataflow.pe if p.dimension in dataflow.hardware_loops[outermost + 1 :]]
    # Along the shortest chain of registers; wires join the ends of chains.
    links = sorted(_links(placement, tensor, skew), key=lambda link: (not link.delay, link.delay))
    links = tuple(links)
    # Sums that the edge must add, as no vector of the basis joins their PEs, cannot be shifted.
    alone = len({placement.element(tensor, pe) for pe in placement.pes}) == len(placement.pes)
    drain = None
    if stationary and alone:
        drain = dataflow.shift.get(tensor.name, _drain_axis(placement, skew))
    elif stationary and tensor.name in dataflow.shift:
        raise SpecError(
            f"sums of {tensor.name} are added from PE to PE and leave there; there is nothing to "
            f"shift",
            key=f"links.shift.{tensor.name}",
        )
    successors = _sources(placement, tensor, tuple(_reverse(link) for link in links))
    exits = tuple(
        pe
        for pe in placement.pes
        if pe not in successors and (drain is None or pe[drain] == _leave(placement, skew, drain))
    )
    keys = tuple(placement.element(tensor, pe) for pe in exits)
    in_pe = 1
    for loop in dataflow.pe:
        in_pe *= loop.maximum if loop.dimension in reduced else 1
    return OutputReuse(
        tensor.name,
        links,
        exits,
        keys,
        bool(reduced),
        _depth_loops(placement, tensor, deeper),
        stationary,
        drain,
        None if stationary else in_pe,
    )


def _reverse(link: Link) -> Link:
    return Link((-link.vector[0], -link.vector[1]), link.delay)


def _drain_axis(placement, skew) -> int:
    """Rows, unless they are skewed and columns are not."""
    return min((0, 1), key=lambda axis: abs(skew[axis]))


def _products(placement, output, formats) -> int:
    """Products in the widest partial sum that travels in the array."""
    if output.stationary:
        return formats.reduction
    members: dict[Key, int] = {}
    tensor = placement.dataflow.operation.output
    for pe in placement.pes:
        key = placement.element(tensor, pe)
        members[key] = members.get(key, 0) + 1
    return min(formats.reduction, max(members.values()) * output.steps_in_pe)
