"""AlexNet's convolutions at batch 4, row stationary, beside the cycles of Eyeriss."""

import time
from pathlib import Path

from measure import Measure

from rtl_gen.mapping.cost import estimate
from rtl_gen.mapping.mapper import choose_mapping
from rtl_gen.reuse.fused_machine import machine_of
from rtl_gen.sim.layers import check_layers, random_data
from rtl_gen.sim.programs import build_machine
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.design import Design
from rtl_gen.spec.layer_text import find_layer
from rtl_gen.spec.parse import load_design

__all__ = ["EYERISS", "MOST_CYCLES", "measures"]

PROJECT = Path(__file__).resolve().parents[1]
COMMAND = "python benchmarks/run.py alexnet"

EYERISS = {
    "conv1": 3_300_000,
    "conv2": 7_840_000,
    "conv3": 4_360_000,
    "conv4": 3_200_000,
    "conv5": 2_000_000,
}
"""Cycles of its processing time (Chen, Krishna, Emer and Sze, JSSC 2017, table V: milliseconds at
200 MHz, DRAM's time apart)."""

MOST_CYCLES = 18_000_000
"""Of all five."""


def measures(*, design: Design | None = None, layers: dict[str, str] | None = None):
    """Cycles from start to interrupt, memory included; seconds on the wall; what was estimated.

    Another design and other layers only to try the code.

    Raises
    ------
    RuntimeError
        If a run did not end as it should, or an output is wrong.
    """
    machine = machine_of(design or load_design(PROJECT / "dataflows" / "row_stationary.yaml"))
    simulation = Simulation(build_machine(machine), seed=1)
    names = layers or {name: f"alexnet_{name}" for name in EYERISS}
    found, total = [], 0
    for name, text in names.items():
        layer = find_layer(text, operations=[machine.operation])
        mapping = choose_mapping(machine, layer)
        numbers = (layer, *random_data(machine.operation, layer, 1))
        begun = time.perf_counter()
        [check] = check_layers(machine, simulation, [numbers], mappings=[mapping])
        seconds = time.perf_counter() - begun
        if not check.exact:
            problems = check.done.problems or (f"{check.wrong} outputs are wrong",)
            raise RuntimeError(f"{layer.name}: {problems[0]}")
        cycles = check.done.cycles
        total += cycles
        ratio = estimate(mapping).cycles / cycles
        asked = EYERISS.get(name)
        found += [
            Measure(
                name=f"alexnet_{name}", value=cycles, unit="cycles", asked=asked, command=COMMAND
            ),
            Measure(
                name=f"alexnet_{name}_wall", value=seconds, unit="s, golden too", command=COMMAND
            ),
            Measure(name=f"alexnet_{name}_estimate", value=ratio, unit="of it", command=COMMAND),
        ]
    most = MOST_CYCLES if layers is None else None
    sums = {"value": total, "unit": "cycles", "asked": most, "command": COMMAND}
    return [*found, Measure(name="alexnet_all", **sums)]
