"""How a packed image is loaded, and its windows are folded into words."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from .levels import Level
from .mapping import MappingError
from .nest import MOST_TRIPS, Loop, NestWriter, product
from .packed_image import PAIR, SLICES, PackedImage

if TYPE_CHECKING:
    from .input_engines import InputEngines

__all__ = ["UnfoldEngine"]


@dataclass(frozen=True, eq=False)
class UnfoldEngine:
    """Loading and unfolding for one mapped layer, whose input is a packed image's windows.

    The buffer holds tiles of whole output rows, [rows][columns][words of a window], one behind the
    other as the image goes by. An image is loaded once for each walk over it, in one run.
    """

    source: "InputEngines"

    @property
    def image(self) -> PackedImage:
        return self.source.image

    @property
    def _mapping(self):
        return self.source.mapping

    @property
    def _walks(self) -> list[tuple[int, Level]]:
        """The levels for whose trips an image, or another one, goes by."""
        count = self.source.boundary - bool(self.source.slides)
        return list(enumerate(self._mapping.levels[:count]))

    def check(self):
        """Raise MappingError if tiles are cut along columns or taps, or rows do not fit."""
        name, tensor = self._mapping.layer.name, self.source.tensor.tensor
        moving = {self.image.output(rank) for rank in self.image.ranks} | {self.image.channel}
        cut = [level.dimension for _, level in self._walks if level.dimension in moving]
        whole = all(
            self.source.pieces(rank.name) == 1 for rank in tensor.ranks if self.image.is_batch(rank)
        )
        if cut or not whole or self.source.slides not in (None, self.image.ranks[0]):
            raise MappingError(
                f"{name}: a packed image goes by row by row; tiles of it must be whole rows of one "
                f"image, one behind the other"
            )
        if self.image.words > MOST_TRIPS:
            raise MappingError(
                f"{name}: a packed image of {self.image.words} words is loaded in one run of at "
                f"most {MOST_TRIPS}"
            )
        machine = self._mapping.machine
        if (needed := self.needed_words) > machine.image_words:
            raise MappingError(
                f"{name}: {needed * machine.block} bytes of image rows do not fit the "
                f"{machine.image_words * machine.block} of buffers.image"
            )

    @property
    def outer_rows(self) -> int:
        """Positions of the outermost rank that one walk over an image goes through."""
        first = self.image.ranks[0]
        return self.source.sweep_rows if self.source.slides else self.source.pieces(first)

    @property
    def needed_words(self) -> int:
        """Words that image rows must have room for: they come by bursts, each of which is asked
        for once all of it has room.
        """
        machine, needed = self._mapping.machine, PAIR * self.needed_pairs
        return min(self.image.words, needed + machine.burst_words - 1)

    @property
    def needed_pairs(self) -> int:
        """Pairs of words that must be held at once.

        Rows are given back with the first slice of the next output row, so that those of the row
        before count.
        """
        image, first = self.image, self.image.ranks[0]
        pair, pitch = PAIR * image.machine.block, image.pitches[first]
        reach = (image.taps(first) - 1) * image.spread(first) + 1
        kept, most = 0, 0
        for row in range(self.outer_rows):
            begin = row * image.step(first) + image.origin(first)
            end = min(max(begin + reach, 0) * pitch, image.pairs * pair)
            most = max(most, -(-end // pair) - kept)
            if row + 1 < self.outer_rows:
                kept = min(max(begin, 0) * pitch // pair, image.pairs)
        return max(most, image.pairs - kept)

    @property
    def times(self) -> int:
        """How often an image goes by; the levels are of dimensions of their own, so none follows
        another's last bound.
        """
        return product(level.last for _, level in self._walks)

    @property
    def words(self) -> int:
        """Words of images that are loaded."""
        return self.times * self.image.words

    @property
    def first_words(self) -> int:
        """Words of the image that the first output row needs."""
        image, first = self.image, self.image.ranks[0]
        reach = (image.taps(first) - 1) * image.spread(first) + 1 + image.origin(first)
        return min(image.words, -(-max(0, reach) * image.pitches[first] // image.machine.block))

    @property
    def _pixels(self) -> int:
        """Output pixels whose windows are folded."""
        pixels = self.times * self.outer_rows
        for name in self.image.ranks[1:]:
            pixels *= self.source.pieces(name)
        return pixels

    @property
    def made_words(self) -> int:
        """Words of windows that are written to the input's region."""
        return self._pixels * self.source.window_words

    @cached_property
    def _pixel_cycles(self) -> int:
        """Cycles of the unfold engine for a pixel: of a slice at least one, and one for each word
        that it completes, for a word is written a cycle.
        """
        image, block, cycles, made, gathered = self.image, self.image.machine.block, 0, 0, 0
        slices = image.slice_sizes
        for n, size in enumerate(slices, start=1):
            gathered += size
            words = self.source.window_words if n == len(slices) else gathered // block
            cycles += max(1, words - made)
            made = words
        return cycles

    @property
    def cycles(self) -> int:
        """Cycles of the unfold engine, if it never waits."""
        return self._pixels * self._pixel_cycles

    @property
    def _tile_pixels(self) -> int:
        """Pixels of the first tile."""
        return min(self._pixels, self.source.tile_words // self.source.window_words)

    @property
    def first_cycles(self) -> int:
        """Cycles in which the array waits for the pixels of the first tile."""
        return max(0, self._tile_pixels * self._pixel_cycles - self._steps_to_last_pixel)

    @property
    def late_cycles(self) -> int:
        """Cycles in which the array waits where a tile in use leaves no room for the next."""
        source = self.source
        if not source.boundary:
            return 0
        comes = source.slide_words if source.slides else source.tile_words
        room = self._mapping.machine.tile_room("input", self._mapping.placing.input_words)
        late = max(0, comes - (room - source.tile_words))
        return (self.cycles - self._tile_pixels * self._pixel_cycles) * late // comes

    @property
    def exposed_cycles(self) -> int:
        """Cycles in all in which the array waits for windows."""
        return self.first_cycles + self.late_cycles

    @property
    def last_tile_steps(self) -> int:
        """Steps that are left when the last pixel's words have come."""
        steps = product(level.last for level in self._mapping.levels[self.source.boundary :])
        return max(0, steps - self._steps_to_last_pixel)

    @property
    def _steps_to_last_pixel(self) -> int:
        """Steps until the array has read from each pixel of a tile."""
        steps, inside = 1, 1
        for level in reversed(self._mapping.levels[self.source.boundary :]):
            if any(self.source.moves(level, name) for name in self.image.ranks):
                steps += (level.bound - 1) * inside
            inside *= level.bound
        return steps

    # Descriptors

    def load(self) -> dict[str, int]:
        """Fields of the loading engine, without the base address and the fence."""
        machine, image = self._mapping.machine, self.image
        writer = NestWriter(self._mapping, "load_input", machine.dma_levels)
        made: dict[int, Loop] = {}
        apart, offsets = image.words * machine.block, {}
        for rank in reversed([r for r in self.source.tensor.tensor.ranks if image.is_batch(r)]):
            offsets[rank.terms[0].dimension] = apart
            apart *= self.source.tensor.count(rank.name)
        for n, level in self._walks:
            offset = offsets.get(level.dimension, 0)
            parent = made.get(self._mapping.chain(n))
            made[n] = writer.add(Loop(level.bound, level.last, parent, {"offset": offset}))
        writer.add(Loop(image.words))
        values = writer.fields(bases={"offset": 0})
        # Every word of the run lies in the image: coordinates along it are not compared.
        limits = {f"y{n}_limit": 1 for n in range(len(machine.loaded_ranks))}
        return values | limits | {"x_limit": image.words, "packed": 1}

    def unfold(self) -> dict[str, int]:
        """Fields of the unfold engine."""
        image, first = self.image, self.image.ranks[0]
        writer = NestWriter(self._mapping, "unfold_input", self._mapping.machine.design.levels)
        pixel, whole = ("pixel", "image"), ("image",)
        made: dict[int, Loop] = {}
        for n, level in self._walks:
            parent = made.get(self._mapping.chain(n))
            made[n] = writer.add(Loop(level.bound, level.last, parent))
        for name in image.ranks:
            count = self.outer_rows if name == first else self.source.pieces(name)
            strides = self._moved(name, image.step(name))
            if name == first:
                strides["keep"] = image.step(name) * image.pitches[name]
            if count > 1:
                writer.add(Loop(count, strides=strides, masks=whole))
        for name in image.rows[:-1]:
            strides = self._moved(name, image.spread(name))
            writer.add(Loop(image.taps(name), strides=strides, masks=pixel))
        if image.rows:
            strides = self._moved(image.rows[-1], SLICES * image.spread(image.rows[-1]))
            pairs = -(-image.paired // SLICES)
            writer.add(Loop(pairs, strides=strides | {"tap": SLICES}, masks=pixel))
        if (across := image.taps(image.columns) // image.slice_taps) > 1:
            strides = self._moved(image.columns, image.spread(image.columns))
            writer.add(Loop(across, strides=strides, masks=pixel))
        block = image.machine.block
        piece = {"at": block, "x": block, "left": -block}
        writer.add(Loop(image.pieces, strides=piece, masks=pixel))
        bases = {"left": image.slice_bytes, "keep": image.origin(first) * image.pitches[first]}
        for name in image.ranks:
            for form, by in self._moved(name, image.origin(name)).items():
                bases[form] = bases.get(form, 0) + by
        values = writer.fields(bases=bases) | {
            "pad_value": image.layer.quantization.input_zero,
            "words": self.source.window_words,
            "taps": image.paired,
            "pairs": image.pairs,
            "x_limit": image.row_bytes,
        }
        if image.rows:
            apart = image.spread(image.rows[-1])
            values |= {"pair_offset": apart * image.pitches[image.rows[-1]], "pair_move": apart}
        for n, name in enumerate(image.rows):
            values[f"y{n}_limit"] = image.tensor.count(name)
        return values

    def _moved(self, name: str, by: int) -> dict[str, int]:
        """What a move along a rank adds to the forms of the unfold engine."""
        image = self.image
        moved = {"at": by * image.pitches[name]}
        if name == image.columns:
            return moved | {"x": by * image.channels}
        return moved | {f"y{image.rows.index(name)}": by}
