"""Machines and nests for the tests of mappings: plain enumeration, nothing shared with the code."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from rtl_gen.mapping.levels import Level
from rtl_gen.reuse.machine import Machine
from rtl_gen.spec.design import Buffers
from rtl_gen.spec.parse import load_design

__all__ = ["machine_of", "walk"]

DATAFLOWS = Path(__file__).resolve().parents[2] / "dataflows"


def machine_of(dataflow: str, rows: int, columns: int, *, buffers=None, **others) -> Machine:
    """A shipped dataflow on an array; ``buffers``: fields of `Buffers` that differ."""
    design = load_design(DATAFLOWS / f"{dataflow}.yaml")
    others["buffers"] = dataclasses.replace(Buffers(), **(buffers or {}))
    return Machine(dataclasses.replace(design, rows=rows, columns=columns, **others))


def walk(levels: tuple[Level, ...]) -> Iterator[tuple[int, ...]]:
    """The counters of a nest, trip by trip, as its bounds and last bounds say."""

    def inside(counters):
        if len(counters) == len(levels):
            yield tuple(counters)
            return
        level, n = levels[len(counters)], len(counters)
        outer = [k for k in range(n) if levels[k].dimension == level.dimension]
        last = all(_on_last(levels, counters, k) for k in outer)
        for trip in range(level.last if last else level.bound):
            yield from inside([*counters, trip])

    yield from inside([])


def _on_last(levels, counters, n) -> bool:
    """Whether a level and all outer ones of its dimension are on their last trips."""
    outer = [k for k in range(n) if levels[k].dimension == levels[n].dimension]
    whole = all(_on_last(levels, counters, k) for k in outer)
    return whole and counters[n] == levels[n].last - 1
