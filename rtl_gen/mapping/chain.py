"""Chaining layers on chip: outputs stay in the activation memories until their last reader."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from ..reuse.machine import Machine
from ..spec.layer import Layer
from .addition import Addition
from .encode import AddedTensor
from .mapper import choose_mapping
from .mapping import Mapping, MappingError
from .operand import operand_tensor, zero_passes
from .output_engines import OutputEngines
from .pitches import rounded
from .placing import Place, PlacedOperand, Placing, whole_memory
from .program import LayerData, Program, Step, times
from .tensors import BlockedTensor

__all__ = ["ChainedLayer", "Operand", "chain_layers"]

MEMORIES = range(2)


@dataclass(frozen=True, eq=False)
class Operand:
    """An activation that a layer reads in the place of weights, from main memory.

    Parameters
    ----------
    source
        An array, or the number of the earlier layer whose output it is.
    along
        The dimension of the weights along which its channels lie.
    zero
        Its zero point; the layer's own quantization has that of the input.
    """

    source: int | np.ndarray
    along: str
    zero: int = 0


@dataclass(frozen=True, eq=False)
class ChainedLayer:
    """A layer at its place in a network.

    Parameters
    ----------
    layer, data
        What it computes.
    source
        Its input: an array, or the number of the earlier layer whose output it reads.
    residual
        What is added to its output: an array, or the number of an earlier layer; None: nothing.
    addition
        How it is added.
    stored
        Whether its output is written to main memory even if it stays on chip for a later layer.
    operand
        What it reads in the place of weights; its data then has none.
    """

    layer: Layer
    data: LayerData
    source: int | np.ndarray
    residual: int | np.ndarray | None = None
    addition: Addition | None = None
    stored: bool = False
    operand: Operand | None = None


def _check(machine: Machine, before: list[ChainedLayer], chained: ChainedLayer) -> None:
    """Raise MappingError unless what a layer reads is an array or comes from one before it."""
    name = chained.layer.name
    reads = [("source", chained.source), ("residual", chained.residual)]
    if chained.operand:
        reads.append(("operand", chained.operand.source))
    if (chained.data.weights is None) != (chained.operand is not None):
        raise MappingError(f"{name}: must have either weights or an operand in their place")
    for what, read in reads:
        if isinstance(read, int) and read not in range(len(before)):
            raise MappingError(f"{name}: its {what} must be a layer before it, not number {read}")
    if chained.residual is None:
        return
    if not machine.residual_checks:
        raise MappingError(
            f"{name}: adds a residual, which the design cannot; post.add: true is needed"
        )
    if chained.addition is None:
        raise MappingError(f"{name}: how its residual is added must be given")
    if isinstance(chained.residual, int):
        other = before[chained.residual].layer
        mine, its = (_output_of(machine, layer) for layer in (chained.layer, other))
        if not mine.lies_like(its):
            raise MappingError(
                f"{name}: its residual must be {mine.shape} like its output, not {its.shape} as "
                f"{other.name} gives"
            )


def _output_of(machine: Machine, layer: Layer) -> BlockedTensor:
    """The output of a layer, on any of the dataflows that run it."""
    mode = _modes(machine, layer)[0]
    return BlockedTensor(mode, layer, mode.operation.output)


def _modes(machine: Machine, layer: Layer) -> list[Machine]:
    """The dataflows of a design that compute a layer's operation."""
    name = machine.operation_of(layer).name
    return [one for one in machine.alone if one.operation.name == name]


class _DoesNotFit(Exception):
    """The output of an earlier layer takes a place that another tensor needs."""

    def __init__(self, number: int):
        self.number = number


def chain_layers(
    machine: Machine, layers: Iterable[ChainedLayer], *, store_all: bool = False
) -> Program:
    """A program that keeps on chip what later layers read, as far as the memories reach.

    An output is kept, from its layer to its last reader, in the memory that its layer does not
    read, or in the same. Where it finds no place there it goes through main memory, behind a
    fence; so does every output that no layer reads. Places are given first fit, layer by layer.

    Parameters
    ----------
    store_all
        Whether outputs that are kept are written to main memory as well.

    Raises
    ------
    MappingError
        If a layer does not fit the design, or reads what another does not write.
    """
    layers = list(layers)
    for n, layer in enumerate(layers):
        _check(machine, layers[:n], layer)
    spilled = _too_large(machine, layers)
    while True:
        try:
            return _Chain(machine, layers, spilled, store_all).program()
        except _DoesNotFit as error:
            spilled.add(error.number)


def _too_large(machine: Machine, layers: list[ChainedLayer]) -> set[int]:
    """Layers whose outputs would fit no memory even alone: no attempt need be made to keep them."""
    if not machine.reads_on_chip:
        return set()
    most = max(whole_memory(machine, memory).words for memory in MEMORIES)
    return {n for n, one in enumerate(layers) if _whole_words(machine, one.layer) > most}


