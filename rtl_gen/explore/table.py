"""The rows of a sweep's table, and the table as CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from .point import PointResult

__all__ = ["SweepRow", "rows_of", "to_csv"]

MEASURED = (
    "layer",
    "cycles",
    "mac_use",
    "exact",
    "cells",
    "flip_flops",
    "memory_bits",
    "pareto",
    "seed",
)


@dataclass(frozen=True)
class SweepRow:
    """A layer on a point.

    Parameters
    ----------
    point, values
        The point's name; its swept keys and their values.
    layer
        The layer's name.
    cycles, mac_use
        See :class:`~rtl_gen.explore.point.LayerResult`.
    exact
        Whether the outputs were the golden model's, bit by bit.
    cells, flip_flops, memory_bits
        Of the whole design, alike in all rows of a point.
    pareto
        Whether no other point needs fewer cells and no more cycles over all layers, or the reverse.
    seed
        Of the layer's data.
    """

    point: str
    values: tuple[tuple[str, str], ...]
    layer: str
    cycles: int
    mac_use: float
    exact: bool
    cells: int
    flip_flops: int
    memory_bits: int
    pareto: bool
    seed: int


def rows_of(result: PointResult, *, pareto: bool, seed: int) -> list[SweepRow]:
    """The rows of a point, one for each layer."""
    return [
        SweepRow(
            point=result.name,
            values=result.values,
            layer=layer.layer,
            cycles=layer.cycles,
            mac_use=layer.mac_use,
            exact=True,  # else there is no result
            cells=result.cells,
            flip_flops=result.flip_flops,
            memory_bits=result.memory_bits,
            pareto=pareto,
            seed=seed + n,
        )
        for n, layer in enumerate(result.layers)
    ]


def to_csv(parameters: Sequence[str], rows: Sequence[SweepRow]) -> str:
    """A table with a header: the point, a column for each swept parameter, what was measured.

    Yes and no are 1 and 0.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["point", *parameters, *MEASURED])
    for row in rows:
        measured = [getattr(row, name) for name in MEASURED]
        plain = [int(x) if isinstance(x, bool) else x for x in measured]
        writer.writerow([row.point, *dict(row.values).values(), *plain])
    return file.getvalue()
