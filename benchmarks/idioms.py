"""A convolution and a matmul, tiled, on five storage idioms of the same capacity.

Input and weights lie in FIFOs, buffets, double buffers or scratchpads, each design run in RTL; the
fifth idiom, a direct-mapped cache, is a cycle model (``direct_mapped.py``). Each idiom runs with
the best mapping of its own: all of a grid of tiles and loop orders are estimated, and the best
few are run.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from direct_mapped import run_caches
from measure import Measure
from rich.console import Console
from rich.table import Table

from rtl_gen.isa.widths import IDIOMS
from rtl_gen.mapping.cost import estimate, input_words, linear_words, trips
from rtl_gen.mapping.encode import encode_layer
from rtl_gen.mapping.input_engines import InputEngines
from rtl_gen.mapping.linear_engines import parameter_engines, weight_engines
from rtl_gen.mapping.mapper import loop_orders
from rtl_gen.mapping.mapping import Mapping, MappingError
from rtl_gen.mapping.output_engines import OutputEngines
from rtl_gen.mapping.program import Program
from rtl_gen.reuse.machine import Machine
from rtl_gen.sim.layers import golden_output, random_data
from rtl_gen.sim.programs import build_machine, run_programs
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.design import KIB, Buffers, Design
from rtl_gen.spec.layer import Layer, conv2d
from rtl_gen.spec.parse import load_design

PROJECT = Path(__file__).resolve().parents[1]
COMMAND = "python benchmarks/run.py idioms"

INPUT, WEIGHTS = 4 * KIB, 8 * KIB
"""Bytes of the input's buffer, and of the weights': less than a layer has, and than its rows."""

LAYERS = {
    "conv": conv2d(name="conv", k=24, c=32, h=24, w=24, r=3, s=3, pad=(1, 1, 1, 1)),
    # As a 1x1 convolution: 256 x 128 times 128 x 128.
    "matmul": conv2d(name="matmul", k=128, c=128, h=16, w=16, r=1, s=1),
}
GRID = {  # tiles that are tried, by dimension; all divide the layers
    "conv": {"p": (24, 12, 8, 6, 4, 3, 2, 1), "q": (24, 12, 8), "k": (24, 8), "c": (32, 16, 8)},
    "matmul": {"p": (16, 8, 4, 2), "q": (16, 8), "k": (128, 64, 32, 8), "c": (128, 64, 32, 8)},
}
RUN_EACH = 2
"""Mappings of an idiom that are run, the best by estimate."""

CACHE = "cache"
LINES = tuple(itertools.product((1, 16, 64, 128), (1, 16, 64)))
"""Words of a line that are tried, of the input's cache and of the weights'."""

# M. Horowitz, "Computing's Energy Problem (and what we can do about it)", ISSCC 2014: 45 nm, 0.9 V.
SOURCE = "Horowitz, ISSCC 2014 (45 nm): 8-bit multiply and 32-bit add 0.3 pJ, 64 bits of a memory "
SOURCE += "of 8 KB 10 pJ, of 32 KB 20 pJ, of DRAM 1.3 nJ, the least of its range"
MAC, SMALL, LARGE, DRAM = 0.3, 10 / 64, 20 / 64, 1300 / 64  # pJ, and pJ a bit

PAPER = {"double_buffer": 1.53, CACHE: 5.39}
"""Energy-delay over a buffet's in Pellauer et al., ASPLOS 2019."""

WHY = (
    "Why not the paper's 1.53 and 5.39: each idiom has the tiles, and the cache the lines, that "
    "suit it best, and this array is bound by compute, so that it waits for memory seldom. All but "
    "the cache are runs in RTL. The cache is a model of cycles, driven by the addresses that the "
    "feeders ask for: for it, hits, its port to memory and fills cost nothing; against it, it has "
    "one miss at a time, whose whole line it waits for, and fetches nothing ahead."
)


@dataclass(frozen=True)
class Cost:
    """What a layer took: cycles, bytes over the memory port, and energy in pJ."""

    cycles: float
    dram_bytes: int
    energy: float

    @property
    def energy_delay(self) -> float:
        """In microjoule times kilocycles."""
        return self.energy * self.cycles * 1e-9


@dataclass(frozen=True)
class Found:
    """An idiom with its best mapping."""

    idiom: str
    mapping: Mapping
    cost: Cost
    wrong: int = 0
    note: str = ""


def small_design() -> Design:
    """Weight stationary, 8 x 8, words of 8 bytes as the bus."""
    design = load_design(PROJECT / "dataflows" / "weight_stationary.yaml")
    sizes = Buffers(
        input=INPUT, weights=WEIGHTS, output=8 * KIB, parameters=2 * KIB, accumulators=1024
    )
    return replace(design, rows=8, columns=8, block=8, bus_bits=64, post_lanes=8, buffers=sizes)


