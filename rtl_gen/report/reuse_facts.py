"""What the reuse analysis found, tensor by tensor, each finding with its reason.

Links carry the words of Krishna et al., Data Orchestration in Deep Learning Accelerators (2020):
multicast, forward (systolic), unicast, reduce.
"""

from dataclasses import dataclass

from ..reuse import (
    HeldOperand,
    Link,
    OptionalLink,
    Placement,
    Reuse,
    StreamedOperand,
    optional_links,
    reduction_kind,
)
from ..spec.dataflow import AXES
from ..spec.operation import Tensor

__all__ = [
    "LaneFacts",
    "LinkFacts",
    "OperandFacts",
    "OutputFacts",
    "operand_facts",
    "output_facts",
]

Coordinate = tuple[int, int]


@dataclass(frozen=True)
class LinkFacts:
    """A link: its kind, the vector of PEs (rows, columns), registers, and why it may be there.

    ``ticks`` registers advance with the tensor's ticks, ``delay`` registers in every cycle, and up
    to ``crossing`` more where the link leads to another group of PEs.
    """

    kind: str
    vector: Coordinate
    delay: int
    because: str
    ticks: int = 0
    crossing: int = 0


@dataclass(frozen=True, kw_only=True)
class LaneFacts:
    """Where elements cross the array's edge.

    Parameters
    ----------
    count
        Lanes.
    where
        Which PEs they belong to.
    elements
        Distinct elements that cross together: in a step, a load tick or a drain tick.
    dimensions
        Spatial dimensions that tell these elements apart.
    """

    count: int
    where: str
    elements: int
    dimensions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class OperandFacts:
    """How an operand moves.

    Parameters
    ----------
    how
        ``stationary`` or ``streamed``.
    because
        Why.
    storage
        Words held in a PE, apart from as many in its shadow; 0 for a streamed operand.
    shift
        Axis along which it is loaded from PE to PE; None: all lanes load at once.
    load_ticks
        Ticks of a load; 0 for a streamed operand.
    warm_up
        Ticks without a step before each run of the innermost loop that indexes it.
    declined
        Links that the algebra offers besides, in words.
    """

    name: str
    role: str
    how: str
    because: str
    links: tuple[LinkFacts, ...]
    lanes: LaneFacts
    storage: int
    shift: str | None
    load_ticks: int
    warm_up: int
    declined: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class OutputFacts:
    """How sums come about.

    Parameters
    ----------
    storage
        Accumulators in a PE.
    drain
        Axis along which complete sums are shifted out; None: sums leave in their step.
    idle_steps
        Ticks of a drain, in which no step goes; 0 without a drain.
    psum_bits
        Bits of a partial sum in the array.
    psum_products
        Products that the widest partial sum is made of.
    psum_because
        The formula of the bits, with its numbers.
    declined
        Links that the algebra offers besides, in words.
    """

    name: str
    how: str
    because: str
    links: tuple[LinkFacts, ...]
    exits: LaneFacts
    storage: int
    drain: str | None
    idle_steps: int
    psum_bits: int
    psum_products: int
    psum_because: str
    declined: tuple[str, ...]


def operand_facts(reuse: Reuse, operand: StreamedOperand | HeldOperand, role: str) -> OperandFacts:
    """The facts of an operand, whose role is ``input`` or ``weights``."""
    placement = reuse.placement
    inner = placement.dataflow.inner
    tensor = placement.dataflow.operation.tensor(operand.name)
    held = isinstance(operand, HeldOperand)
    links = [_link_facts(placement, tensor, link, link.kind) for link in operand.links]
    shift, ticks = None, int(held)
    if held and operand.shift is not None:
        shift, ticks = AXES[operand.shift], placement.extent[operand.shift]
        because = f"{tensor.name} is loaded from PE to PE"
        link = reuse.shift_link(operand.shift)
        links.append(_facts_of("shift", link, because))
    if not links:
        links.append(_facts_of("unicast", Link((0, 0), 0), "no two PEs use one element in a step"))
    return OperandFacts(
        name=operand.name,
        role=role,
        how="stationary" if held else "streamed",
        because=f"the inner loop {inner} {'does not index' if held else 'indexes'} {operand.name}",
        links=tuple(links),
        lanes=_lanes(placement, tensor, operand.lanes, len(operand.elements)),
        storage=operand.depth if held else 0,
        shift=shift,
        load_ticks=ticks,
        warm_up=0 if held else operand.warm_up,
        declined=_declined(placement, tensor),
    )


def output_facts(reuse: Reuse, largest_product: int, reduction: int) -> OutputFacts:
    """The facts of the result.

    Parameters
    ----------
    largest_product
        Magnitude of the product of two operands.
    reduction
        Products summed into one output at most.
    """
    placement, output = reuse.placement, reuse.output
    dataflow = placement.dataflow
    tensor = dataflow.operation.output
    links = [
        _link_facts(placement, tensor, link, reduction_kind(link.delay)) for link in output.links
    ]
    drain = None
    if output.drain is not None:
        drain = AXES[output.drain]
        because = "complete sums leave from PE to PE"
        links.append(_facts_of("shift", reuse.shift_link(output.drain), because))
    if not links:
        links.append(_facts_of("unicast", Link((0, 0), 0), "no two PEs work on one output"))
    products, why = _products(reuse, reduction)
    total = products * largest_product
    return OutputFacts(
        name=output.name,
        how="stationary" if output.stationary else "streamed",
        because=f"the inner loop {dataflow.inner} "
        f"{'does not index' if output.stationary else 'indexes'} {output.name}",
        links=tuple(links),
        exits=_lanes(placement, tensor, output.exits, len(output.elements)),
        storage=output.depth,
        drain=drain,
        idle_steps=0 if output.drain is None else placement.extent[output.drain],
        psum_bits=reuse.psum_bits,
        psum_products=products,
        declined=_declined(placement, tensor),
        psum_because=(
            f"{why}; a product is at most {largest_product}, their sum {total} < "
            f"2^{total.bit_length()}, and a sign: {total.bit_length()} + 1 bits"
        ),
    )


