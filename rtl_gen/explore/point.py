"""One point of a sweep: its design generated, its layers simulated, its cells counted."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import monotonic
from typing import Any

from ..flow.design import VerilogDesign
from ..flow.synthesis import cell_counts
from ..mapping.mapper import choose_mapping
from ..reuse.machine import Machine
from ..sim.layers import LayerCheck, check_layers, random_data
from ..sim.programs import build_machine
from ..sim.run import Simulation
from ..spec.sweep import SweepPoint

__all__ = ["LayerResult", "PointError", "PointResult", "evaluate"]


class PointError(RuntimeError):
    """A point ran and is wrong: a layer that is not bit-exact, or did not end."""


@dataclass(frozen=True)
class LayerResult:
    """A layer on a design.

    Parameters
    ----------
    layer
        Its name.
    cycles
        From start to interrupt, memory included.
    mac_use
        Useful MACs over PEs times cycles.
    """

    layer: str
    cycles: int
    mac_use: float


@dataclass(frozen=True)
class PointResult:
    """What a point costs. Every layer was bit-exact, or there would be no result.

    Parameters
    ----------
    name, values
        As of :class:`SweepPoint`.
    cells, flip_flops, memory_bits
        See :func:`cell_counts`.
    seconds
        That it took.
    """

    name: str
    values: tuple[tuple[str, str], ...]
    layers: tuple[LayerResult, ...]
    cells: int
    flip_flops: int
    memory_bits: int
    seconds: float

    @property
    def cycles(self) -> int:
        """Of all layers, one after the other."""
        return sum(layer.cycles for layer in self.layers)

    def as_plain(self) -> dict[str, Any]:
        """Numbers, texts, lists and dictionaries only."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "PointResult":
        """The inverse of :meth:`as_plain`, also after a way through JSON."""
        return cls(
            **plain
            | {
                "values": tuple((key, value) for key, value in plain["values"]),
                "layers": tuple(LayerResult(**layer) for layer in plain["layers"]),
            }
        )


def evaluate(
    point: SweepPoint, seed: int, *, on_stage: Callable[[str], None] = lambda stage: None
) -> PointResult:
    """Build a point's simulation, run all its layers on random data, and count its cells.

    Parameters
    ----------
    seed
        Of the data: layer number n takes ``seed + n``.
    on_stage
        Called with what is being done.

    Raises
    ------
    PointError
        If an output differs from the golden model's, or a layer does not end.
    SpecError, MappingError, RuntimeError
        As generating, mapping, building and simulating raise them.
    """
    began = monotonic()
    on_stage("mapping layers")
    machine = Machine(point.design)
    mappings = [choose_mapping(machine, layer) for layer in point.layers]
    layers = [
        (layer, *random_data(machine.operation, layer, seed + n))
        for n, layer in enumerate(point.layers)
    ]
    on_stage("generating and building")
    build = build_machine(machine)
    checks = check_layers(
        machine,
        Simulation(build, seed=seed),
        layers,
        mappings=mappings,
        on_progress=lambda name, cycles: on_stage(f"{name}: {cycles} cycles"),
    )
    results = tuple(_layer_result(check) for check in checks)
    on_stage("counting cells")
    # what the simulator ran, so that it is not generated twice
    text = (build.directory / "accelerator.v").read_text()
    counts = cell_counts(VerilogDesign(build.top, text))
    return PointResult(
        name=point.name,
        values=point.values,
        layers=results,
        cells=counts.cells,
        flip_flops=counts.flip_flops,
        memory_bits=counts.memory_bits,
        seconds=round(monotonic() - began, 1),
    )


def _layer_result(check: LayerCheck) -> LayerResult:
    name = check.mapping.layer.name
    if check.done.problems:
        raise PointError(f"{name}: {check.done.problems[0]}")
    if not check.exact:
        raise PointError(
            f"{name}: {check.wrong} outputs differ from the golden model's, the first at "
            f"{check.first}"
        )
    return LayerResult(name, check.done.cycles, round(check.done.mac_use, 6))
