"""A program: what the host writes for each layer, and what lies in memory."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..isa.descriptors import PROGRAM_ORDER
from ..isa.packets import program_image
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

__all__ = ["RANGES", "LayerData", "Program", "Step"]


RANGES = {
    "input": (-128, 127),
    "weights": (-128, 127),
    "bias": (-(1 << 31), (1 << 31) - 1),
    "multiplier": (0, (1 << 31) - 1),
    "shift": (-31, 30),
}
"""Of the numbers of a layer."""


def _check_range(name: str, values) -> None:
    """Raise ValueError unless an array holds integers that its place has bits for."""
    array, (low, high) = np.asarray(values), RANGES[name]
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
        operands that are laid out offline an array each.
    bias, multiplier, shift
        Per output channel: int32; 0 to 2^31 - 1; -31 to 30.

    Raises
    ------
    ValueError
        If one holds other numbers.
    """

    weights: Weights
    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray

    def __post_init__(self):
        for array in self.weights if isinstance(self.weights, tuple) else (self.weights,):
            _check_range("weights", array)
        for name in ("bias", "multiplier", "shift"):
            _check_range(name, getattr(self, name))


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


ALIGNMENT = 4096


@dataclass(eq=False)
class Program:
    """Layers in the order in which they run, and where everything lies in memory.

    Memory is given out from ``base`` upwards; an output read by a later layer is not moved.
    """

    base: int = 0x1000
    steps: list[Step] = field(default_factory=list)
    inputs: dict[int, bytes] = field(default_factory=dict)

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
        source: "Step | np.ndarray",
        after: int = 0,
        stored: bool = True,
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
        for tensor, array in zip(operation.offline, offline_arrays(operation, data.weights)):
            weights = BlockedTensor(mapping.machine, layer, tensor)
            _check_shape(weights, "weights", array)
        _check_channels(mapping, data)
        if image:
            address, data = self._place(image.tensor, image.pack, source), image.fold(data)
        elif isinstance(source, Step):
            _check_chain(source, mapping.layer.name, engines.tensor)
            address, after = source.output_address, max(after, self.steps.index(source) + 1)
        else:
            address = self.place_array(engines.tensor, source)
        block = mapping.machine.block
        step = Step(
            mapping,
            data,
            address,
            self.allocate(OutputEngines(mapping).tensor.bytes) if stored else None,
            self.allocate(weight_engines(mapping).image_words * block),
            self.allocate(parameter_engines(mapping).image_words * block),
            after,
            input_place,
            output_place,
            added,
        )
        self.steps.append(step)
        return step

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

    def _place(self, tensor: BlockedTensor, pack: Callable, array: np.ndarray) -> int:
        _check_shape(tensor, "input", array)
        _check_range("input", array)
        packed = pack(array)
        address = self.allocate(len(packed))
        self.inputs[address] = packed
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
            f"{tensor.layer.name}: {name} must be {_times(tensor.shape)}, not "
            f"{_times(np.shape(array))}"
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


def _check_chain(source: Step, name: str, tensor: BlockedTensor):
    """Raise MappingError unless a layer can read what an earlier one writes."""
    written = source.output.tensor
    if not tensor.lies_like(written):
        raise MappingError(
            f"{name}: reads the output of {source.mapping.layer.name}, which is "
            f"{_times(written.shape)}, not its input of {_times(tensor.shape)}"
        )


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
