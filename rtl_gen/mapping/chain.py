"""Chaining layers on chip: outputs stay in the activation memories until their last reader."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from ..reuse.machine import Machine
from ..spec.layer import Layer
from .chained import (
    ChainedLayer,
    Operand,
    check_layer,
    modes_of,
    output_of,
    reads_of,
)
from .encode import AddedTensor
from .mapper import choose_mapping
from .mapping import Mapping, MappingError
from .operand import operand_tensor, zero_passes
from .output_engines import OutputEngines
from .pitches import rounded
from .placing import Place, PlacedOperand, Placing, Resident, whole_memory
from .program import Program, Step, Stored, times
from .reasons import of_all_layers
from .sources import (
    Composed,
    Interleaved,
    Joined,
    Location,
    Part,
    Source,
    Words,
    check_composed,
    composed_of,
    layers_of,
    locate,
    place_within,
)

__all__ = ["ChainedLayer", "Interleaved", "Joined", "Operand", "Part", "chain_layers"]

MEMORIES = range(2)


class _DoesNotFit(Exception):
    """The output of an earlier layer takes a place that another tensor needs."""

    def __init__(self, number: int):
        self.number = number


def chain_layers(
    machine: Machine,
    layers: Iterable[ChainedLayer],
    *,
    store_all: bool = False,
    given: Sequence[Source] = (),
) -> Program:
    """A program that keeps on chip what later layers read, as far as the memories reach.

    An output is kept, from its layer to its last reader, in the memory that its layer does not
    read, or in the same. Where it finds no place there it goes through main memory, behind a
    fence; so does every output that no layer reads. Places are given first fit, layer by layer.

    Parameters
    ----------
    store_all
        Whether outputs that are kept are written to main memory as well.
    given
        What leaves the network, as far as several layers write it.

    Raises
    ------
    MappingError
        If layers do not fit the design (all such are named), or one reads what another does not
        write.
    """
    layers = list(layers)
    for n, layer in enumerate(layers):
        check_layer(machine, layers[:n], layer)
    check_composed(
        [*(read for one in layers for read in reads_of(one)), *given],
        lambda n: layers[n].layer.name,
    )
    spilled = _too_large(machine, layers)
    while True:
        try:
            return _Chain(machine, layers, spilled, store_all, given).program()
        except _DoesNotFit as error:
            spilled.add(error.number)
        except MappingError as error:
            raise of_all_layers(machine, layers, error) from None


def _too_large(machine: Machine, layers: list[ChainedLayer]) -> set[int]:
    """Layers whose outputs would fit no memory even alone: no attempt need be made to keep them."""
    if not machine.reads_on_chip:
        return set()
    most = max(whole_memory(machine, memory).words for memory in MEMORIES)
    return {n for n, one in enumerate(layers) if _whole_words(machine, one.layer) > most}


def _whole_words(machine: Machine, layer: Layer) -> int:
    """Words of a whole output, the same whichever of the design's dataflows the layer takes."""
    reasons = []
    for one in modes_of(machine, layer):
        try:
            return OutputEngines(Mapping(one, layer, placing=Placing(whole=True))).tile_words
        except MappingError as error:
            reasons.append(error)
    raise reasons[0]


