"""Measures what must be fast: prints a table and writes build/bench.json.

python benchmarks/run.py            all measures
python benchmarks/run.py area       one of them; the others' entries stay as they are
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import alexnet
import area
import buffet
import bus_use
import depthwise
import first_layers
import fused_area
import generation
import idioms
import mac_use
import mlperf_tiny
import networks
import resnet50
import simulation
from measure import Measure, load
from rich.console import Console
from rich.table import Table

__all__ = ["main"]

BENCH_JSON = Path(__file__).resolve().parents[1] / "build" / "bench.json"

MEASURES: dict[str, Callable[[], list[Measure]]] = {
    "generation": generation.measures,
    "mac_use": mac_use.measures,
    "first_layers": first_layers.measures,
    "simulation": simulation.measures,
    "area": area.measures,
    "fused_area": fused_area.measures,
    "buffet": buffet.measures,
    "bus_use": bus_use.measures,
    "depthwise": depthwise.measures,
    "resnet50": resnet50.measures,
    "networks": networks.measures,
    "mlperf_tiny": mlperf_tiny.measures,
    "alexnet": alexnet.measures,
    "idioms": idioms.measures,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the measures named; 1 if one could not be taken, or its mark does not hold."""
    parser = argparse.ArgumentParser(description="Measures what must be fast.")
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(MEASURES))
    names = parser.parse_args(arguments).names or list(MEASURES)
    unknown = [name for name in names if name not in MEASURES]
    if unknown:
        parser.error(f"there is no measure {unknown[0]!r}; choose of {', '.join(MEASURES)}")
    console, failed = Console(), False
    found: list[Measure] = []
    for name in names:
        console.print(f"{name} ... ({load()})")
        try:
            found += MEASURES[name]()
        except (RuntimeError, OSError) as error:
            console.print(f"{name} could not be measured: {error}", style="red", markup=False)
            failed = True
        write(BENCH_JSON, [each.entry() for each in found])
    console.print(table(found))
    console.print(f"All of it: {BENCH_JSON}", soft_wrap=True)
    return int(failed or not all(each.holds for each in found))


def table(found: list[Measure]) -> Table:
    """The measures with their marks."""
    shown = Table("measure", "unit", "mark", "holds")
    shown.add_column("value", justify="right")
    for each in found:
        holds = "" if each.mark is None else "yes" if each.holds else "[red]no[/red]"
        shown.add_row(each.name, each.unit, each.mark or "", holds, f"{each.value:,.4g}")
    return shown


def write(path: Path, entries: list[dict]) -> None:
    """Put entries in the place of those of the same command, others stay."""
    old = json.loads(path.read_text()) if path.is_file() else []
    new = {entry["command"] for entry in entries}
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = [entry for entry in old if entry["command"] not in new]
    path.write_text(json.dumps([*kept, *entries], indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
