"""What is laid out offline in the order of its use: weights and parameters."""

from dataclasses import dataclass
from functools import cached_property

from ..isa.descriptors import BY_TILES
from .levels import Level
from .mapping import Mapping, MappingError
from .nest import MOST_TRIPS, Loop, NestWriter, check_levels, product, tile_field

__all__ = ["LinearEngines", "parameter_engines", "weight_engines", "weight_registers"]


@dataclass(frozen=True, eq=False)
class LinearEngines:
    """Loading and feeding of words that lie in memory in the order in which they are used.

    The image has one set of words for each trip of the levels that index it; where a level's last
    bound is smaller, the places of the missing trips stay empty, so that strides are constant.

    Parameters
    ----------
    name, buffer
        ``weights`` or ``parameters``; the buffer's words.
    used
        Indices of the levels that the feeding engine walks.
    indexing
        Of these, the indices of those that change the set.
    inner
        Words of a set: trips and last trips of the loops inside, with the index (into the mapping's
        levels) of the level whose last bound they follow.
    """

    mapping: Mapping
    name: str
    used: tuple[int, ...]
    indexing: tuple[int, ...]
    inner: tuple[tuple[int, int, int | None], ...]

    @property
    def room(self) -> int:
        return self.mapping.machine.tile_room(self.name)

    @property
    def is_fifo(self) -> bool:
        """Whether each word is loaded for every read of it, in the order of the reads."""
        return self.mapping.machine.idiom(self.name) == "fifo"

    @property
    def set_words(self) -> int:
        return product(bound for bound, _, _ in self.inner)

    def level(self, n: int) -> Level:
        return self.mapping.levels[n]

    @cached_property
    def strides(self) -> dict[int, int]:
        """Words from one trip of an indexing level to the next."""
        strides, step = {}, self.set_words
        for n in reversed(self.indexing):
            strides[n] = step
            step *= self.level(n).bound
        return strides

    @property
    def image_words(self) -> int:
        return self.set_words * product(self.level(n).bound for n in self.indexing)

    @cached_property
    def boundary(self) -> int:
        """How many of the used levels lie outside the tile in the buffer.

        A tile is given back when it is used up. The farther out the boundary, the fewer times words
        are loaded again; a boundary in front of a level that does not index the words, or at the
        end, loads nothing twice that the next one outside would not. Where whole tiles are handed
        over, the largest that fits waits least. A FIFO keeps nothing: its tile is what lies in
        memory without a gap and is read once.
        """
        if self.is_fifo:
            return self._fifo_boundary
        stops = [k for k, n in enumerate(self.used) if n not in self.indexing]
        if self.mapping.machine.idiom(self.name) in BY_TILES:
            stops = range(len(self.used))
        for count in [*stops, len(self.used)]:
            if self.tile_words(count) <= self.room:
                return self._checked(count)
        raise MappingError(
            f"{self.mapping.layer.name}: {self.tile_words(len(self.used))} words of {self.name} do "
            f"not fit the buffer of {self.room}"
        )

    @property
    def _fifo_boundary(self) -> int:
        ragged = any(count != last for count, last, _ in self.inner)
        count = len(self.used)
        while count and not ragged and self.used[count - 1] in self.indexing:
            level = self.level(self.used[count - 1])
            ragged = level.bound != level.last or self.tile_words(count - 1) > MOST_TRIPS
            count -= not ragged
        return self._checked(count)

    def _checked(self, count: int) -> int:
        """A boundary for which the loading engine has loops enough."""
        levels = len(self._runs(count)) + 1
        check_levels(self.mapping, f"load_{self.name}", levels, self.mapping.machine.dma_levels)
        return count

    def tile_words(self, outside: int) -> int:
        inside = [n for n in self.used[outside:] if n in self.indexing]
        return self.set_words * product(self.level(n).bound for n in inside)

    def _runs(self, count: int) -> list[tuple[int, ...]]:
        """The levels outside a tile; those that go through memory without a gap together."""
        outside = self.loading(count)
        # A last bound leaves gaps, and asks where outer levels of its dimension stand.
        ragged = {
            self.level(n).dimension for n in outside if self.level(n).last != self.level(n).bound
        }
        if self.is_fifo:
            parents = (parent for _, _, parent in self.inner if parent is not None)
            ragged |= {self.level(parent).dimension for parent in parents}
        runs: list[tuple[int, ...]] = []
        joins = False
        for n in outside:
            whole = n in self.indexing and self.level(n).dimension not in ragged
            if joins and whole and self._trips(*runs[-1], n) <= MOST_TRIPS:
                runs[-1] += (n,)
            else:
                runs.append((n,))
            joins = whole
        return runs

    def loading(self, count: int) -> list[int]:
        """Those of the first levels for whose trips a tile is loaded: of the innermost that do not
        index the words only a FIFO loads again.
        """
        outside = list(self.used[:count])
        while outside and outside[-1] not in self.indexing and not self.is_fifo:
            outside.pop()
        return outside

    @property
    def run(self) -> tuple[int, int, int | None]:
        """Words, and words on last trips, that one item of the loading engine brings, and the level
        that says which; all that is loaded is read from a FIFO.
        """
        if self.is_fifo and self.boundary == len(self.used):
            (inner,) = self.inner
            return inner
        tile = self.tile_words(self.boundary)
        return tile, tile, None

    def _trips(self, *levels: int) -> int:
        return product(self.level(n).bound for n in levels)

    def load(self) -> dict[str, int]:
        """Fields of the loading engine, without the base address and the fence."""
        machine = self.mapping.machine
        writer = NestWriter(self.mapping, f"load_{self.name}", machine.dma_levels)
        made: dict[int, Loop] = {}
        for run in self._runs(self.boundary):
            inner = self.level(run[-1])
            offset = self.strides.get(run[-1], 0) * machine.block
            parent = made.get(self.mapping.chain(run[-1])) if len(run) == 1 else None
            bound, last = (inner.bound, inner.last) if len(run) == 1 else (self._trips(*run), None)
            made[run[-1]] = writer.add(Loop(bound, last, parent, {"offset": offset}))
        count, last, parent = self.run
        writer.add(Loop(count, last, made.get(parent)))
        values = writer.fields(bases={"offset": 0})
        return values | tile_field(machine, f"load_{self.name}", count)

    def feed(self) -> dict[str, int]:
        """Fields of the feeding engine."""
        machine = self.mapping.machine
        writer = NestWriter(self.mapping, f"feed_{self.name}", machine.design.levels)
        made: dict[int, Loop] = {}
        fifo = self.is_fifo  # the next word is the first, and gone when it is read
        tile = 1 if fifo else self.tile_words(self.boundary)
        # Trips of the innermost outside levels that do not index the words use the same tile again.
        reused = len(self.loading(self.boundary))
        for k, n in enumerate(self.used):
            level = self.level(n)
            index = self.strides.get(n, 0) if k >= self.boundary and not fifo else 0
            loop = Loop(
                level.bound,
                level.last,
                made.get(self.mapping.chain(n)),
                {"index": index},
                {"shrink": tile if fifo or k < reused else 0},
            )
            made[n] = writer.add(loop)
        step = self.set_words
        for bound, last, parent in self.inner:
            step //= bound
            if bound > 1:
                strides = {"index": 0 if fifo else step}
                writer.add(Loop(bound, last, made.get(parent), strides, {"shrink": int(fifo)}))
        values = writer.fields(bases={"index": 0}, ends={"shrink": tile})
        if self.name == "weights" and machine.weight_depth > 1:
            values["registers"] = weight_registers(self.mapping) - 1
        return values


