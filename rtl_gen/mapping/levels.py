"""The loop levels of a mapped layer: dimensions cut into tiles, blocks, pieces of the array."""

from dataclasses import dataclass
from math import gcd

from ..reuse.machine import Machine
from ..spec.layer import Layer

__all__ = ["Level", "blocked_dimensions", "cut_dimension", "tick_phases", "tile_step"]


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
    phase
        Whether its trips are phases: of the values of the dimension the level inside takes every
        ``bound``-th, from another one on in each (:func:`tick_phases`).
    """

    dimension: str
    unit: int
    bound: int
    last: int
    outer: bool = False
    in_word: bool = False
    in_pe: bool = False
    phase: bool = False

    def trip(self, value: int) -> tuple[int, int]:
        """The trip in which a value of the dimension lies, and what is left for levels inside."""
        if self.phase:
            return value % self.bound, value - value % self.bound
        return divmod(value, self.unit)

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
    if machine.moving and dimension == machine.moving.tick and tile >= size:
        levels = _in_phases(levels, size, tick_phases(machine, layer))
    return [level for level in levels if not level.is_trivial]


def tick_phases(machine: Machine, layer: Layer) -> int:
    """Phases of the loop whose trips are the ticks of an input that moves from PE to PE.

    Where taps, a stride apart, lie along the array, and the loop's trips a dilation, words that
    follow each other from tap to tap serve every ``stride / gcd``-th trip only. Those are a phase,
    and the loop walks phase by phase. Its trips are of one sum, so that their order is free.

    1 where words serve all trips, or the loop's trips must keep their order: they lead to other
    outputs, or lie in the PE.
    """
    moving, operation, symbols = machine.moving, machine.operation, layer.symbols
    weights = frozenset().union(*(tensor.dimensions for tensor in operation.offline))
    free = moving.tick in operation.summed and moving.tick in weights - set(layer.repeats)
    in_pe = any(loop.dimension == moving.tick for loop in machine.design.dataflow.pe)
    if not free or in_pe or 1 in (layer.sizes[moving.tick], layer.sizes[moving.tap]):
        return 1
    rank = operation.activation.rank(moving.rank)
    tick, tap = (rank.coefficient(d, symbols) for d in (moving.tick, moving.tap))
    return abs(tap) // gcd(tick, tap)


def _in_phases(levels: list[Level], size: int, phases: int) -> list[Level]:
    """The levels of a dimension of which the innermost is walked phase by phase.

    All phases but the last have as many trips as the first: what some of them have too many lies
    beyond the dimension, where weights are 0. (None, at a stride of 2.)
    """
    *outer, inner = levels
    if phases == 1:
        return levels
    most, last = -(-size // phases), -(-(size - phases + 1) // phases)
    if most == 1:
        return [*outer, Level(inner.dimension, 1, size, size, phase=True)]
    phase = Level(inner.dimension, 1, phases, phases, phase=True)
    return [*outer, phase, Level(inner.dimension, phases, most, last)]


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
