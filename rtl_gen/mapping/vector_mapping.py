"""How a layer of the vector unit runs: windows or rows in pieces of a word."""

from collections.abc import Callable
from dataclasses import dataclass

from ..isa.vector import LONGEST_ROW, TABLE_ENTRIES, VECTOR_FUNCTIONS
from ..reuse.vector_machine import PASSES
from .mapping import Mapping, MappingError
from .nest import product
from .vector_tables import MOST_TAPS

__all__ = ["VectorMapping", "uses_table", "vector_cycles"]

SCALE_CYCLES = {"softmax": 41, "layer_norm": 43}
"""From the last elements of a row's sums to its first result, about: it depends on the numbers."""

PIPELINE = 7
"""Cycles from a step to its sums, the phases apart, and to what waits for their end."""

TABLE_BYTES = 4 * TABLE_ENTRIES


def uses_table(function: str) -> bool:
    """Whether a table comes with layers of a function."""
    return function != "max_pool"


@dataclass(frozen=True, eq=False)
class VectorMapping(Mapping):
    """A layer on a :class:`~rtl_gen.reuse.vector_machine.VectorMachine`.

    Raises
    ------
    MappingError
        If a row or a window is too long, or is cut.
    """

    def __post_init__(self):
        super().__post_init__()
        machine, sizes, name = self.machine, self.layer.sizes, self.layer.name
        row = machine.row_dimension
        if row and sizes[row] > LONGEST_ROW:
            raise MappingError(
                f"{name}: a row of {sizes[row]} elements is too long for {machine.function}; at "
                f"most {LONGEST_ROW} are allowed"
            )
        taps = product(sizes[d] for d in machine.operation.summed)
        if machine.function == "average_pool" and taps > MOST_TAPS:
            raise MappingError(
                f"{name}: a window of {taps} elements is too large; with padding at most "
                f"{MOST_TAPS} are allowed"
            )
        for dimension in machine.uncut:
            if self.tile(dimension) < sizes[dimension]:
                raise MappingError(
                    f"{name}: {machine.function} takes all {sizes[dimension]} of {dimension} at "
                    f"once, so a tile must not be {self.tile(dimension)}"
                )

    @property
    def weight_sets(self) -> tuple[tuple[int, ...], int]:
        """The table, once."""
        words = TABLE_BYTES // self.machine.block if uses_table(self.machine.function) else 0
        return (), words

    @property
    def compute_fields(self) -> dict[str, int]:
        machine = self.machine
        fields = {"function": VECTOR_FUNCTIONS.index(machine.function)}
        if machine.function not in PASSES:
            return fields
        length, width = self.layer.sizes[machine.row_dimension], machine.lanes_shared
        last = ((length - 1) % machine.block) % width + 1
        return fields | {
            "row_length": length,
            "row_last": last,
            "row_constant": self.layer.constant,
        }

    @property
    def row_dimension(self) -> str | None:
        return self.machine.row_dimension


def vector_cycles(mapping: VectorMapping, trips: Callable) -> int:
    """Cycles of the unit: steps of a cycle, and those that keep the lookup.

    A table comes a word a cycle, as its words are loaded; so it costs what the bus takes.

    ``trips``: how often the innermost of some levels is walked.
    """
    machine, levels = mapping.machine, mapping.levels
    steps = trips(mapping, levels)
    outputs = trips(mapping, [level for level in levels if not mapping.reduces(level)])
    looked_up = max(machine.phases, machine.post_phases)
    if not machine.row_dimension:
        return max(steps, outputs * looked_up)
    inside = [level for level in levels if level.dimension == machine.row_dimension]
    words = trips(mapping, [level for level in inside if not level.in_word])
    rows = outputs // trips(mapping, inside)
    # Outputs of several words take the parameters of each; the first are there.
    results = outputs * looked_up
    if words > 1:
        parameters = (words - 1) * machine.parameter_words
        results = max(results, rows * (looked_up + parameters))
    sums = outputs * machine.phases + rows * SCALE_CYCLES[machine.function]
    maxima = 0
    if machine.function == "softmax":
        # A row's maximum is not found before the sums of the row before have left.
        leaving = PIPELINE + machine.phases + machine.post_phases - looked_up
        maxima = rows * max(outputs // rows, leaving)
    return maxima + sums + results
