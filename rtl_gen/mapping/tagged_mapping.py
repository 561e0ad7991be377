"""How a layer lies on an array whose words come on tagged buses."""

from dataclasses import dataclass
from functools import cached_property
from math import gcd

from .levels import Level
from .mapping import Mapping, MappingError

__all__ = ["Folding", "TaggedMapping"]

SHORTEST_PERIOD = 4
"""Cycles: an accumulator may come again after so many."""

GROUP = 4
"""Weights of a row of PEs that are written together."""


@dataclass(frozen=True)
class Folding:
    """What the array takes at once.

    Parameters
    ----------
    chains, filters
        Chains that stand one above the other, each with filters of its own; filters in a PE.
    groups, taps
        Groups of channels and filter rows on the rows of a chain.
    channels
        Channels in a PE.
    columns, outputs
        Rows of outputs (on the columns of PEs) and columns of outputs of a tile.
    """

    chains: int
    filters: int
    groups: int
    taps: int
    channels: int
    columns: int
    outputs: int

    @property
    def chain(self) -> int:
        """Rows of a chain."""
        return self.groups * self.taps

    @property
    def rows(self) -> int:
        return self.chains * self.chain


@dataclass(frozen=True, eq=False)
class TaggedMapping(Mapping):
    """A layer on a machine with tagged buses.

    A *pass* is one set of channels and filter rows on the array, over the output columns of a tile.
    The passes of a sum follow each other; its input tile stays for all filters.

    Parameters
    ----------
    fold
        What the array takes at once.

    Raises
    ------
    MappingError
        If the layer is not the operation's, a sum can overflow, or the array, a scratchpad, or the
        accumulators are too small.
    """

    fold: Folding = Folding(1, 1, 1, 1, 1, 1, 1)

    def __post_init__(self):
        self._check_names()
        self._check_sums()
        self._check_fold()

    def _check_fold(self):
        machine, fold, pads = self.machine, self.fold, self.machine.design.scratchpads
        roles, rows, columns = machine.roles, machine.design.rows, machine.design.columns
        window = self.window * fold.channels
        for what, have, most in (
            ("rows of PEs", fold.rows, rows),
            ("columns of PEs", fold.columns, columns),
            (f"{roles.k} in a PE", fold.filters, machine.most(roles.k)),
            (f"{roles.c} in a PE", fold.channels, machine.most(roles.c)),
            (f"{roles.s} in a PE", self.layer.sizes[roles.s], machine.most(roles.s)),
            ("words of an input scratchpad", window, pads.input),
            ("words of a filter scratchpad", self.set_groups * GROUP, pads.weights),
            ("products of a period", self.macs, 255),
            ("cycles of a period", self.period, 255),
            ("rows of an input tile", self.tile_rows, 508),
            ("accumulators", self.sums, machine.accumulators),
            ("channels of a block", fold.chains * fold.filters, machine.block),
            ("channels of a pass", fold.groups * fold.channels, 127),
            ("input columns from output to output", self.advance, 127),
        ):
            if have > most:
                raise MappingError(
                    f"{self.layer.name}: {have} {what} are needed, the design has {most}"
                )
        if fold.chains * fold.filters < self.block_channels:
            raise MappingError(
                f"{self.layer.name}: {fold.chains} chains of {fold.filters} filters do not hold "
                f"the {self.block_channels} channels of an output word"
            )
        for dimension, on in ((roles.r, fold.taps), (roles.c, fold.groups), (roles.k, fold.chains)):
            if on > 1 and not machine.on_rows(dimension):
                raise MappingError(
                    f"{self.layer.name}: no loop over {dimension!r} lies on the rows"
                )

    # Sizes

    def _size(self, role: str) -> int:
        return self.layer.sizes[getattr(self.machine.roles, role)]

    @property
    def block_channels(self) -> int:
        """Output channels that the array works on at once: those of a word."""
        return min(self.machine.block, self._size("k"))

    def _moves(self, output: str, tap: str) -> tuple[int, int, int]:
        """Along a window's rank: what is left out between used positions; by how many used ones
        the next output, and the next tap, lie further.
        """
        roles, tensor = self.machine.roles, self.machine.operation.activation
        output, tap = getattr(roles, output), getattr(roles, tap)
        rank = next(r for r in tensor.ranks if output in r.dimensions)
        moves = [
            rank.coefficient(d, self.layer.symbols) if self.layer.sizes[d] > 1 else 0
            for d in (output, tap)
        ]
        step = gcd(*moves) or 1
        return step, moves[0] // step, moves[1] // step

    @cached_property
    def row_moves(self) -> tuple[int, int, int]:
        return self._moves("p", "r")

    @cached_property
    def column_moves(self) -> tuple[int, int, int]:
        return self._moves("q", "s")

    @property
    def window(self) -> int:
        """Used input columns under a filter."""
        return self.column_moves[2] * (self._size("s") - 1) + 1

    @property
    def advance(self) -> int:
        """Used input columns from an output column to the next."""
        return self.column_moves[1]

    @property
    def macs(self) -> int:
        """Products of a period in a PE: one filter at one output column."""
        return self.fold.channels * self._size("s")

    @property
    def column_groups(self) -> int:
        """Cycles in which the sums of a row of PEs leave."""
        return -(-self.fold.columns // self.machine.post_lanes)

    @property
    def period(self) -> int:
        """Cycles of a period: until its products are made, and the last one's sums have left."""
        return max(self.macs, self.sums_leave, SHORTEST_PERIOD)

    @property
    def sums_leave(self) -> int:
        """Cycles in which the sums of a period leave the columns."""
        return self.fold.chains * self.column_groups

    @property
    def set_groups(self) -> int:
        """Groups of weights of a row in a pass."""
        return -(-self.fold.filters * self.macs // GROUP)

    @property
    def set_words(self) -> int:
        """Memory words of the weights of a pass."""
        return -(-self.set_groups * self.fold.rows * GROUP // self.machine.block)

    @property
    def requests(self) -> int:
        """Requests for a channel of an input column: a few rows each."""
        _, column, tap = self.row_moves
        rows = column * (self.fold.columns - 1) + tap * (self.fold.taps - 1) + 1
        return -(-rows // self.machine.input_reads)

    @property
    def tile_rows(self) -> int:
        """Used input rows of a tile, and those that are asked for with the last."""
        taps = -(-self._size("r") // self.fold.taps)
        return (
            self.row_moves[2] * self.fold.taps * (taps - 1)
            + self.machine.input_reads * self.requests
        )

    @property
    def sums_of_column(self) -> int:
        return self.fold.filters * self.fold.chains * self.column_groups

    @property
    def sums(self) -> int:
        """Accumulators of a tile."""
        return self.fold.outputs * self.sums_of_column

    def columns_of(self, outputs: int) -> int:
        """Input columns of a pass over so many output columns."""
        return self.advance * (outputs - 1) + self.window

    # Loops

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """From tile to tile; from pass to pass; over output columns."""
        roles, fold, sizes = self.machine.roles, self.fold, self.layer.sizes
        named = (roles.p, roles.q, roles.k, roles.c, roles.r, roles.s)
        found = [Level(d, 1, sizes[d], sizes[d], True) for d in self._dims if d not in named]
        for dimension, unit in (
            (roles.p, fold.columns),
            (roles.q, fold.outputs),
            (roles.k, self.block_channels),
        ):
            trips = -(-sizes[dimension] // unit)
            found.append(Level(dimension, unit, trips, trips, True))
        for dimension, unit in (
            (roles.c, fold.groups * fold.channels),
            (roles.r, fold.taps),
        ):
            trips = -(-sizes[dimension] // unit)
            found.append(Level(dimension, unit, trips, trips))
        last = sizes[roles.q] - fold.outputs * (-(-sizes[roles.q] // fold.outputs) - 1)
        found.append(Level(roles.q, 1, fold.outputs, last))
        return tuple(level for level in found if not level.is_trivial)

    @cached_property
    def _held(self) -> dict[str, int]:
        """Values of a dimension inside the innermost loop over it."""
        roles, fold = self.machine.roles, self.fold
        return {
            roles.p: fold.columns,
            roles.q: 1,
            roles.k: self.block_channels,
            roles.c: fold.groups * fold.channels,
            roles.r: fold.taps,
            roles.s: self._size("s"),
        }

    def covered(self, dimension: str, outside: int) -> int:
        inside = [x for x in self.levels[outside:] if x.dimension == dimension]
        if inside:
            return inside[0].unit * inside[0].bound
        return self._held.get(dimension, 1)

    @property
    def weight_sets(self) -> tuple[tuple[int, ...], int]:
        """The levels that the weights' feeder walks, and the words of a set: those of a pass."""
        inner = self.levels and self.levels[-1].dimension == self.machine.roles.q
        inner = inner and not self.levels[-1].outer
        return tuple(range(len(self.levels) - bool(inner))), self.set_words
