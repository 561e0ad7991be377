"""Transposed convolutions as ordinary ones: as many as the output has phases.

With a stride of u an input row a meets, by the filter's row r of dilation d, output row
y = a u + d r - before. So the rows y = p u + i of phase i meet those taps for which
i + before - d r is a multiple of u: every (u / gcd(u, d))-th. In reverse order they are the filter
of a convolution of stride 1 and dilation d / gcd(u, d) over the same input. Columns are alike. The
phases' outputs lie between each other's in memory, so nothing is computed in vain and nothing
moves.
"""

from dataclasses import dataclass
from math import gcd

import numpy as np

from rtl_gen.nn.graph import Node
from rtl_gen.nn.transposed import TransposedNode
from rtl_gen.spec.layer import Layer

__all__ = ["Phase", "phases", "split"]


@dataclass(frozen=True)
class Phase:
    """One phase of a transposed convolution along rows or columns.

    Parameters
    ----------
    taps
        Of the filter, in the order in which a convolution has them; None stands for a weight of 0.
    dilation, before
        Of that convolution: input row p + dilation * m - before meets tap m in output row p.
    size
        Output positions.
    """

    taps: tuple[int | None, ...]
    dilation: int
    before: int
    size: int


def phases(kernel: int, size: int, *, stride: int, dilation: int, before: int) -> list[Phase]:
    """The phases of rows, or of columns, that an output has.

    Phases that no tap meets have one of weight 0, for what they give is the bias. Where a window
    would begin within the image, taps of weight 0 lie in front of it.
    """
    apart, found = dilation // gcd(stride, dilation), []
    for n in range(min(stride, size)):
        taps = [r for r in range(kernel) if (n + before - dilation * r) % stride == 0][::-1]
        # The input position that the first tap meets in the phase's first output.
        at = (n + before - dilation * taps[0]) // stride if taps else 0
        missing = -(-max(at, 0) // apart)
        found.append(
            Phase(
                taps=(None,) * missing + tuple(taps or (None,)),
                dilation=apart,
                before=missing * apart - at,
                size=-(-(size - n) // stride),
            )
        )
    return found


def split(node: TransposedNode) -> tuple[tuple[Node, ...], ...]:
    """The convolution of each phase, by rows and columns of phases."""
    rows, columns = (
        phases(taps, size, stride=u, dilation=d, before=before)
        for taps, size, u, d, before in zip(
            node.weight.shape[1:3], node.size, node.stride, node.dilation, node.before
        )
    )
    return tuple(
        tuple(_phase(node, f"[{i},{j}]", row, column) for j, column in enumerate(columns))
        for i, row in enumerate(rows)
    )


def _phase(node: TransposedNode, own: str, rows: Phase, columns: Phase) -> Node:
    """A phase as a layer; ``own`` sets its names apart from those of others."""
    k, *_, depth = node.weight.shape
    weight = np.zeros((k, len(rows.taps), len(columns.taps), depth), node.weight.dtype)
    for m, r in enumerate(rows.taps):
        for n, s in enumerate(columns.taps):
            if r is not None and s is not None:
                weight[:, m, n] = node.weight[:, r, s]
    layer = Layer(
        name=node.name + own,
        operation="conv2d",
        sizes={"n": node.batch, "g": node.groups, "k": k // node.groups, "c": depth}
        | {"p": rows.size, "q": columns.size, "r": len(rows.taps), "s": len(columns.taps)},
        symbols={"u": 1, "v": 1, "d": rows.dilation, "e": columns.dilation}
        | {"t": rows.before, "l": columns.before},
        extents={"h": node.image[0], "w": node.image[1]},
        quantization=node.quantization,
    )
    return Node(
        layer=layer,
        weight=weight,
        bias=node.bias,
        multiplier=node.multiplier,
        shift=node.shift,
        input=node.input,
        output=node.output + own,
    )
