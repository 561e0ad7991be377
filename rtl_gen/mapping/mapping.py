"""A mapping: tile sizes and the order of the loops that put one layer on one design."""

from dataclasses import dataclass, field
from functools import cached_property

from ..reuse.machine import Machine
from ..spec.layer import Layer
from .levels import Level, cut_dimension, tile_step
from .placing import Placing

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
    placing
        Where the layer's tensors lie on chip.

    Raises
    ------
    MappingError
        If the operation is another, a sum can overflow, a tile is cut where it cannot be, or a
        dimension is not the operation's or stands in the order twice.
    """

    machine: Machine
    layer: Layer
    tiles: dict[str, int] = field(default_factory=dict)
    order: tuple[str, ...] = ()
    placing: Placing = field(default_factory=Placing)

    def __post_init__(self):
        self._check_names()
        self._check_sums()
        self._check_tiles()
        if len(self.levels) > self.machine.design.levels:
            raise MappingError(
                f"{self.layer.name}: {len(self.levels)} loop levels, the design has "
                f"{self.machine.design.levels}"
            )

    def _check_names(self):
        """The layer's operation and dimensions, and those that tiles and order name."""
        layer, operation = self.layer, self.machine.operation
        if layer.operation != operation.name:
            raise MappingError(
                f"{layer.name}: the design computes {operation.name}, not {layer.operation}"
            )
        missing = [d for d in self._dims if d not in layer.sizes]
        if missing:
            raise MappingError(f"{layer.name}: the size of dimension {missing[0]!r} is not given")
        for what, names in (("tiles", self.tiles), ("order", self.order)):
            unknown = [name for name in names if name not in self._dims]
            if unknown:
                raise MappingError(
                    f"{layer.name}: {what} must name dimensions of {operation.name}, "
                    f"{' '.join(self._dims)}, not {unknown[0]!r}"
                )
        twice = [name for name in self.order if self.order.count(name) > 1]
        if twice:
            raise MappingError(f"{layer.name}: order must name {twice[0]!r} once")

    def _check_sums(self):
        """No sum may overflow."""
        products, formats = 1, self.machine.design.formats
        for dimension in self.machine.operation.reduced:
            products *= self.layer.sizes[dimension]
        if products > formats.reduction:
            raise MappingError(
                f"{self.layer.name}: a sum of {products} products can overflow; the design's "
                f"formats hold {formats.reduction}"
            )

    def _check_tiles(self):
        for dimension, tile in self.tiles.items():
            size, step = self.layer.sizes[dimension], tile_step(self.machine, dimension)
            if tile < 1 or (tile < size and tile % step):
                raise MappingError(
                    f"{self.layer.name}: a tile of {dimension} must be a multiple of {step} "
                    f"or all {size}, not {tile}"
                )

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
        reduced = self.machine.operation.reduced
        rest = sorted((d for d in self._dims if d not in self.order), key=lambda d: d in reduced)
        return [*rest, *self.order]

    def chain(self, index: int) -> int | None:
        """The nearest outer level of the same dimension: the parent of a level's last bound."""
        for n in range(index - 1, -1, -1):
            if self.levels[n].dimension == self.levels[index].dimension:
                return n
        return None

    def covered(self, dimension: str, outside: int) -> int:
        """Values of a dimension that the levels inside some cover, in whole pieces of the array."""
        inside = [x for x in self.levels[outside:] if x.dimension == dimension]
        if not inside or inside[0].in_word:
            return self.machine.spatial_size(dimension)
        return inside[0].unit * inside[0].bound

    @property
    def weight_dimensions(self) -> tuple[str, ...]:
        """Dimensions along which the weights change."""
        dimensions = self.machine.operation.weight.dimensions
        return tuple(d for d in dimensions if d not in self.layer.repeats)

    @property
    def weight_sets(self) -> tuple[tuple[int, ...], int] | None:
        """Of arrays that take weights pass by pass: the levels whose trips bring new ones, and
        words of a pass; None where steps take them.
        """
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
