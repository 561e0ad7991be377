"""A layer at its place in a network: what it reads, and whether that can be."""

from dataclasses import dataclass

import numpy as np

from ..reuse.machine import Machine
from ..spec.layer import Layer
from .addition import Addition
from .mapping import MappingError
from .program import LayerData
from .sources import Source, layers_of, locate
from .tensors import BlockedTensor

__all__ = [
    "ChainedLayer",
    "Operand",
    "check_layer",
    "modes_of",
    "output_of",
    "reads_of",
]


@dataclass(frozen=True, eq=False)
class Operand:
    """An activation that a layer reads in the place of weights, from main memory.

    Parameters
    ----------
    source
        An array, or what earlier layers give.
    along
        The dimension of the weights along which its channels lie.
    zero
        Its zero point; the layer's own quantization has that of the input.
    """

    source: Source | np.ndarray
    along: str
    zero: int = 0


@dataclass(frozen=True, eq=False)
class ChainedLayer:
    """A layer at its place in a network.

    Parameters
    ----------
    layer, data
        What it computes.
    source
        Its input: an array, or what it reads of earlier layers.
    residual
        What is added to its output: an array, or what earlier layers give; None: nothing.
    addition
        How it is added.
    stored
        Whether its output is written to main memory even if it stays on chip for a later layer.
    operand
        What it reads in the place of weights; its data then has none.
    """

    layer: Layer
    data: LayerData
    source: Source | np.ndarray
    residual: Source | np.ndarray | None = None
    addition: Addition | None = None
    stored: bool = False
    operand: Operand | None = None


def check_layer(machine: Machine, before: list[ChainedLayer], chained: ChainedLayer) -> None:
    """Raise MappingError unless what a layer reads is an array or comes from one before it."""
    name = chained.layer.name
    reads = [("source", chained.source), ("residual", chained.residual)]
    if chained.operand:
        reads.append(("operand", chained.operand.source))
    if chained.operand and chained.data.weights is not None:
        raise MappingError(f"{name}: must have either weights or an operand in their place")
    for what, read in reads:
        for n in layers_of(read):
            if n not in range(len(before)):
                raise MappingError(f"{name}: its {what} must be a layer before it, not number {n}")
        if layers_of(read):
            locate(read, lambda n: output_of(machine, before[n].layer), name)
    if chained.residual is None:
        return
    if not machine.residual_checks:
        raise MappingError(
            f"{name}: adds a residual, which the design cannot; post.add: true is needed"
        )
    if chained.addition is None:
        raise MappingError(f"{name}: how its residual is added must be given")
    if layers_of(chained.residual):
        seen = locate(chained.residual, lambda n: output_of(machine, before[n].layer), name)
        mine, its = output_of(machine, chained.layer), seen.tensor
        if not mine.lies_like(its):
            raise MappingError(
                f"{name}: its residual must be {mine.shape} like its output, not {its.shape} as "
                f"{before[seen.number].layer.name} gives"
            )


def output_of(machine: Machine, layer: Layer) -> BlockedTensor:
    """The output of a layer, on any of the dataflows that run it."""
    mode = modes_of(machine, layer)[0]
    return BlockedTensor(mode, layer, mode.operation.output)


def modes_of(machine: Machine, layer: Layer) -> list[Machine]:
    """The dataflows of a design that compute a layer's operation."""
    name = machine.operation_of(layer).name
    return [one for one in (*machine.alone, *machine.vectors) if one.operation.name == name]


def reads_of(chained: ChainedLayer) -> list:
    """All that a layer reads, arrays too."""
    operand = [chained.operand.source] if chained.operand else []
    return [chained.source, chained.residual, *operand]