def _whole_words(machine: Machine, layer: Layer) -> int:
    """Words of a whole output, the same whichever of the design's dataflows the layer takes."""
    reasons = []
    for one in _modes(machine, layer):
        try:
            return OutputEngines(Mapping(one, layer, placing=Placing(whole=True))).tile_words
        except MappingError as error:
            reasons.append(error)
    raise reasons[0]


class _Chain:
    """One attempt: ``spilled`` are the layers whose outputs go through main memory."""

    def __init__(self, machine, layers: list[ChainedLayer], spilled: set[int], store_all: bool):
        self.machine, self.layers = machine, layers
        self.spilled, self.store_all = spilled, store_all
        self.last_reader = {}
        for n, layer in enumerate(layers):
            for read in (layer.source, layer.residual):
                if isinstance(read, int):
                    self.last_reader[read] = n
        # What is read as weights comes from main memory.
        operands = [layer.operand.source for layer in layers if layer.operand]
        self.loaded_as_weights = {read for read in operands if isinstance(read, int)}
        self.result = Program()
        self.steps: list[Step] = []
        # By each layer, of what lies on chip: what it loads, by what loads it; and all else.
        self.loaded: list[dict[str, Place]] = []
        self.used: list[list[Place]] = []

    def program(self) -> Program:
        for n in range(len(self.layers)):
            self._add(n)
        return self.result

    def _kept(self, n: int) -> bool:
        """Whether the output of a layer stays on chip."""
        return self.machine.reads_on_chip and n in self.last_reader and n not in self.spilled

    def _stored(self, n: int) -> bool:
        """Whether the output of a layer is written to main memory."""
        asked = self.store_all or self.layers[n].stored or n in self.loaded_as_weights
        return asked or not self._kept(n)

    def _on_chip(self, read) -> bool:
        return isinstance(read, int) and self._kept(read)

    def _live(self, n: int) -> list[Place]:
        """Places of outputs that this layer or a later one reads."""
        return [
            self.steps[k].output_place
            for k, last in self.last_reader.items()
            if k < n <= last and self._kept(k)
        ]

    def _add(self, n: int) -> None:
        chained, taken = self.layers[n], self._live(n)
        source = self.steps[chained.source].resident if self._on_chip(chained.source) else None
        whole = self._kept(n) or self._on_chip(chained.residual)
        read_from = source.place.memory if source else 0
        output_place = self._output_place(n, chained.layer, whole, 1 - read_from, taken)
        taken.append(output_place)
        added = self._added(n, taken, output_place.words if whole else 0)
        if added:
            taken.append(added.place)
        input_place = None
        if source is None:
            input_place = self._largest(n, taken, 1 - output_place.memory)
            taken.append(input_place)
        loads = added is not None and added.address is not None
        # Not a word more, so that tensors of one shape lie alike, and a residual as its output.
        own_words = _whole_words(self.machine, chained.layer) if whole else output_place.words
        tile_words = min(own_words, added.place.words if loads else own_words)
        layer, operand = self._operand(chained)
        placing = Placing(
            operand=operand,
            source=source,
            whole=whole,
            stored=self._stored(n),
            adds=loads,
            free_input=not isinstance(chained.source, int) and operand is None,
            input_words=input_place.words if input_place else None,
            output_words=tile_words,
        )
        mapping = self._mapping(n, layer, placing)
        if added and added.address is None:
            # The words of both are walked together.
            result, other = OutputEngines(mapping), self.steps[chained.residual].resident
            written, ranks = other.pitches_for(result.tensor), result.tensor.order
            walked = [name for name in ranks if result.tensor.count(name) > 1]
            if written is None or any(written[name] != result.pitches[name] for name in walked):
                raise _DoesNotFit(chained.residual)
        read = self.steps[chained.source] if isinstance(chained.source, int) else chained.source
        step = self.result.add(
            mapping,
            chained.data,
            source=read,
            after=self._after(n, "input", input_place) if input_place else 0,
            stored=self._stored(n),
            input_place=input_place,
            output_place=output_place,
            added=added,
        )
        self.steps.append(step)
        loaded = {"input": input_place} if input_place else {}
        others = [output_place] + ([source.place] if source else [])
        if added and added.address is None:
            others.append(added.place)
        elif added:
            loaded["residual"] = added.place
        self.loaded.append(loaded)
        self.used.append(others)

    def _operand(self, chained: ChainedLayer) -> tuple[Layer, PlacedOperand | None]:
        """What a layer reads as weights, and the layer with the taps that its zero points ask for.

        All are placed before any layer is mapped anew, so a second attempt finds them alike.
        """
        layer, read = chained.layer, chained.operand
        if read is None:
            return layer, None
        machine = _modes(self.machine, layer)[0]
        tensor = operand_tensor(machine, layer, read.along)
        if isinstance(read.source, int):
            step, after = self.steps[read.source], read.source + 1
            if not tensor.lies_like(step.output.tensor):
                raise MappingError(
                    f"{layer.name}: its operand must be {times(tensor.shape)}, not "
                    f"{times(step.output.tensor.shape)} as {step.mapping.layer.name} gives"
                )
            address = step.output_address
        else:
            address, after = self.result.place_array(tensor, read.source), 0
        passes = zero_passes(machine.operation, layer, layer.quantization.input_zero, read.zero)
        strides = {rank.name: tensor.strides[rank.name] for rank in tensor.tensor.ranks}
        if passes.constant:
            tap, value = passes.constant
            apart = self.result.place_constant(
                tensor.bytes, value, after=address, times=passes.layer.sizes[tap] - 1
            )
            strides[tap] = apart // machine.block
        return passes.layer, PlacedOperand(address, read.along, strides, after)

    def _mapping(self, n: int, layer: Layer, placing: Placing) -> Mapping:
        try:
            return choose_mapping(self.machine, layer, placing)
        except MappingError:
            # The layer may fit if it need not be whole, or finds more room.
            if placing.whole and self._kept(n):
                raise _DoesNotFit(n) from None
            self._spill(n)
            raise

    def _spill(self, n: int) -> None:
        """Ask for another attempt without one of the outputs on chip, if there is one."""
        live = [k for k, last in self.last_reader.items() if k < n <= last and self._kept(k)]
        if live:
            raise _DoesNotFit(live[0])

    def _output_place(self, n, layer, whole, memory, taken) -> Place:
        """Where the output lies: all of it, or its tiles."""
        if not whole:
            place = self._largest(n, taken, memory)
            # Beside its tiles lie those of a residual that is loaded.
            shared = self.layers[n].residual is not None
            half = self._in_banks(place.words // 2)
            return Place(place.memory, place.first, half) if shared else place
        words = rounded(_whole_words(self.machine, layer), self.machine.banks)
        for at in (memory, 1 - memory):
            for free in self._free(at, taken):
                if free.words >= words:
                    return Place(at, free.first, words)
        if self._kept(n):
            raise _DoesNotFit(n)
        raise _DoesNotFit(self.layers[n].residual)

    def _added(self, n: int, taken: list[Place], words: int) -> AddedTensor | None:
        """The residual of a layer; ``words``: of a tile, if that is known."""
        chained = self.layers[n]
        if chained.residual is None:
            return None
        if self._on_chip(chained.residual):
            place = self.steps[chained.residual].output_place
            return AddedTensor(chained.addition, place)
        place = self._largest(n, taken, 1, words)
        tensor = _output_of(self.machine, chained.layer)
        after = self._after(n, "residual", place)
        if isinstance(chained.residual, int):
            after = max(after, chained.residual + 1)
            address = self.steps[chained.residual].output_address
        else:
            address = self.result.place_array(tensor, chained.residual)
        return AddedTensor(chained.addition, place, address, after)

    def _after(self, n: int, kind: str, place: Place) -> int:
        """Layers that must be complete before a load may write over what they use.

        What the same engine loaded for them does not count: a region moves only once it is empty.
        """
        for k in reversed(range(n)):
            others = [p for name, p in self.loaded[k].items() if name != kind]
            if any(place.overlaps(p) for p in (*self.used[k], *others)):
                return k + 1
        return 0

    def _free(self, memory: int, taken: list[Place]) -> list[Place]:
        """What is free of a memory, in ascending order."""
        found, first = [], 0
        whole = whole_memory(self.machine, memory).words
        for place in sorted((p for p in taken if p.memory == memory), key=lambda p: p.first):
            if place.first > first:
                found.append(Place(memory, first, place.first - first))
            first = max(first, place.first + place.words)
        if first < whole:
            found.append(Place(memory, first, whole - first))
        return found

    def _in_banks(self, words: int) -> int:
        """So many of some words that a region of them ends with the last bank."""
        return words - words % self.machine.banks

    def _largest(self, n: int, taken: list[Place], memory: int, words: int = 0) -> Place:
        """The largest free part of a memory, or of the other if less is left than needed."""
        for at in (memory, 1 - memory):
            free = [replace(p, words=self._in_banks(p.words)) for p in self._free(at, taken)]
            if free and max(p.words for p in free) >= max(words, self.machine.burst_words):
                return max(free, key=lambda place: place.words)
        if self._kept(n):
            raise _DoesNotFit(n)
        self._spill(n)
        raise MappingError(
            f"{self.layers[n].layer.name}: the activation memories are full: its tiles need "
            f"{max(words, self.machine.burst_words)} words side by side; larger buffers.input and "
            f"buffers.output are needed"
        )
