"""Whole networks of 224x224 pixels on the adaptive design, each as one program, on random weights:
every tensor compared, cycles from start to interrupt and of each layer beside the cost model's.

python benchmarks/networks.py writes docs/networks.md.
"""

import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from measure import Measure, load

from rtl_gen.networks import NetworkRun, map_graph, run_network
from rtl_gen.nn.graph import Graph
from rtl_gen.nn.random_networks import mobilenetv2, random_input, resnet50
from rtl_gen.report.whole_file import write_whole
from rtl_gen.reuse.fused_machine import machine_of
from rtl_gen.reuse.machine import Machine
from rtl_gen.sim.programs import build_machine
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.parse import load_design

PROJECT = Path(__file__).resolve().parents[1]
COMMAND = "python benchmarks/run.py networks"
PAGE = PROJECT / "docs" / "networks.md"

CLOSE, FEW = 0.05, 20
"""What an estimate may be off: by this part of a layer's cycles, or by so many cycles, for a host
sees a layer complete some cycles late."""

NETWORKS: dict[str, tuple[Callable[[], Graph], float]] = {
    "resnet50": (resnet50, 95),
    "mobilenetv2": (mobilenetv2, 70),
}
"""By name: the network, and the MAC use asked for in percent."""


@dataclass(frozen=True, eq=False)
class Timed:
    """A network that ran, and the seconds of real time that mapping it and running it twice took:
    once with every tensor written out, to compare it, and once as it is.
    """

    run: NetworkRun
    mapping: float
    running: float

    @property
    def wrong(self) -> int:
        """Values that differ from numpy's, in all tensors."""
        return self.run.wrong + sum(layer.wrong for layer in self.run.layers)

    @property
    def off(self) -> list[str]:
        """Layers whose estimate is off by more than is allowed."""
        return [
            layer.name
            for layer in self.run.layers
            if abs(layer.estimate - layer.cycles) > max(FEW, CLOSE * layer.cycles)
        ]

    @property
    def worst(self) -> float:
        """The largest part by which an estimate of a layer is off."""
        return max(abs(layer.estimate_error) for layer in self.run.layers)


def measures(
    *, design=None, networks: Iterable[tuple[str, Callable[[], Graph]]] | None = None
) -> list[Measure]:
    """MAC use and cycles from start to interrupt; the model's, and layers of which it is off; how
    many outputs stay on chip; values that differ; seconds.

    A smaller design and networks only to try the code.

    Raises
    ------
    RuntimeError
        If a run did not end as it should.
    """
    machine = machine_of(design or load_design(PROJECT / "dataflows" / "adaptive.yaml"))
    named = networks or [(name, make) for name, (make, _) in NETWORKS.items()]
    return [one for name, make in named for one in _measured(name, timed(machine, make()))]


def timed(machine: Machine, graph: Graph) -> Timed:
    """Run a network on random numbers.

    Raises
    ------
    RuntimeError
        If it did not end as it should.
    """
    simulation, begun = Simulation(build_machine(machine), seed=1), time.monotonic()
    network = map_graph(machine, graph, random_input(graph))
    mapped = time.monotonic()
    run = run_network(network, simulation)
    if run.problems:
        raise RuntimeError(f"{graph.name}: {run.problems[0]}")
    return Timed(run, mapped - begun, time.monotonic() - mapped)


def _measured(name: str, done: Timed) -> list[Measure]:
    run = done.run
    facts = (
        ("", 100 * run.mac_use, "%", {"relation": ">=", "asked": NETWORKS[name][1]}),
        ("_cycles", run.done.cycles, "cycles", {}),
        ("_estimated", run.network.estimated_cycles / run.done.cycles, "of its cycles", {}),
        ("_worst_layer", 100 * done.worst, "% off", {}),
        ("_layers_off", len(done.off), "layers", {"asked": 0}),
        ("_on_chip", sum(layer.on_chip for layer in run.layers), "outputs", {}),
        ("_wrong_outputs", done.wrong, "values", {"asked": 0}),
        ("_mapping", done.mapping, "s", {}),
        ("_running", done.running, "s", {}),
    )
    return [
        Measure(name=f"network_{name}{what}", value=value, unit=unit, command=COMMAND, **marked)
        for what, value, unit, marked in facts
    ]


def page(runs: Iterable[Timed]) -> str:
    """What the networks did, layer by layer, as Markdown."""
    parts = [
        "# Whole networks\n\n"
        "Written by `python benchmarks/networks.py`. ResNet-50 v1.5 and MobileNetV2 of 224x224 "
        "pixels, batch 1, with\nrandom int8 weights (`rtl_gen/nn/random_networks.py`), each one "
        "program on `dataflows/adaptive.yaml`, all of it in\nRTL. A layer's cycles are those "
        "from the completion of the one before to its own; *model* is the same number,\nestimated "
        "before the run (`docs/architecture.md`, section 5). Pools have no MACs of their own.\n"
    ]
    for done in runs:
        run, estimated = done.run, done.run.network.estimated_cycles
        off = "; ".join(done.off) or "none"
        parts.append(
            f"\n## {run.network.graph.name}\n\n"
            f"{run.done.cycles:,} cycles, {run.mac_use:.1%} MAC use; the model says {estimated:,} "
            f"({estimated / run.done.cycles - 1:+.2%}). The worst\nlayer is off by "
            f"{done.worst:.1%}; more than {CLOSE:.0%} and {FEW} cycles off: {off}. "
            f"{done.wrong} of all values differ from numpy's.\n{done.mapping:.0f} s to map it, "
            f"{done.running:.0f} s to run it twice ({load()}).\n\n"
            "| layer | dataflow | MACs | cycles | model | off | MAC use | output | wrong |\n"
            "|---|---|---:|---:|---:|---:|---:|---|---:|\n"
        )
        for layer in run.layers:
            parts.append(
                f"| {layer.name} | {layer.step.mapping.machine.design.dataflow.name} | "
                f"{layer.macs:,} | {layer.cycles:,} | {layer.estimate:,} | "
                f"{layer.estimate_error:+.1%} | {layer.mac_use:.1%} | "
                f"{'on chip' if layer.on_chip else 'memory'} | {layer.wrong} |\n"
            )
    return "".join(parts)


def main() -> int:
    """Write the page; 1 if a network did not run as it should."""
    machine = machine_of(load_design(PROJECT / "dataflows" / "adaptive.yaml"))
    try:
        runs = [timed(machine, make()) for make, _ in NETWORKS.values()]
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    write_whole(PAGE, page(runs))
    return int(any(done.wrong for done in runs))


if __name__ == "__main__":
    sys.exit(main())
