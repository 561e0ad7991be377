"""Channels of activations in an ONNX file: put side by side (Concat), taken apart (Split, Slice).

Nothing is computed: what is joined or taken lies in memory where it must, see
:mod:`rtl_gen.nn.channel_views`. Source: ONNX operator definitions of Concat, Slice and Split, and
that of ONNX Runtime's QLinearConcat.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from onnx import NodeProto

from rtl_gen.nn.graph import Refusal
from rtl_gen.nn.layout import View, inverse
from rtl_gen.nn.onnx_operands import MICROSOFT, Meaning, constant, name_of
from rtl_gen.nn.onnx_operators import Function
from rtl_gen.nn.onnx_values import Pending, Real
from rtl_gen.nn.products import JoinNode, PartNode

if TYPE_CHECKING:
    from rtl_gen.nn.onnx_reader import NodeReader

__all__ = ["CHANNEL_OPERATORS"]

COUNTS = tuple(range(1, 1 << 16))
"""Of inputs."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Concatenation(Pending):
    """Activations side by side; one with another meaning than the result goes through a table.

    Parameters
    ----------
    parts
        In their order.
    axis
        Of an image.
    """

    parts: tuple[Real, ...]
    axis: int

    def emit(self, reader: "NodeReader", output: str, meaning: Meaning) -> View:
        clipped = self.low != -np.inf or self.high != np.inf
        views = []
        for n, part in enumerate(self.parts):
            view, name = part.view, f"{output}/{n}"
            if clipped or part.meaning != meaning:
                stored = Function(name=f"{self.name}/{n}", x=part).clamped(self.low, self.high)
                view = stored.stored(reader, name, meaning)
            views.append(view)
        return join(reader, self.name, views, self.axis, output, meaning)


def join(
    reader: "NodeReader",
    name: str,
    views: list[View],
    axis: int,
    output: str,
    meaning: Meaning,
) -> View:
    """Add what joins activations of one meaning along an axis of their images."""
    orders = [reader.order(one.tensor, reader.preferred(one), meaning) for one in views]
    pixels, total = orders[0].shape[:-1], sum(order.shape[-1] for order in orders)
    if any(order.shape[:-1] != pixels for order in orders):
        told = " and ".join(str(order.shape) for order in orders)
        raise Refusal(f"joins images that lie as {told}, which must differ in channels only")
    if len({one.tensor for one in views}) < len(views):
        raise Refusal("joins an activation with itself, which lies in one place only")
    places, first = [], 0
    for view, order in zip(views, orders):
        pixel, channel = np.divmod(inverse(order)[view.index], order.shape[-1])
        places.append(pixel * total + first + channel)
        first += order.shape[-1]
    try:
        joined = np.concatenate(places, axis)
    except ValueError as error:
        raise Refusal(str(error)) from error
    node = JoinNode(name=name, inputs=tuple(one.tensor for one in views), output=output)
    return reader.add(node, joined.shape, inverse(joined).reshape(*pixels, total), meaning)


def part(
    reader: "NodeReader", view: View, cut: Callable[[np.ndarray], np.ndarray], output: str
) -> View:
    """What remains of an activation's view; some channels of it become an activation of their own.

    Raises
    ------
    Refusal
        If that are not the same channels, side by side, of every pixel.
    """
    chosen = cut(view.index)
    if chosen.size == view.index.size:
        return View(tensor=view.tensor, index=chosen)
    if not chosen.size:
        raise Refusal("nothing remains of its input")
    order = reader.order(view.tensor, reader.preferred(view), reader.own(view))
    pixels = order.shape[:-1]
    pixel, channel = np.divmod(inverse(order)[chosen], order.shape[-1])
    first, count = int(channel.min()), int(np.ptp(channel)) + 1
    if chosen.size != np.prod(pixels) * count:
        raise Refusal(
            f"takes {chosen.shape} of {view.index.shape}, which are not the same channels of every "
            f"pixel; they would have to move"
        )
    places = pixel * count + channel - first
    node = PartNode(name=output, first=first, channels=count, input=view.tensor, output=output)
    order = inverse(places).reshape(*pixels, count)
    return reader.add(node, chosen.shape, order, reader.own(view))


def _take(reader: "NodeReader", source: str, cut, output: str) -> None:
    """Part of an activation, quantized or as real numbers."""
    value = reader.value(source)
    if isinstance(value, Real):
        made = part(reader, value.view, cut, output)
        reader.values[output] = Real(view=made, meaning=value.meaning)
    elif (view := reader.stored(source)) is not None:
        reader.values[output] = part(reader, view, cut, output)


def _axis(axis: int, rank: int) -> int:
    """An axis of an image; ``rank`` counts the images too."""
    if not -rank <= axis < rank or axis % rank == 0:
        raise Refusal(f"axis must be one of {rank} dimensions behind the images, not {axis}")
    return axis % rank - 1


