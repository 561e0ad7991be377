"""The show of `make run`: a network reads handwritten digits on generated hardware.

Writes the Verilog of a design, builds its simulation, runs the network's file as one program on a
hundred digits, compares every tensor with numpy, and says what it saw::

    python -m rtl_gen.report.show
"""

import argparse
import os
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from ..api import LoadedDesign, load
from ..networks import Network, NetworkRun, map_graph
from ..nn.lower import lower
from ..operands import Operands
from ..sim.layers import check_layers
from ..sim.run import Simulation
from ..sim.verilator import Build
from .digits import SHOWN, Digits, Show, read_digits
from .layer_result import LayerResult
from .network_page import write_network_page
from .page import write_page
from .pictures import colored, side_by_side
from .run_model import network_run_table, run_shown
from .tables import wide_console
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
    network = map_graph(design.machine, digits.graph, digits.inputs)
    build = _build(console, design, waves=waves)
    run = _run(console, network, build, len(digits.images))
    name = digits.graph.outputs[0].name
    # What did not come out at all is read as digit 0.
    scores = run.outputs.get(name, run.golden[name] * 0)
    traced = _trace(console, design, build) if waves else None
    read, golden = scores.argmax(1), run.golden[name].argmax(1)
    return Show(design, digits, files, run, read, golden, traced)


def _build(console: Console, design: LoadedDesign, *, waves: bool) -> Build:
    began = time.perf_counter()
    with console.status("building the simulation; the first time this takes a minute or two"):
        build = design.build(waves=waves)
    how = "built, and kept" if build.new else "found built"
    _line(console, "Simulation", f"{how}: {_short(build.directory)}", began)
    return build


def _run(console: Console, network: Network, build: Build, count: int) -> NetworkRun:
    began = time.perf_counter()
    run = run_shown(console, network, Simulation(build))
    cycles = f"{run.done.cycles:,} cycles" if run.done.counters else "no end"
    text = f"{len(run.layers)} layers on {count} digits as one program, {cycles}"
    _line(console, "Network", text, began)
    return run


def _trace(console: Console, design: LoadedDesign, build: Build) -> LayerResult:
    """The first layer on one digit once more, with a waveform."""
    began = time.perf_counter()
    one = read_digits(count=1)
    node = lower(one.graph, design.machine).nodes[0]
    vcd = FOLDER / f"{design.name}.vcd"
    operands = Operands(node.layer, node.source(one.images), node.data, node)
    (check,) = check_layers(
        design.machine,
        Simulation(build, waves=vcd),
        [(operands.layer, operands.source, operands.data)],
    )
    result = LayerResult(node.node.layer, operands, check, waves=vcd)
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
    console.print(network_run_table(show.run))
    console.print()
    style = "green" if show.exact else "bold red"
    verdict = "all tensors are bit-exact" if show.exact else "NOT all tensors are bit-exact"
    console.print(f"[{style}]{verdict}[/]; {show.accuracy}")
    if show.waves and not show.waves.exact:
        text = f"the waveform's run of {show.waves.name}: {show.waves.verdict}"
        console.print(text, style="bold red", markup=False, highlight=False)
    wrong = show.waves is not None and not show.waves.exact
    for text in (show.run.explain(), show.waves.explain() if wrong else ""):
        if text:
            console.print(text, markup=False, highlight=False, soft_wrap=True)


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
        network = write_network_page(FOLDER / "network.html", show.run)
    except Exception as error:
        found = explain_error(error)
        if found is None:
            raise
        message, code = found
        print(f"make run: {message}", file=sys.stderr)
        return code
    _line(console, "Report", f"{page}; engines over time, roofline: {network}", began)
    return 0 if show.exact else 1


if __name__ == "__main__":
    sys.exit(main())
