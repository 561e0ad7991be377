"""A mapping: tile sizes and the order of the loops that put one layer on one design."""

from dataclasses import dataclass, field
from functools import cached_property

from ..reuse.machine import Machine
from ..spec.layer import Layer
from .levels import Level, blocked_dimensions, cut_dimension

__all__ = ["Mapping", "MappingError"]


class MappingError(ValueError):
    """The layer does not run on the design in this way; the message says what would have to fit."""


@dataclass(frozen=True, eq=False)
class Mapping:
    """Tile sizes and loop order of a layer on a machine.

    Parameters
    ----------
    tiles
        Tile of each dimension; a dimension not named is one tile. A tile of a dimension along which
        words lie holds whole words, any other a multiple of what the array takes of it.
    order
        Order of the loops from tile to tile, outermost first; dimensions not named come first.

    Raises
    ------
    MappingError
        If the operation is another, or a tile is cut where it cannot be.
    """

    machine: Machine
    layer: Layer
    tiles: dict[str, int] = field(default_factory=dict)
    order: tuple[str, ...] = ()

    def __post_init__(self):
        operation, layer = self.machine.operation, self.layer
        if layer.operation != operation.name:
            raise MappingError(
                f"{layer.name}: the design computes {operation.name}, not {layer.operation}"
            )
        missing = [d for d in operation.dimensions if d not in layer.sizes]
        if missing:
            raise MappingError(f"{layer.name}: the size of dimension {missing[0]!r} is not given")
        self._check_words()
        products, formats = 1, self.machine.design.formats
        for dimension in operation.reduced:
            products *= layer.sizes[dimension]
        if products > formats.reduction:
            raise MappingError(
                f"{layer.name}: a sum of {products} products can overflow; the design's formats "
                f"hold {formats.reduction}"
            )
        for dimension, tile in self.tiles.items():
            size = layer.sizes[dimension]
            step = self.tile_step(dimension)
            if tile < 1 or (tile < size and tile % step):
                raise MappingError(
                    f"{layer.name}: a tile of {dimension} must be a multiple of {step} "
                    f"or all {size}, not {tile}"
                )
        if len(self.levels) > self.machine.design.levels:
            raise MappingError(
                f"{layer.name}: {len(self.levels)} loop levels, the design has "
                f"{self.machine.design.levels}"
            )

    def _check_words(self):
        """What the array takes of the input at once must begin with a word or lie in one."""
        machine = self.machine
        dimension = machine.blocked_dimension(machine.operation.activation)
        taken = machine.spatial_size(dimension)
        if taken > machine.block and taken % machine.block:
            raise MappingError(
                f"{self.layer.name}: the array takes {taken} of {dimension} at once, more than a "
                f"block of {machine.block} and no multiple of it; a larger block would do"
            )

    def tile_step(self, dimension: str) -> int:
        """What a tile of a dimension must be a multiple of, unless it is all of it."""
        spatial = self.machine.spatial_size(dimension)
        if dimension in blocked_dimensions(self.machine):
            return max(spatial, self.machine.block)
        return spatial

    def tile(self, dimension: str) -> int:
        size = self.layer.sizes[dimension]
        tile = self.tiles.get(dimension, size)
        return tile if tile < size else size

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """All loop levels, outermost first: from tile to tile, then as the dataflow orders them.

        Where sums stay in the PEs, every loop that reduces lies inside every loop that does not.
        """
        place = {d: n for n, d in enumerate(self.machine.design.dataflow.temporal)}
        inside = sorted(self._dims, key=lambda d: place.get(d, -1))
        cut = {d: cut_dimension(self.machine, self.layer, d, self.tile(d)) for d in self._dims}
        levels = [level for d in self._outer_order for level in cut[d] if level.outer]
        levels += [level for d in inside for level in cut[d] if not level.outer]
        if self.machine.reuse.output.stationary:
            levels.sort(key=self.reduces)
        return tuple(levels)

    @property
    def _dims(self) -> tuple[str, ...]:
        return self.machine.operation.dimensions

    @property
    def _outer_order(self) -> list[str]:
        """Dimensions for the loops from tile to tile; reductions inside unless asked otherwise."""
        named = [d for d in self.order if d in self._dims]
        reduced = self.machine.operation.reduced
        rest = sorted((d for d in self._dims if d not in named), key=lambda d: d in reduced)
        return rest + named

    def chain(self, index: int) -> int | None:
        """The nearest outer level of the same dimension: the parent of a level's last bound."""
        for n in range(index - 1, -1, -1):
            if self.levels[n].dimension == self.levels[index].dimension:
                return n
        return None

    # Which levels matter to whom

    def reduces(self, level: Level) -> bool:
        return level.dimension in self.machine.operation.reduced

    @cached_property
    def first_reduction(self) -> int:
        """Index of the outermost level that reduces; the number of levels if none does."""
        found = [n for n, level in enumerate(self.levels) if self.reduces(level)]
        return found[0] if found else len(self.levels)

    @cached_property
    def accumulated(self) -> tuple[int, ...]:
        """Levels whose trips take accumulators of their own: of the output, inside a reduction."""
        return tuple(
            n
            for n, level in enumerate(self.levels)
            if n > self.first_reduction and not self.reduces(level)
        )

    def suffix(self, keeps) -> int:
        """How many of the levels lie outside the longest innermost run that ``keeps``."""
        count = len(self.levels)
        while count and keeps(self.levels[count - 1]):
            count -= 1
        return count
