"""The engines of a layer on an array with tagged buses: its input, its weights, its results."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .input_engines import InputEngines
from .linear_engines import weight_engines
from .mapping import MappingError
from .nest import Loop, NestWriter, check_levels
from .output_engines import OutputEngines
from .tagged_mapping import GROUP, TaggedMapping
from .tile_load import TileLoad

__all__ = ["TaggedInput", "TaggedOutput", "tagged_weight_image"]


@dataclass(frozen=True, eq=False)
class TaggedInput(InputEngines):
    """Loading and feeding of the input: a tile lies row by row, pixel by pixel, with all channels
    of a pixel side by side, so that the byte of a channel is an address like any other.

    A request is for a few neighbouring rows; a row takes an odd number of words, so that they lie
    in different banks. The feeder walks, pass by pass, columns, channels, such groups of rows.
    """

    @cached_property
    def boundary(self) -> int:
        count = sum(level.outer for level in self.levels)
        while count and not self._indexes(self.levels[count - 1]):
            count -= 1
        return count

    @property
    def slides(self) -> str | None:
        return None

    @property
    def _row_rank(self) -> str:
        machine = self.mapping.machine
        return next(x for x in machine.checked_ranks if x != machine.contiguous_rank)

    @cached_property
    def order(self) -> tuple[str, ...]:
        known = (self._row_rank, self.mapping.machine.contiguous_rank, self._blocked_rank)
        rest = [r.name for r in self.tensor.tensor.ranks if r.name not in known]
        return (*rest, *known)

    @property
    def _blocked_rank(self) -> str:
        return self.tensor.tensor.blocked

    def _used(self, name: str) -> int:
        if name == self._row_rank:
            return self.mapping.tile_rows
        return super()._used(name)

    @cached_property
    def _added(self) -> dict[str, int]:
        odd = (self.mapping.machine.contiguous_rank, self._blocked_rank)
        return {name: 1 - self._used(name) % 2 for name in odd}

    def check(self):
        if self.resident:
            raise MappingError(
                f"{self.mapping.layer.name}: tagged buses are fed with tiles from main memory, not "
                f"with a tensor on chip"
            )
        super().check()

    @property
    def loader(self) -> "TaggedLoad":
        return TaggedLoad(self)

    def feed(self) -> dict[str, int]:
        mapping, machine = self.mapping, self.mapping.machine
        fold, block, roles = mapping.fold, machine.block, machine.roles
        run, row = machine.contiguous_rank, self._row_rank
        y = {name: f"y{n}" for n, name in enumerate(machine.checked_ranks)}
        writer = NestWriter(mapping, "feed_input", machine.design.levels)
        made: dict[int, Loop] = {}
        row_step, _, row_tap = mapping.row_moves
        levels = list(self.levels)
        inner = levels and levels[-1].dimension == roles.q and not levels[-1].outer
        columns = levels.pop() if inner else None
        for n, level in enumerate(levels):
            strides = {y[name]: self.moves(level, name) for name in (row, run)}
            if level.dimension == roles.c:
                strides["index"] = level.unit
            elif level.dimension == roles.r:
                strides["index"] = row_tap * level.unit * self.pitches[row] * block
            events = {"shrink": self.tile_words if n < self.boundary else 0}
            parent = made.get(mapping.chain(n))
            made[n] = writer.add(Loop(level.bound, level.last, parent, strides, events))
        step = mapping.column_moves[0]
        strides = {"index": step * self.pitches[run] * block, y[run]: step}
        bound, last = (columns.bound, columns.last) if columns else (1, 1)
        parent = made.get(mapping.chain(len(self.levels) - 1)) if columns else None
        bound, last = mapping.columns_of(bound), mapping.columns_of(last)
        writer.add(Loop(bound, last, parent, strides))
        writer.add(Loop(fold.groups, strides={"index": fold.channels, "group": 1}))
        writer.add(Loop(fold.channels, strides={"index": 1, "channel": 1}))
        reads = machine.input_reads
        rows = {"index": reads * self.pitches[row] * block, y[row]: reads * row_step, "at": reads}
        writer.add(Loop(mapping.requests, strides=rows))
        bases = {"index": 0} | {form: self.origin(name) for name, form in y.items()}
        values = writer.fields(bases=bases, ends={"shrink": self.tile_words})
        for name, form in y.items():
            values[f"{form}_limit"] = self.tensor.count(name)
        values["index_word0"] = self.pitches[row] * block
        return values | {f"{y[row]}_word0": row_step, f"{y[run]}_word0": 0}


@dataclass(frozen=True, eq=False)
class TaggedLoad(TileLoad):
    """Loading of a tile whose pixels lie with all their channels side by side: where these are
    several words, word by word.
    """

    @property
    def _by_words(self) -> bool:
        return self.source.pieces(self.source.order[-1]) > 1

    @property
    def _levels(self) -> int:
        source = self.source
        return source.boundary + sum(source.pieces(name) > 1 for name in source.order) + 1

    def load(self) -> dict[str, int]:
        if not self._by_words:
            return super().load()
        source, machine = self.source, self._machine
        writer = NestWriter(source.mapping, "load_input", machine.dma_levels)
        made: dict[int, Loop] = {}
        for n, level in enumerate(source.levels[: source.boundary]):
            strides = self._offsets({name: source.moves(level, name) for name in source.order})
            parent = made.get(source.mapping.chain(n))
            made[n] = writer.add(Loop(level.bound, level.last, parent, strides))
        for name in source.order:
            if source.pieces(name) > 1:
                step = source.step(source.tensor.tensor.rank(name))
                writer.add(Loop(source.pieces(name), strides=self._offsets({name: step})))
        writer.add(Loop(1))
        values = writer.fields(
            bases=self._offsets({name: source.origin(name) for name in source.order})
        )
        limits = {"x": machine.contiguous_rank}
        limits |= {f"y{n}": name for n, name in enumerate(machine.loaded_ranks)}
        return values | {f"{form}_limit": source.tensor.count(x) for form, x in limits.items()}


@dataclass(frozen=True, eq=False)
class TaggedOutput(OutputEngines):
    """The computing engine's side of a layer, and the store engine."""

    def check(self):
        room = self.mapping.placing.output_words or self.mapping.machine.buffer_words("output")
        if self.tile_words > room:
            raise MappingError(
                f"{self.mapping.layer.name}: an output tile of {self.tile_words} words does not "
                f"fit the buffer of {room}"
            )
        levels = self.boundary + sum(self._is_walked(name) for name in self.tensor.order)
        check_levels(self.mapping, "store", levels, self.mapping.machine.dma_levels)

    def compute(self) -> dict[str, int]:
        mapping, machine = self.mapping, self.mapping.machine
        roles = machine.roles
        writer = NestWriter(mapping, "compute", machine.design.levels)
        made: dict[int, Loop] = {}
        for n, level in enumerate(self._levels):
            outside, masks = n < self.boundary, []
            strides = {"out": 0 if outside else self._index(level.dimension, level.unit)}
            if mapping.reduces(level):
                masks.append("reduce")
            elif n >= self._parameters_kept:
                masks.append("parameters")
            if level.dimension == roles.q and not level.outer:
                strides["accumulator"] = mapping.sums_of_column
                masks.append("pass")
            if level.dimension == roles.p:
                masks.append("edge")
            events = {"commit": self.tile_words if outside else 0}
            parent = made.get(mapping.chain(n))
            made[n] = writer.add(
                Loop(level.bound, level.last, parent, strides, events, tuple(masks))
            )
        values = writer.fields(ends={"commit": self.tile_words})
        return values | self._layer() | {"tile_words": self.tile_words}

    def _layer(self) -> dict[str, int]:
        """How the layer lies on the array."""
        mapping, fold = self.mapping, self.mapping.fold
        pads, roles = mapping.machine.design.scratchpads, mapping.machine.roles
        rows = mapping.layer.sizes[roles.p]
        _, column_move, tap_move = mapping.row_moves
        held = min(pads.input // fold.channels, 255)
        ring = held * fold.channels
        return {
            "chain": fold.chain,
            "chains": fold.chains,
            "taps": fold.taps,
            "tap_move": tap_move,
            "column_move": column_move,
            "filters": fold.filters,
            "period": mapping.period,
            "macs": mapping.macs,
            "channels": fold.channels,
            "jump": (mapping.column_moves[2] - 1) * fold.channels + 1,
            "window": mapping.window,
            "advance": mapping.advance,
            "ring": ring,
            "advance_words": mapping.advance * fold.channels % ring,
            "window_words": mapping.window * fold.channels % ring,
            "held_columns": held,
            "last_at": mapping.machine.input_reads * (mapping.requests - 1),
            "last_group": fold.groups - 1,
            "rows": fold.rows,
            "groups": mapping.set_groups,
            "columns": fold.columns,
            "columns_last": rows - fold.columns * (-(-rows // fold.columns) - 1),
            "column_groups": mapping.column_groups,
            "pitch": self._index(roles.p, 1),
        }


def tagged_weight_image(mapping: TaggedMapping, weights: np.ndarray) -> bytes:
    """The weights pass by pass: group by group, in a group row by row of PEs.

    The weights of a row follow each other as a PE uses them: filters, then taps, then channels.
    Those that lie outside the tensor are 0.
    """
    machine, fold, roles = mapping.machine, mapping.fold, mapping.machine.roles
    levels = [mapping.levels[n] for n in weight_engines(mapping).indexing]
    set_bytes = mapping.set_words * machine.block
    place = np.arange(set_bytes)
    word, byte = np.divmod(place, GROUP)
    group, row = np.divmod(word, fold.rows)
    number = group * GROUP + byte
    used = (group < mapping.set_groups) & (number < fold.filters * mapping.macs)
    number, row = np.where(used, number, 0), np.where(used, row, 0)
    chain, at = np.divmod(row, fold.chain)
    channels, tap_row = np.divmod(at, fold.taps)
    filter_, product = np.divmod(number, mapping.macs)
    tap, channel = np.divmod(product, fold.channels)
    found = {
        roles.k: chain * fold.filters + filter_,
        roles.c: channels * fold.channels + channel,
        roles.r: tap_row,
        roles.s: tap,
    }
    shape = [level.bound for level in levels] + [set_bytes]
    tensor = machine.operation.weight
    index = {d: np.broadcast_to(found.get(d, 0), shape).copy() for d in tensor.dimensions}
    # Of two blocks of channels the second has filters of its own.
    valid = np.broadcast_to(used & (found[roles.k] < mapping.block_channels), shape).copy()
    for axis, level in enumerate(levels):
        counter = np.arange(level.bound).reshape(-1, *[1] * (len(shape) - axis - 1))
        index[level.dimension] += counter * level.unit
    for dimension, values in index.items():
        valid &= values < mapping.layer.sizes[dimension]
    at = tuple(np.where(valid, index[rank.terms[0].dimension], 0) for rank in tensor.ranks)
    return np.where(valid, np.asarray(weights, dtype=np.int8)[at], 0).astype(np.int8).tobytes()
