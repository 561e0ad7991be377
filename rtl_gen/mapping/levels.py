"""The loop levels of a mapped layer: dimensions cut into tiles, blocks, pieces of the array."""

from dataclasses import dataclass

from ..reuse.machine import Machine
from ..spec.layer import Layer

__all__ = ["Level", "blocked_dimensions", "cut_dimension", "tile_step"]


@dataclass(frozen=True)
class Level:
    """One loop of a mapped nest.

    Parameters
    ----------
    dimension
        What it runs over.
    unit
        By how much a trip moves the dimension.
    bound, last
        Trips; trips when every outer level of the same dimension is on its last.
    outer
        Whether it steps from tile to tile.
    in_word
        Whether its trips stay inside one memory word.
    in_pe
        Whether it lies in the PE: inside the array's inner loop.
    """

    dimension: str
    unit: int
    bound: int
    last: int
    outer: bool = False
    in_word: bool = False
    in_pe: bool = False

    @property
    def is_trivial(self) -> bool:
        return self.bound == 1 and self.last == 1


def cut_dimension(machine: Machine, layer: Layer, dimension: str, tile: int) -> list[Level]:
    """The levels of a dimension, outermost first, those of one trip left out.

    A dimension along which words lie is cut at every word, then into pieces of the array's size;
    so a piece never straddles two words unless the array takes whole words and more. Where it has
    a loop in the PE some pieces follow each other there.
    """
    size, spatial = layer.sizes[dimension], machine.spatial_size(dimension)
    units = [tile]
    blocked = dimension in blocked_dimensions(machine)
    if blocked and spatial < machine.block < tile:
        units.append(machine.block)
    parts = layer.parts.get(dimension, 1)
    if 1 < parts < units[-1]:  # a trip that moves on, around those that read the same again
        units.append(parts)
    around = len(units)
    in_pe = _trips_in_pe(machine, dimension, -(-units[-1] // spatial), units[-1] < size)
    if in_pe > 1:
        units.append(in_pe * spatial)
    units.append(spatial)
    levels, extent, rest = [], size, size
    for depth, unit in enumerate(units):
        # ``extent`` is what the level runs over, ``rest`` what is left of it on the last trips.
        bound, last = -(-extent // unit), -(-rest // unit)
        in_word = blocked and depth >= around and spatial < machine.block
        inside = in_pe > 1 and depth == len(units) - 1
        levels.append(Level(dimension, unit, bound, last, depth == 0, in_word, inside))
        rest -= (last - 1) * unit
        extent = min(unit, extent)
    return [level for level in levels if not level.is_trivial]


def _trips_in_pe(machine: Machine, dimension: str, pieces: int, again: bool) -> int:
    """Trips of a dimension's loop in the PE: at most the declared maximum, and no more than pieces.

    ``again``: whether there are several tiles (or blocks) of so many pieces. Last bounds hold at
    the end of the last of them only, so the trips divide them.
    """
    loops = machine.design.dataflow.pe
    most = min(next((x.maximum for x in loops if x.dimension == dimension), 1), pieces)
    return next(n for n in range(most, 0, -1) if not again or pieces % n == 0)


def blocked_dimensions(machine: Machine) -> set[str]:
    """Dimensions along which words of the input or of the output lie."""
    operation = machine.operation
    return {machine.blocked_dimension(t) for t in (operation.activation, operation.output)}


def tile_step(machine: Machine, dimension: str) -> int:
    """What a tile of a dimension must be a multiple of, unless it is all of it."""
    spatial = machine.spatial_size(dimension)
    if dimension in blocked_dimensions(machine):
        return max(spatial, machine.block)
    return spatial
