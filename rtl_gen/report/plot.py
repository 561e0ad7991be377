"""The picture of a sweep: cycles over cells, a mark for each design."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, MaxNLocator
from matplotlib.transforms import Bbox

__all__ = ["PlottedPoint", "plot_points"]

# Okabe and Ito's colours, which people with any colour vision tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "#707070"
LABELLED = 40  # with more points than this only Pareto points have labels

# Where a label may stand around its mark, best first: points to the right and up, alignment.
PLACES = [
    (reach * x, reach * y, horizontal, vertical)
    for reach in (1, 2.2, 3.6, 5)
    for x, y, horizontal, vertical in (
        (7, 3, "left", "bottom"),
        (7, -3, "left", "top"),
        (-7, 3, "right", "bottom"),
        (-7, -3, "right", "top"),
        (0, 8, "center", "bottom"),
        (0, -8, "center", "top"),
        (4, 10, "left", "bottom"),
        (4, -10, "left", "top"),
        (-4, 10, "right", "bottom"),
        (-4, -10, "right", "top"),
    )
]
FAR = 12  # points from mark to label from which a line joins them


@dataclass(frozen=True)
class PlottedPoint:
    """A design in the picture.

    Parameters
    ----------
    values
        Swept parameters with their values; the first gives the colour, the others the label.
    cells, cycles
        Where it stands.
    pareto
        Whether it lies on the line of the best.
    """

    values: tuple[tuple[str, str], ...]
    cells: int
    cycles: int
    pareto: bool


def plot_points(points: Sequence[PlottedPoint], path: Path, *, title: str) -> None:
    """Draw designs as SVG (or PNG, by the file's suffix): fewer cells left, fewer cycles below.

    Pareto points are filled and joined by steps: no point lies left of and below them. The
    same points give the same bytes.

    Raises
    ------
    ValueError
        If there is no point.
    """
    if not points:
        raise ValueError("points must be at least one, not none")
    # Text stays text, so that it can be searched; no random identifiers.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "rtl-gen"}):
        figure = Figure(figsize=(9, 6), dpi=120, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        _draw_axes(axes, points, title)
        _draw_front(axes, points)
        entries = _draw_marks(axes, points)
        figure.legend(handles=entries, loc="outside lower center", ncols=4, frameon=False)
        canvas.draw()  # settles the layout, so that labels know what they would cover
        figure.set_layout_engine("none")
        _draw_labels(axes, points, canvas)
        metadata = {"Date": None} if path.suffix == ".svg" else {}
        figure.savefig(path, metadata=metadata)


def _draw_axes(axes: Axes, points: Sequence[PlottedPoint], title: str) -> None:
    axes.set_title(title)
    axes.set_xlabel("cells (gates and flip-flops, without memories)")
    axes.set_ylabel("cycles, all layers one after the other")
    for axis, values in (
        (axes.xaxis, [point.cells for point in points]),
        (axes.yaxis, [point.cycles for point in points]),
    ):
        if max(values) > 8 * min(values):
            axis.axes.set(**{f"{axis.axis_name}scale": "log"})
        else:
            axis.set_major_locator(MaxNLocator(6))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.margins(0.16, 0.12)  # room for labels
    axes.grid(color="#e0e0e0", linewidth=0.6)
    axes.set_axisbelow(True)


def _draw_front(axes: Axes, points: Sequence[PlottedPoint]) -> None:
    best = sorted((point.cells, point.cycles) for point in points if point.pareto)
    axes.plot(*zip(*best), drawstyle="steps-post", color=GREY, linewidth=1.2)


def _draw_marks(axes: Axes, points: Sequence[PlottedPoint]) -> list[Line2D]:
    """One colour and mark for each value of the first parameter; the legend's entries."""
    line = {"color": GREY, "markeredgecolor": "black", "label": "Pareto points: filled, joined"}
    entries = [Line2D([], [], marker="o", markersize=8, **line)]
    for n, group in enumerate(dict.fromkeys(_group(point) for point in points)):
        colour, marker = COLOURS[n % len(COLOURS)], MARKERS[n % len(MARKERS)]
        for pareto in (False, True):
            chosen = [p for p in points if _group(p) == group and p.pareto == pareto]
            axes.scatter(
                [point.cells for point in chosen],
                [point.cycles for point in chosen],
                marker=marker,
                s=64 if pareto else 36,
                facecolors=colour if pareto else "white",
                edgecolors="black" if pareto else colour,
                linewidths=1.2,
                zorder=3,
            )
        mark = {"marker": marker, "markeredgecolor": colour, "markerfacecolor": "white"}
        entries.append(Line2D([], [], linestyle="", label=group, **mark))
    return entries


def _group(point: PlottedPoint) -> str:
    return point.values[0][1]


def _label(point: PlottedPoint) -> str:
    """The values that the colour does not tell."""
    values = point.values[1:] or point.values
    return ", ".join(value if key == "array" else f"{key} {value}" for key, value in values)


def _draw_labels(axes: Axes, points: Sequence[PlottedPoint], canvas: FigureCanvasAgg) -> None:
    """Write labels where they cover no mark and no other label, Pareto points first."""
    renderer = canvas.get_renderer()
    taken = [_around(axes, point) for point in points]
    for point in sorted(points, key=lambda point: not point.pareto):
        if not point.pareto and len(points) > LABELLED:
            continue
        best = None
        for place in PLACES:
            text = _write(axes, point, place)
            text.update_positions(renderer)
            box = Text.get_window_extent(text, renderer).padded(4)  # without its line
            text.remove()
            covered = sum(box.overlaps(other) for other in taken)
            outside = not axes.bbox.contains(*box.min) or not axes.bbox.contains(*box.max)
            cost = covered + 2 * outside
            if best is None or cost < best[0]:
                best = cost, place, box
            if cost == 0:
                break
        _, place, box = best
        _write(axes, point, place)
        taken.append(box)


def _around(axes: Axes, point: PlottedPoint) -> Bbox:
    """The pixels of a mark."""
    x, y = axes.transData.transform((point.cells, point.cycles))
    return Bbox.from_extents(x - 5, y - 5, x + 5, y + 5)


def _write(axes: Axes, point: PlottedPoint, place: tuple):
    right, up, horizontal, vertical = place
    line = {"arrowstyle": "-", "color": "#b0b0b0", "linewidth": 0.6, "shrinkB": 4}
    return axes.annotate(
        _label(point),
        (point.cells, point.cycles),
        xytext=(right, up),
        textcoords="offset points",
        ha=horizontal,
        va=vertical,
        fontsize=8.5 if point.pareto else 7,
        fontweight="bold" if point.pareto else "normal",
        color="black" if point.pareto else GREY,
        arrowprops=line if max(abs(right), abs(up)) > FAR else None,
    )