def weight_engines(mapping: Mapping) -> LinearEngines:
    """The weights: a set for each tile held, or for each run of steps along the innermost loop."""
    if mapping.placing.operand:
        from .operand_engines import operand_engines  # which are such engines, too

        return operand_engines(mapping)
    machine = mapping.machine
    dimensions = mapping.weight_dimensions
    if mapping.weight_sets:
        used, words = mapping.weight_sets
        indexing = tuple(n for n in used if mapping.levels[n].dimension in dimensions)
        return LinearEngines(mapping, "weights", used, indexing, ((words, words, None),))
    kept = mapping.outside_use(machine.weights_held, dimensions)
    used = list(range(kept))
    vectors = machine.weight_vectors
    if machine.weights_held:
        ticks = machine.load_ticks(machine.weight_operand) * weight_registers(mapping)
        words = -(-ticks // vectors) * machine.weight_words
        inner = ((words, words, None),)
    elif used and vectors > 1:
        run = mapping.levels[used.pop()]
        count, last = -(-run.bound // vectors), -(-run.last // vectors)
        inner = ((count, last, mapping.chain(kept - 1)),)
    else:
        inner = ((machine.weight_words, machine.weight_words, None),)
    indexing = tuple(n for n in used if mapping.levels[n].dimension in dimensions)
    return LinearEngines(mapping, "weights", tuple(used), indexing, inner)


def weight_registers(mapping: Mapping) -> int:
    """Weights that a PE holds."""
    held = mapping.machine.weights_held
    return mapping.words_of(mapping.registers(held, mapping.weight_dimensions))


def parameter_engines(mapping: Mapping) -> LinearEngines:
    """The parameters: one set for each block of channels, in the order in which sums complete."""
    machine = mapping.machine
    emitting = [n for n, level in enumerate(mapping.levels) if not mapping.reduces(level)]
    while emitting and not changes_channel_block(mapping, mapping.levels[emitting[-1]]):
        emitting.pop()
    indexing = tuple(n for n in emitting if changes_channel_block(mapping, mapping.levels[n]))
    inner = ((machine.parameter_words, machine.parameter_words, None),)
    return LinearEngines(mapping, "parameters", tuple(emitting), indexing, inner)


def changes_channel_block(mapping: Mapping, level: Level) -> bool:
    """Whether a trip of a level leads to outputs with other parameters."""
    return level.dimension in mapping.machine.operation.channels and not level.in_word
