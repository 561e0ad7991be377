"""Loading and feeding of an activation in the weights' place."""

from dataclasses import dataclass
from functools import cached_property

from .levels import Level
from .linear_engines import LinearEngines
from .mapping import Mapping, MappingError
from .nest import Loop, NestWriter, check_levels, product, tile_field
from .placing import PlacedOperand

__all__ = ["OperandEngines", "operand_engines"]


@dataclass(frozen=True, eq=False)
class OperandEngines(LinearEngines):
    """Words of a tensor that lies as an earlier layer left it, not in the order of their use.

    A load tick takes whole words: the array's lanes lie along the dimension of the words, its ticks
    along another. A tile lies in the buffer as in memory, without what lies between; the feeding
    engine walks it in the order of the ticks.

    Parameters
    ----------
    ticks
        The dimension along which the words of a tile's load ticks lie.
    backward
        Whether the last position comes first.
    """

    ticks: str
    backward: bool

    @property
    def _operand(self) -> PlacedOperand:
        return self.mapping.placing.operand

    @property
    def image_words(self) -> int:
        """Nothing is laid out offline."""
        return 0

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Dimensions of the tensor in the buffer, the slowest first."""
        strides, sizes = self._operand.strides, self.mapping.layer.sizes
        found = [d for d in strides if sizes[d] > 1 or d in (self.ticks, self._operand.along)]
        return tuple(sorted(found, key=lambda d: (-strides[d], d == self.ticks)))

    def _pieces(self, dimension: str, outside: int) -> int:
        """Positions (or blocks) that the levels inside some take."""
        covered = self.mapping.covered(dimension, outside)
        along = dimension == self._operand.along
        return covered // self.mapping.machine.block if along else covered

    def _moves(self, level: Level) -> int:
        """Positions (or blocks) by which a trip of a level moves its dimension."""
        along = level.dimension == self._operand.along
        return level.unit // self.mapping.machine.block if along else level.unit

    def tile_words(self, outside: int) -> int:
        return product(self._pieces(d, outside) for d in self.order)

    @cached_property
    def _pitches(self) -> dict[str, int]:
        """Words between neighbouring positions of a dimension in the buffer."""
        pitches, step = {}, 1
        for dimension in reversed(self.order):
            pitches[dimension] = step
            step *= self._pieces(dimension, self.boundary)
        return pitches

    def _checked(self, count: int) -> int:
        inside = sum(self._pieces(d, count) > 1 for d in self.order)
        levels = len(self.loading(count)) + max(1, inside)
        check_levels(self.mapping, "load_weights", levels, self.mapping.machine.dma_levels)
        return count

    def load(self) -> dict[str, int]:
        """Fields of the loading engine, without the base address and the fence."""
        block, strides = self.mapping.machine.block, self._operand.strides
        writer = NestWriter(self.mapping, "load_weights", self.mapping.machine.dma_levels)
        made: dict[int, Loop] = {}
        for n in self.loading(self.boundary):
            level = self.level(n)
            offset = strides.get(level.dimension, 0) * self._moves(level) * block
            parent = made.get(self.mapping.chain(n))
            made[n] = writer.add(Loop(level.bound, level.last, parent, {"offset": offset}))
        run, rest = 1, list(self.order)
        while rest and strides[rest[-1]] == run:  # what lies side by side is one run
            run *= self._pieces(rest.pop(), self.boundary)
        for dimension in rest:
            if (count := self._pieces(dimension, self.boundary)) > 1:
                writer.add(Loop(count, strides={"offset": strides[dimension] * block}))
        writer.add(Loop(run))
        values = writer.fields(bases={"offset": 0})
        return values | tile_field(
            self.mapping.machine, "load_weights", self.tile_words(self.boundary)
        )

    def feed(self) -> dict[str, int]:
        """Fields of the feeding engine."""
        machine, pitches = self.mapping.machine, self._pitches
        writer = NestWriter(self.mapping, "feed_weights", machine.design.levels)
        made: dict[int, Loop] = {}
        tile, reused = self.tile_words(self.boundary), len(self.loading(self.boundary))
        for k, n in enumerate(self.used):
            level = self.level(n)
            inside = k >= self.boundary
            index = pitches.get(level.dimension, 0) * self._moves(level) if inside else 0
            shrink = {"shrink": 0 if inside or k >= reused else tile}
            parent = made.get(self.mapping.chain(n))
            made[n] = writer.add(Loop(level.bound, level.last, parent, {"index": index}, shrink))
        ticks, step = machine.spatial_size(self.ticks), pitches[self.ticks]
        base = step * (ticks - 1) if self.backward else 0
        writer.add(Loop(ticks, strides={"index": -step if self.backward else step}))
        if machine.weight_words > 1:
            words = pitches[self._operand.along]
            writer.add(Loop(machine.weight_words, strides={"index": words}))
        return writer.fields(bases={"index": base}, ends={"shrink": tile})


def operand_engines(mapping: Mapping) -> OperandEngines:
    """The engines of an activation in the weights' place.

    Raises
    ------
    MappingError
        If the array does not hold weights, takes them otherwise than in whole words of the tensor,
        or sizes are no multiples of what it takes.
    """
    machine, along = mapping.machine, mapping.placing.operand.along
    name = mapping.layer.name
    operand = machine.weight_operand
    if not machine.weights_held or operand.shift is None or machine.weight_depth > 1:
        raise MappingError(
            f"{name}: {operand.name} is an activation, and the array must hold it, a word in a PE "
            f"that is shifted in along an axis"
        )
    if machine.idiom("weights") == "fifo":
        raise MappingError(
            f"{name}: {operand.name} is an activation, which is not read in the order of memory as "
            f"a FIFO gives it; buffers.weights.idiom must be another"
        )
    ticks = _ticks_along(mapping, along)
    for dimension in (along, ticks):
        size, taken = mapping.layer.sizes[dimension], machine.spatial_size(dimension)
        unit = max(taken, machine.block) if dimension == along else taken
        covers = mapping.tile(dimension)
        if size % unit or size % covers:
            raise MappingError(
                f"{name}: {dimension} must be a multiple of {unit}, not {size}, and its tiles "
                f"divide it, for nothing keeps pad elements out of {operand.name}, an activation"
            )
    kept = mapping.outside_use(True, mapping.weight_dimensions)
    used = tuple(range(kept))
    indexing = tuple(n for n in used if mapping.levels[n].dimension in mapping.weight_dimensions)
    words = machine.load_ticks(operand) * machine.weight_words
    backward = machine.reuse.paces[operand.shift].direction > 0
    inner = ((words, words, None),)
    return OperandEngines(mapping, "weights", used, indexing, inner, ticks, backward)


def _ticks_along(mapping: Mapping, along: str) -> str:
    """The dimension of the ticks, where each brings whole words that lie along another."""
    machine, operand = mapping.machine, mapping.machine.weight_operand
    placement, loops = machine.reuse.placement, machine.design.dataflow.spatial
    own = [x for x in loops if x.dimension in machine.operation.weight.dimensions]
    shifted = [x.dimension for x in own if x.axis == operand.shift]
    others = [x.dimension for x in own if x.axis != operand.shift]
    if len(shifted) == 1 and others == [along]:
        number = loops.index(next(x for x in own if x.dimension == along))
        lanes = [operand.lanes[operand.keys.index(e)] for e in operand.elements]
        places = [placement.indices(lane)[number] for lane in lanes]
        whole = len(places) % machine.block == 0
        if places == list(range(len(places))) and whole:
            return shifted[0]
    raise MappingError(
        f"{mapping.layer.name}: {operand.name} is an activation whose words lie along {along!r}, "
        f"which this array cannot load as they are; it could if {along} lay on one axis, in whole "
        f"blocks of {machine.block}, and {operand.name} were shifted in along the other "
        f"(links.shift.{operand.name}), where one of its dimensions lies"
    )
