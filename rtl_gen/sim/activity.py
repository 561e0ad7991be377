"""What engines did over time, as the bench noted it every so many cycles."""

from dataclasses import dataclass

import numpy as np

from ..isa.descriptors import ENGINES

__all__ = ["KINDS", "Activity", "read_notes"]

KINDS = ("busy", "data", "room", "bus", "moved")
"""Cycles busy, cycles waited for each thing, beats or words moved (``engine_counters.sv``)."""


@dataclass(frozen=True, eq=False)
class Activity:
    """Counts since the job began, at several cycles.

    Parameters
    ----------
    cycles
        int64 (notes,), from the job's start.
    counts
        int64 (notes, engines, :data:`KINDS`), the engines as in ``isa.descriptors.ENGINES``.
    """

    cycles: np.ndarray
    counts: np.ndarray

    def at(self, cycle: float) -> np.ndarray:
        """The counts (engines, kinds) at any cycle, on a straight line between two notes."""
        flat = self.counts.reshape(len(self.cycles), -1)
        found = [np.interp(cycle, self.cycles, column) for column in flat.T]
        return np.array(found).reshape(len(ENGINES), len(KINDS))


def read_notes(notes: np.ndarray) -> Activity | None:
    """The notes of the bench (``HostFile.activity``); None if there are none."""
    if not len(notes):
        return None
    counts = np.ascontiguousarray(notes[:, 1:]).view(np.uint32)
    # 32 bits each, so that a long run wraps around.
    steps = np.diff(counts.astype(np.int64), axis=0, prepend=0) % (1 << 32)
    counts = np.cumsum(steps, axis=0).reshape(len(notes), len(ENGINES), len(KINDS))
    start = np.zeros((1, *counts.shape[1:]), np.int64)
    return Activity(
        np.concatenate([[0], notes[:, 0].astype(np.int64)]), np.concatenate([start, counts])
    )
