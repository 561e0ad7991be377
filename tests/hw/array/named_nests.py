"""Dataflows that have a name: how they are written, and the words that each takes in a step."""

from random_nests import CONV1D, CONV2D, DEPTHWISE, MATMUL

from rtl_gen.spec.dataflow import Dataflow, PELoop, SpatialLoop
from rtl_gen.spec.operation import parse_einsum

__all__ = ["NAMED", "PLAIN", "SHAPE", "flow"]

PLAIN = parse_einsum("O[p,q,k] += I[h=p+r,w=q+s,c] * W[r,s,c,k]", name="stride_1")


def flow(
    operation, order, rows, columns, *, pe=(), skew=None, shift=None, moving=(), phases=()
) -> Dataflow:
    """A dataflow from words: ``order`` ends with the inner loop, rows and columns are ``c`` or,
    folded, ``r2 c`` with the PEs that a loop takes."""
    spatial = [
        SpatialLoop(word[0], axis, int(word[1:]) if word[1:] else None)
        for axis, text in enumerate((rows, columns))
        for word in text.split()
    ]
    return Dataflow(
        name="named",
        operation=operation,
        temporal=tuple(order.split()),
        pe=tuple(PELoop(d, most) for d, most in pe),
        spatial=tuple(spatial),
        skew=skew,
        shift=shift or {},
        moving=moving,
        phases=phases,
    )


# elements of each tensor that enter or leave the array together, on SHAPE or 3 x 4 PEs
NAMED = {
    "weight stationary, TPU": (
        flow(CONV2D, "n g k c r s p q", "c", "k", skew=(1, 1), shift={"W": 0}),
        {"I": 3, "W": 4, "O": 4},
    ),
    "weight stationary, NVDLA": (
        flow(CONV2D, "n g k c r s p q", "c", "k", skew=(0, 0), shift={"W": 0}),
        {"I": 3, "W": 4, "O": 4},
    ),
    "output stationary": (
        flow(CONV2D, "n g p q k r s c", "q", "k", skew=(0, 0), shift={"O": 0}),
        {"I": 3, "W": 4, "O": 4},
    ),
    "output stationary matmul, systolic": (
        flow(MATMUL, "m n k", "m", "n", skew=(1, 1), shift={"O": 1}),
        {"A": 3, "B": 4, "O": 3},
    ),
    "input stationary": (
        flow(CONV2D, "n g p q c r s k", "c", "q", skew=(1, 0), shift={"I": 1}),
        {"I": 3, "W": 3, "O": 4},
    ),
    "ShiDianNao without its moving links": (
        flow(CONV2D, "n g k p q c r s", "p", "q", skew=(0, 0), shift={"O": 0}),
        {"I": 12, "W": 1, "O": 4},
    ),
    # a pixel moves on to the column before it; the stride asks for phases
    "ShiDianNao": (
        flow(CONV2D, "n g k p q c r s", "p", "q", skew=(0, 0), shift={"O": 0}, moving=("I",)),
        {"I": 3, "W": 1, "O": 4},
    ),
    "ShiDianNao, against time": (
        flow(CONV2D, "n g k p q c r s", "p", "q", skew=(0, -1), shift={"O": 0}, moving=("I",)),
        {"I": 3, "W": 1, "O": 4},
    ),
    "no local reuse": (
        flow(CONV2D, "n p q k c r s g", "c", "k", skew=(0, 0)),
        {"I": 3, "W": 12, "O": 4},
    ),
    # each PE slides a filter row over an input row; sums of filter rows meet down a column
    # (a stride known only at run time leaves no diagonal)
    "row stationary": (
        flow(CONV2D, "n g k c p q", "r", "p", pe=[("s", 3)], skew=(1, 0)),
        {"I": 12, "W": 1, "O": 4},
    ),
    "row stationary with the diagonal wired": (
        flow(PLAIN, "k c p q", "r", "p", pe=[("s", 3)], skew=(1, 0)),
        {"I": 6, "W": 1, "O": 4},
    ),
    "row stationary with the diagonal wired, in phases": (
        flow(CONV2D, "n g k c p q", "r", "p", pe=[("s", 3)], skew=(1, 0), phases=("I",)),
        {"I": 6, "W": 1, "O": 4},
    ),
    "row stationary, channels folded on the rows": (
        flow(CONV2D, "n g k p q", "c2 r2", "p", pe=[("s", 3), ("k", 2)], skew=(1, 0)),
        {"I": 16, "W": 1, "O": 4},
    ),
    "depthwise, taps by channels": (
        flow(DEPTHWISE, "n c p q", "r2 s2", "c", pe=[("r", 2), ("s", 2)], skew=(1, 0)),
        {"I": 16, "W": 4, "O": 4},
    ),
    "depthwise, pixels by channels": (
        flow(DEPTHWISE, "n p q c r s", "q", "c", skew=(0, 0), shift={"O": 0}),
        {"I": 12, "W": 4, "O": 4},
    ),
    "1-D, (q, s): output stationary": (
        flow(CONV1D, "c k s", "q", "k", skew=(0, 0)),
        {"I": 3, "W": 4, "O": 4},
    ),
    "1-D, (s, q): weight stationary": (
        flow(CONV1D, "c k q", "s", "k", skew=(1, 0)),
        {"I": 3, "W": 3, "O": 4},
    ),
    "1-D, weight stationary, pixels passed from tap to tap": (
        flow(CONV1D, "c k q", "s", "k", skew=(-1, 0), moving=("I",)),
        {"I": 1, "W": 3, "O": 4},
    ),
    "1-D, all reduced on one axis": (
        flow(CONV1D, "k q", "s2 c", "k", skew=(1, 1), pe=[("s", 3)]),
        {"I": 4, "W": 4, "O": 4},
    ),
    "1-D, one dimension on both axes": (
        flow(CONV1D, "c k q s", "k", "k", skew=(0, 0)),
        {"I": 1, "W": 12, "O": 4},
    ),
}

SHAPE = {
    "row stationary, channels folded on the rows": (4, 4),
    "depthwise, taps by channels": (4, 4),
    "1-D, all reduced on one axis": (4, 4),
}
