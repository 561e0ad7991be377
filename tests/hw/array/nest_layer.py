"""One layer of a dataflow, walked as a plain loop nest: which PE uses which element when."""

import copy
import itertools
import random
from dataclasses import dataclass, replace

import numpy as np

from rtl_gen.golden.einsum import affine_einsum
from rtl_gen.reuse import Placement, phases

__all__ = ["LayerShape", "NestLayer"]

Loop = tuple[str, int | str]
Counters = dict[Loop, int]


@dataclass(frozen=True)
class LayerShape:
    """Run-time numbers of a layer: sizes of dimensions, symbols, extents of affine ranks."""

    sizes: dict[str, int]
    symbols: dict[str, int]
    extents: dict[str, int]


class NestLayer:
    """A layer on a placement, with operands drawn from a seed; of some ``kind``, or one drawn.

    A loop is named by where it runs: ``("tile", d)`` outermost, for what no loop of the dataflow
    covers; ``("for", d)``; ``("pe", number)``; ``("spatial", number)``.
    """

    def __init__(self, placement: Placement, shape: LayerShape, seed, kind: str = ""):
        self.placement, self.shape = placement, shape
        self.dataflow = placement.dataflow
        self.operation = placement.dataflow.operation
        self._extents = {
            rank: self._extent(rank) for t in self.operation.tensors for rank in t.ranks
        }
        kinds = ("any", "any", "any", "lowest", "extremes")
        self.tensors = self._draw(kind or random.Random(f"{seed} kind").choice(kinds), seed)
        self.spans = self._spans()
        self._forms = {tensor.name: self._forms_of(tensor) for tensor in self.operation.tensors}

    def _forms_of(self, tensor):
        """For each rank its factors of the dimensions and its offset."""
        symbols = self.shape.symbols
        return [
            ({d: rank.coefficient(d, symbols) for d in rank.dimensions}, rank.offset(symbols))
            for rank in tensor.ranks
        ]

    def phases(self, tensors) -> list["NestLayer"]:
        """The parts of stride 1 into which the layer is split by the windows of some tensors."""
        parts = []
        sizes, symbols = self.shape.sizes, self.shape.symbols
        for chosen in itertools.product(*(phases(t, sizes, symbols) for t in tensors)):
            part, stretches = copy.copy(self), {d: s for one in chosen for d, s in one.items()}
            part.shape = replace(
                self.shape, sizes=sizes | {d: s.size for d, s in stretches.items()}
            )
            part.spans = part._spans()
            part._forms = {
                name: [_stretched(form, offset, stretches) for form, offset in forms]
                for name, forms in self._forms.items()
            }
            parts.append(part)
        return parts

    def _draw(self, kind, seed) -> dict[str, np.ndarray]:
        """Operands: any values, all the most negative, or extremes."""
        tensors = {}
        for n, tensor in enumerate(self.operation.operands):
            values = np.random.default_rng([n, *str(seed).encode()])
            dims = [self._extents[rank] for rank in tensor.ranks]
            if kind == "lowest":
                tensors[tensor.name] = np.full(dims, -128)
            elif kind == "extremes":
                tensors[tensor.name] = values.choice([-128, -1, 0, 1, 127], dims)
            else:
                tensors[tensor.name] = values.integers(-128, 128, dims)
        return tensors

    def _extent(self, rank) -> int:
        if rank.is_plain:
            return self.shape.sizes[rank.terms[0].dimension]
        return self.shape.extents[rank.name]

    def _spans(self) -> dict[Loop, tuple[str, int, int]]:
        """For each loop its dimension, trips and unit; spatial loops are the fastest."""
        sizes, flow = self.shape.sizes, self.dataflow
        left, spans = dict.fromkeys(sizes, 1), {}
        for n, loop in reversed(list(enumerate(flow.spatial))):
            trips = self.placement.sizes[n]
            spans["spatial", n] = (loop.dimension, trips, left[loop.dimension])
            left[loop.dimension] *= trips
        for n, loop in reversed(list(enumerate(flow.pe))):
            trips = min(loop.maximum, -(-sizes[loop.dimension] // left[loop.dimension]))
            spans["pe", n] = (loop.dimension, trips, left[loop.dimension])
            left[loop.dimension] *= trips
        for d in sizes:
            kind = "for" if d in flow.temporal else "tile"
            spans[kind, d] = (d, -(-sizes[d] // left[d]), left[d])
        return spans

    def trips(self, loop: Loop) -> int:
        return self.spans[loop][1]

    def counts(self, loops: list[Loop]):
        """Every state of some loops, in order."""
        for values in itertools.product(*(range(self.trips(loop)) for loop in loops)):
            yield dict(zip(loops, values))

    def index(self, counters: Counters, pe) -> dict[str, int]:
        """The value of each dimension at a PE."""
        value = dict.fromkeys(self.shape.sizes, 0)
        for n, position in enumerate(self.placement.indices(pe)):
            d, _, unit = self.spans["spatial", n]
            value[d] += position * unit
        for loop, counter in counters.items():
            d, _, unit = self.spans[loop]
            value[d] += counter * unit
        return value

    def place(self, tensor, counters: Counters, pe) -> tuple[int, ...] | None:
        """Coordinates of what a PE uses of a tensor, or None where that lies outside it."""
        index, found = self.index(counters, pe), []
        for rank, (form, offset) in zip(tensor.ranks, self._forms[tensor.name]):
            at = offset + sum(factor * index[d] for d, factor in form.items())
            if not 0 <= at < self._extents[rank]:
                return None
            found.append(at)
        return tuple(found)

    def value(self, number: int, counters: Counters, pe) -> int:
        """The word of an operand at a PE; 0 outside its tensor."""
        tensor = self.operation.operands[number]
        at = self.place(tensor, counters, pe)
        return 0 if at is None else int(self.tensors[tensor.name][at])

    @property
    def result_shape(self) -> tuple[int, ...]:
        return tuple(self._extents[rank] for rank in self.operation.output.ranks)

    def golden(self) -> np.ndarray:
        """What the layer sums to."""
        operands = [(self.tensors[t.name], self._forms[t.name]) for t in self.operation.operands]
        forms = self._forms[self.operation.output.name]
        return affine_einsum(self.shape.sizes, forms, operands, self.result_shape)


def _stretched(form, offset, stretches):
    """A form over the trips of a phase."""
    trips = {d: a * stretches[d].scale if d in stretches else a for d, a in form.items()}
    return trips, offset + sum(a * stretches[d].start for d, a in form.items() if d in stretches)
