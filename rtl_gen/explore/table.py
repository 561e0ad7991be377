"""The rows of a sweep's table, and the table as CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from .point import PointResult

__all__ = ["SweepRow", "failed_row", "rows_of", "to_csv"]

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
    "reason",
)


@dataclass(frozen=True)
class SweepRow:
    """A layer on a point, or a point that failed.

    Parameters
    ----------
    point, values
        The point's name; its swept keys and their values.
    layer
        The layer's name; empty for a point that failed.
    cycles, mac_use
        See :class:`~rtl_gen.explore.point.LayerCost`; None, as all that is measured, for a point
        that failed.
    exact
        Whether the point ran and its outputs were the golden model's, bit by bit.
    cells, flip_flops, memory_bits
        Of the whole design, alike in all rows of a point.
    pareto
        Whether no other point needs fewer cells and no more cycles over all layers, or the reverse.
    seed
        Of the layer's data.
    reason
        Why the point failed; empty if it did not.
    """

    point: str
    values: tuple[tuple[str, str], ...]
    layer: str
    cycles: int | None
    mac_use: float | None
    exact: bool
    cells: int | None
    flip_flops: int | None
    memory_bits: int | None
    pareto: bool
    seed: int
    reason: str = ""


def rows_of(result: PointResult, *, pareto: bool, seed: int) -> list[SweepRow]:
    """The rows of a point, one for each layer."""
    return [
        SweepRow(
            point=result.name,
            values=result.values,
            layer=layer.layer,
            cycles=layer.cycles,
            mac_use=layer.mac_use,
            exact=True,  # else it is a failed point
            cells=result.cells,
            flip_flops=result.flip_flops,
            memory_bits=result.memory_bits,
            pareto=pareto,
            seed=seed,
        )
        for layer in result.layers
    ]


def failed_row(
    point: str, values: tuple[tuple[str, str], ...], *, reason: str, seed: int
) -> SweepRow:
    """The one row of a point that is no design, does not build, or is wrong."""
    return SweepRow(
        point=point,
        values=values,
        layer="",
        cycles=None,
        mac_use=None,
        exact=False,
        cells=None,
        flip_flops=None,
        memory_bits=None,
        pareto=False,
        seed=seed,
        reason=reason,
    )


def to_csv(parameters: Sequence[str], rows: Sequence[SweepRow]) -> str:
    """A table with a header: the point, a column for each swept parameter, what was measured.

    Yes and no are 1 and 0; what was not measured is empty.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["point", *parameters, *MEASURED])
    for row in rows:
        measured = [getattr(row, name) for name in MEASURED]
        plain = [int(x) if isinstance(x, bool) else x for x in measured]
        writer.writerow([row.point, *dict(row.values).values(), *plain])
    return file.getvalue()
