"""What a layer moves, as predicted and as the bench counted it."""

from dataclasses import dataclass

from ..mapping.mapping import Mapping
from ..mapping.traffic import LinkClass, traffic
from ..reuse.machine import Machine
from .layers import LayerCheck
from .link_counters import LinkCounters

__all__ = ["TrafficRow", "compare_traffic"]

PORTS = {
    "load_input": "input loaded (beats)",
    "load_weights": "weights loaded (beats)",
    "load_parameters": "parameters loaded (beats)",
    "unfold_input": "windows folded (words)",
    "feed_input": "input buffer reads (words)",
    "feed_weights": "weight buffer reads (words)",
    "feed_parameters": "parameter buffer reads (words)",
    "compute": "output buffer writes (words)",
    "store": "output stored (beats)",
}


@dataclass(frozen=True)
class TrafficRow:
    """One port, or class of links.

    Parameters
    ----------
    where
        An engine's name, or a class of links.
    predicted, counted
        Words, or beats of the bus; ``counted`` is None where nothing was simulated.
    """

    where: str | LinkClass
    predicted: int
    counted: int | None = None

    @property
    def name(self) -> str:
        """For people."""
        if isinstance(self.where, LinkClass):
            sums = self.where.kind.startswith("reduce") or self.where.kind == "exit"
            unit = "sums" if sums else "elements"
            return f"{self.where} ({unit})"
        return PORTS[self.where]

    @property
    def exact(self) -> bool:
        return self.counted in (None, self.predicted)


def compare_traffic(
    mapping: Mapping, check: LayerCheck | None = None, *, links: LinkCounters | None = None
) -> list[TrafficRow]:
    """Every port and class of links.

    Parameters
    ----------
    check
        Of the layer's run, by itself in a program; None: nothing was simulated.
    links
        Those of the build, if it counted words on links too.
    """
    machine: Machine = mapping.machine
    found, seen, on_links = traffic(mapping), None, None
    if check:
        seen = check.done.result.engines
        mode = machine.mode_fields.get("mode", 0)
        on_links = links.read(check.done.result.links, mode) if links else None
    beats = machine.block * 8 // machine.design.bus_bits
    rows = []
    for engine, words in found.buffers.items():
        counted = seen[f"BYTES_{engine.upper()}"] if seen else None
        on_bus = engine.startswith("load") or engine == "store"
        rows.append(TrafficRow(engine, words * (beats if on_bus else 1), counted))
    for name, words in found.links.items():
        rows.append(TrafficRow(name, words, on_links[name].words if on_links else None))
    return rows
