"""What layers read of earlier ones: whole outputs, some of their channels, several side by side."""

from collections.abc import Callable
from dataclasses import dataclass

from .mapping import MappingError
from .nest import product
from .tensors import BlockedTensor

__all__ = ["Joined", "Location", "Part", "Source", "check_joined", "layers_of", "locate"]


@dataclass(frozen=True)
class Joined:
    """The channels of the outputs of several earlier layers, in this order: they lie side by side
    in main memory, since each is stored where it belongs.
    """

    sources: tuple[int, ...]


@dataclass(frozen=True)
class Part:
    """Some channels of what earlier layers give, from ``first`` on."""

    source: "Source"
    first: int
    channels: int


Source = int | Joined | Part
"""The number of an earlier layer stands for its output."""


def layers_of(read) -> tuple[int, ...]:
    """The layers whose outputs are read; none of an array."""
    if isinstance(read, Part):
        return layers_of(read.source)
    if isinstance(read, Joined):
        return read.sources
    return (read,) if isinstance(read, int) else ()


@dataclass(frozen=True, eq=False)
class Location:
    """Where what is read lies.

    Parameters
    ----------
    number
        The layer with whose output the tensor begins of which it is a part.
    blocks
        Blocks of that tensor before it.
    tensor
        What it is.
    """

    number: int
    blocks: int
    tensor: BlockedTensor

    @property
    def offset(self) -> int:
        """Words of main memory before it."""
        return self.blocks * self.tensor.strides[self.tensor.tensor.blocked]


def locate(read: Source, output: Callable[[int], BlockedTensor], name: str) -> Location:
    """What a layer reads, as a tensor.

    Parameters
    ----------
    output
        The tensor that a layer gives.
    name
        Of the layer that reads, for messages.

    Raises
    ------
    MappingError
        If channels do not begin or end with a block.
    """
    if isinstance(read, int):
        return Location(read, 0, output(read))
    if isinstance(read, Joined):
        tensors = [output(n) for n in read.sources]
        return Location(read.sources[0], 0, joined_tensor(tensors, name))
    whole = locate(read.source, output, name)
    tensor, end = whole.tensor, read.first + read.channels
    if not 0 <= read.first < end <= tensor.channels:
        raise MappingError(
            f"{name}: reads channels {read.first} to {end - 1}, of {tensor.channels} there are"
        )
    try:
        blocks = tensor.blocks_before(read.first)
        if end < tensor.channels:
            tensor.blocks_before(end)
        images = tensor.strides[tensor.images[-1]] if tensor.images else 0
        return Location(
            whole.number, whole.blocks + blocks, tensor.with_channels(read.channels, images)
        )
    except ValueError as error:
        raise MappingError(
            f"{name}: reads channels {read.first} to {end - 1} of {tensor.channels}: {error}"
        ) from None


def joined_tensor(tensors: list[BlockedTensor], name: str) -> BlockedTensor:
    """The tensor whose channels are those of several.

    Raises
    ------
    MappingError
        If they have other images, rows or columns, or one but the last does not end with a block.
    """
    first, block = tensors[0], tensors[0].machine.block
    counts = [_counts(tensor) for tensor in tensors]
    for tensor, count in zip(tensors, counts):
        if count != counts[0]:
            raise MappingError(
                f"{name}: {tensor.layer.name} gives {_text(count)} pixels and "
                f"{first.layer.name} {_text(counts[0])}, whose channels cannot be joined"
            )
    for tensor in tensors[:-1]:
        own = tensor.channels % block and tensor.channels
        if own or tensor.extent(tensor.tensor.rank(tensor.tensor.blocked)) % block:
            raise MappingError(
                f"{name}: joins {tensor.channels} channels of {tensor.layer.name} with others, "
                f"which must be a multiple of {block}, as words are not shared"
            )
    try:
        return first.with_channels(sum(tensor.channels for tensor in tensors))
    except ValueError as error:
        raise MappingError(f"{name}: {error}") from None


def _counts(tensor: BlockedTensor) -> list[int]:
    """Images, then what lies inside the blocks, those of one position left out."""
    inside = tensor.order[tensor.order.index(tensor.tensor.blocked) + 1 :]
    images = product(tensor.count(name) for name in tensor.images)
    return [images, *(n for n in map(tensor.count, inside) if n > 1)]


def _text(counts: list[int]) -> str:
    return "x".join(map(str, counts))


def check_joined(groups: set[Joined], name: Callable[[int], str]) -> None:
    """Raise MappingError if an output would have to lie in two places."""
    members = [n for group in groups for n in group.sources]
    for n in members:
        if members.count(n) > 1:
            raise MappingError(
                f"{name(n)}: its output is joined with others twice, and lies in one place only"
            )