def with_idiom(design: Design, idiom: str) -> Machine:
    """The design with both operands in one idiom."""
    buffers = replace(design.buffers, input_idiom=idiom, weights_idiom=idiom)
    return Machine(replace(design, buffers=buffers))


def mappings(machine: Machine, layer: Layer, grid: dict) -> Iterator[Mapping]:
    """Each nest of loops that the grid gives, once."""
    seen = set()
    for order in loop_orders(machine):
        for tiles in itertools.product(*grid.values()):
            mapping = Mapping(machine, layer, dict(zip(grid, tiles)), order)
            if mapping.levels not in seen:
                seen.add(mapping.levels)
                yield mapping


def energy(mapping: Mapping, *, writes: int, dram_bytes: int, tag_bits: int = 0) -> float:
    """pJ of a layer: products, sums, the memories of its operands and its outputs, DRAM.

    Parameters
    ----------
    writes
        Words of input and weights written to their memories.
    tag_bits
        Read with each word read.
    """
    machine, layer = mapping.machine, mapping.layer
    word, reads = 8 * machine.block, words_read(mapping)
    sums = trips(mapping, mapping.levels) * machine.sum_bits * len(machine.output_lanes)
    outputs = OutputEngines(mapping).tensor.words
    small = (reads + writes + 2 * outputs) * word + reads * tag_bits
    return layer.macs * MAC + small * SMALL + 2 * sums * LARGE + 8 * dram_bytes * DRAM


def words_read(mapping: Mapping) -> int:
    """Words of input and weights that are read from their buffers, padding among them."""
    weights, levels = weight_engines(mapping), mapping.levels
    read = trips(mapping, levels[: InputEngines(mapping).kept]) * mapping.machine.input_words
    return read + trips(mapping, [levels[n] for n in weights.used]) * weights.set_words


def words_loaded(mapping: Mapping) -> int:
    """Words of input and weights that are written there."""
    return input_words(InputEngines(mapping))[0] + linear_words(weight_engines(mapping))


def estimated(mapping: Mapping) -> Cost:
    """By the cost model, for the choice of a mapping."""
    cost = estimate(mapping)
    writes = words_loaded(mapping)
    words = writes + linear_words(parameter_engines(mapping))
    moved = (words + OutputEngines(mapping).tensor.words) * mapping.machine.block
    spent = energy(mapping, writes=writes, dram_bytes=moved)
    return Cost(cost.cycles, moved, spent)


def best_estimates(machine: Machine, layer: Layer, grid: dict) -> list[Mapping]:
    """The mappings of the grid that run, by estimated energy-delay, the first of them."""
    found, reason = [], None
    for mapping in mappings(machine, layer, grid):
        try:
            found.append((estimated(mapping).energy_delay, len(found), mapping))
        except MappingError as error:
            reason = error
    chosen = []
    for *_, mapping in sorted(found, key=lambda entry: entry[:2]):
        try:
            encode_layer(mapping)
        except MappingError as error:
            reason = error
            continue
        chosen.append(mapping)
        if len(chosen) == RUN_EACH:
            break
    if not chosen:
        raise MappingError(str(reason))
    return chosen


def run_idiom(design: Design, idiom: str, layers: dict, grids: dict) -> dict[str, Found | str]:
    """Each layer in RTL with the idiom's best mapping, or why it has none."""
    machine, found = with_idiom(design, idiom), {}
    simulation, programs = Simulation(build_machine(machine), seed=1), []
    for name, layer in layers.items():
        try:
            chosen = best_estimates(machine, layer, grids[name])
        except MappingError as error:
            found[name] = str(error)
            continue
        source, data = random_data(machine.operation, layer, 1)
        right = golden_output(machine.operation, layer, source, data)
        for mapping in chosen:
            program = Program()
            program.add(mapping, data, source=source)
            programs.append((name, program, mapping, right))
    results = run_programs(simulation, [entry[:2] for entry in programs])
    for (name, _, mapping, right), done in zip(programs, results, strict=True):
        if done.problems:
            raise RuntimeError(f"{idiom}, {name}: {done.problems[0]}")
        beats = done.counters["READ_BEATS"] + done.counters["WRITE_BEATS"]
        moved = beats * design.bus_bits // 8
        spent = energy(mapping, writes=words_loaded(mapping), dram_bytes=moved)
        wrong = int((done.outputs[0] != right).sum())
        new = Found(idiom, mapping, Cost(done.cycles, moved, spent), wrong)
        old = found.get(name, new)
        best = min(old, new, key=lambda one: one.cost.energy_delay)
        # Wrong outputs of a mapping that was not taken count as well.
        found[name] = replace(best, wrong=wrong + (old.wrong if old is not new else 0))
    return found


