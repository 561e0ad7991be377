"""A mapping: tile sizes and the order of the loops that put one layer on one design."""

from dataclasses import dataclass, field
from functools import cached_property
from math import lcm

from ..reuse.machine import Machine
from ..spec.layer import Layer
from ..spec.operation import Rank
from .levels import Level, blocked_dimensions, cut_dimension, tile_step
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
        self._check_parts()
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
        operation, products = self.machine.operation, 1
        most = self.machine.design.formats.reduction
        for dimension in operation.summed:
            products *= self.layer.sizes[dimension]
        if products > most:
            raise MappingError(
                f"{self.layer.name}: a sum of {products} products can overflow; the design's "
                f"formats hold {most}"
            )

    def _check_parts(self):
        """Weights in parts: a loop of the nest, and no other, reads their inputs again."""
        machine, operation = self.machine, self.machine.operation
        for dimension, count in self.layer.parts.items():
            why = None
            if dimension not in operation.summed or dimension in blocked_dimensions(machine):
                why = "does not walk along the window of a filter"
            elif machine.spatial_size(dimension) > 1:
                why = "lies on the array"
            elif dimension in {loop.dimension for loop in machine.design.dataflow.pe}:
                why = "lies in the PE"
            if count > 1 and why:
                raise MappingError(
                    f"{self.layer.name}: its weights are sums of {count} parts, side by side along "
                    f"{dimension!r}, which {why} in {machine.design.dataflow.name}"
                )

    def _check_tiles(self):
        for dimension, tile in self.tiles.items():
            size, step = self.layer.sizes[dimension], tile_step(self.machine, dimension)
            step = lcm(step, self.layer.parts.get(dimension, 1))
            if tile < 1 or (tile < size and tile % step):
                raise MappingError(
                    f"{self.layer.name}: a tile of {dimension} must be a multiple of {step} "
                    f"or all {size}, not {tile}"
                )
        for rank in self.machine.operation.scattered:
            self._check_scattered(rank)

    def _check_scattered(self, rank: Rank):
        """The loop that a rank of the output follows is not cut, for tiles would share outputs;
        and it is as long as all products of all outputs take.
        """
        layer, lead = self.layer, rank.lead
        size = layer.sizes[lead]
        if self.tile(lead) < size:
            raise MappingError(
                f"{layer.name}: tiles of {lead} would share outputs of {rank}; it must be all "
                f"{size}, not {self.tile(lead)}"
            )
        need = layer.extents[rank.name] - sum(
            rank.coefficient(d, layer.symbols) * (layer.sizes[d] - 1)
            for d in rank.dimensions
            if d != lead
        )
        if size != need:
            raise MappingError(
                f"{layer.name}: {layer.extents[rank.name]} outputs of {rank} take {need} trips of "
                f"{lead}, not {size}"
            )

    def tile(self, dimension: str) -> int:
        size = self.layer.sizes[dimension]
        tile = self.tiles.get(dimension, size)
        return tile if tile < size else size

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """All loop levels, outermost first: from tile to tile, then as the dataflow orders them;
        those in the PE last.

        Where sums stay in the PEs, every other loop that reduces lies inside every one that does
        not.
        """
        place = {d: n for n, d in enumerate(self.machine.design.dataflow.temporal)}
        inside = sorted(self._dims, key=lambda d: place.get(d, -1))
        cut = {d: cut_dimension(self.machine, self.layer, d, self.tile(d)) for d in self._dims}
        levels = [level for d in self._outer_order for level in cut[d] if level.outer]
        levels += [x for d in inside for x in cut[d] if not x.outer and not x.in_pe]
        if self.machine.reuse.output.stationary:
            levels.sort(key=self.reduces)
        in_pe = [loop.dimension for loop in self.machine.design.dataflow.pe]
        return (*levels, *(level for d in in_pe for level in cut[d] if level.in_pe))

    @property
    def _dims(self) -> tuple[str, ...]:
        return self.machine.operation.dimensions

    @property
    def _outer_order(self) -> list[str]:
        """Dimensions for the loops from tile to tile; reductions inside unless asked otherwise."""
        reduced = self.machine.operation.summed
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
        if inside[0].phase and len(inside) > 1:
            # All phases but the last go as far as the one before it.
            inner = inside[1]
            return inner.unit * inner.bound - (inner.bound != inner.last)
        return inside[0].unit * inside[0].bound

    @property
    def weight_dimensions(self) -> tuple[str, ...]:
        """Dimensions along which the weights change."""
        operation, repeats = self.machine.operation, self.layer.repeats
        own = frozenset().union(*(tensor.dimensions for tensor in operation.offline))
        if self.placing.operand:  # which may have a batch
            own |= frozenset(self.placing.operand.strides)
        return tuple(d for d in operation.dimensions if d in own and d not in repeats)

    @property
    def weight_sets(self) -> tuple[tuple[int, ...], int] | None:
        """Of arrays that take weights pass by pass: the levels whose trips bring new ones, and
        words of a pass; None where steps take them.
        """
        return None

    @property
    def compute_fields(self) -> dict[str, int]:
        """What the computing engine is told beside its nest."""
        return {}

    @property
    def row_dimension(self) -> str | None:
        """The dimension along which rows of a function of rows lie."""
        return None

    # Which levels matter to whom

    def reduces(self, level: Level) -> bool:
        return level.dimension in self.machine.operation.summed

    def reduces_behind(self, level: Level) -> bool:
        """Whether what it reduces is added behind the array, where sums do not stay in the PEs."""
        return self.reduces(level) and not level.in_pe

    @cached_property
    def first_reduction(self) -> int:
        """Index of the outermost level whose products are added behind the array, or along which
        the sums of a scattered rank are under way together; the number of levels if there is none.
        """
        walked = {level.dimension for level in self.levels}
        leads = {
            rank.lead
            for rank in self.machine.operation.scattered
            if walked & (set(rank.dimensions) - {rank.lead})
        }
        found = [
            n for n, x in enumerate(self.levels) if self.reduces_behind(x) or x.dimension in leads
        ]
        return found[0] if found else len(self.levels)

    @cached_property
    def accumulated(self) -> tuple[int, ...]:
        """Levels whose trips take accumulators of their own behind the array: of the output,
        inside a reduction. Where sums stay in the PEs they have no place.
        """
        stay = self.machine.reuse.output.stationary
        return tuple(
            n
            for n, level in enumerate(self.levels)
            if n >= self.first_reduction and not self.reduces(level) and not (stay and level.in_pe)
        )

    @cached_property
    def kept_in_pe(self) -> dict[int, int]:
        """Levels whose trips take sums of their own in a PE, and by how many these are apart."""
        kept = {dimension for dimension, _ in self.machine.reuse.output.loops}
        return self._addresses(kept if self.machine.reuse.output.accumulate else ())

    def registers(self, held: bool, dimensions) -> dict[int, int]:
        """Levels in the PE that index a held operand, and by how many words these are apart."""
        return self._addresses(dimensions if held else ())

    def _addresses(self, dimensions) -> dict[int, int]:
        """Places of what the levels in the PE over some dimensions index: as close as can be."""
        places, step = {}, 1
        for n, level in reversed(list(enumerate(self.levels))):
            if level.in_pe and level.dimension in dimensions:
                places[n] = step
                step *= level.bound
        return places

    def words_of(self, places: dict[int, int]) -> int:
        """How many places levels in the PE index."""
        words = 1
        for n in places:
            words *= self.levels[n].bound
        return words

    def outside_use(self, held: bool, dimensions) -> int:
        """How many of the levels lie outside those over which an operand stays as it is: a set of
        words that streams, or all that is held.
        """
        return self.suffix(lambda x: x.dimension not in dimensions or (held and x.in_pe))

    def suffix(self, keeps) -> int:
        """How many of the levels lie outside the longest innermost run that ``keeps``."""
        count = len(self.levels)
        while count and keeps(self.levels[count - 1]):
            count -= 1
        return count
