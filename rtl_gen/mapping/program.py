"""A program: what the host writes for each layer, and what lies in memory."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..isa.descriptors import PROGRAM_ORDER
from ..isa.packets import program_image
from ..isa.vector import TABLE_ENTRIES
from .encode import AddedTensor, encode_layer
from .images import (
    Weights,
    channel_dimensions,
    fold_input_zero,
    offline_arrays,
    parameter_image,
    weight_image,
)
from .input_engines import InputEngines
from .linear_engines import parameter_engines, weight_engines
from .mapping import Mapping, MappingError
from .nest import product
from .output_engines import OutputEngines
from .placing import Place, Resident
from .tensors import BlockedTensor
from .vector_mapping import VectorMapping

__all__ = ["RANGES", "LayerData", "PlacedArray", "Program", "Step", "Stored", "VectorData", "times"]


RANGES = {
    "input": (-128, 127),
    "weights": (-128, 127),
    "bias": (-(1 << 31), (1 << 31) - 1),
    "multiplier": (0, (1 << 31) - 1),
    "shift": (-31, 30),
    "table": (-(1 << 31), (1 << 31) - 1),
    "signed multiplier": (1 - (1 << 31), (1 << 31) - 1),
}
"""Of the numbers of a layer."""


def _check_range(name: str, values, kind: str = "") -> None:
    """Raise ValueError unless an array holds integers that its place has bits for."""
    array, (low, high) = np.asarray(values), RANGES[kind or name]
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name} must be integers, not {array.dtype}")
    if array.size and not low <= int(array.min()) <= int(array.max()) <= high:
        raise ValueError(
            f"{name} must be {low}..{high}, not {int(array.min())}..{int(array.max())}"
        )


@dataclass(frozen=True, eq=False)
class LayerData:
    """The numbers of a layer.

    Parameters
    ----------
    weights
        int8, of the shape of the operation's weight operand (conv2d: g r s c k); of several
        operands that are laid out offline an array each. None: an earlier layer gives them.
    bias, multiplier, shift
        Per output channel: int32; 0 to 2^31 - 1; -31 to 30.

    Raises
    ------
    ValueError
        If one holds other numbers.
    """

    weights: Weights | None
    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray

    def __post_init__(self):
        arrays = self.weights if isinstance(self.weights, tuple) else (self.weights,)
        for array in arrays if self.weights is not None else ():
            _check_range("weights", array)
        for name in ("bias", "multiplier", "shift"):
            _check_range(name, getattr(self, name))


@dataclass(frozen=True, eq=False)
class VectorData(LayerData):
    """The numbers of a layer of the vector unit.

    Parameters
    ----------
    weights
        int32 (256,): its table; empty where it has none.
    bias, multiplier, shift
        Per channel; multipliers may be negative.

    Raises
    ------
    ValueError
        If one holds other numbers.
    """

    weights: np.ndarray

    def __post_init__(self):
        if np.size(self.weights) not in (0, TABLE_ENTRIES):
            raise ValueError(f"a table has 256 entries, not {np.size(self.weights)}")
        _check_range("table", self.weights)
        _check_range("bias", self.bias)
        _check_range("multiplier", self.multiplier, "signed multiplier")
        _check_range("shift", self.shift)


@dataclass(frozen=True, eq=False)
class Step:
    """A mapped layer at its place in a program.

    Parameters
    ----------
    mapping, data
        How it runs, on what numbers.
    input_address, output_address, weight_address, parameter_address
        Byte addresses, multiples of 4096 where the program chose them; None of an input that is on
        chip, and of an output that stays there.
    after
        How many layers of the program must be complete before its input is loaded or read.
    input_place, output_place
        Where its tiles, or its whole output, lie on chip; None: in memories of their own.
    added
        A residual that is added to its output.
    """

    mapping: Mapping
    data: LayerData
    input_address: int | None
    output_address: int | None
    weight_address: int
    parameter_address: int
    after: int
    input_place: Place | None = None
    output_place: Place | None = None
    added: AddedTensor | None = None

    @property
    def resident(self) -> Resident:
        """Its output, whole on chip."""
        return Resident(self.output_place, self.output.tensor, self.output.pitches)

    @cached_property
    def output(self) -> OutputEngines:
        return OutputEngines(self.mapping)

    @cached_property
    def images(self) -> dict[int, bytes]:
        """Weights and parameters, by address."""
        data = self.data
        if self.mapping.placing.operand:
            image = parameter_image(self.mapping, data.bias, data.multiplier, data.shift)
            return {self.parameter_address: image}
        if isinstance(data, VectorData):
            parameters = (data.bias, data.multiplier, data.shift)
            return {
                self.weight_address: np.asarray(data.weights, "<i4").tobytes(),
                self.parameter_address: parameter_image(self.mapping, *parameters),
            }
        bias = fold_input_zero(self.mapping, data.weights, data.bias)
        return {
            self.weight_address: weight_image(self.mapping, data.weights),
            self.parameter_address: parameter_image(
                self.mapping, bias, data.multiplier, data.shift
            ),
        }

    def descriptors(self, *, last: bool) -> dict[str, list[int]]:
        """The words for each engine's queue, header first.

        Raises
        ------
        MappingError
            If a tile does not fit a buffer, or a number its field.
        """
        return encode_layer(
            self.mapping,
            input_address=self.input_address or 0,
            output_address=self.output_address,
            weight_address=self.weight_address,
            parameter_address=self.parameter_address,
            after=self.after,
            last=last,
            input_place=self.input_place,
            output_place=self.output_place,
            added=self.added,
        )


@dataclass(frozen=True, eq=False)
class Stored:
    """What earlier layers left in main memory.

    Parameters
    ----------
    address
        Of its first byte.
    tensor
        How it lies.
    after
        How many layers must be complete before it is there.
    name
        Of a layer that gives it, for messages.
    """

    address: int
    tensor: BlockedTensor
    after: int
    name: str

    @property
    def images(self) -> int:
        """Words from one image to the next, where it is a part of another tensor; else 0."""
        return self.tensor.image_words


ALIGNMENT = 4096


@dataclass(frozen=True, eq=False)
class PlacedArray:
    """An array that lies in memory, and how any other of its shape is laid out there."""

    array: np.ndarray
    pack: Callable[[np.ndarray], bytes]


@dataclass(eq=False)
class Program:
    """Layers in the order in which they run, and where everything lies in memory.

    Memory is given out from ``base`` upwards; an output read by a later layer is not moved.
    ``inputs`` are bytes that lie there before it runs, ``placed`` those of them that are arrays
    which the host gave, both by address.
    """

    base: int = 0x1000
    steps: list[Step] = field(default_factory=list)
    inputs: dict[int, bytes] = field(default_factory=dict)
    placed: dict[int, "PlacedArray"] = field(default_factory=dict)

    def __post_init__(self):
        self.end = self.base

    def allocate(self, size: int) -> int:
        address = self.end
        self.end += -(-size // ALIGNMENT) * ALIGNMENT
        return address

    def add(
        self,
        mapping: Mapping,
        data: LayerData,
        *,
        source: "Step | Stored | np.ndarray",
        after: int = 0,
        stored: bool = True,
        output_address: int | None = None,
        input_place: Place | None = None,
        output_place: Place | None = None,
        added: AddedTensor | None = None,
    ) -> Step:
        """Append a layer that reads an array, or the output of an earlier step.

        Parameters
        ----------
        after
            How many layers must be complete before its input is loaded, though it does not depend
            on them: what is loaded would lie over something of theirs.
        stored
            Whether the output is written to memory; else it stays on chip only.
        output_address
            Where, if that is given out already.
        input_place, output_place, added
            See :class:`Step`.

        Raises
        ------
        MappingError
            If the weights, or what the layer reads, have another shape than the layer, or there is
            not one bias, multiplier and shift for each output channel.
        ValueError
            If the array holds other numbers than int8 does.
        """
        engines, address, image = InputEngines(mapping), None, mapping.placing.image
        layer = image.layer if image else mapping.layer
        operation = mapping.machine.operation
        if isinstance(data, VectorData) != isinstance(mapping, VectorMapping):
            raise MappingError(f"{layer.name}: its numbers are not those of {layer.operation}")
        given = isinstance(data, VectorData) or mapping.placing.operand
        offline = () if given else operation.offline
        for tensor, array in zip(offline, offline_arrays(operation, data.weights)):
            weights = BlockedTensor(mapping.machine, layer, tensor)
            _check_shape(weights, "weights", array)
        _check_channels(mapping, data)
        if image:
            address, data = self._place(image.tensor, image.pack, source), image.fold(data)
        elif isinstance(source, Step | Stored):
            if isinstance(source, Step):
                source = self._stored(source)
            _check_chain(source, mapping.layer.name, engines.tensor)
            address, after = source.address, max(after, source.after)
        else:
            address = self.place_array(engines.tensor, source)
        block = mapping.machine.block
        if stored and output_address is None:
            output_address = self.allocate(OutputEngines(mapping).tensor.bytes)
        step = Step(
            mapping,
            data,
            address,
            output_address if stored else None,
            self.allocate(weight_engines(mapping).image_words * block),
            self.allocate(parameter_engines(mapping).image_words * block),
            after,
            input_place,
            output_place,
            added,
        )
        self.steps.append(step)
        return step

    def _stored(self, step: Step) -> Stored:
        after, name = self.steps.index(step) + 1, step.mapping.layer.name
        return Stored(step.output_address, step.output.tensor, after, name)

    def place_array(self, tensor: BlockedTensor, array: np.ndarray) -> int:
        """Put an array into memory, where a layer reads it; returns its address.

        Raises
        ------
        MappingError
            If it has another shape than the tensor.
        ValueError
            If it holds other numbers than int8 does.
        """
        return self._place(tensor, tensor.pack, array)

    def place_constant(self, size: int, value: int, *, after: int, times: int = 1) -> int:
        """Put so many bytes of one value into memory, ``times`` over.

        The first lie as far behind the address ``after`` as each of the others behind the one
        before it; returns that distance.
        """
        apart = self.end - after
        first = self.allocate(apart * (times - 1) + size)
        for n in range(times):
            self.inputs[first + n * apart] = np.full(size, value, np.int8).tobytes()
        return apart

    def _place(self, tensor: BlockedTensor, pack: Callable, array: np.ndarray) -> int:
        _check_shape(tensor, "input", array)
        _check_range("input", array)
        packed = pack(array)
        address = self.allocate(len(packed))
        self.inputs[address] = packed
        self.placed[address] = PlacedArray(array, pack)
        return address

    def images(self) -> dict[int, bytes]:
        """All that lies in memory before the program runs, by address."""
        found = dict(self.inputs)
        for step in self.steps:
            found |= step.images
        return found

    def descriptors(self) -> list[dict[str, list[int]]]:
        """For each layer the words of each engine; the last layer asks for the interrupt."""
        return [
            step.descriptors(last=n == len(self.steps) - 1) for n, step in enumerate(self.steps)
        ]

    @property
    def descriptor_address(self) -> int:
        """Where :meth:`descriptor_image` may lie: behind all else, as long as no step is added."""
        return self.end

    def descriptor_image(self) -> bytes:
        """What the accelerator fetches where the host pushes no descriptors, layer by layer."""
        layers = self.descriptors()
        return program_image(
            layer[engine] for layer in layers for engine in PROGRAM_ORDER if engine in layer
        )


def _check_shape(tensor: BlockedTensor, name: str, array: np.ndarray):
    """Raise MappingError unless an array has the shape of a tensor of a layer."""
    if np.shape(array) != tensor.shape:
        raise MappingError(
            f"{tensor.layer.name}: {name} must be {times(tensor.shape)}, not "
            f"{times(np.shape(array))}"
        )


def _check_channels(mapping: Mapping, data: LayerData):
    """Raise MappingError unless there is a parameter of each kind for each output channel."""
    count = product(mapping.layer.sizes[d] for d in channel_dimensions(mapping))
    for name in ("bias", "multiplier", "shift"):
        if np.size(getattr(data, name)) != count:
            raise MappingError(
                f"{mapping.layer.name}: {name} must be {count} numbers, one for each output "
                f"channel, not {np.size(getattr(data, name))}"
            )


def _check_chain(source: Stored, name: str, tensor: BlockedTensor):
    """Raise MappingError unless a layer can read what an earlier one writes."""
    written = source.tensor
    if not tensor.lies_like(written):
        raise MappingError(
            f"{name}: reads the output of {source.name}, which is "
            f"{times(written.shape)}, not its input of {times(tensor.shape)}"
        )


def times(shape: tuple[int, ...]) -> str:
    """A shape as messages have it."""
    return "x".join(map(str, shape))
