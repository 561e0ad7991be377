"""Tables of layers, for terminals."""

from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from .layer_result import LayerResult

__all__ = [
    "engine_table",
    "fit_table",
    "name_table",
    "plain_table",
    "progress",
    "result_table",
    "wide_console",
]


def result_table(results: Iterable[LayerResult]) -> Table:
    """Layer, MACs, cycles, MAC use, bit-exact or the first difference."""
    table = plain_table("layer", ">MACs", ">cycles", ">MAC use", "result")
    for result in results:
        cycles = "-" if result.cycles is None else f"{result.cycles:,}"
        use = "-" if result.mac_use is None else f"{result.mac_use:.1%}"
        style = "green" if result.exact else "red"
        name, verdict = escape(result.name), f"[{style}]{escape(result.verdict)}[/]"
        table.add_row(name, f"{result.macs:,}", cycles, use, verdict)
    return table


def engine_table(result: LayerResult) -> Table:
    """What each engine did in a layer's cycles, and what it waited for."""
    kinds = {"busy": "busy", "moved": "moved", "wait_data": "waits for data"}
    kinds |= {"wait_room": "for room", "wait_bus": "for the bus", "bytes": "bytes"}
    table = plain_table("engine", *(f">{heading}" for heading in kinds.values()))
    for engine, values in result.engines.items():
        table.add_row(engine, *(f"{values[k]:,}" if k in values else "" for k in kinds))
    return table


def fit_table(fits: Iterable) -> Table:
    """Layer, and the cycles that it is estimated to take or why it does not run."""
    table = plain_table("layer", ">MACs", ">estimated cycles", "result")
    for fit in fits:
        cycles = f"{fit.cycles:,}" if fit.fits else "-"
        verdict = "[green]runs[/]" if fit.fits else f"[red]{escape(fit.reason)}[/]"
        table.add_row(escape(fit.layer.name), f"{fit.layer.macs:,}", cycles, verdict)
    return table


def name_table(layers: Iterable) -> Table:
    """The layers that have names."""
    table = plain_table("name", "operation", ">MACs", "sizes")
    for layer in layers:
        sizes = " ".join(f"{d}={n}" for d, n in layer.sizes.items() if n > 1)
        table.add_row(escape(layer.name), layer.operation, f"{layer.macs:,}", sizes)
    return table


def wide_console(*, stderr: bool = False) -> Console:
    """A console; where nobody looks at it (a file, a pipe) lines are not broken."""
    console = Console(stderr=stderr, emoji=False)  # a path may hold ":x:"
    return console if console.is_terminal else Console(stderr=stderr, emoji=False, width=200)


def progress(console: Console) -> Progress:
    """A bar with a name, a share and the time that has passed; gone when it is done.

    Where nobody looks at the console (a file, a pipe) there is none.
    """
    columns: list[RenderableType] = [
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    ]
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def plain_table(*headings: str) -> Table:
    """A plain table; headings that begin with ``>`` are of numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        justify = "right" if heading.startswith(">") else "left"
        table.add_column(heading.removeprefix(">"), justify=justify, overflow="fold")
    return table
