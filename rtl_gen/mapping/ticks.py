"""Ticks of an input that moves from PE to PE: the words of each run, and the steps among them.

Of a run of the inner loop (a row of outputs) the word of tap ``s`` of step ``k`` is word
``every * k + s``: where the stride is a multiple of the dilation, no other is touched. Words enter
the last PE along the taps, and those of all runs follow each other without a gap. What lies outside
the tensor on the left is left out, on the right the words of the next run come instead, and a mask
makes the taps there take the pad value. So a run takes as many ticks as it has words inside the
tensor, or as lie from its first to its last step.

``begin`` ticks bring the first words to their PEs. Then each step of a run comes ``every`` ticks
behind the one before, and the first of a run comes behind the last of the run before with ``run``
ticks in between. All runs have the same ``skip`` and ``run``, so that they may follow in any order.

Where the stride lies along the taps and not along the steps (``w = v q + s``, q on the array),
words lie ``v`` coordinates apart and serve every v-th step: the steps are walked phase by phase
(:func:`~rtl_gen.mapping.levels.tick_phases`), each phase a run.

A loop in the PE that does not index the input may lie inside that loop: then a step here stands for
those of all its trips, of which the last is the tick.
"""

import itertools
from dataclasses import dataclass

from .levels import Level, tick_phases
from .mapping import Mapping, MappingError

__all__ = ["Ticks", "outside_ticks", "ticks_of"]


@dataclass(frozen=True)
class Ticks:
    """How the words of a mapped layer follow each other.

    Parameters
    ----------
    level
        Index of the level whose trips are the ticks; None: each run has one step.
    every
        Ticks from one step of a run to the next.
    stride
        Coordinates from one word to the next.
    skip
        Words of a run that are left out before its first.
    begin, run
        Ticks without a step before the first step of all, before the first of another run.
    """

    level: int | None
    every: int
    stride: int
    skip: int
    begin: int
    run: int

    def words(self, steps: int) -> int:
        """Words of a run of so many steps."""
        return self.every * (steps - 1) + 1 + self.run

    @property
    def flush(self) -> int:
        """Ticks behind the words of the last run until its last step."""
        return self.begin - self.run


def ticks_of(mapping: Mapping) -> Ticks | None:
    """How words and steps follow each other; None where inputs do not move.

    Raises
    ------
    MappingError
        If the dilation along the taps does not divide the stride.
    """
    moving, sizes = mapping.machine.moving, mapping.layer.sizes
    if moving is None:
        return None
    tensor = mapping.machine.operation.activation
    rank, symbols = tensor.rank(moving.rank), mapping.layer.symbols
    tick, tap = (rank.coefficient(d, symbols) for d in (moving.tick, moving.tap))
    if any(level.phase for level in mapping.levels):
        tick *= tick_phases(mapping.machine, mapping.layer)
    stride = tap
    if sizes[moving.tap] == 1:
        stride = tick
    elif sizes[moving.tick] > 1 and tick % tap:
        raise MappingError(
            f"{mapping.layer.name}: {tensor.name} moves from PE to PE along {moving.tap!r}, a "
            f"place a tick of {moving.tick!r}, so the factor of {moving.tap!r} in {rank} must "
            f"divide that of {moving.tick!r}, unless that is summed over, in one tile and outside "
            f"the PE; {tap} does not divide {tick}"
        )
    every = max(1, tick // stride) if sizes[moving.tick] > 1 else 1
    level = _inner(mapping)
    runs = [
        # the first word inside the tensor, the last one that is used inside it, and the steps
        (
            -(origin // stride),
            min((limit - 1 - origin) // stride, every * (count - 1) + taps - 1),
            count,
        )
        for origin, taps, count, limit in _runs(mapping)
    ]
    most = min(moving.size, sizes[moving.tap])
    skip = max(0, min(most - 1, *(first for first, _, _ in runs)))
    run = max(0, *(last - skip - every * (count - 1) for _, last, count in runs))
    return Ticks(level, every, stride, skip, moving.size - 1 - skip, run)


def outside_ticks(mapping: Mapping) -> int:
    """How many of the levels lie outside those whose trips are steps of one tick."""
    within = mapping.machine.moving.within
    return mapping.suffix(lambda level: level.in_pe and level.dimension in within)


def _inner(mapping: Mapping) -> int | None:
    """The level whose trips are the ticks, inside all others but those within a tick."""
    last = outside_ticks(mapping) - 1
    if last < 0:
        return None
    level = mapping.levels[last]
    inner = level.dimension == mapping.machine.moving.tick and not level.outer and not level.phase
    return last if inner else None


def _runs(mapping: Mapping):
    """For every kind of run: coordinate of its first word, taps, steps, extent of the tensor."""
    machine, layer = mapping.machine, mapping.layer
    moving = machine.moving
    rank = machine.operation.activation.rank(moving.rank)
    tick, tap = (rank.coefficient(d, layer.symbols) for d in (moving.tick, moving.tap))
    origin, limit = rank.offset(layer.symbols), layer.extents[moving.rank]
    size = layer.sizes[moving.tap]
    starts = range(0, size, moving.size)
    for at, start in itertools.product(_steps(mapping), starts):
        first, count = at
        taps = min(moving.size, size - start)
        yield origin + tick * first + tap * start, taps, count, limit


def _steps(mapping: Mapping) -> list[tuple[int, int]]:
    """First step of each run along the loop whose trips are ticks, and its steps."""
    dimension = mapping.machine.moving.tick
    levels: list[Level] = [x for x in mapping.levels if x.dimension == dimension]
    size = mapping.layer.sizes[dimension]
    inner = mapping.levels[_inner(mapping)] if _inner(mapping) is not None else None
    if levels and levels[0].phase:
        counts = (inner.bound, inner.last) if inner else (1, 1)
        return [(n, counts[n == levels[0].last - 1]) for n in range(levels[0].last)]
    unit = inner.bound if inner else 1
    if len(levels) > (2 if inner else 1):
        raise MappingError(f"{mapping.layer.name}: {dimension} must not be cut more than once")
    return [(first, min(unit, size - first)) for first in range(0, size, unit)]
