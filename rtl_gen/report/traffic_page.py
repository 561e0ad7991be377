"""The page of what every shipped dataflow moves, docs/traffic.md: predicted, and counted in RTL.

Run as ``python -m rtl_gen.report.traffic_page`` in the project's folder: a simulation with counters
at every link is built for each file, one after the other.
"""

from collections.abc import Callable
from dataclasses import replace
from math import prod
from pathlib import Path

from ..mapping.mapper import choose_mapping
from ..mapping.mapping import Mapping
from ..mapping.packed_image import packed_image
from ..mapping.placing import OWN_INPUT
from ..reuse.fused_machine import machine_of
from ..reuse.machine import Machine
from ..sim.layers import check_layers, random_data
from ..sim.link_counters import LinkCounters
from ..sim.programs import build_machine
from ..sim.run import Simulation
from ..sim.traffic import TrafficRow, compare_traffic
from ..spec.design import KIB, Buffers
from ..spec.layer import Layer
from ..spec.operation import SpecError
from ..spec.parse import load_design

__all__ = ["PAGE", "counted", "predicted", "sample_layer", "small_machine", "traffic_page"]

PAGE = Path("docs/traffic.md")

HEAD = """# What moves

For each file of `dataflows/`, on a small array with small buffers, a layer in several tiles: words
read of each buffer, beats of the memory port, elements and sums on each class of links. What is
predicted follows in closed form from the reuse analysis and the mapping
(`rtl_gen/mapping/traffic.py`); what is counted comes from strobes at the ports of the memories and
at the PEs of the simulated design (`rtl_gen/sim/link_counters.py`). There is no tolerance: nothing
but equal is expected. `make traffic` runs the simulations and writes this page;
`rtl-gen traffic FILE LAYER --sim` does the same for any layer on any design.

A word of a link counts in every step, load tick, drain tick or tick of a moving input, also where a
ragged tile leaves the PE without work. Where words come on tagged buses, elements count on the bus,
and in each scratchpad that takes them.
"""

SHAPES = ((4, 4), (9, 4), (10, 5))
"""Arrays, of which each file takes the first that holds its loops."""

BUFFERS = Buffers(
    input=2 * KIB, weights=2 * KIB, output=2 * KIB, parameters=1 * KIB, accumulators=128
)

Rows = list[tuple[Mapping, list[TrafficRow]]]
"""The layers of a file, and what each moves."""


def small_machine(file: Path) -> Machine:
    """A shipped design on a small array."""
    design = load_design(file)
    buffers = replace(BUFFERS, image=KIB if design.buffers.image else 0)
    for rows, columns in SHAPES:
        try:
            return machine_of(replace(design, rows=rows, columns=columns, buffers=buffers))
        except SpecError as error:
            refused = error
    raise refused


