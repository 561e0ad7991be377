"""Reuse analysis: how each tensor of a dataflow moves through the array.

Source: Krishna et al., Data Orchestration in Deep Learning Accelerators (2020), chapter 2, put
into integer lattices: a tensor is shared along every vector of PEs that its projection sends to 0.
"""

from dataclasses import replace

from ..spec.dataflow import AXES
from ..spec.design import Formats
from ..spec.operation import SpecError
from ..spec.pace import Pace
from .grid import Grid
from .links import default_skew, links_of, moving_link, origins, sources_of
from .optional import moving_vector
from .phases import split_ranks, why_not_split
from .placement import Placement
from .result import HeldOperand, Key, OutputReuse, Reuse, StreamedOperand
from .retiming import fewest_registers

__all__ = ["analyse"]


def analyse(placement: Placement, formats: Formats | None = None) -> Reuse:
    """Derive links, lanes, storage and reduction of every tensor.

    Where the dataflow limits the reach of a wire, registers are placed so that they are fewest; the
    dataflow of the result then says how a step goes.

    Raises
    ------
    SpecError
        If the dataflow asks for a link that does not exist, or limits a reach in vain.
    """
    placement = _in_phases(placement)
    dataflow = placement.dataflow
    formats = (formats or Formats()).of(dataflow.operation)
    paces = dataflow.paces
    if paces is None and dataflow.reach:
        return fewest_registers(
            [placement], dataflow.skew, lambda paced: [analyse(p, formats) for p in paced]
        )[0]
    if paces is None:
        rows, columns = dataflow.skew or default_skew(placement)
        paces = (Pace(rows), Pace(columns))
    grid = Grid(placement.extent, paces)
    for name, axis in dataflow.shift.items():
        _check_shift(placement, dataflow.operation.tensor(name), axis)
    operands = tuple(_operand(placement, tensor, grid) for tensor in dataflow.operation.operands)
    result = _output(placement, dataflow.operation.output, grid)
    bits = formats.bits_for(_products(placement, result, formats))
    return Reuse(placement, paces, operands, result, bits, formats)


def _in_phases(placement: Placement) -> Placement:
    """The placement with those tensors split into phases whose wanted links need it."""
    dataflow = placement.dataflow
    operation, split = dataflow.operation, set(dataflow.phases)
    for name in dataflow.phases:
        reason = why_not_split(operation, operation.tensor(name))
        if reason:
            raise SpecError(f"{name} has no phases: {reason}", key="links.phases")
    for name in dataflow.moving:
        tensor = operation.tensor(name)
        _check_moving(dataflow, tensor)
        whole = name not in split and moving_vector(placement, tensor, split=False)
        if not whole and not why_not_split(operation, tensor):
            split.add(name)
        if not moving_vector(placement, tensor, split=name in split):
            raise SpecError(
                f"no PE uses what its neighbour used in an earlier tick of "
                f"{placement.tick(tensor)!r}; {name} has no moving link",
                key="links.moving",
            )
    tensors = [operation.tensor(name) for name in sorted(split)]
    dimensions = [d for t in tensors for rank in split_ranks(t) for d in t.rank(rank).dimensions]
    for dimension in dimensions:
        if dimensions.count(dimension) > 1:
            raise SpecError(
                f"the strides of {' and '.join(t.name for t in tensors)} would split {dimension!r} "
                f"in different ways; only one of them can have phases",
                key="links.phases",
            )
    return replace(placement, split=frozenset(split))


def _check_moving(dataflow, tensor):
    if tensor is dataflow.operation.output:
        raise SpecError(
            f"sums of {tensor.name} do not move with the ticks; only operands do",
            key="links.moving",
        )
    if dataflow.inner not in tensor.dimensions:
        raise SpecError(
            f"{tensor.name} is stationary, the inner loop {dataflow.inner!r} does not index it; "
            f"only what streams can move",
            key="links.moving",
        )


def _depth_loops(placement, tensor, loops) -> tuple[tuple[str, int], ...]:
    return tuple(
        (loop.dimension, loop.maximum) for loop in loops if loop.dimension in tensor.dimensions
    )


