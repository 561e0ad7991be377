"""Runs layers on a design with a progress bar, and prints what they gave."""

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from ..api import LayerFit, LoadedDesign
from ..sim.verilator import Build
from .layer_result import LayerResult
from .tables import engine_table, progress, result_table

__all__ = ["print_results", "run_layers"]


def run_layers(
    design: LoadedDesign,
    layers: Iterable[str],
    *,
    seed: int | None,
    data: Path | None,
    waves: bool,
    console: Console,
) -> list[LayerResult]:
    """Simulate layers; ``console`` shows how far it is."""
    with progress(console) as bar:
        task = bar.add_task("mapping the layers", total=None)
        left: list[LayerFit] = []

        def planned(fits: list[LayerFit]) -> None:
            left.extend(fits)
            bar.update(task, description="building the simulation (once, about a minute)")

        def built(_: Build) -> None:
            _begin(bar, task, left)

        def done(_: LayerResult) -> None:
            left.pop(0)
            _begin(bar, task, left)

        return design.simulate_layers(
            layers,
            seed=seed,
            data=data,
            waves=waves,
            on_plan=planned,
            on_built=built,
            on_progress=lambda _, cycles: bar.update(task, completed=cycles),
            on_result=done,
        )


def _begin(bar, task, left: list[LayerFit]) -> None:
    """Show the next layer at its beginning."""
    if left:
        bar.update(task, description=left[0].layer.name, completed=0, total=left[0].cycles)


def print_results(console: Console, design: LoadedDesign, results: list[LayerResult]) -> None:
    """A table, the seed, where the waveform lies, and why what is wrong is wrong.

    Of a single layer also what the engines waited for.
    """
    first = results[0]
    seed = f", seed {first.seed}" if first.seed is not None else ""
    console.print(f"{design.name}, {design.design.rows} x {design.design.columns} PEs{seed}")
    console.print(result_table(results))
    if len(results) == 1 and first.engines:
        console.print(engine_table(first))
    for result in results:
        if result.ran_as:
            console.print(f"{result.name} ran as {result.ran_as}", markup=False)
        for problem in result.problems:
            console.print(f"{result.name}: {problem}", style="red", markup=False)
    wrong = next((result for result in results if result.first_wrong is not None), None)
    if wrong:
        console.print(wrong.explain(), markup=False, highlight=False, soft_wrap=True)
    if first.waves:
        text = f"waveform: {first.waves} (open it with GTKWave or Surfer)"
        console.print(text, markup=False)
