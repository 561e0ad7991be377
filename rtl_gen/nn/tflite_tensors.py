"""The tensors of a TensorFlow Lite file, as a graph's activations and its layers' constants."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from rtl_gen.nn.graph import Port, Refusal, Tensor
from rtl_gen.nn.tflite_file import Model, StoredTensor

__all__ = ["Seen", "TensorReader"]


@dataclass(frozen=True, eq=False)
class Seen:
    """An activation under one of its names: where it is stored, and its shape here.

    A reshape moves nothing, so several tensors of the file may be one stored activation.

    Parameters
    ----------
    index
        For one image, in the shape of the file's: where each value is stored; None: one behind the
        other.
    """

    stored: str
    shape: tuple[int, ...]
    index: np.ndarray | None = None

    @classmethod
    def of(cls, stored: str, order: np.ndarray, images: int) -> "Seen":
        """From the place of each value of an image."""
        plain = (order.reshape(-1) == np.arange(order.size)).all()
        return cls(stored, (images, *order.shape), None if plain else order)

    @property
    def order(self) -> np.ndarray:
        """The place of each value of an image, in its shape."""
        shape = self.shape[1:]
        return np.arange(int(np.prod(shape))).reshape(shape) if self.index is None else self.index


@dataclass(kw_only=True)
class TensorReader:
    """What operators read and make, checked.

    Parameters
    ----------
    batch
        Images of an activation whose first dimension the file leaves open.
    seen
        Every activation of the file by its number; None where a refused operator makes it.
    tensors
        The graph's, as far as read.

    Methods raise Refusal where a tensor is not what an operator needs.
    """

    model: Model
    batch: int
    seen: dict[int, Seen | None] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def add_inputs(self) -> list[str]:
        """Add the file's inputs; return what is wrong with them."""
        problems = []
        for number in self.model.inputs:
            try:
                self.make(number)
            except Refusal as refusal:
                problems.append(f"input {self.model.tensors[number].name}: {refusal}")
                self.seen[number] = None
        return problems

    def unmade_outputs(self) -> list[str]:
        return [
            f"output {self.model.tensors[number].name}: no input or operator makes it"
            for number in self.model.outputs
            if number not in self.seen
        ]

    def port(self, number: int) -> Port:
        """The file has inputs as they are stored, and outputs in any order."""
        seen = self.seen[number]
        return Port(name=self._name(number), tensor=seen.stored, index=seen.order)

    def make(self, number: int) -> Seen:
        """An activation that is stored, with its own scale."""
        tensor, name = self.quantized(number), self._name(number)
        seen = Seen(name, self.shape(tensor))
        scale, zero = float(tensor.scales[0]), int(tensor.zeros[0])
        self.tensors[name] = Tensor(name=name, shape=seen.shape, scale=scale, zero=zero)
        self.seen[number] = seen
        return seen

    def shape(self, tensor: StoredTensor) -> tuple[int, ...]:
        """An activation's shape, images first."""
        if len(tensor.shape) < 2 or min(tensor.shape) < 1:
            raise Refusal(f"activations must be (n, ...) of 1 or more each, not {tensor.shape}")
        first = tensor.shape[0] if tensor.fixed else self.batch
        return (first, *tensor.shape[1:])

    def quantized(self, number: int) -> StoredTensor:
        """A tensor that must be int8 with one scale."""
        tensor = self._int8(number)
        if len(tensor.scales) != 1:
            raise Refusal(f"{tensor.name} must have one scale, not {len(tensor.scales)}")
        zero = int(tensor.zeros[0])
        if not -128 <= zero <= 127:
            raise Refusal(f"{tensor.name} must have a zero point of -128 to 127, not {zero}")
        return tensor

    def _int8(self, number: int) -> StoredTensor:
        tensor = self.model.tensors[number]
        if tensor.type is not np.int8:
            name = "of that type" if tensor.type is None else np.dtype(tensor.type).name
            raise Refusal(f"{tensor.name} must be int8, not {name}")
        scales = tensor.scales
        if (
            not len(scales)
            or len(tensor.zeros) != len(scales)
            or not np.all((scales > 0) & np.isfinite(scales))
        ):
            raise Refusal(f"{tensor.name} must be quantized, with scales above 0")
        return tensor

    def activation(self, number: int) -> Seen | None:
        """An operand that an operator before this one made, stored as the file has it; None if
        that one was refused.
        """
        seen = self.view(number)
        if seen is not None and seen.index is not None:
            name = self.model.tensors[number].name
            raise Refusal(f"its input {name} is rearranged in a way that would have to move data")
        return seen

    def view(self, number: int) -> Seen | None:
        """The same in any order."""
        if number not in self.seen:
            name = self.model.tensors[number].name
            raise Refusal(f"its input {name} is neither the file's nor made by an operator before")
        return self.seen[number]

    def constant(self, number: int, what: str, kind: type) -> np.ndarray:
        tensor = self.model.tensors[number]
        if tensor.data is None:
            raise Refusal(f"{what} must be a constant of the file")
        if tensor.type is not kind:
            raise Refusal(f"{what} must be {np.dtype(kind)}, not {np.dtype(tensor.type)}")
        return tensor.data

    def weight(self, number: int, rank: int, axis: int) -> StoredTensor:
        """Constant int8 weights with zero point 0, and one scale or one for each output channel."""
        tensor = self._int8(number)
        data = self.constant(number, "the weight", np.int8)
        if data.ndim != rank or not data.size:
            raise Refusal(f"the weight must have {rank} dimensions, not shape {data.shape}")
        if tensor.zeros.any():
            raise Refusal(f"the weight's zero points must be 0, not {tensor.zeros.tolist()}")
        count = len(tensor.scales)
        if count > 1 and (tensor.axis != axis or count != data.shape[axis]):
            raise Refusal(
                f"the weight must have a scale for each of its {data.shape[axis]} output "
                f"channels, not {count} along dimension {tensor.axis}"
            )
        return tensor

    def _name(self, number: int) -> str:
        """A tensor's name; with its number where the file has the name twice."""
        name = self.model.tensors[number].name
        count = Counter(tensor.name for tensor in self.model.tensors)
        return name if name and count[name] == 1 else f"{name}#{number}"
