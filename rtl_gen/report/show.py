"""The show of `make run`: a network reads handwritten digits on generated hardware.

Writes the Verilog of a design, builds its simulation, runs every layer on a hundred digits,
compares every tensor with numpy, and says what it saw::

    python -m rtl_gen.report.show
"""

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from ..api import LoadedDesign, load
from ..sim.verilator import Build
from .digits import SHOWN, Digits, Show, read_digits
from .layer_result import LayerResult
from .network import MappedNetwork, NodeResult, map_network, run_layer, run_network
from .page import write_page
from .pictures import colored, side_by_side
from .tables import network_table, progress, wide_console
from .user_errors import explain_error

__all__ = ["main", "print_show", "run_show"]

PROJECT = Path(__file__).resolve().parents[2]
DATAFLOW = PROJECT / "dataflows" / "weight_stationary.yaml"
FOLDER = Path("build/show")


def run_show(console: Console, design: LoadedDesign, digits: Digits, *, waves: bool) -> Show:
    """Do everything, with a line for each thing that is done.

    With ``waves`` one build serves both: it simulates the digits, and traces one of them.
    """
    shape = f"{design.design.rows} x {design.design.columns}"
    console.print(f"[bold]{design.name}[/]: {design.design.dataflow.operation.name}, {shape} PEs")
    began = time.perf_counter()
    files = design.write_verilog()
    _line(console, "Verilog", f"{files.verilog}, {files.facts['modules']} modules", began)
    network = map_network(design, digits.graph)
    build = _build(console, design, waves=waves)
    results, tensors = _run(console, network, build, digits)
    read = tensors[digits.graph.outputs[0].tensor].argmax(1)
    golden = results[-1].golden.argmax(1)
    traced = _trace(console, design, build) if waves else None
    return Show(design, digits, files, results, read, golden, traced)


def _build(console: Console, design: LoadedDesign, *, waves: bool) -> Build:
    began = time.perf_counter()
    with console.status("building the simulation; the first time this takes a minute or two"):
        build = design.build(waves=waves)
    how = "built, and kept" if build.new else "found built"
    _line(console, "Simulation", f"{how}: {_short(build.directory)}", began)
    return build


def _run(
    console: Console, network: MappedNetwork, build: Build, digits: Digits
) -> tuple[list[NodeResult], dict[str, np.ndarray]]:
    began = time.perf_counter()
    count = len(digits.images)
    with progress(console) as bar:
        watch = _Watch(bar, network, f"{count} digits")
        found = run_network(
            network, build, digits.inputs, on_progress=watch.moved, on_result=watch.done
        )
    results, _ = found
    cycles = sum(node.result.cycles or 0 for node in results)
    _line(console, "Layers", f"{len(results)} layers on {count} digits, {cycles:,} cycles", began)
    return found


class _Watch:
    """Moves a progress bar along the estimated cycles of a network."""

    def __init__(self, bar: Progress, network: MappedNetwork, what: str):
        self._bar, self._what = bar, what
        self._before = 0
        self._task = bar.add_task(f"running {what}", total=network.cycles)

    def moved(self, name: str, cycles: int) -> None:
        text = f"{name} on {self._what}"
        self._bar.update(self._task, description=text, completed=self._before + cycles)

    def done(self, node: NodeResult) -> None:
        self._before += node.result.cycles or 0
        self._bar.update(self._task, completed=self._before)


def _trace(console: Console, design: LoadedDesign, build: Build) -> LayerResult:
    """The first layer on one digit once more, with a waveform."""
    began = time.perf_counter()
    one = read_digits(count=1)
    network = map_network(design, one.graph)
    vcd = FOLDER / f"{design.name}.vcd"
    result = run_layer(network.nodes[0], network.mappings[0], build, one.images, waves=vcd)
    _line(console, "Waveform", f"{vcd}: {result.name} on one digit", began)
    return result


def print_show(console: Console, show: Show) -> None:
    """Pictures, the table, the accuracy, and where things lie."""
    images, captions, good = show.shown()
    console.print()
    grey = console.color_system in ("256", "truecolor")
    row = SHOWN if grey else SHOWN // 2
    for part in (slice(first, first + row) for first in range(0, len(images), row)):
        if grey:
            console.print(colored(images[part], captions[part], good[part]))
        else:
            text = side_by_side(images[part], captions[part])
            console.print(f"{text}\n", markup=False, highlight=False)
    console.print()
    console.print(network_table(show.results))
    for node in show.results:
        if node.result.ran_as:
            console.print(f"{node.result.name} ran as {node.result.ran_as}", markup=False)
    console.print()
    style = "green" if show.exact else "bold red"
    verdict = "all tensors are bit-exact" if show.exact else "NOT all tensors are bit-exact"
    console.print(f"[{style}]{verdict}[/]; {show.accuracy}")
    if show.waves and not show.waves.exact:
        text = f"the waveform's run of {show.waves.name}: {show.waves.verdict}"
        console.print(text, style="bold red", markup=False, highlight=False)
    ran = [node.result for node in show.results] + ([show.waves] if show.waves else [])
    wrong = next((result for result in ran if result.first_wrong is not None), None)
    if wrong:
        console.print(wrong.explain(), markup=False, highlight=False, soft_wrap=True)


def _line(console: Console, label: str, text: str, began: float) -> None:
    seconds = time.perf_counter() - began
    console.print(f"  {label:<11}{escape(text)} [dim]({seconds:.1f} s)[/]", highlight=False)


def _short(path: Path) -> str:
    """A path as seen from the working directory."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def main() -> int:
    """0 if every tensor is bit-exact; 1 if not, or if a build or a run failed; 2 for bad input."""
    parser = argparse.ArgumentParser(prog="make run", description=__doc__.splitlines()[0])
    parser.add_argument("--no-waves", action="store_true", help="write no waveform")
    options = parser.parse_args()
    console = wide_console()
    try:
        show = run_show(console, load(DATAFLOW), read_digits(), waves=not options.no_waves)
        print_show(console, show)
        began = time.perf_counter()
        page = write_page(FOLDER / "report.md", show)
    except Exception as error:
        found = explain_error(error)
        if found is None:
            raise
        message, code = found
        print(f"make run: {message}", file=sys.stderr)
        return code
    _line(console, "Report", str(page), began)
    return 0 if show.exact else 1


if __name__ == "__main__":
    sys.exit(main())
