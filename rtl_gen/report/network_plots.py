"""Pictures of a network's run, as SVG: what the engines did over time, and the roofline."""

import re
from io import StringIO
from math import log

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from ..isa.descriptors import ENGINES
from ..networks import NetworkRun
from ..sim.activity import KINDS

__all__ = ["roofline", "timeline"]

# Okabe and Ito's colours, which people with any colour vision tell apart.
DID = {  # what an engine does in a cycle in which it is busy
    "moved": ("moves", "#009E73"),
    "bus": ("waits for the bus", "#0072B2"),
    "room": ("waits for room", "#E69F00"),
    "data": ("waits for data", "#D55E00"),
}
GREY, PALE = "#707070", "#e0e0e0"
BINS = 240
NAMED = 40
"""With more layers than this their names would cover each other."""
STYLE = {
    "text.parse_math": False,
    "svg.hashsalt": "rtl-gen",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
}


def timeline(run: NetworkRun) -> str:
    """A strip for each engine: how much of its time it moved words or waited, and for what.

    Empty if the run did not come to its end.
    """
    if run.layers[-1].counts is None:
        return ""
    cycles, shares = _shares(run)
    used = [n for n in range(len(ENGINES)) if shares[:, n].any()]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11, 0.9 + 0.5 * len(used)), layout="constrained")
        strips = figure.subplots(len(used), sharex=True, squeeze=False)[:, 0]
        for axes, n in zip(strips, used):
            kinds = [kind for kind in range(len(DID)) if shares[:, n, kind].any()]
            parts = [shares[:, n, kind] for kind in kinds]
            colours = [list(DID.values())[kind][1] for kind in kinds]
            axes.stackplot(cycles, parts, colors=colours, linewidth=0, step="post")
            axes.set_ylabel(ENGINES[n], rotation=0, ha="right", va="center", fontsize=9)
            axes.set(ylim=(0, 1), yticks=[], xlim=(0, run.done.cycles))
            for layer in run.layers[:-1]:
                axes.axvline(layer.end, color="black", linewidth=0.4)
        _name_layers(strips[0], run)
        strips[-1].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        strips[-1].set_xlabel("cycles from the start; lines: layers that are complete")
        patches = [Patch(color=colour, label=label) for label, colour in DID.values()]
        figure.legend(handles=patches, loc="outside upper center", ncols=4, frameon=False)
        return _svg(figure, "What the engines did")


def _shares(run: NetworkRun) -> tuple[np.ndarray, np.ndarray]:
    """Bins' first cycles, and (bins, engines, :data:`DID`) shares of the bins' cycles."""
    activity, begun = run.done.result.activity, run.done.result.stamps[1]
    edges = np.linspace(0, run.done.cycles, BINS + 1)
    counts = np.diff([activity.at(begun + edge) for edge in edges], axis=0)
    share = counts / np.diff(edges)[:, None, None]
    kind = {name: share[..., n] for n, name in enumerate(KINDS)}
    waits = [kind[name] for name in ("bus", "room", "data")]
    moves = np.maximum(0, kind["busy"] - sum(waits))
    return edges[:-1], np.clip(np.stack([moves, *waits], axis=-1), 0, 1)


def _name_layers(axes: Axes, run: NetworkRun) -> None:
    if len(run.layers) > NAMED:
        return
    begin = 0
    for layer in run.layers:
        wide = (layer.end - begin) / run.done.cycles > 0.02
        if wide:
            axes.text(
                (begin + layer.end) / 2, 1.15, layer.name.split(" ")[0],
                rotation=40, ha="left", va="bottom", fontsize=7,
            )  # fmt: skip
        begin = layer.end


def roofline(run: NetworkRun) -> str:
    """MACs a cycle over MACs a byte of memory: each layer, the network, and the two roofs.

    A layer's bytes and cycles are those that passed while it was the next to complete. Empty if
    the run did not come to its end, or has no MACs.
    """
    if run.layers[-1].counts is None:
        return ""
    design = run.network.machine.design
    pes, bus = design.rows * design.columns, design.bus_bits // 8
    points = [
        (layer.macs / max(1, layer.bytes_moved), layer.macs / layer.cycles, layer.name)
        for layer in run.layers
        if layer.macs and layer.cycles
    ]
    if not points:
        return ""  # pools and tables alone: no MACs
    whole = sum(layer.macs for layer in run.layers)
    total = (whole / sum(run.bytes_moved), whole / run.done.cycles)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 5), layout="constrained")
        axes = figure.add_subplot()
        # A layer all of whose data is on chip has no intensity to speak of: it stands at the right.
        right = 4 * max(pes / bus, total[0]) * 10
        shown = [(min(x, right), y, name) for x, y, name in points]
        left = min(x for x, _, _ in [*shown, (*total, ""), (pes / bus, 0, "")]) / 2
        low = min(y for _, y, _ in [*shown, (*total, "")]) / 2
        roof = np.array([left, pes / bus, right * 1.5])
        axes.plot(roof, np.minimum(pes, roof * bus), color="black", linewidth=1.4)
        axes.text(right * 1.4, pes * 1.06, f"{pes} PEs", ha="right", va="bottom")
        axes.annotate(
            f"{bus} bytes a cycle", (pes / bus, pes), xytext=(0, 5), textcoords="offset points",
            ha="center", va="bottom", fontsize=9,
        )  # fmt: skip
        axes.scatter(*zip(*[point[:2] for point in shown]), color="#0072B2", s=26, zorder=3)
        for x, y, name in _together(shown):
            side = "left" if x * x < left * right else "right"
            axes.annotate(
                name, (x, y), xytext=(5 if side == "left" else -5, -10),
                textcoords="offset points", fontsize=7, color=GREY, ha=side,
            )  # fmt: skip
        axes.scatter(*total, color="#D55E00", marker="D", s=64, zorder=4)
        axes.annotate(
            "the network", total, xytext=(8, -14), textcoords="offset points", color="#D55E00"
        )
        axes.set(xscale="log", yscale="log", xlim=(left, right * 1.5), ylim=(low, pes * 1.6))
        axes.set(xlabel="MACs a byte of memory", ylabel="MACs a cycle")
        axes.grid(color=PALE, linewidth=0.6)
        axes.set_axisbelow(True)
        return _svg(figure, "Roofline")


def _together(points: list[tuple[float, float, str]]) -> list[tuple[float, float, str]]:
    """Points with their names; of those that lie so close that names would cover each other the
    first, with its name and how many more there are."""
    groups: list[list[tuple[float, float, str]]] = []
    for point in points:
        for group in groups:
            x, y, _ = group[0]
            if abs(log(point[0] / x)) < 0.5 and abs(log(point[1] / y)) < 0.12:
                group.append(point)
                break
        else:
            groups.append([point])
    return [
        (x, y, name.split(" ")[0] + (f" and {len(group) - 1} more" if len(group) > 1 else ""))
        for group in groups
        for x, y, name in group[:1]
    ]


def _svg(figure: Figure, title: str) -> str:
    """The picture as an element for a page."""
    figure.set_canvas(FigureCanvasSVG(figure))
    text = StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Title": title})
    _, tag, rest = text.getvalue().partition("<svg")
    return tag + re.sub(r"(\d+\.\d)\d+", r"\1", rest)  # tenths of a point are fine enough
