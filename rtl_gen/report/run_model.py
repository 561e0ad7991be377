"""Runs a network's file on a design: the command `rtl-gen run`."""

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..api import LoadedDesign
from ..networks import Network, NetworkRun, map_graph, run_network
from ..nn.graph import Graph, ModelError
from ..nn.model_file import read_model
from ..sim.run import Simulation
from .arrays import named_array, read_arrays
from .tables import plain_table, progress

__all__ = [
    "network_run_table",
    "plain_layers",
    "plain_run",
    "print_run",
    "run_model",
    "run_shown",
]


def run_model(
    design: LoadedDesign,
    model: Path,
    *,
    inputs: Path | None,
    until: str | None,
    seed: int | None,
    console: Console,
) -> NetworkRun:
    """Run a network as one program; ``console`` shows how far it is.

    Parameters
    ----------
    inputs
        An ``.npz`` file with an int8 array for each input of the model, by its name, or with one
        array alone; by default random numbers.
    until
        The last node that is run.

    Raises
    ------
    ModelError
        If the model or its inputs cannot be read, or the design does not run a node.
    MappingError
        If a layer does not fit the design.
    """
    arrays = read_arrays(inputs) if inputs else {}
    graph = read_model(model, batch=max((len(one) for one in arrays.values()), default=1))
    if until:
        graph = graph.until(until)
    given = _given(graph, arrays, inputs) if inputs else _random(graph, 1 if seed is None else seed)
    network = map_graph(design.machine, graph, given)
    with console.status("building the simulation; the first time this takes a minute or two"):
        build = design.build()
    return run_shown(console, network, Simulation(build, seed=seed))


def run_shown(console: Console, network: Network, simulation: Simulation) -> NetworkRun:
    """Run a network behind a progress bar."""
    with progress(console) as bar:
        task = bar.add_task("running", total=2 * network.estimated_cycles)
        before = {"every tensor": 0, "the network": network.estimated_cycles}
        return run_network(
            network,
            simulation,
            on_progress=lambda name, cycles: bar.update(
                task, description=f"running {name}", completed=before[name] + cycles
            ),
        )


def _given(graph: Graph, arrays: dict[str, np.ndarray], path: Path) -> dict[str, np.ndarray]:
    """The file's arrays as the graph's inputs."""
    found = {}
    for port in graph.inputs:
        array = named_array(arrays, port.name, len(graph.inputs), path)
        shape = (graph.tensors[port.tensor].shape[0], *port.index.shape)
        if array.dtype != port.dtype or len(array) != shape[0]:
            raise ModelError(
                f"{path}: {port.name} must be {port.dtype} of {shape[0]} images, not "
                f"{array.dtype} of {len(array)}"
            )
        try:
            converted = port.convert(array)
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from None
        found[port.tensor] = converted.reshape(graph.tensors[port.tensor].shape)
    return found


def _random(graph: Graph, seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        port.tensor: random.integers(-128, 128, graph.tensors[port.tensor].shape).astype(np.int8)
        for port in graph.inputs
    }


def network_run_table(run: NetworkRun) -> Table:
    """A row for each layer: what it ran as, cycles beside the model's, and by how much that is off,
    MAC use, its output.
    """
    headings = (">MACs", ">cycles", ">model", ">off", ">MAC use", "output", "result")
    table = plain_table("layer", "dataflow", *headings)
    for layer in run.layers:
        result = "[green]bit-exact[/]" if not layer.wrong else f"[red]{layer.wrong} wrong[/]"
        table.add_row(
            escape(layer.name),
            escape(layer.step.mapping.machine.design.dataflow.name),
            f"{layer.macs:,}",
            f"{layer.cycles:,}",
            f"{layer.estimate:,}",
            f"{layer.estimate_error:+.1%}",
            f"{layer.mac_use:.1%}",
            "on chip" if layer.on_chip else "memory",
            result,
        )
    table.add_section()
    macs = sum(layer.macs for layer in run.layers)
    model = run.network.estimated_cycles
    cycles = run.done.cycles if run.done.counters else 0
    figures = (f"{macs:,}", f"{cycles:,}", f"{model:,}", f"{model / max(1, cycles) - 1:+.1%}")
    table.add_row("all", "", *figures, f"{run.mac_use:.1%}", "", "")
    return table


def print_run(console: Console, run: NetworkRun) -> None:
    """The table, what crossed the memory port, and the verdict."""
    console.print(network_run_table(run))
    read, written = run.bytes_moved
    console.print(f"\n{read:,} bytes read from memory, {written:,} written")
    for problem in run.problems:
        console.print(problem, style="bold red", markup=False, highlight=False)
    if run.exact:
        console.print("[green]every tensor is bit-exact[/]")
    else:
        console.print("[bold red]NOT every tensor is bit-exact[/]")
        console.print(run.explain(), markup=False, highlight=False, soft_wrap=True)


def plain_run(run: NetworkRun) -> dict:
    """The same as plain data, for JSON."""
    read, written = run.bytes_moved
    return {
        "network": run.network.graph.name,
        "design": run.network.machine.design.name,
        "cycles": run.done.cycles if run.done.counters else None,
        "estimated_cycles": run.network.estimated_cycles,
        "mac_use": run.mac_use,
        "bytes_read": read,
        "bytes_written": written,
        "exact": run.exact,
        "problems": list(run.problems),
        "layers": plain_layers(run),
    }


def plain_layers(run: NetworkRun) -> list[dict]:
    """The layers alone."""
    return [
        {
            "name": layer.name,
            "dataflow": layer.step.mapping.machine.design.dataflow.name,
            "macs": layer.macs,
            "cycles": layer.cycles,
            "estimated_cycles": layer.estimate,
            "mac_use": layer.mac_use,
            "on_chip": layer.on_chip,
            "wrong": layer.wrong,
        }
        for layer in run.layers
    ]