def run_cache(design: Design, layer: Layer, grid: dict) -> Found:
    """A layer on caches, with the best of all mappings and lines."""
    machine, best = with_idiom(design, "buffet"), None
    words = (machine.buffer_words("input"), machine.buffer_words("weights"))
    for mapping in mappings(machine, layer, grid):
        try:
            OutputEngines(mapping).check()
        except MappingError:
            continue
        other = OutputEngines(mapping).tensor.words + linear_words(parameter_engines(mapping))
        for lines in LINES:
            done = run_caches(mapping, words, lines)
            moved = (done.fetched + other) * machine.block
            spent = energy(
                mapping,
                writes=done.fetched,
                dram_bytes=moved,
                tag_bits=done.tag_bits,
            )
            cost = Cost(done.cycles, moved, spent)
            if best is None or cost.energy_delay < best.cost.energy_delay:
                note = f"lines of {lines[0]} and {lines[1]} words"
                best = Found(CACHE, mapping, cost, note=note)
    return best


def measures(
    *, design: Design | None = None, layers=LAYERS, grids=GRID, idioms=IDIOMS
) -> list[Measure]:
    """Cycles, DRAM bytes and energy-delay of each layer on each idiom; wrong outputs of the runs.

    A smaller design and smaller layers, and fewer idioms beside the buffet, only to try the code.
    """
    design = design or small_design()
    runs = {idiom: run_idiom(design, idiom, layers, grids) for idiom in idioms}
    runs[CACHE] = {name: run_cache(design, layer, grids[name]) for name, layer in layers.items()}
    show(design, runs, layers)
    found, wrong, missing = [], 0, 0
    for name in layers:
        for idiom, results in runs.items():
            if isinstance(results[name], str):
                missing += 1
                continue
            cost, key = results[name].cost, f"idioms_{name}_{idiom}"
            wrong += results[name].wrong
            base = edp_of_buffet(runs, name)
            found += [
                Measure(name=f"{key}_cycles", value=cost.cycles, unit="", command=COMMAND),
                Measure(name=f"{key}_dram", value=cost.dram_bytes, unit="bytes", command=COMMAND),
                Measure(name=f"{key}_edp", value=cost.energy_delay, unit="uJ*kc", command=COMMAND),
                Measure(
                    name=f"{key}_edp_over_buffet",
                    value=cost.energy_delay / base,
                    unit="",
                    command=COMMAND,
                ),
            ]
    return [
        *found,
        Measure(name="idioms_wrong_outputs", value=wrong, unit="", asked=0, command=COMMAND),
        Measure(name="idioms_that_cannot_run", value=missing, unit="", asked=0, command=COMMAND),
    ]


def edp_of_buffet(runs: dict[str, dict[str, Found | str]], layer: str) -> float:
    """Energy-delay of a layer on buffets; nan if it does not run on them."""
    found = runs["buffet"][layer]
    return float("nan") if isinstance(found, str) else found.cost.energy_delay


def show(design: Design, runs: dict[str, dict[str, Found | str]], layers: dict) -> None:
    """One table of all, the buffet beside the others, and where the numbers are from."""
    console = Console()
    console.width = max(console.width, 110)
    sizes = design.buffers
    title = f"Idioms: {sizes.input // KIB} KiB of input, {sizes.weights // KIB} KiB of weights"
    table = Table("layer", "idiom", title=title)
    for column in ("cycles", "DRAM bytes", "uJ", "uJ*kcycles", "/buffet", "paper"):
        table.add_column(column, justify="right")
    table.add_column("mapping")
    for name in layers:
        base = edp_of_buffet(runs, name)
        for idiom, results in runs.items():
            one = results[name]
            if isinstance(one, str):
                table.add_row(name, idiom, *["-"] * 6, f"cannot run: {one}")
                continue
            cost = one.cost
            table.add_row(
                name,
                idiom,
                f"{cost.cycles:,}",
                f"{cost.dram_bytes:,}",
                f"{cost.energy * 1e-6:.2f}",
                f"{cost.energy_delay:,.0f}",
                f"{cost.energy_delay / base:.2f}",
                str(PAPER.get(idiom, "")),
                described(one),
            )
    console.print(table)
    console.print(f"Energy: {SOURCE}.", WHY, sep="\n")


def described(found: Found) -> str:
    """The tiles that are cut, the order, and what else was chosen."""
    mapping = found.mapping
    cut = [f"{d} {mapping.tile(d)}" for d, n in mapping.layer.sizes.items() if mapping.tile(d) < n]
    order = [level.dimension for level in mapping.levels if level.outer]
    parts = [", ".join(cut) or "whole", f"order {' '.join(order)}" if order else "", found.note]
    return "; ".join(part for part in parts if part)
