"""An activation in the weights' place: how it lies in memory, and how zero points come out."""

from dataclasses import dataclass, replace

from ..reuse.machine import Machine
from ..spec.layer import Layer
from ..spec.operation import Operation, Rank, Tensor
from .mapping import MappingError
from .tensors import BlockedTensor

__all__ = ["Passes", "operand_tensor", "zero_passes"]


@dataclass(frozen=True)
class Passes:
    """Taps that are added to a layer so that zero points come out of its sums.

    Parameters
    ----------
    layer
        With these taps. Its ``input_zero`` is what taps outside the image read as.
    constant
        Dimension of the taps whose weights are a constant, and the constant; None: there are none.
    """

    layer: Layer
    constant: tuple[str, int] | None = None


def operand_tensor(machine: Machine, layer: Layer, along: str) -> BlockedTensor:
    """What a layer reads as weights, as an activation with blocks along one of its dimensions.

    Batches come first, as far as they are more than one; dimensions along which taps lie are none
    of the tensor's.

    Raises
    ------
    MappingError
        If the weights are not indexed by plain dimensions, of which ``along`` is one.
    """
    operation = machine.operation
    if len(operation.offline) > 1:
        raise MappingError(f"{layer.name}: of several operands beside the input none is read")
    ranks, taps = operation.weight.ranks, {tap for _, tap in _windows(operation)}
    names = [rank.name for rank in ranks if rank.name not in taps]
    if not all(rank.is_plain for rank in ranks) or along not in names:
        raise MappingError(
            f"{layer.name}: words of an activation in the weights' place must lie along one of "
            f"{' '.join(names)}, not {along!r}"
        )
    own = operation.activation.ranks
    batch = [rank for rank in own if rank.is_plain and rank.name in operation.batch]
    plain = {rank.name: rank for rank in (*batch, *ranks) if rank.name not in taps}
    tensor = Tensor(operation.weight.name, tuple(plain.values()), along)
    return BlockedTensor(machine, layer, tensor)


def _windows(operation: Operation) -> list[tuple[Rank, str]]:
    """Ranks of the activation over which a filter slides, with the dimension of its taps."""
    found = []
    for rank in operation.activation.ranks:
        taps = [d for d in rank.dimensions if d in operation.summed]
        if not rank.is_plain and len(taps) == 1 and taps[0] in operation.weight.dimensions:
            found.append((rank, taps[0]))
    return found


def zero_passes(operation: Operation, layer: Layer, input_zero: int, operand_zero: int) -> Passes:
    """A product of two activations with the taps that take their zero points out.

    Taps outside the image, along a rank with one position, read as a constant: as
    a + (R - 1) v with v = -zero / (R - 1). Taps that all meet the same position have a constant for
    a weight. So the sums are those of the products of both differences.

    Parameters
    ----------
    layer
        Without taps.

    Raises
    ------
    MappingError
        If the layer has taps, or the operation no two windows to add them to.
    """
    windows = _windows(operation)
    taken = [tap for _, tap in windows if layer.sizes[tap] > 1]
    if taken:
        raise MappingError(
            f"{layer.name}: a product of two activations must have no taps, but {taken[0]} is "
            f"{layer.sizes[taken[0]]}"
        )
    constant, repeats = None, ()
    plain = replace(layer.quantization, input_zero=0)
    if input_zero:
        flat = [(rank, tap) for rank, tap in windows if layer.extents[rank.name] == 1]
        rank, tap = _window(layer, flat, "input_zero")
        windows.remove((rank, tap))
        layer, value = _with_taps(layer, rank, tap, input_zero, 1)
        repeats, plain = (tap,), replace(plain, input_zero=value)
    if operand_zero:
        rank, tap = _window(layer, windows, "the operand's zero point")
        layer, value = _with_taps(layer, rank, tap, operand_zero, 0)
        constant = (tap, value)
    return Passes(replace(layer, quantization=plain, repeats=repeats), constant)


def _window(layer: Layer, found: list, what: str):
    if found:
        return found[-1] if what != "input_zero" else found[0]
    raise MappingError(
        f"{layer.name}: {what} must be 0, for the operation has no filter left whose taps could "
        f"take it out"
    )


def _with_taps(layer: Layer, rank: Rank, tap: str, zero: int, step: int) -> tuple[Layer, int]:
    """A layer with taps ``step`` positions apart, and the constant of all but the first."""
    more = 2 if zero == -128 else 1  # 128 is no int8
    symbols = {s for term in rank.terms if term.dimension == tap for s in term.symbols}
    steps = dict.fromkeys(sorted(symbols), step)
    sizes = layer.sizes | {tap: 1 + more}
    return replace(layer, sizes=sizes, symbols=layer.symbols | steps), -zero // more
