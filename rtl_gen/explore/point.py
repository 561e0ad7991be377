"""One point of a sweep: its design generated, its layers simulated, its cells counted."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import monotonic
from typing import Any

from ..api import LoadedDesign
from ..flow.design import VerilogDesign
from ..flow.synthesis import cell_counts
from ..report.layer_result import LayerResult
from ..sim.verilator import Build
from ..spec.sweep import SweepPoint

__all__ = ["LayerCost", "PointError", "PointResult", "evaluate"]


class PointError(RuntimeError):
    """A point ran and is wrong: a layer that is not bit-exact, or did not end."""


@dataclass(frozen=True)
class LayerCost:
    """What a layer costs on a design.

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
    layers: tuple[LayerCost, ...]
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
                "layers": tuple(LayerCost(**layer) for layer in plain["layers"]),
            }
        )


def evaluate(
    point: SweepPoint, seed: int, *, on_stage: Callable[[str], None] = lambda stage: None
) -> PointResult:
    """Build a point's simulation, run all its layers on random data, and count its cells.

    Parameters
    ----------
    seed
        Of the data, as for `rtl-gen sim`: with the same seed that runs a layer on the same numbers.
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
    builds: list[Build] = []
    results = LoadedDesign(None, point.design).simulate_layers(
        point.layers,
        seed=seed,
        on_plan=lambda _: on_stage("generating and building"),
        on_built=builds.append,
        on_progress=lambda name, cycles: on_stage(f"{name}: {cycles} cycles"),
    )
    layers = tuple(_layer_cost(result) for result in results)
    on_stage("counting cells")
    # what the simulator ran, so that it is not generated twice
    text = (builds[0].directory / "accelerator.v").read_text()
    counts = cell_counts(VerilogDesign(builds[0].top, text))
    return PointResult(
        name=point.name,
        values=point.values,
        layers=layers,
        cells=counts.cells,
        flip_flops=counts.flip_flops,
        memory_bits=counts.memory_bits,
        seconds=round(monotonic() - began, 1),
    )


def _layer_cost(result: LayerResult) -> LayerCost:
    if not result.exact:
        raise PointError(f"{result.name}: {result.verdict}")
    return LayerCost(result.name, result.cycles, round(result.mac_use, 6))
