"""Packed images, and layers whose windows are folded into channels."""

import itertools
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..reuse.machine import Machine
from ..spec.layer import Layer
from ..spec.operation import Rank
from .tensors import BlockedTensor

__all__ = ["PAIR", "SLICES", "PackedImage", "packed_image"]

PAIR = 2
"""Words of an image are counted in pairs; each image begins with one."""

SLICES = 2
"""Slices of neighbouring rows that are read together (:mod:`rtl_gen.hw.unfold`)."""


def packed_image(machine: Machine, layer: Layer) -> "PackedImage | None":
    """The packed image of a layer; None if the design, or the layer's input, cannot be folded.

    Folded are windows of a tensor that all output channels see: each rank beside batches and
    channels is indexed by one dimension of the output and one that is summed over.
    """
    operation = machine.operation
    if not machine.image_words or layer.operation != operation.name:
        return None
    if layer.repeats or layer.parts:
        return None
    image = PackedImage(machine, layer)
    channel = operation.activation.rank(operation.activation.blocked)
    folded = {channel.name, *image.rows, image.columns} if image.columns else set()
    others = [r for r in operation.activation.ranks if r.name not in folded]
    fits = (
        folded
        and all(rank.is_plain for rank in operation.weight.ranks)
        and channel.terms[0].dimension in operation.reduced
        and all(r.is_plain and r.terms[0].dimension in operation.batch for r in others)
        and all(layer.sizes[d] == 1 for d in operation.batch if d in operation.weight.dimensions)
        and all(image.is_window(name) for name in (*image.rows, image.columns))
    )
    return image if fits else None


