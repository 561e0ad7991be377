"""Where a layer's tensors lie on chip."""

from dataclasses import dataclass

from ..reuse.machine import Machine
from .packed_image import PackedImage
from .tensors import BlockedTensor

__all__ = ["OWN_INPUT", "Place", "PlacedOperand", "Placing", "Resident", "whole_memory"]


@dataclass(frozen=True)
class Place:
    """Words of an activation memory: 0 is the input's, 1 the output's."""

    memory: int
    first: int
    words: int

    def overlaps(self, other: "Place") -> bool:
        """Whether they share a word."""
        apart = self.first + self.words <= other.first or other.first + other.words <= self.first
        return self.memory == other.memory and not apart


def whole_memory(machine: Machine, memory: int) -> Place:
    return Place(memory, 0, machine.buffer_words(("input", "output")[memory]))


@dataclass(frozen=True, eq=False)
class Resident:
    """A whole tensor that an earlier layer left on chip.

    Parameters
    ----------
    place
        Its words.
    tensor
        What the earlier layer wrote.
    pitches
        Words from one position of each of its ranks to the next.
    """

    place: Place
    tensor: BlockedTensor
    pitches: dict[str, int]

    def pitches_for(self, reader: BlockedTensor) -> dict[str, int] | None:
        """The pitches by the ranks of another tensor; None if it cannot be read as that."""
        if not reader.lies_like(self.tensor):
            return None
        if self.pitches == self.tensor.strides and not self.tensor.image_words:
            return reader.strides
        written = [(self.tensor.count(name), self.pitches[name]) for name in self.tensor.order]
        written = [(count, pitch) for count, pitch in written if count > 1]
        pitches = dict.fromkeys(reader.order, 0)
        for name in reversed(reader.order):
            if (count := reader.count(name)) > 1:
                pitch = _take(written, count)
                if pitch is None:
                    return None
                pitches[name] = pitch
        return pitches


def _take(ranks: list[tuple[int, int]], count: int) -> int | None:
    """Take so many positions from the end of ranks of (positions, pitch), which are split, or
    joined where no gap lies between them; the pitch of what is taken, None if there is none.
    """
    have, pitch = ranks.pop()
    while have < count and ranks and ranks[-1][1] == have * pitch:
        have *= ranks.pop()[0]
    if have % count:
        return None
    if have > count:
        ranks.append((have // count, count * pitch))
    return pitch


@dataclass(frozen=True)
class PlacedOperand:
    """A tensor that is read as weights, as it lies in main memory.

    Parameters
    ----------
    address
        Of its first byte.
    along
        The dimension of the weights along which its words lie.
    strides
        Words from one value of a dimension to the next, of ``along`` from one block to the next;
        of a dimension that is not named, 0.
    after
        How many layers of the program must be complete before it is loaded.
    """

    address: int
    along: str
    strides: dict[str, int]
    after: int = 0


@dataclass(frozen=True)
class Placing:
    """What the mapping of a layer must know of the places of its tensors.

    Parameters
    ----------
    source
        Its input, if that is on chip; else it is loaded tile by tile.
    whole
        Whether the output is one tile, as it is to stay on chip or meets a residual there.
    stored
        Whether the output is written to main memory.
    adds
        Whether a residual is added that is loaded tile by tile.
    image
        Its input as a packed image whose windows are folded; the layer is then the folded one.
    free_input
        Whether the input may lie in main memory as the mapping likes: a network's own input.
    operand
        What it reads in the place of weights, if that is an activation.
    input_images, output_images, residual_images
        Words from one image to the next in main memory, where the tensor is a part of another; 0:
        they lie one behind the other.
    output_spread
        How the output's pixels lie between those of others (see :class:`BlockedTensor`).
    input_words, output_words
        Words for tiles of the input and of the output; None: the whole memory.
    """

    source: Resident | None = None
    whole: bool = False
    stored: bool = True
    adds: bool = False
    image: PackedImage | None = None
    free_input: bool = False
    operand: PlacedOperand | None = None
    input_images: int = 0
    output_images: int = 0
    residual_images: int = 0
    output_spread: tuple[tuple[int, int], ...] = ()
    input_words: int | None = None
    output_words: int | None = None


OWN_INPUT = Placing(free_input=True)
"""Nothing is on chip, and the input is laid out for this layer alone."""
