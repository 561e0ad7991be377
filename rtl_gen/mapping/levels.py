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
    """

    dimension: str
    unit: int
    bound: int
    last: int
    outer: bool = False
    in_word: bool = False

    @property
    def is_trivial(self) -> bool:
        return self.bound == 1 and self.last == 1


def cut_dimension(machine: Machine, layer: Layer, dimension: str, tile: int) -> list[Level]:
    """The levels of a dimension, outermost first, those of one trip left out.

    A dimension along which words lie is cut at every word, then into pieces of the array's size;
    so a piece never straddles two words unless the array takes whole words and more.
    """
    size, spatial = layer.sizes[dimension], machine.spatial_size(dimension)
    units = [tile]
    blocked = dimension in blocked_dimensions(machine)
    if blocked and spatial < machine.block < tile:
        units.append(machine.block)
    units.append(spatial)
    levels, extent, rest = [], size, size
    for depth, unit in enumerate(units):
        # ``extent`` is what the level runs over, ``rest`` what is left of it on the last trips.
        bound, last = -(-extent // unit), -(-rest // unit)
        in_word = blocked and depth == len(units) - 1 and spatial < machine.block
        levels.append(Level(dimension, unit, bound, last, depth == 0, in_word))
        rest -= (last - 1) * unit
        extent = min(unit, extent)
    return [level for level in levels if not level.is_trivial]


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
