"""The steps that make one output, in the order in which the array takes them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..golden.einsum import steps
from ..mapping.mapping import Mapping
from ..mapping.program import LayerData
from .layers import index_form, operand_arrays

__all__ = ["IssuedStep", "issued_steps"]


@dataclass(frozen=True)
class IssuedStep:
    """A step of the array, as far as it concerns one output.

    Parameters
    ----------
    number
        Steps of the layer that were issued before it.
    counters
        Where each level of the mapping stands, outermost first.
    macs
        (row, column) of each PE that takes part, its loop indices, its input and its weight (of
        several the product) as the PE sees them (padding is the input's zero point).
    psum
        The output's sum after it, of input times weight: without bias and zero point.
    """

    number: int
    counters: tuple[int, ...]
    macs: tuple[tuple[tuple[int, int], dict[str, int], int, int], ...]
    psum: int


def issued_steps(
    mapping: Mapping, source: np.ndarray, data: LayerData, output: tuple[int, ...]
) -> Iterator[IssuedStep]:
    """The steps that make one output, in the order in which the array takes them.

    Parameters
    ----------
    source, data
        The layer's numbers.
    output
        Coordinates in the ranks of the operation's output.
    """
    layer, operation = mapping.layer, mapping.machine.operation
    arrays = operand_arrays(operation, source, data)
    input_zero = layer.quantization.input_zero
    macs = steps(
        layer.sizes,
        [index_form(rank, layer) for rank in operation.output.ranks],
        [
            (arrays[tensor.name], [index_form(rank, layer) for rank in tensor.ranks])
            for tensor in operation.operands
        ],
        output,
        sorted(layer.sizes),
        zeros=[input_zero if t is operation.activation else 0 for t in operation.operands],
    )
    number = {t.name: n for n, t in enumerate(operation.operands)}
    found: dict[tuple[int, ...], list] = {}
    for mac in macs:
        counters, pe = _place(mapping, mac.loops)
        x = mac.operands[number[operation.activation.name]] + input_zero
        w = math.prod(mac.operands[number[tensor.name]] for tensor in operation.offline)
        found.setdefault(counters, []).append((pe, mac.loops, x, w))
    psum = 0
    for counters in sorted(found):
        together = sorted(found[counters], key=lambda one: one[0])
        psum += sum(x * w for _, _, x, w in together)
        yield IssuedStep(_number(mapping, counters), counters, tuple(together), psum)


def _place(mapping: Mapping, loops: dict[str, int]) -> tuple[tuple[int, ...], tuple[int, int]]:
    """Where each level stands for some loop indices, and the PE that they are worked on in."""
    left, counters = dict(loops), []
    for level in mapping.levels:
        counter, left[level.dimension] = level.trip(left[level.dimension])
        counters.append(counter)
    placement, pe = mapping.machine.reuse.placement, [0, 0]
    for n, loop in enumerate(placement.dataflow.spatial):
        index, left[loop.dimension] = divmod(left[loop.dimension], placement.units[n])
        pe[loop.axis] = pe[loop.axis] * placement.sizes[n] + index
    return tuple(counters), (pe[0], pe[1])


def _number(mapping: Mapping, counters: tuple[int, ...]) -> int:
    """Steps issued before the one at which the levels stand so."""
    levels, before = mapping.levels, 0
    last = dict.fromkeys(mapping.layer.sizes, True)  # all levels so far of a dimension are on it
    for n, (level, counter) in enumerate(zip(levels, counters)):
        # No earlier trip is the level's last.
        before += counter * _inside(levels[n + 1 :], last | {level.dimension: False})
        last[level.dimension] &= counter == level.last - 1
    return before


def _inside(levels, ends: dict[str, bool]) -> int:
    """Trips of the innermost of some levels; ``ends``: whether outer ones are on their last."""
    total = 1
    for dimension, end in ends.items():
        full = part = 1
        for level in reversed([x for x in levels if x.dimension == dimension]):
            full, part = level.bound * full, (level.last - 1) * full + part
        total *= part if end else full
    return total