def _rank(reader: "NodeReader", name: str) -> int | None:
    """Dimensions of an activation, the images among them; None if a refused node makes it."""
    value = reader.value(name)
    view = value.view if isinstance(value, Real) else reader.stored(name)
    return None if view is None else view.index.ndim + 1


def _read_concat(reader: "NodeReader", proto: NodeProto, attributes: dict) -> None:
    if "axis" not in attributes:
        raise Refusal("axis is missing")
    values, output = [reader.value(name) for name in proto.input], proto.output[0]
    if any(value is None for value in values):
        return
    if len(values) == 1:
        reader.values[output] = values[0]
        return
    if all(isinstance(value, View) for value in values):
        axis = _axis(attributes["axis"], values[0].index.ndim + 1)
        meanings = [reader.own(value) for value in values]
        if any(meaning != meanings[0] for meaning in meanings):
            raise Refusal("its inputs must have one scale and zero point")
        reader.values[output] = join(reader, name_of(proto), values, axis, output, meanings[0])
        return
    reals = tuple(reader.real(name) for name in proto.input)
    axis = _axis(attributes["axis"], reals[0].view.index.ndim + 1)
    reader.values[output] = Concatenation(name=name_of(proto), parts=reals, axis=axis)


def _read_qlinear_concat(reader: "NodeReader", proto: NodeProto, attributes: dict) -> None:
    """The meaning of the result, then each activation with its own."""
    names, output = list(proto.input), proto.output[0]
    if len(names) % 3 != 2 or "axis" not in attributes:
        raise Refusal("must have an axis, and of each input a scale and a zero point")
    stored = Meaning.of(reader.constants, *names[:2], "the output")
    parts = [reader.meant(names[n : n + 3]) for n in range(2, len(names), 3)]
    if any(part is None for part in parts):
        return
    axis = _axis(attributes["axis"], parts[0].view.index.ndim + 1)
    made = Concatenation(name=name_of(proto), parts=tuple(parts), axis=axis)
    reader.values[output] = made.stored(reader, output, stored)


def _read_split(reader: "NodeReader", proto: NodeProto, attributes: dict) -> None:
    rank = _rank(reader, proto.input[0])
    if rank is None:
        return
    value, count = reader.value(proto.input[0]), len(proto.output)
    index = value.view.index if isinstance(value, Real) else value.index
    axis = _axis(attributes.get("axis", 0), rank)
    size = index.shape[axis]
    sizes = attributes.get("split")
    if len(proto.input) > 1 and proto.input[1]:
        sizes = constant(reader.constants, proto.input[1], "the sizes", np.int64).tolist()
    if sizes is None:
        if attributes.get("num_outputs", count) != count:
            raise Refusal(f"num_outputs must be {count}, as many as it has outputs")
        each = -(-size // count)
        sizes = [min(each, size - n * each) for n in range(count)]
    if len(sizes) != count or min(sizes) < 1 or sum(sizes) != size:
        raise Refusal(f"must split {size} into {count} parts, not {list(sizes)}")
    first = 0
    for own, output in zip(sizes, proto.output):
        chosen = (slice(None),) * axis + (slice(first, first + own),)
        _take(reader, proto.input[0], lambda index, chosen=chosen: index[chosen], output)
        first += own


def _read_slice(reader: "NodeReader", proto: NodeProto, attributes: dict) -> None:
    given = [*proto.input[1:], *("",) * 4][:4]
    numbers = [
        constant(reader.constants, name, f"{what} of it", np.int64, np.int32).tolist()
        if name
        else attributes.get(what)
        for name, what in zip(given, ("starts", "ends", "axes", "steps"))
    ]
    starts, ends, axes, steps = numbers
    if starts is None or ends is None:
        raise Refusal("starts or ends are missing")
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    if {len(starts)} != {len(ends), len(axes), len(steps)} or 0 in steps:
        raise Refusal(f"starts, ends, axes and steps do not go together: {numbers}")
    rank = _rank(reader, proto.input[0])
    if rank is None:
        return
    chosen = [slice(None)] * (rank - 1)
    for start, end, axis, step in zip(starts, ends, axes, steps):
        chosen[_axis(axis, rank)] = slice(start, end, step)
    _take(reader, proto.input[0], lambda index: index[tuple(chosen)], proto.output[0])


CHANNEL_OPERATORS = {
    "Concat": (_read_concat, COUNTS),
    f"{MICROSOFT}.QLinearConcat": (_read_qlinear_concat, COUNTS),
    "Slice": (_read_slice, (1, 3, 4, 5)),
    "Split": (_read_split, (1, 2)),
}
"""What is read, by what, and how many inputs each may have."""