class _Chain:
    """One attempt: ``spilled`` are the layers whose outputs go through main memory."""

    def __init__(self, machine, layers: list[ChainedLayer], spilled: set[int], store_all, given):
        self.machine, self.layers = machine, layers
        self.spilled, self.store_all = spilled, store_all
        self.last_reader = {}
        for n, layer in enumerate(layers):
            for read in (layer.source, layer.residual):
                self.last_reader |= dict.fromkeys(layers_of(read), n)
        # What is read as weights comes from main memory.
        operands = [layer.operand.source for layer in layers if layer.operand]
        self.loaded_as_weights = {n for read in operands for n in layers_of(read)}
        # So does what lies beside others; the first of these to run has memory for all.
        composed = composed_of([*(read for layer in layers for read in reads_of(layer)), *given])
        self.composed = {n: group for group in composed for n in layers_of(group)}
        self.composed_at: dict[Composed, int] = {}
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
        read = n in self.last_reader and n not in self.composed
        return self.machine.reads_on_chip and read and n not in self.spilled

    def _stored(self, n: int) -> bool:
        """Whether the output of a layer is written to main memory."""
        asked = self.store_all or self.layers[n].stored or n in self.loaded_as_weights
        return asked or not self._kept(n)

    def _on_chip(self, read) -> bool:
        return bool(layers_of(read)) and all(map(self._kept, layers_of(read)))

    def _view(self, n: int, read: Source) -> Location:
        return locate(read, lambda k: self.steps[k].output.tensor, self.layers[n].layer.name)

    def _stored_at(self, n: int, read) -> "Stored | np.ndarray":
        """Where what a layer reads lies in main memory; an array as it is."""
        if not layers_of(read):
            return read
        seen = self._view(n, read)
        step, block = self.steps[seen.number], self.machine.block
        address = (step.output_address or 0) + seen.offset * block
        after = max(layers_of(read)) + 1
        return Stored(address, seen.tensor, after, step.mapping.layer.name)

    def _resident(self, n: int, read) -> Resident:
        """Where what a layer reads lies on chip."""
        seen = self._view(n, read)
        whole = self.steps[seen.number].resident
        if seen.tensor is whole.tensor:
            return whole
        if isinstance(read, Words):
            strides = whole.tensor.strides
            apart = [name for name, step in strides.items() if whole.pitches[name] != step]
            if any(whole.tensor.count(name) > 1 for name in apart):
                raise _DoesNotFit(seen.number)  # its words do not follow each other
            return Resident(whole.place, seen.tensor, seen.tensor.strides)
        ranks, tensor = whole.tensor.order, whole.tensor
        groups = [x for x in ranks[: ranks.index(tensor.tensor.blocked)] if x not in tensor.images]
        pitch = words = whole.pitches[tensor.tensor.blocked]
        for name in (tensor.tensor.blocked, *reversed(groups)):
            if tensor.count(name) > 1 and whole.pitches[name] != words:
                raise _DoesNotFit(seen.number)  # blocks of groups do not follow each other
            words = pitch * tensor.count(name) if name == tensor.tensor.blocked else words
        place = whole.place
        at = seen.blocks * pitch
        return Resident(
            Place(place.memory, place.first + at, place.words - at), seen.tensor, whole.pitches
        )

    def _composed_address(self, n: int) -> tuple[int | None, dict]:
        """Where the output of a layer is stored beside others, and how it lies there."""
        group = self.composed.get(n)
        if group is None:
            return None, {}
        name = self.layers[n].layer.name
        tensors = {k: output_of(self.machine, self.layers[k].layer) for k in layers_of(group)}
        whole = locate(group, tensors.__getitem__, name).tensor
        if group not in self.composed_at:
            self.composed_at[group] = self.result.allocate(whole.bytes)
        image = whole.strides[whole.images[-1]] if whole.images else 0
        words, spread = place_within(group, n, tensors.__getitem__, name)
        lies = {"output_images": image, "output_spread": spread}
        return self.composed_at[group] + words * self.machine.block, lies

    def _live(self, n: int) -> list[Place]:
        """Places of outputs that this layer or a later one reads."""
        return [
            self.steps[k].output_place
            for k, last in self.last_reader.items()
            if k < n <= last and self._kept(k)
        ]

    def _add(self, n: int) -> None:
        chained, taken = self.layers[n], self._live(n)
        on_chip = self._on_chip(chained.source)
        source = self._resident(n, chained.source) if on_chip else None
        read = self._stored_at(n, chained.source)
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
        layer, operand = self._operand(n, chained)
        address, lies = self._composed_address(n)
        placing = Placing(
            operand=operand,
            source=source,
            whole=whole,
            stored=self._stored(n),
            adds=loads,
            free_input=not layers_of(chained.source) and operand is None,
            input_images=0 if source else getattr(read, "images", 0),
            residual_images=added.images if added else 0,
            input_words=input_place.words if input_place else None,
            output_words=tile_words,
            **lies,
        )
        mapping = self._mapping(n, layer, placing)
        if added and added.address is None:
            # The words of both are walked together.
            result, other = OutputEngines(mapping), self._resident(n, chained.residual)
            written, ranks = other.pitches_for(result.tensor), result.tensor.order
            walked = [name for name in ranks if result.tensor.count(name) > 1]
            if written is None or any(written[name] != result.pitches[name] for name in walked):
                raise _DoesNotFit(layers_of(chained.residual)[0])
        step = self.result.add(
            mapping,
            chained.data,
            source=read,
            after=self._after(n, "input", input_place) if input_place else 0,
            stored=self._stored(n),
            output_address=address,
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

    def _operand(self, n: int, chained: ChainedLayer) -> tuple[Layer, PlacedOperand | None]:
        """What a layer reads as weights, and the layer with the taps that its zero points need."""
        layer, read = chained.layer, chained.operand
        if read is None:
            return layer, None
        machine = modes_of(self.machine, layer)[0]
        tensor = operand_tensor(machine, layer, read.along)
        stored, after = self._stored_at(n, read.source), 0
        if isinstance(stored, Stored):
            if not tensor.lies_like(stored.tensor):
                raise MappingError(
                    f"{layer.name}: its operand must be {times(tensor.shape)}, not "
                    f"{times(stored.tensor.shape)} as {stored.name} gives"
                )
            tensor = replace(tensor, image_words=stored.images)
            address, after = stored.address, stored.after
        else:
            address = self.result.place_array(tensor, stored)
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
        raise _DoesNotFit(layers_of(self.layers[n].residual)[0])

    def _added(self, n: int, taken: list[Place], words: int) -> AddedTensor | None:
        """The residual of a layer; ``words``: of a tile, if that is known."""
        chained = self.layers[n]
        if chained.residual is None:
            return None
        if self._on_chip(chained.residual):
            return AddedTensor(chained.addition, self._resident(n, chained.residual).place)
        place = self._largest(n, taken, 1, words)
        tensor = output_of(self.machine, chained.layer)
        after = self._after(n, "residual", place)
        stored = self._stored_at(n, chained.residual)
        if isinstance(stored, Stored):
            after, images = max(after, stored.after), stored.images
            return AddedTensor(chained.addition, place, stored.address, after, images)
        address = self.result.place_array(tensor, stored)
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
