"""How the input is loaded tile by tile, and read in the order of the steps."""

from dataclasses import dataclass, replace
from functools import cached_property
from math import gcd

from ..spec.operation import Rank
from .levels import Level
from .mapping import Mapping, MappingError
from .nest import Loop, NestWriter, product
from .packed_image import PackedImage
from .pitches import pitches_of
from .placing import Resident
from .step_words import StepWords
from .tensors import BlockedTensor
from .ticks import Ticks, outside_ticks, ticks_of
from .tile_load import TileLoad
from .unfold_engine import UnfoldEngine

__all__ = ["InputEngines"]


@dataclass(frozen=True, eq=False)
class InputEngines:
    """Loading and feeding of the activation for one mapped layer.

    The buffer holds a tile: every word that the levels inside :attr:`boundary` touch, rank by rank
    with one pitch each, borders included; a word outside the tensor takes its place but is neither
    loaded nor read. Where the innermost level outside moves along image rows, the tile is a window
    that slides: rows are loaded once, and what is past is given back. Only a buffet can do that;
    a double buffer and a scratchpad hold whole tiles. A FIFO holds no tile: each word is loaded
    for every read of it, in the order of the reads, and a tile is only what one walk of the
    loading engine's inner loops brings.

    Where windows of a packed image are folded, the words of a window lie side by side
    (:class:`~rtl_gen.mapping.unfold_engine.UnfoldEngine` has the loading).

    An input that an earlier layer left on chip is not loaded: the tile is the tensor as it lies
    there, without borders, and nothing is given back.

    Parameters
    ----------
    outside
        Levels outside the tile, to try; None: as many as the idiom needs.
    """

    mapping: Mapping
    outside: int | None = None

    @cached_property
    def tensor(self) -> BlockedTensor:
        mapping = self.mapping
        activation, images = mapping.machine.operation.activation, mapping.placing.input_images
        return BlockedTensor(mapping.machine, mapping.layer, activation, images)

    @property
    def resident(self) -> Resident | None:
        return self.mapping.placing.source

    @property
    def image(self) -> PackedImage | None:
        return self.mapping.placing.image

    @property
    def loader(self) -> "TileLoad | UnfoldEngine":
        """What brings its tiles from main memory."""
        return UnfoldEngine(self) if self.image else TileLoad(self)

    @property
    def levels(self) -> tuple[Level, ...]:
        return self.mapping.levels

    def _indexes(self, level: Level) -> bool:
        return level.dimension in self.tensor.tensor.dimensions

    @property
    def idiom(self) -> str:
        return self.mapping.machine.idiom("input")

    @cached_property
    def boundary(self) -> int:
        """Levels outside the tile: those from tile to tile, but for the innermost that reuse it.

        Of a FIFO so many that all inside read each word once and in order.

        Raises
        ------
        MappingError
            If no tile of a FIFO is read so.
        """
        if self.resident:
            return 0
        if self.outside is not None:
            return self.outside
        if self.idiom == "fifo":
            return self._fifo_boundary
        count = sum(level.outer for level in self.levels)
        if self.mapping.machine.reuse.output.stationary:
            outer = [n for n, level in enumerate(self.levels) if level.outer]
            count = outer[-1] + 1 if outer else 0
        while count and not self._indexes(self.levels[count - 1]):
            count -= 1
        return count

    @property
    def _fifo_boundary(self) -> int:
        for count in range(self.kept + 1):
            if InputEngines(self.mapping, count).reads_once:
                return count
        raise MappingError(
            f"{self.mapping.layer.name}: {self.tensor.tensor.name} cannot come through a FIFO "
            f"(buffers.input.idiom), for a step does not read its words once and in the order of "
            f"memory; a buffet, a double_buffer or a scratchpad can"
        )

    @property
    def reads_once(self) -> bool:
        """Whether each word of a tile is read once, in the order in which it is loaded."""
        inside = self.levels[self.boundary : self.kept]
        if any(level.last != level.bound for level in inside):
            return False  # the last tile is loaded whole, but less of it is read
        loops = [(x.bound, self.feed_strides(x, inside=True)["index"]) for x in inside]
        loops += [(loop.bound, loop.strides["index"]) for loop, _ in self._step_loops]
        words = 1
        for bound, stride in reversed(loops):
            if bound > 1 and stride != words:
                return False
            words *= bound
        return words == self.tile_words

    def covered(self, dimension: str) -> int:
        """Values of a dimension that one tile covers, filled up to whole pieces of the array."""
        return self.mapping.covered(dimension, self.boundary)

    # Ranks

    def step(self, rank: Rank) -> int:
        """Positions of a rank between two that are kept; a stride leaves some rows unused."""
        if rank.name == self.mapping.machine.contiguous_rank or rank.is_plain or self.resident:
            return 1
        symbols, common = self.mapping.layer.symbols, 0
        for dimension in set(rank.dimensions):
            if self.mapping.layer.position(dimension, self.mapping.layer.sizes[dimension]) > 1:
                common = gcd(common, rank.coefficient(dimension, symbols))
        return common or 1

    def pieces(self, name: str) -> int:
        """Positions of a rank (or blocks) that a tile takes, those that nothing reads included."""
        return self._used(name) + self._added.get(name, 0)

    def _used(self, name: str) -> int:
        """Positions of a rank (or blocks) of a tile that are read."""
        rank = self.tensor.tensor.rank(name)
        if name == self.tensor.tensor.blocked:
            return -(-self.covered(rank.terms[0].dimension) // self.mapping.machine.block)
        symbols = self.mapping.layer.symbols
        reach = sum(
            abs(rank.coefficient(d, symbols)) * self.mapping.layer.position(d, self.covered(d) - 1)
            for d in set(rank.dimensions)
        )
        return reach // self.step(rank) + 1

    @cached_property
    def slides(self) -> str | None:
        """The rank along which the tile slides, if the level around it moves only there."""
        if not self.boundary or self.idiom != "buffet":
            return None
        level = self.levels[self.boundary - 1]
        contiguous = self.mapping.machine.contiguous_rank
        for rank in self.tensor.tensor.ranks:
            if level.dimension in rank.dimensions and not rank.is_plain:
                return rank.name if rank.name != contiguous else None
        return None

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Ranks in the buffer, the slowest first: the sliding one, others, blocks, the run."""
        contiguous, blocked = self.mapping.machine.contiguous_rank, self.tensor.tensor.blocked
        names = [r.name for r in self.tensor.tensor.ranks]
        rest = [n for n in names if n not in (self.slides, contiguous, blocked)]
        first = [self.slides] if self.slides else []
        last = [contiguous] if contiguous else []
        if self.image:
            return (*first, *rest, *last, blocked)
        if self.mapping.machine.input_word_loops and self.mapping.machine.input_reads > 1:
            # Rows side by side, whatever the number of blocks.
            return (*first, blocked, *rest, *last)
        return (*first, *rest, blocked, *last)

    @cached_property
    def pitches(self) -> dict[str, int]:
        """Words between neighbouring positions of a rank in the buffer."""
        if self.resident:
            pitches = self.resident.pitches_for(self.tensor)
            if pitches is None:
                written = "x".join(map(str, self.resident.tensor.shape))
                raise MappingError(
                    f"{self.mapping.layer.name}: cannot read the tensor on chip, which is {written}"
                )
            return pitches
        return pitches_of({name: self.pieces(name) for name in self.order})

    @cached_property
    def step_words(self) -> StepWords:
        """The words that one step takes."""
        return StepWords(self)

    @cached_property
    def _added(self) -> dict[str, int]:
        """Positions by which a tile's ranks are lengthened for the sake of the banks.

        A longer run brings words that lie behind the tile's columns, where the tensor has them.
        """
        machine = self.mapping.machine
        if machine.input_reads == 1 or self.resident or self.image:
            return {}
        room = machine.tile_room("input", self.mapping.placing.input_words)
        known = (self.tensor.tensor.blocked, machine.contiguous_rank)
        ranks = [name for name in known if name not in (None, self.slides)]
        used = {name: self._used(name) for name in self.order}
        return self.step_words.spread(used, room, ranks=ranks)

    @property
    def window_words(self) -> int:
        """Words of a pixel."""
        return self.pieces(self.tensor.tensor.blocked)

    @property
    def tile_words(self) -> int:
        return product(self.pieces(name) for name in self.order)

    @cached_property
    def slide_words(self) -> int:
        """Words given back when the tile slides."""
        level = self.levels[self.boundary - 1]
        return self.moves(level, self.slides) // self._slide_step * self.pitches[self.slides]

    @property
    def _slide_step(self) -> int:
        return self.step(self.tensor.tensor.rank(self.slides))

    @property
    def sweep_rows(self) -> int:
        """Positions of the sliding rank from the first tile to the end of the last."""
        level = self.levels[self.boundary - 1]
        last = self.moves(level, self.slides) // self._slide_step * (level.bound - 1)
        return last + self.pieces(self.slides)

    def moves(self, level: Level, name: str) -> int:
        """By how much a trip of a level moves the coordinate of a rank, or the block's number."""
        rank = self.tensor.tensor.rank(name)
        if name == self.tensor.tensor.blocked:
            inside = level.dimension in rank.dimensions and not level.in_word
            return level.unit // self.mapping.machine.block if inside else 0
        if level.dimension not in rank.dimensions:
            return 0
        layer = self.mapping.layer
        by = layer.position(level.dimension, level.unit)
        return rank.coefficient(level.dimension, layer.symbols) * by

    def origin(self, name: str) -> int:
        """The first coordinate of a rank that is touched: before the tensor if it is padded."""
        return self.tensor.tensor.rank(name).offset(self.mapping.layer.symbols)

    def check(self):
        """Raise MappingError if the tile does not fit the buffer, or cannot be loaded."""
        if self.resident:
            if self.idiom == "fifo":
                raise MappingError(
                    f"{self.mapping.layer.name}: a FIFO is not read where a word lies, so an input "
                    f"on chip needs another idiom for it"
                )
            _ = self.pitches
            return
        room = self.mapping.machine.tile_room("input", self.mapping.placing.input_words)
        need = max(self.tile_words, self.slide_words if self.slides else 0)
        if need > room and self.idiom != "fifo":
            what = "a half" if self.idiom == "double_buffer" else "the buffer"
            raise MappingError(
                f"{self.mapping.layer.name}: an input tile of {need} words does not fit {what} "
                f"of {room}"
            )
        self.loader.check()

    # Descriptors

    @cached_property
    def kept(self) -> int:
        """Levels outside the innermost ones over which a step's words stay the same."""
        if self.ticks:
            return outside_ticks(self.mapping)
        if self.mapping.machine.widths.byte_with_word:
            held = self.mapping.machine.input_held
            return self.mapping.outside_use(held, self.tensor.tensor.dimensions)
        blocked = self.mapping.machine.blocked_dimension(self.tensor.tensor)
        return self.mapping.suffix(
            lambda level: not self._indexes(level) or (level.in_word and level.dimension == blocked)
        )

    @property
    def held_levels(self) -> list[Level]:
        """Loops over the elements that a PE holds: of levels in the PE, whatever their last bounds.

        None where it holds one, or they stream.
        """
        held, dimensions = self.mapping.machine.input_held, self.tensor.tensor.dimensions
        levels = [self.levels[n] for n in sorted(self.mapping.registers(held, dimensions))]
        return [replace(level, last=level.bound) for level in levels]

    @property
    def held_words(self) -> int:
        """Elements that a PE holds; 1 where they stream."""
        return product(level.bound for level in self.held_levels)

    @cached_property
    def ticks(self) -> Ticks | None:
        """How words follow each other where they move from PE to PE."""
        return ticks_of(self.mapping)

    def _words_loop(self, level: Level | None, parent: Loop | None) -> Loop:
        """The loop over the words of a run of the array's inner loop."""
        words, last = (
            self.ticks.words(n) for n in ((level.bound, level.last) if level else (1, 1))
        )
        return Loop(words, last, parent, self._word_moves(self.ticks.stride))

    def _word_moves(self, coordinates: int) -> dict[str, int]:
        """What so many coordinates along the rank on which words move add to each form."""
        machine, name = self.mapping.machine, self.mapping.machine.moving.rank
        step = self.step(self.tensor.tensor.rank(name))
        strides = {"index": coordinates // step * self.pitches[name]}
        return strides | {f"y{machine.checked_ranks.index(name)}": coordinates}

    def feed(self) -> dict[str, int]:
        """Fields of the feeding engine, without the pad value."""
        machine, ticks = self.mapping.machine, self.ticks
        writer = NestWriter(self.mapping, "feed_input", machine.design.levels)
        made: dict[int, Loop] = {}
        fifo = self.idiom == "fifo"
        tile = 0 if self.resident else 1 if fifo else self.tile_words
        for n, level in enumerate(self.levels[: self.kept]):
            if ticks and n == ticks.level:
                writer.add(self._words_loop(level, made.get(self.mapping.chain(n))))
                continue
            amount = int(fifo)
            if n < self.boundary:
                sliding = self.slides and n == self.boundary - 1
                amount = self.slide_words if sliding else tile
            loop = Loop(
                level.bound,
                level.last,
                made.get(self.mapping.chain(n)),
                self.feed_strides(level, inside=n >= self.boundary and not fifo),
                {"shrink": amount},
            )
            made[n] = writer.add(loop)
        bases = dict.fromkeys(["index", *(f"y{n}" for n in range(len(machine.checked_ranks)))], 0)
        for n, name in enumerate(machine.checked_ranks):
            bases[f"y{n}"] = self.origin(name)
        if self.resident:
            bases["index"] = self.resident.place.first + sum(
                self.origin(name) * self.pitches[name] for name in self.order
            )
        if ticks:
            if ticks.level is None:
                writer.add(self._words_loop(None, None))
            for name, by in self._word_moves(ticks.skip * ticks.stride).items():
                bases[name] += by
        for level in self.held_levels:
            writer.add(Loop(level.bound, strides=self.feed_strides(level, inside=True)))
        for loop, backwards in self._step_loops:
            if backwards:  # what is shifted in first goes farthest
                for name, step in loop.strides.items():
                    bases[name] = bases.get(name, 0) - step * (loop.bound - 1)
            if fifo:
                loop.strides["index"], loop.events["shrink"] = 0, 1
            writer.add(loop)
        values = writer.fields(bases=bases, ends={"shrink": tile})
        if ticks:
            values["flush"] = ticks.flush
        if machine.input_depth > 1:
            values["registers"] = self.held_words - 1
        if machine.input_reads > 1:
            for k, loop in enumerate(self.step_words.loops(self.pitches)):
                moved = {name: step for name, step in loop.strides.items() if name != "byte"}
                values |= {f"{name}_word{k}": step for name, step in moved.items()}
        for k in range(machine.widths.input_loops if machine.input_reads == 1 else 0):
            # Of words that another dataflow of the design reads, all but the first lie outside.
            for n, name in enumerate(machine.checked_ranks):
                values[f"y{n}_word{k}"] = self.tensor.count(name) - self.origin(name)
        for n, name in enumerate(machine.checked_ranks):
            values[f"y{n}_limit"] = self.tensor.count(name)
        return values

    @property
    def _step_loops(self) -> list[tuple[Loop, bool]]:
        """Loops of the nest over the words of one step, or of all load ticks, and whether they are
        walked backwards, as ticks are where time goes towards the last PE.
        """
        machine, found = self.mapping.machine, []
        for n in machine.input_tick_loops:
            loop = self.step_words.spatial_loop(n, self.pitches)
            backwards = machine.shifts_backwards(machine.input_operand.shift)
            if backwards:
                loop = Loop(loop.bound, strides={x: -step for x, step in loop.strides.items()})
            found.append((loop, backwards))
        if machine.input_reads == 1:
            found += [(loop, False) for loop in self.step_words.loops(self.pitches)]
        return found

    @property
    def _blocked(self) -> str:
        return self.mapping.machine.blocked_dimension(self.tensor.tensor)

    def feed_strides(self, level: Level, *, inside: bool, pitches=None) -> dict[str, int]:
        """What a trip adds to the index in the buffer, the coordinates and the byte.

        ``pitches``: those of the buffer, where they are not :attr:`pitches`.
        """
        machine = self.mapping.machine
        strides = {"index": 0}
        if inside and pitches is None:
            pitches = self.pitches
        if inside:
            for name in self.order:
                rank = self.tensor.tensor.rank(name)
                moved = self.moves(level, name)
                strides["index"] += moved // self.step(rank) * pitches[name]
        for n, name in enumerate(machine.checked_ranks):
            strides[f"y{n}"] = self.moves(level, name)
        if machine.widths.byte_with_word:
            own = level.in_word and level.dimension == self._blocked
            strides["byte"] = level.unit if own else 0
        return strides
