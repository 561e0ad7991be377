"""What layers read of earlier ones: whole outputs, some of their channels, several side by side."""

from collections.abc import Callable
from dataclasses import dataclass

from .mapping import MappingError
from .nest import product
from .tensors import BlockedTensor

__all__ = [
    "Interleaved",
    "Joined",
    "Location",
    "Part",
    "Source",
    "Words",
    "check_composed",
    "composed_of",
    "layers_of",
    "locate",
    "place_within",
]


@dataclass(frozen=True)
class Interleaved:
    """The pixels of several earlier layers, in turns: ``phases[i][j]`` gives every pixel whose row
    is i modulo the number of rows of phases, and whose column is j modulo that of columns.
    """

    phases: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Joined:
    """The channels of the outputs of several earlier layers, in this order: they lie side by side
    in main memory, since each is stored where it belongs.
    """

    sources: tuple["int | Interleaved", ...]


@dataclass(frozen=True)
class Part:
    """Some channels of what earlier layers give, from ``first`` on."""

    source: "Source"
    first: int
    channels: int


@dataclass(frozen=True)
class Words:
    """The words of an earlier layer's output, one behind the other, as one row of pixels of a block
    of channels.
    """

    source: int


Source = int | Joined | Interleaved | Part | Words
"""The number of an earlier layer stands for its output."""

Composed = Joined | Interleaved
"""Tensors that several layers write."""


def layers_of(read) -> tuple[int, ...]:
    """The layers whose outputs are read; none of an array."""
    if isinstance(read, Part | Words):
        return layers_of(read.source)
    if isinstance(read, Joined):
        return tuple(n for source in read.sources for n in layers_of(source))
    if isinstance(read, Interleaved):
        return tuple(n for row in read.phases for n in row)
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
        If channels do not begin or end with a block, or what is put together does not fit.
    """
    if isinstance(read, int):
        return Location(read, 0, output(read))
    if isinstance(read, Words):
        try:
            return Location(read.source, 0, output(read.source).as_row())
        except ValueError as error:
            raise MappingError(f"{name}: {error}") from None
    if isinstance(read, Interleaved):
        return Location(read.phases[0][0], 0, _interleaved_tensor(read, output, name))
    if isinstance(read, Joined):
        members = [locate(source, output, name) for source in read.sources]
        whole = joined_tensor([member.tensor for member in members], name)
        return Location(members[0].number, 0, whole)
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


def place_within(
    whole: Composed, number: int, output: Callable[[int], BlockedTensor], name: str
) -> tuple[int, tuple[tuple[int, int], ...]]:
    """Where one of the layers that write a tensor begins in it, in words, and how its pixels are
    spread over those of the tensor.
    """
    tensor = locate(whole, output, name).tensor
    if isinstance(whole, Interleaved):
        (i, j) = next((i, row.index(number)) for i, row in enumerate(whole.phases) if number in row)
        rows, columns = tensor.order[-2:]
        words = i * tensor.strides[rows] + j * tensor.strides[columns]
        steps = (len(whole.phases[0]), len(whole.phases))
        return words, tuple(zip(steps, (tensor.count(columns), tensor.count(rows))))
    blocks = 0
    for source in whole.sources:
        if number in layers_of(source):
            break
        channels = locate(source, output, name).tensor.channels
        blocks += channels // tensor.machine.block
    words, spread = 0, ()
    if isinstance(source, Interleaved):
        words, spread = place_within(source, number, output, name)
    return words + blocks * tensor.strides[tensor.tensor.blocked], spread


def _interleaved_tensor(
    read: Interleaved, output: Callable[[int], BlockedTensor], name: str
) -> BlockedTensor:
    """The tensor whose pixels are those of several.

    Raises
    ------
    MappingError
        If phases have other images or channels, or pixels that do not take turns.
    """
    tensors = [[output(n) for n in row] for row in read.phases]
    first, rows, columns = tensors[0][0], len(tensors), len(tensors[0])
    try:
        height = sum(_pixels(row[0])[0] for row in tensors)
        width = sum(_pixels(tensor)[1] for tensor in tensors[0])
        whole = first.with_pixels(height, width)
    except ValueError as error:
        raise MappingError(f"{name}: {error}") from None
    for i, row in enumerate(tensors):
        for j, tensor in enumerate(row):
            wanted = (-(-(height - i) // rows), -(-(width - j) // columns))
            alike = tensor.order == first.order and all(
                tensor.count(x) == first.count(x) for x in first.order[:-2]
            )
            if not alike or tensor.channels != first.channels or _pixels(tensor) != wanted:
                raise MappingError(
                    f"{name}: {tensor.layer.name} gives {_text(tensor.shape)}, which does not take "
                    f"turns with the pixels of {first.layer.name}"
                )
    return whole


def _pixels(tensor: BlockedTensor) -> tuple[int, int]:
    """Positions of its last two ranks."""
    if len(tensor.order) < 2:
        raise ValueError(f"{tensor.tensor.name} has no rows and columns")
    rows, columns = tensor.order[-2:]
    return tensor.count(rows), tensor.count(columns)


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


def composed_of(reads) -> set[Composed]:
    """The tensors that several layers write, of which something is read."""
    inner = [read.source for read in reads if isinstance(read, Part)]
    found = {read for read in reads if isinstance(read, Composed)}
    return found | composed_of(inner) if inner else found


def check_composed(reads, name: Callable[[int], str]) -> None:
    """Raise MappingError if an output would have to lie in two places, or a phase is read alone."""
    members = [n for group in composed_of(reads) for n in layers_of(group)]
    for n in members:
        if members.count(n) > 1:
            raise MappingError(
                f"{name(n)}: its output is joined with others twice, and lies in one place only"
            )
    alone = {n for read in reads for n in _read_alone(read)}
    for group in composed_of(reads):
        sources = group.sources if isinstance(group, Joined) else (group,)
        for n in (n for one in sources if isinstance(one, Interleaved) for n in layers_of(one)):
            if n in alone:
                raise MappingError(
                    f"{name(n)}: its pixels lie between those of others, and cannot be read alone"
                )


def _read_alone(read) -> tuple[int, ...]:
    """The layer whose output by itself is read, or channels of it."""
    while isinstance(read, Part | Words):
        read = read.source
    return (read,) if isinstance(read, int) else ()
