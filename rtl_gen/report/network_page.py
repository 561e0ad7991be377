"""The report of a network's run: one HTML file that needs no server and nothing beside it."""

from dataclasses import dataclass
from pathlib import Path

import jinja2
from markupsafe import Markup

from .. import __version__
from ..isa.counters import reasons
from ..isa.descriptors import ENGINES
from ..networks import LayerRun, NetworkRun
from ..sim.activity import KINDS
from .network_plots import roofline, timeline
from .whole_file import write_whole

__all__ = ["write_network_page"]


@dataclass(frozen=True)
class _Stall:
    """An engine's cycles in a layer, or in all."""

    engine: str
    busy: int
    waits: tuple[tuple[str, int], ...]
    moved: int


def write_network_page(path: Path, run: NetworkRun) -> Path:
    """Write the page: per layer cycles, MAC use, bytes and waits; timeline and roofline.

    It is written beside and renamed, so that what stands at ``path`` is complete.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rtl_gen.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("network_page.html")
    read, written = run.bytes_moved
    text = template.render(
        run=run,
        design=run.network.machine.design,
        read=read,
        written=written,
        macs=sum(layer.macs for layer in run.layers),
        cycles=run.done.cycles if run.done.counters else 0,
        waits=[(layer, _held(layer)) for layer in run.layers],
        engines=_engines(run),
        reasons=("data", "room", "bus"),
        timeline=Markup(timeline(run)),
        roofline=Markup(roofline(run)),
        version=__version__,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text)
    return path


def _held(layer: LayerRun) -> list[tuple[str, int]]:
    """Why compute did not move in a layer's cycles, with cycles; the rest it was not busy."""
    if layer.counts is None:
        return [("data", 0), ("room", 0), ("idle", 0)]
    counts = dict(zip(KINDS, map(int, layer.counts[ENGINES.index("compute")])))
    idle = max(0, layer.cycles - counts["busy"])
    return [("data", counts["data"]), ("room", counts["room"]), ("idle", idle)]


def _engines(run: NetworkRun) -> list[_Stall]:
    """What each engine did in all, from the accelerator's own counters."""
    found, counters = [], run.done.counters
    for engine in run.network.machine.engines if counters else ():
        name = engine.upper()
        waits = tuple((r, counters[f"WAIT_{r.upper()}_{name}"]) for r in reasons(engine))
        found.append(_Stall(engine, counters[f"BUSY_{name}"], waits, counters[f"BYTES_{name}"]))
    return found
