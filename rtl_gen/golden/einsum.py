"""The reference of any operation: an einsum whose indices are affine forms of the loops.

An operation is plain data. A loop nest runs over named dimensions; each rank of a tensor is
indexed by an *index form*: coefficients of dimensions, and an offset. The input row of a
convolution with stride 2 and one row of padding is ``({"p": 2, "r": 1}, -1)``. What lies outside
an operand contributes 0 (that is padding); what lies outside the output is dropped.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["IndexForm", "Operand", "Step", "affine_einsum", "steps"]

IndexForm = tuple[Mapping[str, int], int]
Operand = tuple[np.ndarray, Sequence[IndexForm]]

# MACs that are worked out at once; 8 MiB an array.
BLOCK = 1 << 20


class Step(NamedTuple):
    """One MAC: where the loops stand, what is multiplied, and the partial sum after it."""

    loops: dict[str, int]
    operands: tuple[int, ...]
    psum: int


def affine_einsum(
    sizes: Mapping[str, int],
    output: Sequence[IndexForm],
    operands: Sequence[Operand],
    shape: Sequence[int],
    *,
    zeros: Sequence[int] | None = None,
) -> np.ndarray:
    """Sum, over all loops, of the product of the operands.

    Parameters
    ----------
    sizes
        Trips of the loop over each dimension.
    output
        Index form of each rank of the output.
    operands
        Arrays of integers, each with the index form of each of its ranks; one or more.
    shape
        Extent of each rank of the output.
    zeros
        Zero point of each operand, subtracted from its elements first; default 0. Outside the
        array an operand contributes 0 all the same.

    Returns
    -------
    numpy.ndarray
        int64 of ``shape``.

    Raises
    ------
    ValueError
        If ranks, shapes and forms do not agree, a form names an unknown dimension, or a sum might
        leave int64.
    """
    shape = tuple(shape)
    _check_forms("output", sizes, output, len(shape))
    operands = _subtract_zeros(sizes, operands, zeros)
    _check_range(sizes, operands)
    block, outer = _split(sizes)
    block_shape = tuple(sizes[dim] for dim in block)
    result = np.zeros(math.prod(shape), np.int64)
    for trip in itertools.product(*(range(sizes[dim]) for dim in outer)):
        at = dict(zip(outer, trip))
        product = np.ones((1,) * len(block), np.int64)
        for array, forms in operands:
            address, inside = _addresses(forms, array.shape, block_shape, block, at)
            product = product * np.where(inside, array.ravel()[address], 0)
        address, inside = _addresses(output, shape, block_shape, block, at)
        # Sum along what does not index the output, so that one add an output element is left.
        along = tuple(axis for axis, extent in enumerate(address.shape) if extent == 1)
        total = np.broadcast_to(product, block_shape).sum(axis=along, keepdims=True)
        np.add.at(result, address[inside], total[inside])
    return result.reshape(shape)


def steps(
    sizes: Mapping[str, int],
    output: Sequence[IndexForm],
    operands: Sequence[Operand],
    coordinate: Sequence[int],
    order: Sequence[str],
    *,
    zeros: Sequence[int] | None = None,
) -> Iterator[Step]:
    """The MACs that make one output element, in the order of a loop nest; for debugging.

    A MAC on padding is a step too, with the operand 0: hardware issues it.

    Parameters
    ----------
    sizes, output, operands, zeros
        As in :func:`affine_einsum`.
    coordinate
        The output element.
    order
        All dimensions, outermost loop first.

    Yields
    ------
    Step
        Loop indices, operands less their zero points, and the psum after this MAC.

    Raises
    ------
    ValueError
        As :func:`affine_einsum`, or if ``order`` does not name every dimension once.
    """
    if sorted(order) != sorted(sizes):
        raise ValueError(f"order must name each of {', '.join(sizes)} once, not {', '.join(order)}")
    _check_forms("output", sizes, output, len(coordinate))
    operands = _subtract_zeros(sizes, operands, zeros)
    return _steps(sizes, output, operands, tuple(coordinate), tuple(order))


def _steps(sizes, output, operands, coordinate, order) -> Iterator[Step]:
    psum = 0
    for loops in _iterations(sizes, output, coordinate, order, {}):
        values = tuple(_element(array, forms, loops) for array, forms in operands)
        psum += math.prod(values)
        yield Step(loops, values, psum)


def _iterations(sizes, output, coordinate, order, fixed) -> Iterator[dict[str, int]]:
    """Loop indices that lead to the output coordinate, in order.

    Each loop takes only the trips from which the loops inside it can still reach the coordinate,
    so that one output of a large layer takes no walk over the whole layer.
    """
    if len(fixed) == len(order):
        if all(_value(form, fixed) == target for form, target in zip(output, coordinate)):
            yield dict(fixed)
        return
    dim, *inner = order[len(fixed) :]
    first, last = 0, sizes[dim] - 1
    for form, target in zip(output, coordinate):
        ends = [form[0].get(other, 0) * (sizes[other] - 1) for other in inner]
        missing = target - _value(form, fixed)
        lowest = missing - sum(max(end, 0) for end in ends)
        highest = missing - sum(min(end, 0) for end in ends)
        low, high = _trips(form[0].get(dim, 0), lowest, highest, last)
        first, last = max(first, low), min(last, high)
    for index in range(first, last + 1):
        yield from _iterations(sizes, output, coordinate, order, fixed | {dim: index})


def _trips(coefficient: int, lowest: int, highest: int, last: int) -> tuple[int, int]:
    """First and last index, up to ``last``, whose multiple lies in ``lowest .. highest``."""
    if coefficient < 0:
        coefficient, lowest, highest = -coefficient, -highest, -lowest
    if coefficient == 0:
        return (0, last) if lowest <= 0 <= highest else (0, -1)
    return -(-lowest // coefficient), highest // coefficient


def _value(form: IndexForm, loops: Mapping[str, int]) -> int:
    coefficients, offset = form
    return offset + sum(c * loops[dim] for dim, c in coefficients.items() if dim in loops)


def _element(array: np.ndarray, forms: Sequence[IndexForm], loops: Mapping[str, int]) -> int:
    index = tuple(_value(form, loops) for form in forms)
    inside = all(0 <= i < extent for i, extent in zip(index, array.shape))
    return int(array[index]) if inside else 0


def _addresses(forms, shape, block_shape, block, at) -> tuple[np.ndarray, np.ndarray]:
    """Flat address of a tensor's element at each point of the block, and whether it exists.

    Both have one axis for each dimension of the block, of extent 1 where the tensor is not indexed
    by it. An address is 0 where there is no element.
    """
    address = np.zeros((1,) * len(block), np.int64)
    inside = np.ones((1,) * len(block), bool)
    for form, extent in zip(forms, shape):
        coefficients, _ = form
        index = np.full((1,) * len(block), _value(form, at))
        for axis, dim in enumerate(block):
            if coefficients.get(dim, 0):
                along = np.arange(block_shape[axis]) * coefficients[dim]
                index = index + along.reshape([-1 if a == axis else 1 for a in range(len(block))])
        inside = inside & (index >= 0) & (index < extent)
        address = address * extent + index
    return np.where(inside, address, 0), inside


def _split(sizes: Mapping[str, int]) -> tuple[list[str], list[str]]:
    """Dimensions that are worked out at once, the largest, and those that Python loops over."""
    block, outer, points = [], [], 1
    for dim in sorted(sizes, key=lambda dim: -sizes[dim]):
        if not block or points * sizes[dim] <= BLOCK:
            block.append(dim)
            points *= sizes[dim]
        else:
            outer.append(dim)
    return block, outer


def _check_forms(
    name: str, sizes: Mapping[str, int], forms: Sequence[IndexForm], ranks: int
) -> None:
    for dim, size in sizes.items():
        if size < 1:
            raise ValueError(f"size of {dim} must be at least 1, not {size!r}")
    if len(forms) != ranks:
        raise ValueError(f"{name} has {ranks} ranks and must have as many forms, not {len(forms)}")
    for coefficients, _ in forms:
        for dim in coefficients:
            if dim not in sizes:
                raise ValueError(f"{name} is indexed by {dim}, but sizes has {', '.join(sizes)}")


def _subtract_zeros(sizes, operands, zeros) -> list[Operand]:
    """The operands as int64, less their zero points."""
    zeros = [0] * len(operands) if zeros is None else list(zeros)
    if not operands or len(zeros) != len(operands):
        raise ValueError(
            f"operands must be one or more, each with a zero point, "
            f"not {len(operands)} with {len(zeros)}"
        )
    result = []
    for number, ((array, forms), zero) in enumerate(zip(operands, zeros)):
        array = np.asarray(array)
        if array.dtype.kind not in "iu" or not array.size:
            raise ValueError(
                f"operand {number} must hold integers, one or more, "
                f"not {array.dtype} of {array.shape}"
            )
        _check_forms(f"operand {number}", sizes, forms, array.ndim)
        result.append((array.astype(np.int64) - zero, forms))
    return result


def _check_range(sizes: Mapping[str, int], operands: Sequence[Operand]) -> None:
    """Refuse what might overflow: every MAC at the operands' largest magnitudes, on one output."""
    largest = math.prod(sizes.values())
    for array, _ in operands:
        largest *= max(int(array.max()), -int(array.min()))
    if largest >= 1 << 63:
        raise ValueError("sums must stay within int64; the operands' values are too large")