def _products(reuse: Reuse, reduction: int) -> tuple[int, str]:
    """Products in the widest partial sum of the array, and why so many."""
    placement, output = reuse.placement, reuse.output
    if output.stationary:
        return reduction, f"a sum stays in its PE for all of its up to {reduction} products"
    tensor = placement.dataflow.operation.output
    keys = [placement.element(tensor, pe) for pe in placement.pes]
    joined = max(keys.count(key) for key in set(keys))
    products = joined * output.steps_in_pe
    why = f"a sum that leaves the array is of {joined} PEs with {output.steps_in_pe} product"
    why += f"{'s' * (output.steps_in_pe > 1)} each"
    if products > reduction:
        return reduction, f"{why}, but no layer sums more than {reduction} (formats.max_reduction)"
    return products, why


def _declined(placement: Placement, tensor: Tensor) -> tuple[str, ...]:
    """Links of the algebra that the dataflow does not take, in words."""
    return tuple(
        _offered(placement, link)
        for link in optional_links(placement, tensor)
        if not _taken(placement, tensor, link)
    )


def _taken(placement: Placement, tensor: Tensor, link: OptionalLink) -> bool:
    if link.ticks:
        return any(link.vector) and tensor.name in placement.dataflow.moving
    return tensor.name in placement.split


def _offered(placement: Placement, link: OptionalLink) -> str:
    """An optional link in words."""
    pairs = [(x.dimension, a) for x, a in zip(placement.dataflow.spatial, link.vector) if a]
    way = " and ".join(f"{dimension} {step:+d}" for dimension, step in pairs)
    if not pairs:
        text = f"each PE uses its element again {_ticks(link)} of {link.loop} later"
    elif link.ticks:
        text = f"a PE passes its element on, {_ticks(link)} of {link.loop} later, along {way}"
    else:
        text = f"PEs along {way} use one element in a step"
    if link.phases:
        text += f", for each phase of stride 1 of {' and '.join(link.phases)}"
    return text


def _ticks(link: OptionalLink | Link) -> str:
    return f"{link.ticks} tick{'s' * (link.ticks > 1)}"


def _facts_of(kind: str, link: Link, because: str) -> LinkFacts:
    return LinkFacts(kind, link.vector, link.delay, because, link.ticks, link.crossing)


def _link_facts(placement: Placement, tensor: Tensor, link: Link, kind: str) -> LinkFacts:
    phased = ", in each phase of stride 1" if tensor.name in placement.split else ""
    if link.ticks:
        because = f"that PE used the element {_ticks(link)} of {placement.tick(tensor)} before"
        return _facts_of(kind, link, because + phased)
    moved = _moved_loops(placement, tensor, link.vector)
    if any(dimension in tensor.dimensions for dimension in moved):
        ways = " and ".join(
            f"{dimension} {'grows' if step > 0 else 'falls'} by {abs(step)}"
            for dimension, step in moved.items()
        )
        return _facts_of(kind, link, f"its index stays the same where {ways}{phased}")
    names = " and ".join(moved)
    verb = "does" if len(moved) == 1 else "do"
    return _facts_of(kind, link, f"{names} {verb} not index {tensor.name}")


def _moved_loops(placement: Placement, tensor: Tensor, vector: Coordinate) -> dict[str, int]:
    """By how much each spatial dimension changes along a vector, at the first PE where it holds."""
    for pe in placement.pes:
        end = (pe[0] + vector[0], pe[1] + vector[1])
        if end in placement.pes and placement.element(tensor, pe) == placement.element(tensor, end):
            steps: dict[str, int] = {}
            pairs = zip(placement.indices(pe), placement.indices(end), placement.units)
            for loop, (before, after, unit) in zip(placement.dataflow.spatial, pairs):
                if before != after:
                    moved = steps.get(loop.dimension, 0) + (after - before) * unit
                    steps[loop.dimension] = moved
            return steps
    return {}


def _lanes(
    placement: Placement, tensor: Tensor, pes: tuple[Coordinate, ...], elements: int
) -> LaneFacts:
    varying = [
        loop.dimension
        for n, loop in enumerate(placement.dataflow.spatial)
        if loop.dimension in tensor.dimensions and len({placement.indices(pe)[n] for pe in pes}) > 1
    ]
    return LaneFacts(
        count=len(pes),
        where=describe_pes(pes, placement.extent),
        elements=elements,
        dimensions=tuple(dict.fromkeys(varying)),
    )


def describe_pes(pes: tuple[Coordinate, ...], extent: Coordinate) -> str:
    """Which PEs of an array of ``extent`` these are, in words."""
    rows, columns = extent
    if len(pes) == 1:
        return f"at PE {pes[0]}"
    if len(pes) == rows * columns:
        return "one a PE"
    used_rows, used_columns = {i for i, _ in pes}, {j for _, j in pes}
    if len(used_columns) == 1 and len(pes) == rows:
        return f"one a row, at column {min(used_columns)}"
    if len(used_rows) == 1 and len(pes) == columns:
        return f"one a column, at row {min(used_rows)}"
    listed = ", ".join(map(str, pes[:4]))
    return f"at the PEs {listed}{', ...' if len(pes) > 4 else ''}"
