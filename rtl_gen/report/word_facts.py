"""How words of the buffers become steps: words a step, steps a word, and the rate they allow."""

from dataclasses import dataclass, replace
from fractions import Fraction

from ..reuse import HeldOperand
from ..reuse.machine import Machine
from ..spec.dataflow import AXES
from ..spec.operation import Operation, Tensor

__all__ = [
    "BlockPieces",
    "BufferFacts",
    "HeldWords",
    "StreamWords",
    "block_pieces",
    "buffer_facts",
    "operand_words",
    "output_words",
]


@dataclass(frozen=True, kw_only=True)
class StreamWords:
    """Words of a streamed operand, or of outputs.

    Parameters
    ----------
    words
        Words that the elements of a step lie in.
    steps
        Steps for which these words serve, where the layer has so many channels.
    along
        The inner loop that walks within a word; None: it leads to another word.
    at_once
        Words that are read (or written) in a cycle.
    """

    words: int
    steps: int
    along: str | None
    at_once: int = 1

    @property
    def per_step(self) -> Fraction:
        """Words that change in a step."""
        return Fraction(self.words, self.steps)

    @property
    def steps_per_cycle(self) -> Fraction:
        """Steps that the words read (or written) in a cycle allow."""
        return min(Fraction(1), self.at_once / self.per_step)


@dataclass(frozen=True, kw_only=True)
class HeldWords:
    """Words of a stationary operand.

    Parameters
    ----------
    words
        Words that are read to load all PEs.
    ticks
        Load ticks; a load takes the larger of the two in cycles.
    hidden_by
        Innermost loops that use what is held: their trips are the steps behind which a load hides.
    several
        Whether a PE holds several words, as the loops in the PE have trips; then words and ticks
        are the most there are.
    """

    words: int
    ticks: int
    hidden_by: tuple[str, ...]
    several: bool = False

    @property
    def cycles(self) -> int:
        return max(self.words, self.ticks)