def sample_layer(machine: Machine, *, fits: bool = False) -> Layer:
    """A layer of several tiles; or one that ``fits`` the array, with channels for each PE."""
    operation, block, design = machine.operation, machine.block, machine.design
    affine = [rank for tensor in operation.tensors for rank in tensor.ranks if not rank.is_plain]
    window, sizes = {d for rank in affine for d in rank.dimensions}, {}
    for d in operation.dimensions:
        on_array = machine.spatial_size(d)
        if d in operation.batch:
            sizes[d] = on_array
        elif d in window:
            sizes[d] = 3 if d in operation.summed else 4 * on_array
        else:
            sizes[d] = on_array if fits else block * on_array
    first, *rest = operation.summed
    sizes[first] = min(sizes[first], design.formats.reduction // prod(sizes[d] for d in rest))
    terms = [term for t in operation.tensors for rank in t.ranks for term in rank.terms]
    factors = {symbol for term in terms if term.dimension for symbol in term.symbols}
    symbols = {symbol: int(symbol in factors) for symbol in operation.symbols}
    extents = {}
    for rank in affine:
        ends = [rank.coefficient(d, symbols) * (sizes[d] - 1) for d in set(rank.dimensions)]
        if rank.lead and len(ends) > 1:  # what all products of the others reach
            extents[rank.name] = 2
            sizes[rank.lead] = 2 - sum(end for end in ends if end < 0)
    for rank in affine:
        reach = sum(rank.coefficient(d, symbols) * (sizes[d] - 1) for d in set(rank.dimensions))
        extents.setdefault(rank.name, 1 + reach)
    name = "fits" if fits else "tiles"
    return Layer(name=name, operation=operation.name, sizes=sizes, symbols=symbols, extents=extents)


def _mapped(whole: Machine) -> list[Mapping]:
    """The layers of the page: one for each dataflow, and one whose windows are folded."""
    found = []
    for machine in whole.alone:
        layers = [sample_layer(machine)]
        layers += [folded] if (folded := _first_layer(machine)) else []
        found += [choose_mapping(machine, layer, OWN_INPUT) for layer in layers]
    return found


def _first_layer(machine: Machine) -> Layer | None:
    """A layer of three input channels, if the design folds its windows."""
    layer = sample_layer(machine)
    if packed_image(machine, layer) is None:
        return None
    channel = machine.blocked_dimension(machine.operation.activation)
    return replace(layer, name="first", sizes=layer.sizes | {channel: 3})


def predicted(file: Path) -> Rows:
    """What a file's layers move, in closed form; not counted."""
    return [(mapping, compare_traffic(mapping)) for mapping in _mapped(small_machine(file))]


def counted(file: Path) -> Rows:
    """The same, and as a simulation counted it.

    Raises
    ------
    RuntimeError
        If an output is wrong.
    """
    whole = small_machine(file)
    simulation, links = Simulation(build_machine(whole, links=True), seed=1), LinkCounters(whole)
    found = []
    for mapping in _mapped(whole):
        image = mapping.placing.image
        layer = image.layer if image else mapping.layer
        source, data = random_data(mapping.machine.operation, layer, 1)
        work = [(layer, source, data)]
        [check] = check_layers(whole, simulation, work, mappings=[mapping])
        if not check.exact:
            raise RuntimeError(f"{file.stem}: {check.wrong} outputs are wrong")
        found.append((mapping, compare_traffic(mapping, check, links=links)))
    return found


def traffic_page(project: Path, rows_of: Callable[[Path], Rows]) -> str:
    """The text of the page."""
    page = [HEAD]
    for file in sorted((project / "dataflows").glob("*.yaml")):
        page.append(f"## {file.stem}\n")
        for mapping, rows in rows_of(file):
            page.append(_section(mapping, rows))
    return "\n".join(page)


def _section(mapping: Mapping, rows: list[TrafficRow]) -> str:
    design, image = mapping.machine.design, mapping.placing.image
    layer = image.layer if image else mapping.layer
    sizes = " ".join(f"{d}={size}" for d, size in layer.sizes.items())
    how = ", its windows folded" if image else ""
    what = f"{design.dataflow.name}, {design.rows}x{design.columns} PEs, {sizes}{how}:"
    lines = [what, ""]
    lines += ["| port or link | predicted | counted |", "|---|---:|---:|"]
    for row in rows:
        seen = "-" if row.counted is None else f"{row.counted:,}"
        lines.append(f"| {row.name} | {row.predicted:,} | {seen} |")
    return "\n".join([*lines, ""])


def write_traffic(project: Path) -> None:
    """Simulate file after file, and write the page each time: what comes later is predicted."""
    found: dict[Path, Rows] = {}

    def known(file: Path) -> Rows:
        return found.get(file) or found.setdefault(file, predicted(file))

    files = sorted((project / "dataflows").glob("*.yaml"))
    for file in files:
        found[file] = counted(file)
        (project / PAGE).write_text(traffic_page(project, known))
        print(file.stem, flush=True)


if __name__ == "__main__":
    write_traffic(Path())
