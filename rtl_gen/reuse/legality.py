"""The one legality check: does an array carry to every PE what a nest uses there?"""

from dataclasses import replace
from math import prod

from ..spec.operation import Tensor
from .elements import element_label
from .links import origins, sources_of
from .phases import split_ranks, why_not_split
from .placement import Coordinate, Placement
from .result import HeldOperand, OutputReuse, Reuse, StreamedOperand
from .wires import Wire, wires

__all__ = ["check_links"]

Pair = tuple[Coordinate, Coordinate]


def check_links(array: Reuse, nest: Placement) -> list[str]:
    """Whether another nest may run on an array that exists; reasons why not, none if it may.

    The tensors are matched by their order. PEs that one word of the array reaches, by links or from
    lanes that carry the same, must use one element in the nest, whatever the strides; a held
    operand must not depend on the inner loop; sums meet in the array exactly where they belong to
    one output; and what a PE keeps must have its place there.

    Parameters
    ----------
    array
        The links that exist.
    nest
        The nest that is to run on them; its array must not be larger.
    """
    if any(n > a for n, a in zip(nest.extent, array.placement.extent)):
        needed, there = (" x ".join(map(str, p.extent)) for p in (nest, array.placement))
        return [f"the nest needs {needed} PEs, the array has {there}"]
    operation = nest.dataflow.operation
    if len(operation.operands) != len(array.operands):
        return [
            f"the array multiplies {len(array.operands)} operands, the nest "
            f"{len(operation.operands)}: {operation.einsum}"
        ]
    nest, reasons = _in_phases(array, nest)
    for operand, tensor in zip(array.operands, operation.operands):
        if isinstance(operand, StreamedOperand) and operand.moves:
            reasons += _moving(array, operand, tensor, nest)
            continue
        shift = operand.shift if isinstance(operand, HeldOperand) else None
        pair = _torn(_groups(array, operand.name, nest, shift), nest, tensor)
        if pair:
            reasons.append(_carried(array, operand.name, nest, tensor, pair))
        if isinstance(operand, HeldOperand):
            reasons += _held(operand, tensor, nest)
    return reasons + _output(array, nest)


def _in_phases(array: Reuse, nest: Placement) -> tuple[Placement, list[str]]:
    """The nest, split into phases where the array asks for it; what keeps it from being split."""
    operation, split, reasons = nest.dataflow.operation, set(), []
    for ours, tensor in zip(array.placement.dataflow.operation.tensors, operation.tensors):
        if ours.name in array.placement.split and split_ranks(tensor):
            split.add(tensor.name)
            reason = why_not_split(operation, tensor)
            reasons += [f"{tensor.name} has no phases: {reason}"] if reason else []
    return replace(nest, split=frozenset(split)), reasons


def _moving(array: Reuse, operand: StreamedOperand, tensor: Tensor, nest: Placement) -> list[str]:
    """What keeps elements that move from PE to PE with the ticks from being those of the nest."""
    if nest.tick(tensor) is None or nest.dataflow.inner not in tensor.dimensions:
        return [f"{tensor.name} moves with its ticks, but the inner loop does not index it"]
    ours = array.placement.dataflow.operation.tensor(operand.name)
    sources, moved = sources_of(array.placement, ours, operand.links), nest.tick_key(tensor)
    begun: dict[tuple, tuple[Coordinate, tuple]] = {}
    for pe, (lane, ticks) in origins(array.placement, sources).items():
        if pe not in nest.pes:
            continue
        if lane not in nest.pes:
            return [f"{tensor.name} reaches PE {pe} from {lane}, which the nest does not use"]
        key = nest.element(tensor, pe)
        wanted = tuple(a + ticks * b for a, b in zip(key, moved))
        at, first = begun.setdefault(array.placement.element(ours, lane), (pe, wanted))
        if first != wanted:
            return [
                f"one word of {tensor.name} reaches PEs {at} and {pe}, which use different ones"
            ]
    return []


def _groups(array: Reuse, name: str, nest: Placement, apart: int | None = None):
    """PEs of the nest that share an element of a tensor of the array, with the array's key.

    Along the axis ``apart`` each PE has its own, for words are shifted there.
    """
    tensor, groups = array.placement.dataflow.operation.tensor(name), {}
    for pe in nest.pes:
        key = (array.placement.element(tensor, pe), None if apart is None else pe[apart])
        groups.setdefault(key, []).append(pe)
    return groups


def _torn(groups, nest: Placement, tensor: Tensor) -> Pair | None:
    """Two PEs of one group that use different elements in the nest."""
    for pes in groups.values():
        for pe in pes[1:]:
            if nest.element(tensor, pe) != nest.element(tensor, pes[0]):
                return pes[0], pe
    return None


