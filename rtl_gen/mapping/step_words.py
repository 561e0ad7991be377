"""The words that one step takes of the input: how far they lie apart, and which meet in a bank."""

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..reuse.machine import Machine
from .levels import Level
from .nest import Loop, product
from .pitches import crowded_by, pitches_of

if TYPE_CHECKING:
    from .input_engines import InputEngines

__all__ = ["StepWords", "least_crowded", "unit_crowded"]


@dataclass(frozen=True, eq=False)
class StepWords:
    """The words of one step, or load tick, of a mapped layer.

    Parameters
    ----------
    source
        How the layer's input is loaded and fed.
    """

    source: "InputEngines"

    @property
    def _machine(self):
        return self.source.mapping.machine

    @property
    def cycles(self) -> int:
        """Cycles in which they are read."""
        if self._machine.input_reads > 1:
            return self._crowded(self.source.pitches)
        return self._machine.input_words

    def loops(self, pitches: dict[str, int]) -> list[Loop]:
        """Loops over the words; the last fastest."""
        machine, blocked = self._machine, self.source.tensor.tensor.blocked
        found = [self.spatial_loop(n, pitches) for n in machine.input_word_loops]
        along = machine.blocked_dimension(self.source.tensor.tensor)
        wide = -(-machine.spatial_size(along) // machine.block)
        if wide > 1:
            found.append(Loop(wide, strides={"index": pitches[blocked]}))
        return found

    def spatial_loop(self, n: int, pitches: dict[str, int]) -> Loop:
        """One of the array's loops, with what a PE along it adds to each form."""
        machine, tensor = self._machine, self.source.tensor
        dimension = machine.design.dataflow.spatial[n].dimension
        size = machine.reuse.placement.sizes[n]
        piece = Level(dimension, machine.reuse.placement.units[n], size, size)
        strides = self.source.feed_strides(piece, inside=True, pitches=pitches)
        if self.is_lone(n):
            for k, name in enumerate(machine.checked_ranks):
                if dimension in tensor.tensor.rank(name).dimensions:
                    strides[f"y{k}"] = tensor.count(name) - self.source.origin(name)
        return Loop(size, strides=strides)

    def is_lone(self, n: int) -> bool:
        """Whether of the words along a spatial loop, read together, only the first is used; then
        the others are made to lie outside the tensor, so that none is read.
        """
        machine, tensor = self._machine, self.source.tensor.tensor
        dimension = machine.design.dataflow.spatial[n].dimension
        ranks = [tensor.rank(name) for name in machine.checked_ranks]
        checked = any(dimension in rank.dimensions for rank in ranks)
        sizes = self.source.mapping.layer.sizes
        return machine.input_reads > 1 and checked and sizes[dimension] == 1

    def _crowded(self, pitches: dict[str, int]) -> int:
        """Words in the bank that has most of those that are read."""
        lone = [self.is_lone(n) for n in self._machine.input_word_loops]
        loops = [
            (1 if k < len(lone) and lone[k] else loop.bound, loop.strides["index"])
            for k, loop in enumerate(self.loops(pitches))
        ]
        return crowded_by(loops, self._machine.banks)

    def spread(self, used: dict[str, int], room: int, *, ranks: list[str]) -> dict[str, int]:
        """Positions by which some ranks of a tile are to be lengthened, so that the words lie in as
        many banks as can be; as few as that takes, and none that make it larger than ``room``.

        Parameters
        ----------
        used
            Positions of each rank that are read, the slowest first.
        """
        return least_crowded(self._crowded, used, room, ranks, self._machine.banks)


def unit_crowded(machine: Machine, pitches: dict[str, int]) -> int:
    """Words of a step in the bank that has most of them, for a layer that uses all words of a
    step, of strides and dilations 1.

    Parameters
    ----------
    pitches
        Words between neighbouring positions of each rank.
    """
    operation, placement = machine.operation, machine.reuse.placement
    units = dict.fromkeys(operation.symbols, 1)
    loops = []
    for n in machine.input_word_loops:
        dimension = machine.design.dataflow.spatial[n].dimension
        step = sum(
            rank.coefficient(dimension, units) * placement.units[n] * pitches.get(rank.name, 0)
            for rank in operation.activation.ranks
            if dimension in rank.dimensions
        )
        loops.append((placement.sizes[n], step))
    wide = -(
        -machine.spatial_size(machine.blocked_dimension(operation.activation)) // machine.block
    )
    loops.append((wide, pitches[operation.activation.blocked]))
    return crowded_by(loops, machine.banks)


def least_crowded(cost, used: dict[str, int], room: int, ranks, banks: int) -> dict[str, int]:
    """What to add to ranks of a tile so that ``cost`` of its pitches is least, then its size."""
    best, least = {}, None
    for added in itertools.product(range(banks), repeat=len(ranks)):
        more = dict(zip(ranks, added))
        counts = {name: count + more.get(name, 0) for name, count in used.items()}
        words = product(counts.values())
        if least is None or words <= room:
            found = cost(pitches_of(counts)), words
            if least is None or found < least:
                best, least = more, found
    return best
