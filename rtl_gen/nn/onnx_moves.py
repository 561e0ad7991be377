"""Nodes of an ONNX file that rearrange: they say in which order values are read, no more.

Source: ONNX operator definitions of Flatten, Identity, Reshape, Squeeze, Transpose and Unsqueeze.
"""

from collections.abc import Callable

import numpy as np
from onnx import NodeProto

from rtl_gen.nn.graph import Refusal
from rtl_gen.nn.layout import View
from rtl_gen.nn.onnx_operands import constant

__all__ = ["MOVES", "move_of"]

MOVES = {
    "Flatten": (1,),
    "Identity": (1,),
    "Reshape": (2,),
    "Squeeze": (1, 2),
    "Transpose": (1,),
    "Unsqueeze": (1, 2),
}
"""The operators, and how many inputs each may have."""


def move_of(
    proto: NodeProto, attributes: dict, constants: dict[str, np.ndarray], batch: int
) -> Callable[[View], View]:
    """What a node does to the view of an activation; the images stay apart.

    Raises
    ------
    Refusal
        If the node cannot be read; the function raises it if the activation does not suit.
    """
    match proto.op_type:
        case "Identity":
            return lambda view: view
        case "Flatten":
            return lambda view: _flatten(view, attributes.get("axis", 1))
        case "Reshape":
            target = constant(constants, proto.input[1], "the shape", np.int64).reshape(-1)
            keeps = not attributes.get("allowzero", 0)
            return lambda view: _reshape(view, target, batch, keeps)
        case "Transpose":
            axes = attributes.get("perm")
            if axes and axes[0] != 0:
                raise Refusal(f"perm must keep the first dimension, the images, not {list(axes)}")
            return lambda view: _transpose(view, axes)
    axes = attributes.get("axes")
    if len(proto.input) > 1 and proto.input[1]:
        axes = constant(constants, proto.input[1], "the axes", np.int64).reshape(-1).tolist()
    resize = _squeeze if proto.op_type == "Squeeze" else _unsqueeze
    return lambda view: resize(view, axes)


def _flatten(view: View, axis: int) -> View:
    if axis not in (1, -view.index.ndim):
        raise Refusal(f"axis must be 1, which keeps the images apart, not {axis}")
    return view.flatten()


def _reshape(view: View, target: np.ndarray, batch: int, keeps_zeros: bool) -> View:
    old = (batch, *view.index.shape)
    new = [
        old[axis] if size == 0 and keeps_zeros and axis < len(old) else int(size)
        for axis, size in enumerate(target)
    ]
    known = int(np.prod([size for size in new if size != -1]))
    if new.count(-1) == 1 and known > 0:
        new[new.index(-1)] = int(np.prod(old)) // known
    if min(new, default=0) < 1 or np.prod(new) != np.prod(old) or new[0] != batch:
        raise Refusal(
            f"must keep the first dimension, the images: {old} cannot become {target.tolist()}"
        )
    return view.reshape(tuple(new[1:]))


def _transpose(view: View, axes) -> View:
    rank = view.index.ndim + 1
    if axes is None or sorted(axes) != list(range(rank)):
        raise Refusal(f"perm must order the {rank} dimensions, the images first, not {axes}")
    return view.transpose(tuple(axes))


def _squeeze(view: View, axes) -> View:
    shape = (0, *view.index.shape)  # the images are not one
    rank = len(shape)
    chosen = [n for n, size in enumerate(shape) if size == 1] if axes is None else axes
    chosen = {axis % rank for axis in chosen}
    if any(shape[axis] != 1 for axis in chosen):
        raise Refusal(f"axes must be of one value, the images not among them, not {sorted(chosen)}")
    return view.reshape(tuple(n for axis, n in enumerate(shape) if axis not in chosen)[1:])


def _unsqueeze(view: View, axes) -> View:
    if not axes:
        raise Refusal("axes are missing")
    rank = view.index.ndim + 1 + len(axes)
    chosen = {axis % rank for axis in axes}
    if len(chosen) != len(axes) or 0 in chosen:
        raise Refusal(f"axes must be distinct and behind the images, not {list(axes)}")
    rest = iter(view.index.shape)
    return view.reshape(tuple(1 if n in chosen else next(rest) for n in range(1, rank)))
