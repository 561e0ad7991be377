"""The layout of activations: channel blocks of L elements, words along the last rank."""

from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

import numpy as np

from ..reuse.machine import Machine
from ..spec.layer import Layer
from ..spec.operation import Operation, Rank, Tensor

__all__ = ["BlockedTensor", "memory_order"]


def memory_order(operation: Operation, tensor: Tensor) -> tuple[str, ...]:
    """Ranks of one of an operation's tensors in memory, the slowest first; the blocked one stands
    for its blocks.
    """
    plain = [rank for rank in tensor.ranks if rank.name != tensor.blocked]
    outside = [r.name for r in plain if r.is_plain and r.terms[0].dimension in operation.batch]
    return (*outside, tensor.blocked, *(r.name for r in plain if r.name not in outside))


@dataclass(frozen=True, eq=False)
class BlockedTensor:
    """An activation in memory: [batch ranks][blocks][other ranks][block], a byte an element.

    Elements that fill up the last block are 0 when written by :meth:`pack` and of no meaning when
    written by the hardware. A result that leaves as the int32 sum has four bytes an element, in
    blocks of L / 4.

    Parameters
    ----------
    image_words
        Words from one image to the next where it is a part of another tensor; 0: its own.
    spread
        Where its pixels lie between those of others: from the last rank on, how many positions of
        the whole tensor one of its own is from the next, and how many the whole has.
    """

    machine: Machine
    layer: Layer
    tensor: Tensor
    image_words: int = 0
    spread: tuple[tuple[int, int], ...] = ()

    @property
    def dtype(self) -> np.dtype:
        """Of an element."""
        own = self.tensor.name == self.machine.operation.output.name
        return np.dtype(np.int32 if own and self.layer.quantization.raw else np.int8)

    @property
    def elements(self) -> int:
        """Of a word."""
        return self.machine.block // self.dtype.itemsize

    def extent(self, rank: Rank) -> int:
        """Elements along a rank."""
        if rank.is_plain:
            return self.layer.sizes[rank.terms[0].dimension]
        return self.layer.extents[rank.name]

    @property
    def blocks(self) -> int:
        return -(-self.extent(self.tensor.rank(self.tensor.blocked)) // self.elements)

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Ranks in memory, the slowest first; the blocked one stands for its blocks."""
        return memory_order(self.machine.operation, self.tensor)

    def count(self, name: str) -> int:
        """Positions along a rank, in words."""
        if name == self.tensor.blocked:
            return self.blocks
        return self.extent(self.tensor.rank(name))

    @cached_property
    def strides(self) -> dict[str, int]:
        """Words from one position of a rank (or one block) to the next."""
        strides, step, images = {}, 1, self.images
        for n, name in enumerate(reversed(self.order)):
            if name in images and not strides.keys() & set(images):
                step = max(step, self.image_words)
            apart, count = self.spread[n] if n < len(self.spread) else (1, self.count(name))
            strides[name] = step * apart
            step *= count
        return strides

    @property
    def images(self) -> tuple[str, ...]:
        """Ranks of the batch that have no channels of their own; the others are one image."""
        operation = self.machine.operation
        return tuple(d for d in self.order if d in operation.batch and d not in operation.channels)

    @property
    def words(self) -> int:
        total = 1
        for name in self.order:
            total *= self.count(name)
        return total

    @property
    def bytes(self) -> int:
        """From the first to the last, with what lies between its images."""
        last = sum(stride * (self.count(name) - 1) for name, stride in self.strides.items())
        return (last + 1) * self.machine.block

    @property
    def channels(self) -> int:
        """Of all groups."""
        count = self.extent(self.tensor.rank(self.tensor.blocked))
        return count * prod(self.count(name) for name in self._groups)

    @property
    def _groups(self) -> list[str]:
        """Ranks between images and blocks."""
        outside = self.order[: self.order.index(self.tensor.blocked)]
        return [name for name in outside if name not in self.images]

    def with_channels(self, channels: int, image_words: int = 0) -> "BlockedTensor":
        """A tensor that lies alike with so many channels, in groups as large as its own if there
        are several and they are full.

        Raises
        ------
        ValueError
            If groups would have to be cut.
        """
        blocked = self.tensor.rank(self.tensor.blocked)
        own, sizes = self.extent(blocked), dict.fromkeys(self._groups, 1)
        if channels == self.channels:
            return replace(self, image_words=image_words)
        if own % self.machine.block:
            several = [name for name in self._groups if self.count(name) > 1]
            if several and channels % own:
                raise ValueError(f"{channels} channels are no whole groups of {own}")
            if several:
                sizes[several[-1]], channels = channels // own, own
        sizes[blocked.terms[0].dimension] = channels
        layer = replace(self.layer, sizes=self.layer.sizes | sizes)
        return replace(self, layer=layer, image_words=image_words)

    def with_pixels(self, rows: int, columns: int) -> "BlockedTensor":
        """A tensor that lies alike, by itself, with so many positions of its last two ranks.

        Raises
        ------
        ValueError
            If it has no two such ranks inside its blocks.
        """
        inside = self.order[self.order.index(self.tensor.blocked) + 1 :]
        if len(inside) < 2 or not all(self.tensor.rank(name).is_plain for name in inside):
            raise ValueError(f"{self.tensor.name} has no rows and columns of its own")
        leads = [self.tensor.rank(name).lead for name in inside[-2:]]
        sizes = self.layer.sizes | dict(zip(leads, (rows, columns)))
        return replace(self, layer=replace(self.layer, sizes=sizes), image_words=0, spread=())

    def as_row(self) -> "BlockedTensor":
        """Its words, one behind the other as they lie, as one row of pixels of a block of channels.

        Raises
        ------
        ValueError
            If its pixels or images lie apart.
        """
        if self.spread or self.image_words:
            raise ValueError(f"{self.layer.name} gives words that do not follow each other")
        blocked = self.tensor.rank(self.tensor.blocked)
        sizes = dict.fromkeys((self.tensor.rank(name).lead for name in self.order), 1)
        sizes |= {blocked.lead: self.machine.block}
        one = replace(self, layer=replace(self.layer, sizes=self.layer.sizes | sizes))
        return one.with_pixels(1, self.words)

    def blocks_before(self, channel: int) -> int:
        """Blocks in front of one that begins with a channel.

        Raises
        ------
        ValueError
            If no block begins there.
        """
        own, block = self.extent(self.tensor.rank(self.tensor.blocked)), self.machine.block
        groups, inside = divmod(channel, own)
        if inside % block:
            raise ValueError(f"no block of {block} begins with channel {channel}")
        return groups * self.blocks + inside // block

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array as the operation writes it."""
        return tuple(self.extent(rank) for rank in self.tensor.ranks)

    def lies_like(self, other: "BlockedTensor") -> bool:
        """Whether the elements of another tensor lie in memory as this one's do."""
        if self.dtype != other.dtype:
            return False
        if self.shape == other.shape:
            return True
        # Blocks without pad elements may belong to any of the ranks outside them: the channels of
        # one tensor are the groups and channels of another.
        channels = [t.extent(t.tensor.rank(t.tensor.blocked)) for t in (self, other)]
        full = all(count % self.machine.block == 0 for count in channels)
        if full:
            return self._inner_counts == other._inner_counts and self.words == other.words
        counts = [[n for n in map(t.count, t.order) if n > 1] for t in (self, other)]
        return counts[0] == counts[1] and channels[0] == channels[1]

    @property
    def _inner_counts(self) -> list[int]:
        """Positions of the ranks inside the blocks, those of one position left out."""
        inside = self.order[self.order.index(self.tensor.blocked) + 1 :]
        return [n for n in map(self.count, inside) if n > 1]

    def pack(self, array: np.ndarray) -> bytes:
        """An array of :attr:`shape`, laid out for the hardware."""
        block = self.elements
        axis = [r.name for r in self.tensor.ranks].index(self.tensor.blocked)
        array = np.asarray(array, dtype=self.dtype).reshape(self.shape)
        room = [(0, 0)] * array.ndim
        room[axis] = (0, self.blocks * block - array.shape[axis])
        padded = np.pad(array, room)
        split = padded.reshape(*padded.shape[:axis], self.blocks, block, *padded.shape[axis + 1 :])
        return np.ascontiguousarray(split.transpose(*self._axes(axis))).tobytes()

    def unpack(self, data: bytes) -> np.ndarray:
        """The array that the hardware wrote."""
        block = self.elements
        axis = [r.name for r in self.tensor.ranks].index(self.tensor.blocked)
        counts = [self.count(name) for name in self.order]
        words = np.zeros(counts, dtype=np.int64)
        for name, at in zip(self.order, np.indices(counts, sparse=True)):
            words = words + at * self.strides[name]
        stored = np.frombuffer(data, dtype=self.dtype).reshape(-1, block)[words]
        split = stored.transpose(*np.argsort(self._axes(axis)))
        merged = split.reshape(*split.shape[:axis], self.blocks * block, *split.shape[axis + 2 :])
        return np.take(merged, range(self.shape[axis]), axis=axis)

    def _axes(self, axis: int) -> list[int]:
        """Axes of the split array in the order of memory."""
        names = [rank.name for rank in self.tensor.ranks]
        place = {name: n + (n > axis) for n, name in enumerate(names)}
        return [*(place[name] for name in self.order), axis + 1]