@dataclass(frozen=True, kw_only=True)
class BlockPieces:
    """How the array takes a block whose channels it cannot take in equal pieces.

    A block is cut into pieces of what the array takes at once, and none straddles two words; so
    the last piece of every block leaves PEs idle.

    Parameters
    ----------
    dimension
        Along which the words of the tensor lie.
    block
        Channels of a word.
    at_once
        Channels that the array takes at once.
    on
        What each of these takes: ``rows``, ``columns``, or ``PEs along c`` where the dimension
        shares an axis with another, or lies on both.
    """

    dimension: str
    block: int
    at_once: int
    on: str

    @property
    def steps(self) -> int:
        """Pieces of a block."""
        return -(-self.block // self.at_once)

    @property
    def last(self) -> int:
        """Channels of the last piece."""
        return self.block - (self.steps - 1) * self.at_once

    @property
    def use(self) -> Fraction:
        """What part of the rows (columns, PEs along it) works while whole blocks are taken."""
        return Fraction(self.block, self.steps * self.at_once)


@dataclass(frozen=True, kw_only=True)
class BufferFacts:
    """A memory of the accelerator.

    Parameters
    ----------
    banks
        Memories of which it is made, by the lowest bits of a word's address.
    """

    name: str
    words: int
    bits: int
    holds: str
    banks: int = 1


def operand_words(machine: Machine, name: str) -> StreamWords | HeldWords:
    """Words of an operand."""
    operand = machine.reuse.operand(name)
    is_input = name == machine.operation.activation.name
    if isinstance(operand, HeldOperand):
        ticks = machine.load_ticks(operand) * operand.depth
        words = ticks * machine.input_words
        if not is_input:
            words = -(-ticks // machine.weight_vectors) * machine.weight_words
        several = operand.depth > 1
        reusing = _reusing(machine, name)
        return HeldWords(words=words, ticks=ticks, hidden_by=reusing, several=several)
    if not is_input:
        vectors = machine.weight_vectors
        along = machine.reuse.placement.tick(machine.operation.weight) if vectors > 1 else None
        return StreamWords(words=machine.weight_words, steps=vectors, along=along)
    words = _walked(machine, machine.operation.activation, machine.input_words)
    return replace(words, at_once=machine.input_reads)


def output_words(machine: Machine) -> StreamWords:
    """Words that the outputs of a step, or of a drain tick, lie in."""
    output = machine.operation.output
    walked = [d for d in machine.design.dataflow.temporal if d in output.dimensions]
    blocked = machine.blocked_dimension(output)
    if machine.drains and machine.gathers and walked[-1:] == [blocked]:
        drains = -(-machine.block // machine.spatial_size(blocked))
        return StreamWords(words=machine.output_words, steps=drains, along=blocked)
    return _walked(machine, machine.operation.output, machine.output_words)


def block_pieces(machine: Machine, tensor: Tensor) -> BlockPieces | None:
    """How the blocks of the input or the output are cut; None if into equal pieces."""
    dimension = machine.blocked_dimension(tensor)
    at_once = machine.spatial_size(dimension)
    if machine.block % at_once == 0 or at_once > machine.block:
        return None
    axes = {x.axis for x in machine.design.dataflow.spatial if x.dimension == dimension}
    axis = axes.pop()
    alone = not axes and at_once == machine.design.shape[axis]
    on = AXES[axis] if alone else f"PEs along {dimension}"
    return BlockPieces(dimension=dimension, block=machine.block, at_once=at_once, on=on)


def _walked(machine: Machine, tensor, words: int) -> StreamWords:
    """A word serves several steps where its innermost loop runs along words, piece by piece."""
    steps, along = machine.steps_in_word(tensor), machine.reuse.placement.tick(tensor)
    return StreamWords(words=words, steps=steps, along=along if steps > 1 else None)


def _reusing(machine: Machine, name: str) -> tuple[str, ...]:
    """The innermost loops that do not index a tensor."""
    dimensions, found = machine.operation.tensor(name).dimensions, []
    for dimension in reversed(machine.design.dataflow.temporal):
        if dimension in dimensions:
            break
        found.append(dimension)
    return tuple(reversed(found))


def buffer_facts(machine: Machine) -> tuple[BufferFacts, ...]:
    """The memories, largest idea first: operands, parameters, outputs, sums."""
    operation, bits = machine.operation, 8 * machine.block
    names = {
        "input": _blocks(machine, operation.activation),
        "weights": f"{_offline(operation)}, in the order of use",
        "parameters": "biases, multipliers and shifts",
        "output": _blocks(machine, operation.output),
    }
    found = []
    for name, holds in names.items():
        if (idiom := machine.idiom(name)) != "buffet":
            holds += f" ({idiom})"
        found.append(
            BufferFacts(
                name=name,
                words=machine.buffer_words(name),
                bits=bits,
                holds=holds,
                banks=machine.banks if name in ("input", "output") else 1,
            )
        )
    if machine.image_words:
        found.append(
            BufferFacts(
                name="image",
                words=machine.image_words,
                bits=bits,
                holds="rows of a packed image, twice",
            )
        )
    if machine.accumulators:
        wide = machine.sum_bits * machine.sums_together
        found.append(
            BufferFacts(
                name="accumulators",
                words=machine.accumulators,
                bits=wide,
                holds=f"sums of {machine.sum_bits} bits, one behind each exit",
            )
        )
    return tuple(found)


def _offline(operation: Operation) -> str:
    """The operands that come from the weight buffer."""
    *most, last = (tensor.name for tensor in operation.offline)
    return f"{', '.join(most)} and {last} side by side" if most else last


def _blocks(machine: Machine, tensor: Tensor) -> str:
    along = machine.blocked_dimension(tensor)
    return f"{tensor.name}, {machine.block} elements along {along} a word"