def _carried(array: Reuse, name: str, nest: Placement, tensor: Tensor, pair: Pair) -> str:
    """Which link brings what to a PE that uses something else; else what two lanes share."""
    wire = _wrong_wire(array, name, nest, tensor)
    ends = (wire.source, wire.target) if wire else pair
    first, second = (element_label(nest, tensor, [pe]) for pe in ends)
    if wire:
        return (
            f"the {wire.kind} link of {tensor.name} from PE {wire.source} to {wire.target} carries "
            f"{first}, but the second uses {second}"
        )
    return f"one word of {tensor.name} reaches PEs {_both(pair)}, which use {first} and {second}"


def _met(array: Reuse, nest: Placement, tensor: Tensor, pair: Pair) -> str:
    """Which link adds sums of different outputs; else whose sums are added behind the array."""
    wire = _wrong_wire(array, array.output.name, nest, tensor)
    ends = (wire.source, wire.target) if wire else pair
    first, second = (element_label(nest, tensor, [pe]) for pe in ends)
    if wire:
        return (
            f"the {wire.kind} link of {tensor.name} from PE {wire.source} to {wire.target} adds "
            f"{first} to {second}"
        )
    return f"what PEs {_both(pair)} give is added, but belongs to {first} and {second}"


def _wrong_wire(array: Reuse, name: str, nest: Placement, tensor: Tensor) -> Wire | None:
    """The first link of a tensor of the array whose ends use two elements in the nest."""
    used = set(nest.pes)
    for wire in wires(array):
        if wire.tensor != name or wire.kind == "shift" or not {wire.source, wire.target} <= used:
            continue
        if nest.element(tensor, wire.source) != nest.element(tensor, wire.target):
            return wire
    return None


def _both(pair: Pair) -> str:
    return f"{pair[0]} and {pair[1]}"


def _held(operand: HeldOperand, tensor: Tensor, nest: Placement) -> list[str]:
    """What keeps a held operand from holding what the nest wants."""
    dataflow, reasons = nest.dataflow, []
    if dataflow.inner in tensor.dimensions:
        reasons.append(f"{tensor.name} is held, but the inner loop {dataflow.inner!r} indexes it")
    depth = prod(loop.maximum for loop in dataflow.pe if loop.dimension in tensor.dimensions)
    if depth > operand.depth:
        reasons.append(
            f"the nest keeps {depth} words of {tensor.name} in a PE, which holds {operand.depth}"
        )
    return reasons


def _output(array: Reuse, nest: Placement) -> list[str]:
    """What keeps the sums of the nest from meeting, staying or leaving as the array does it."""
    output, tensor = array.output, nest.dataflow.operation.output
    groups, reasons = _groups(array, output.name, nest), []
    pair = _torn(groups, nest, tensor)
    if pair:
        reasons.append(_met(array, nest, tensor, pair))
    firsts: dict[tuple, Coordinate] = {}
    for pes in groups.values():
        other = firsts.setdefault(nest.element(tensor, pes[0]), pes[0])
        if other != pes[0]:
            given = element_label(nest, tensor, [other])
            reasons.append(
                f"PEs {other} and {pes[0]} both give {given} by exits of their own, and nothing "
                f"adds the two"
            )
            break
    reduced = nest.dataflow.operation.reduced
    if output.stationary and nest.dataflow.inner not in reduced:
        reasons.append(
            f"sums of {tensor.name} must stay, but the inner loop {nest.dataflow.inner!r} moves on"
        )
    kept = _sums_kept(output, nest)
    if output.accumulate and kept > output.depth:
        reasons.append(
            f"the nest keeps {kept} sums of {tensor.name} in a PE, which has {output.depth}"
        )
    # A layer of more products than the formats allow runs on no design.
    products = min(array.formats.reduction, _products(output, nest, groups))
    bits = array.formats.bits_for(products)
    if not output.stationary and bits > array.psum_bits:
        reasons.append(f"sums of {tensor.name} take {bits} bits, not {array.psum_bits}")
    return reasons


def _sums_kept(output: OutputReuse, nest: Placement) -> int:
    """Sums between which a PE changes before one is complete."""
    reduced, kept = nest.dataflow.operation.reduced, 1
    inside = output.stationary  # whether a reduction over the sums in the PE lies outside
    for loop in nest.dataflow.pe:
        if loop.dimension in reduced:
            inside = True
        elif inside:
            kept *= loop.maximum
    return kept


def _products(output: OutputReuse, nest: Placement, groups) -> int:
    """Products in the widest sum that leaves the array step by step."""
    reduced = nest.dataflow.operation.reduced
    in_pe = prod(p.maximum for p in nest.dataflow.pe if p.dimension in reduced)
    return max(map(len, groups.values())) * (in_pe if output.accumulate else 1)