@dataclass(frozen=True, eq=False)
class PackedImage:
    """An activation as frameworks have it, [batch][rows][columns][channels], and its windows.

    Bytes lie side by side; each image of a batch begins with a pair of words of its own. The
    windows of an image, folded into channels, are the input of a layer whose filter has one tap.
    Their elements come in the order in which the unfold engine reads them: pair by pair of rows,
    of a row as many bytes as a word has, then as many of the other.
    """

    machine: Machine
    layer: Layer

    @property
    def _operation(self):
        return self.machine.operation

    @cached_property
    def tensor(self) -> BlockedTensor:
        return BlockedTensor(self.machine, self.layer, self._operation.activation)

    @property
    def columns(self) -> str | None:
        """The rank along which pixels lie side by side."""
        return self.machine.contiguous_rank

    @property
    def rows(self) -> tuple[str, ...]:
        """The other ranks of a window, the slowest first."""
        return tuple(name for name in self.machine.checked_ranks if name != self.columns)

    @property
    def ranks(self) -> tuple[str, ...]:
        return (*self.rows, self.columns)

    def rank(self, name: str) -> Rank:
        return self._operation.activation.rank(name)

    def is_window(self, name: str) -> bool:
        """Whether one dimension of the output and one of the sum index a rank."""
        dimensions = self.rank(name).dimensions
        reduced = [d for d in dimensions if d in self._operation.reduced]
        return len(dimensions) == 2 and len(reduced) == 1

    def window(self, name: str) -> str:
        """The dimension of a window along a rank."""
        return next(d for d in self.rank(name).dimensions if d in self._operation.reduced)

    def output(self, name: str) -> str:
        """The dimension of the output along a rank."""
        return next(d for d in self.rank(name).dimensions if d != self.window(name))

    def taps(self, name: str) -> int:
        return self.layer.sizes[self.window(name)]

    def step(self, name: str) -> int:
        """Positions from one output to the next (the stride)."""
        return self.rank(name).coefficient(self.output(name), self.layer.symbols)

    def spread(self, name: str) -> int:
        """Positions from one tap to the next (the dilation)."""
        return self.rank(name).coefficient(self.window(name), self.layer.symbols)

    def origin(self, name: str) -> int:
        return self.rank(name).offset(self.layer.symbols)

    # Bytes

    @property
    def channel(self) -> str:
        return (
            self._operation.activation.rank(self._operation.activation.blocked).terms[0].dimension
        )

    @property
    def channels(self) -> int:
        return self.layer.sizes[self.channel]

    @cached_property
    def pitches(self) -> dict[str, int]:
        """Bytes between neighbouring positions of a rank."""
        pitches, step = {}, self.channels
        for name in reversed(self.ranks):
            pitches[name] = step
            step *= self.tensor.count(name)
        return pitches

    @property
    def row_bytes(self) -> int:
        return self.tensor.count(self.columns) * self.channels

    @property
    def pairs(self) -> int:
        """Pairs of words of one image."""
        outermost = self.ranks[0]
        size = self.pitches[outermost] * self.tensor.count(outermost)
        return -(-size // (PAIR * self.machine.block))

    @property
    def words(self) -> int:
        """Words of one image."""
        return PAIR * self.pairs

    @property
    def batch(self) -> int:
        """Images."""
        count = 1
        for rank in self._operation.activation.ranks:
            count *= self.tensor.count(rank.name) if self.is_batch(rank) else 1
        return count

    def is_batch(self, rank: Rank) -> bool:
        return rank.name not in (*self.ranks, self._operation.activation.blocked)

    def pack(self, array: np.ndarray) -> bytes:
        """An int8 array of the activation's shape, laid out in memory."""
        names = [rank.name for rank in self._operation.activation.ranks]
        batch = [r.name for r in self._operation.activation.ranks if self.is_batch(r)]
        order = [*batch, *self.ranks, self._operation.activation.blocked]
        array = np.asarray(array, dtype=np.int8).reshape(self.tensor.shape)
        images = array.transpose([names.index(name) for name in order]).reshape(self.batch, -1)
        room = self.words * self.machine.block - images.shape[1]
        return np.pad(images, [(0, 0), (0, room)]).tobytes()

    # Windows

    @property
    def slice_taps(self) -> int:
        """Taps along a row whose bytes lie side by side: all, or one where they are spread."""
        return self.taps(self.columns) if self.spread(self.columns) == 1 else 1

    @property
    def slice_bytes(self) -> int:
        return self.slice_taps * self.channels

    @property
    def pieces(self) -> int:
        """Into how many pieces of a word at most a row's bytes are cut."""
        return -(-self.slice_bytes // self.machine.block)

    @property
    def paired(self) -> int:
        """Taps of the innermost rows, of which two are read together."""
        return self.taps(self.rows[-1]) if self.rows else 1

    @property
    def slices(self) -> int:
        """Cycles in which the slices of one pixel are read."""
        outer = 1
        for name in self.rows[:-1]:
            outer *= self.taps(name)
        across = self.taps(self.columns) // self.slice_taps
        return outer * -(-self.paired // SLICES) * across * self.pieces

    @cached_property
    def slice_sizes(self) -> tuple[int, ...]:
        """Bytes of each pair of slices of a pixel, in the order in which they are read."""
        block = self.machine.block
        pieces = [
            min(block, self.slice_bytes - first) for first in range(0, self.slice_bytes, block)
        ]
        sizes = [
            min(SLICES, self.paired - row) * size
            for row in range(0, self.paired, SLICES)
            for _ in range(self.taps(self.columns) // self.slice_taps)
            for size in pieces
        ]
        return tuple(sizes * (self.slices // len(sizes)))

    @cached_property
    def order(self) -> np.ndarray:
        """The taps and the channel of each folded channel: (elements, ranks + 1)."""
        found, block = [], self.machine.block
        outer = [range(self.taps(name)) for name in self.rows[:-1]]
        across = range(0, self.taps(self.columns), self.slice_taps)
        pairs = range(0, self.paired, SLICES)
        for *far, first, column, piece in itertools.product(
            *outer, pairs, across, range(self.pieces)
        ):
            for row in range(first, min(first + SLICES, self.paired)):
                for byte in range(piece * block, min((piece + 1) * block, self.slice_bytes)):
                    tap, channel = divmod(byte, self.channels)
                    rows = (*far, row) if self.rows else ()
                    found.append((*rows, column + tap, channel))
        return np.array(found)

    @cached_property
    def folded(self) -> Layer:
        """The layer that the array runs: one tap, as many channels as a window has elements."""
        layer, sizes, symbols = self.layer, dict(self.layer.sizes), dict(self.layer.symbols)
        extents = dict(layer.extents)
        for name in self.ranks:
            sizes[self.window(name)] = 1
            extents[name] = sizes[self.output(name)]
            for term in self.rank(name).terms:
                # Of the window's rank only its output's position is left.
                symbols |= dict.fromkeys(term.symbols, 1 if term.dimension else 0)
        sizes[self.channel] = len(self.order)
        return replace(layer, sizes=sizes, symbols=symbols, extents=extents)

    def fold_weights(self, weights: np.ndarray) -> np.ndarray:
        """The weights of :attr:`folded`, of the shape of the operation's weight operand."""
        named = [rank.terms[0].dimension for rank in self._operation.weight.ranks]
        windows = [self.window(name) for name in self.ranks]
        axes = [named.index(d) for d in (*windows, self.channel)]
        sizes = [self.folded.sizes[d] for d in named]
        first = np.moveaxis(np.asarray(weights), axes, range(len(axes)))
        taken = first[tuple(self.order.T)]
        # The other axes are in order; the folded channels go where the channels were.
        place = sum(d not in (*windows, self.channel) for d in named[: named.index(self.channel)])
        return np.moveaxis(taken, 0, place).reshape(sizes)

    def fold(self, data):
        """The numbers of :attr:`folded`, from a :class:`~rtl_gen.mapping.program.LayerData`."""
        return replace(data, weights=self.fold_weights(data.weights))

    def unfold(self, array: np.ndarray) -> np.ndarray:
        """The input of :attr:`folded`, what the unfold engine makes of an array."""
        folded = BlockedTensor(self.machine, self.folded, self._operation.activation)
        names = [rank.name for rank in self._operation.activation.ranks]
        result = np.full(folded.shape, self.layer.quantization.input_zero, dtype=np.int8)
        where = np.indices(folded.shape)
        index, inside = list(where), np.ones(folded.shape, dtype=bool)
        element = where[names.index(self._operation.activation.blocked)]
        for n, name in enumerate(self.ranks):
            at = where[names.index(name)] * self.step(name) + self.origin(name)
            at = at + self.order[:, n][element] * self.spread(name)
            inside &= (at >= 0) & (at < self.tensor.count(name))
            index[names.index(name)] = at
        index[names.index(self._operation.activation.blocked)] = self.order[:, -1][element]
        values = np.asarray(array, dtype=np.int8).reshape(self.tensor.shape)
        result[inside] = values[tuple(part[inside] for part in index)]
        return result
