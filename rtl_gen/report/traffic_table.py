"""The table of what a layer moves: predicted from the reuse analysis, and as a bench counted it."""

from collections.abc import Sequence

from rich.table import Table

from ..sim.traffic import TrafficRow
from .tables import plain_table

__all__ = ["plain_traffic", "traffic_table"]


def traffic_table(rows: Sequence[TrafficRow]) -> Table:
    """Port or class of links, words predicted and counted, and whether they are equal."""
    counted = any(row.counted is not None for row in rows)
    table = plain_table("port or link", ">predicted", *([">counted", ""] if counted else []))
    for row in rows:
        cells = [row.name, f"{row.predicted:,}"]
        if counted:
            cells.append("-" if row.counted is None else f"{row.counted:,}")
            verdict = "[green]equal[/]" if row.exact else "[red]different[/]"
            cells.append("" if row.counted is None else verdict)
        table.add_row(*cells)
    return table


def plain_traffic(rows: Sequence[TrafficRow]) -> list[dict]:
    """The same for machines."""
    return [{"name": row.name, "predicted": row.predicted, "counted": row.counted} for row in rows]