def _operand(placement, tensor, grid) -> StreamedOperand | HeldOperand:
    dataflow = placement.dataflow
    links = links_of(placement, tensor, grid)
    if len(links) > 1 and _everywhere(placement, tensor):
        # One element for all PEs: wires or registers along one axis; the edge delays the rest.
        links = links[:1]
    if dataflow.inner in tensor.dimensions:
        if tensor.name in dataflow.moving:
            links = (*links, moving_link(placement, tensor, grid))
        sources = sources_of(placement, tensor, links)
        lanes = tuple(pe for pe in placement.pes if pe not in sources)
        keys = tuple(placement.element(tensor, pe) for pe in lanes)
        warm_up = max(ticks for _, ticks in origins(placement, sources).values())
        return StreamedOperand(tensor.name, links, lanes, keys, placement.tick(tensor), warm_up)
    loops = _depth_loops(placement, tensor, dataflow.pe)
    depth = 1
    for _, maximum in loops:
        depth *= maximum
    shift = dataflow.shift.get(tensor.name, _shift_axis(placement, tensor, grid))
    wires = tuple(link for link in links if shift is None or not link.vector[shift])
    sources = sources_of(placement, tensor, wires)
    lanes = tuple(
        pe
        for pe in placement.pes
        if pe not in sources and (shift is None or pe[shift] == _entry(grid, shift))
    )
    keys = tuple(placement.element(tensor, pe) for pe in lanes)
    return HeldOperand(tensor.name, depth, loops, shift, wires, lanes, keys)


def _entry(grid, axis) -> int:
    """Where along an axis shifted words enter: where time begins."""
    return grid.extent[axis] - 1 if grid.paces[axis].direction < 0 else 0


def _leave(grid, axis) -> int:
    """Where along an axis shifted words leave."""
    return grid.extent[axis] - 1 - _entry(grid, axis)


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


def _shift_axis(placement, tensor, grid) -> int | None:
    """The axis to shift along: one where the tensor varies, with the least skew."""
    axes = [axis for axis in (1, 0) if _varies(placement, tensor, axis)]
    return min(axes, key=lambda axis: abs(grid.paces[axis].trend), default=None)


def _check_shift(placement, tensor, axis):
    dataflow, key = placement.dataflow, f"links.shift.{tensor.name}"
    if dataflow.inner in tensor.dimensions:
        raise SpecError(
            f"{tensor.name} is not stationary, the inner loop {dataflow.inner!r} indexes it; only "
            f"what stays in the PEs can be shifted",
            key=key,
        )
    if axis is not None and placement.extent[axis] > 1 and not _varies(placement, tensor, axis):
        raise SpecError(
            f"{tensor.name} is the same all along the {AXES[axis]}; there is nothing to shift",
            key=key,
        )


def _output(placement, tensor, grid) -> OutputReuse:
    dataflow = placement.dataflow
    reduced = [d for d in dataflow.hardware_loops if d not in tensor.dimensions]
    stationary = dataflow.inner in reduced
    outermost = dataflow.hardware_loops.index(reduced[0]) if reduced else 0
    deeper = [p for p in dataflow.pe if p.dimension in dataflow.hardware_loops[outermost + 1 :]]
    # Along the shortest chain of registers; wires join the ends of chains.
    links = links_of(placement, tensor, grid)
    links = tuple(sorted(links, key=lambda link: (not link.delay, link.delay)))
    # Sums that the edge must add, as no vector of the basis joins their PEs, cannot be shifted.
    alone = len({placement.element(tensor, pe) for pe in placement.pes}) == len(placement.pes)
    drain = None
    if stationary and alone:
        drain = dataflow.shift.get(tensor.name, _drain_axis(grid))
    elif stationary and tensor.name in dataflow.shift:
        raise SpecError(
            f"sums of {tensor.name} are added from PE to PE and leave there; there is nothing to "
            f"shift",
            key=f"links.shift.{tensor.name}",
        )
    successors = sources_of(placement, tensor, tuple(link.backward for link in links))
    exits = tuple(
        pe
        for pe in placement.pes
        if pe not in successors and (drain is None or pe[drain] == _leave(grid, drain))
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


def _drain_axis(grid) -> int:
    """Rows, unless columns are less skewed."""
    return min((0, 1), key=lambda axis: abs(grid.paces[axis].trend))


def _products(placement, output, formats) -> int:
    """Products in the widest partial sum that travels in the array."""
    most = formats.reduction
    if output.stationary:
        return most
    members: dict[Key, int] = {}
    tensor = placement.dataflow.operation.output
    for pe in placement.pes:
        key = placement.element(tensor, pe)
        members[key] = members.get(key, 0) + 1
    return min(most, max(members.values()) * output.steps_in_pe)
