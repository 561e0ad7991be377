"""Sweeps: every point of a sweep file generated, simulated and counted; a table and a plot."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from ..report.plot import PlottedPoint, plot_points
from ..sim import system
from ..spec.sweep import Sweep, SweepPoint, load_sweep
from .pareto import pareto
from .point import PointResult
from .processes import FailedPoint, run_points
from .progress import SweepProgress
from .store import Store, write_atomically
from .table import SweepRow, failed_row, rows_of, to_csv

__all__ = ["SweepReport", "run_sweep"]

SEED = 1
"""Of the data, unless told otherwise: the same sweep gives the same table."""


@dataclass(frozen=True)
class SweepReport:
    """What a sweep gave.

    Parameters
    ----------
    rows
        One for each point and layer, in the order of the sweep file; then one for each point that
        failed.
    failed
        Points that are no design, do not fit a layer, do not build or are not bit-exact.
    csv
        The rows as a table.
    svg
        Cycles over cells as a picture; None if no point has a result.
    kept
        Points whose results an earlier run had left.
    """

    rows: tuple[SweepRow, ...]
    failed: tuple[FailedPoint, ...]
    csv: Path
    svg: Path | None
    kept: int


def run_sweep(
    path: str | Path,
    *,
    out: Path,
    jobs: int = 2,
    seed: int = SEED,
    console: Console | None = None,
) -> SweepReport:
    """Run all points of a sweep file, each in a process of its own.

    Each result is kept in ``out/points`` as soon as it is there, so a sweep that was interrupted
    goes on where it was; a point whose design or layers changed, or this software, runs anew.
    KeyboardInterrupt ends all processes and goes on to the caller.

    Parameters
    ----------
    path
        The sweep file; see :mod:`rtl_gen.spec.sweep`.
    out
        Folder for ``<name>.csv``, ``<name>.svg`` and the results.
    jobs
        Points side by side.
    seed
        Of the layers' random data.
    console
        Where progress is shown; standard output by default.

    Raises
    ------
    SpecFileError
        If the sweep file is wrong.
    RuntimeError
        If a system part that simulations need is missing.
    """
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1 point side by side, not {jobs!r}")
    console = console or Console()
    sweep = load_sweep(path)
    system.require()
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    store = Store(out / "points")
    results = {point.name: store.load(point, seed) for point in sweep.points}
    results = {name: result for name, result in results.items() if result is not None}
    kept = len(results)
    console.print(_opening(sweep, kept, seed), highlight=False, markup=False)
    failed = {p.name: FailedPoint(p.name, str(p.error)) for p in sweep.refused}
    for point in failed.values():
        _print_failed(console, point)
    missing = [point for point in sweep.points if point.name not in results]
    if missing:
        _run_missing(sweep, missing, store, results, failed, seed, jobs, console)
    return _report(sweep, results, failed, kept, seed, out)


def _opening(sweep: Sweep, kept: int, seed: int) -> str:
    points, layers = len(sweep.points), len(sweep.points[0].layers)
    text = f"sweep {sweep.name}: points {points}, layers {layers}, seed {seed}"
    return f"{text}; {kept} of the points are there from before" if kept else text


def _run_missing(
    sweep: Sweep,
    missing: list[SweepPoint],
    store: Store,
    results: dict[str, PointResult],
    failed: dict[str, FailedPoint],
    seed: int,
    jobs: int,
    console: Console,
) -> None:
    """Run points, showing how far they are; add what they give to ``results`` and ``failed``."""
    points = {point.name: point for point in missing}
    logs = store.folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    done = len(sweep.points) - len(missing)
    with SweepProgress(console, sweep.name, done, len(sweep.points)) as progress:

        def end(outcome: PointResult | FailedPoint) -> None:
            progress.end(outcome.name)
            if isinstance(outcome, FailedPoint):
                failed[outcome.name] = outcome
                _print_failed(console, outcome)
                return
            store.save(points[outcome.name], seed, outcome)
            results[outcome.name] = outcome
            console.print(
                f"{outcome.name}: {outcome.cycles} cycles, {outcome.cells} cells, bit-exact "
                f"({outcome.seconds:.0f} s)",
                highlight=False,
                markup=False,
            )

        run_points(missing, seed=seed, jobs=jobs, logs=logs, on_stage=progress.show, on_end=end)


def _print_failed(console: Console, point: FailedPoint) -> None:
    console.print("failed ", style="red", end="")
    console.print(f"{point.name}: ", markup=False, end="")
    console.print(point.message, highlight=False, markup=False)


def _report(
    sweep: Sweep,
    results: dict[str, PointResult],
    failed: dict[str, FailedPoint],
    kept: int,
    seed: int,
    out: Path,
) -> SweepReport:
    """Write table and plot."""
    done = [results[point.name] for point in sweep.points if point.name in results]
    best = pareto([(result.cells, result.cycles) for result in done])
    rows = []
    for n, result in enumerate(done):
        rows += rows_of(result, pareto=n in best, seed=seed)
    wrong = [point for point in (*sweep.refused, *sweep.points) if point.name in failed]
    for point in wrong:
        reason = failed[point.name].message
        rows.append(failed_row(point.name, point.values, reason=reason, seed=seed))
    csv, svg = out / f"{sweep.name}.csv", out / f"{sweep.name}.svg"
    parameters = [key for key, _ in sweep.points[0].values]
    write_atomically(csv, to_csv(parameters, rows))
    svg.unlink(missing_ok=True)
    if done:
        plotted = [PlottedPoint(r.values, r.cells, r.cycles, n in best) for n, r in enumerate(done)]
        plot_points(plotted, svg, title=f"{sweep.name}: cycles and cells of {len(done)} designs")
    return SweepReport(
        rows=tuple(rows),
        failed=tuple(failed[point.name] for point in wrong),
        csv=csv,
        svg=svg if done else None,
        kept=kept,
    )
