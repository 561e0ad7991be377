"""Small designs for the tests, and running random layers on them."""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from random_layers import Case, is_ragged, tiled_dimensions

from rtl_gen.reuse.fused_machine import FusedMachine, machine_of
from rtl_gen.reuse.machine import Machine
from rtl_gen.sim.explain_mismatch import explain
from rtl_gen.sim.job import MemoryTiming
from rtl_gen.sim.layers import LayerCheck, check_layers
from rtl_gen.sim.link_counters import LinkCounters
from rtl_gen.sim.programs import build_machine
from rtl_gen.sim.run import Simulation
from rtl_gen.sim.traffic import compare_traffic
from rtl_gen.sim.verilator import Build
from rtl_gen.spec.design import KIB, Buffers
from rtl_gen.spec.parse import load_design

__all__ = [
    "ADAPTIVE",
    "CONDITIONS",
    "DATAFLOWS",
    "FETCHED",
    "FUSED",
    "RESET_EVERY",
    "coverage",
    "fused_machine",
    "run_cases",
    "small_machine",
]

DATAFLOWS = Path(__file__).resolve().parents[2] / "dataflows"
FUSED = DATAFLOWS / "weight_and_output_stationary.yaml"
ADAPTIVE = DATAFLOWS / "adaptive.yaml"

CONDITIONS = (
    {"timing": MemoryTiming()},
    {"timing": MemoryTiming.stalling(300), "host_stall": 400},
    {"timing": MemoryTiming(latency=7, stall_r=600)},
    {"timing": MemoryTiming(latency=400, bandwidth=0.5, stall_aw=500, stall_w=300, stall_b=700)},
)
"""The memory as in the marks, and with stalls on all channels, or on some."""

RESET_EVERY = 2
"""Programs from one reset to the next: of two, the second begins with a start alone."""

FETCHED = (False, True, True, False)
"""Which programs are fetched: half, with and without a reset, behind one of each kind."""


def small_machine(
    dataflow: str, rows: int, columns: int, *, buffers: int = 8 * KIB, reach=None, **others
) -> Machine:
    """A shipped dataflow on an array with buffers of so many bytes, so that layers are tiled; with
    limits of its wires, by tensor, if there are any.
    """
    design = load_design(DATAFLOWS / f"{dataflow}.yaml")
    flow = dataclasses.replace(design.dataflow, reach=reach or {})
    design = dataclasses.replace(design, dataflow=flow)
    sizes = Buffers(
        input=buffers, weights=buffers, output=buffers, parameters=1 * KIB, accumulators=128
    )
    return machine_of(
        dataclasses.replace(design, rows=rows, columns=columns, buffers=sizes, **others)
    )


def fused_machine(
    rows: int, columns: int, *, file=FUSED, image=0, post_add=True, **others
) -> FusedMachine:
    """A shipped design of several dataflows on another array, with small buffers."""
    sizes = Buffers(
        input=2 * KIB, weights=4 * KIB, output=2 * KIB, parameters=1 * KIB, accumulators=128
    )
    if rows * columns == 256:
        sizes = dataclasses.replace(sizes, input=16 * KIB, weights=16 * KIB, output=16 * KIB)
    sizes = dataclasses.replace(sizes, image=image)
    design = dataclasses.replace(
        load_design(file), rows=rows, columns=columns, buffers=sizes, post_add=post_add, **others
    )
    return machine_of(design)


def run_cases(
    machine: Machine,
    cases: list[Case],
    tell: Callable[[str], None],
    *,
    seed: int,
    waves: bool = False,
    links: bool = False,
) -> None:
    """Run random layers on one build, under each of :data:`CONDITIONS`; all must be exact.

    What moves at every port must be as predicted; with ``links`` on every link of the array too.

    Raises
    ------
    AssertionError
        With the seed, the layer, the mapping and the steps of the first wrong output.
    """
    build = build_machine(machine, waves=waves, links=links)
    counters = LinkCounters(machine) if links else None
    first_hash = _verilog_hash(build)
    failures: list[str] = []
    for n, conditions in enumerate(CONDITIONS):
        chosen = cases[n :: len(CONDITIONS)]
        simulation = Simulation(build, seed=seed)
        checks = check_layers(
            machine,
            simulation,
            [(case.layer, case.source, case.data) for case in chosen],
            mappings=[case.mapping for case in chosen],
            reset_every=RESET_EVERY,
            fetched=FETCHED,
            **conditions,
        )
        assert len(checks) == len(chosen)
        failures += [
            _failure(case, check, simulation.seed, conditions)
            for case, check in zip(chosen, checks)
            if not check.exact
        ]
        failures += [
            f"{case}: {row.name}: {row.predicted} predicted, {row.counted} counted"
            for case, check in zip(chosen, checks)
            for row in compare_traffic(case.mapping, check, links=counters)
            if not row.exact
        ]
    again = build_machine(machine, waves=waves, links=links)
    assert not again.new and _verilog_hash(again) == first_hash, "one Verilog for all layers"
    tell(f"{machine.design.name}: Verilog sha256 {first_hash} before and after {len(cases)} layers")
    assert not failures, f"{len(failures)} of {len(cases)} layers fail\n" + failures[0]


def _failure(case: Case, check: LayerCheck, seed: int, conditions: dict) -> str:
    design = case.mapping.machine.design
    what = f"{design.name} {design.rows}x{design.columns}, simulation seed {seed}, {conditions}"
    return f"{what}\n{case}\n{explain(check, case.source, case.data)}"


def _verilog_hash(build: Build) -> str:
    """The hash of the Verilog that was built."""
    return hashlib.sha256((build.directory / "accelerator.v").read_bytes()).hexdigest()[:16]


def coverage(cases: list[Case]) -> dict[str, str]:
    """What random layers covered, by property."""
    machine = cases[0].mapping.machine
    dimensions = tiled_dimensions(machine)
    found: dict[str, str] = {}

    def count(name, values):
        found[name] = ", ".join(f"{v}: {n}" for v, n in sorted(Counter(values).items()))

    def span(name, values):
        values = list(values)
        found[name] = f"{min(values)} to {max(values)}"

    layers = [case.layer for case in cases]
    if machine.operation.name == "conv2d":
        for name in "rs":
            count(f"kernel {name}", [layer.sizes[name] for layer in layers])
        count("stride", [layer.symbols[x] for layer in layers for x in "uv"])
        count("dilation", [layer.symbols[x] for layer in layers for x in "de"])
        count("padding above", [layer.symbols["t"] for layer in layers])
        count("groups", [layer.sizes["g"] for layer in layers])
        count("images", [layer.sizes["n"] for layer in layers])
        span("rows and columns", [layer.extents[x] for layer in layers for x in "hw"])
    for name in dimensions:
        span(f"size of {name}", [layer.sizes[name] for layer in layers])
        ragged = sum(is_ragged(case.mapping, name) for case in cases)
        found[f"tiles of {name}, the last smaller"] = f"{ragged} of {len(cases)}"
    found["all of these at once"] = str(
        sum(all(is_ragged(case.mapping, name) for name in dimensions) for case in cases)
    )
    count("rounding", [layer.quantization.rounding for layer in layers])
    count("one value in all operands", [not case.source.std() for case in cases])
    count("orders", [bool(case.mapping.order) for case in cases])
    span("MACs", [layer.macs for layer in layers])
    return found
