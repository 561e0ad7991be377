"""Where outputs lie in the output buffer, and how they are stored."""

from dataclasses import dataclass, replace
from functools import cached_property

from ..reuse.machine import Machine
from .input_engines import InputEngines
from .levels import Level, tile_step
from .linear_engines import changes_channel_block
from .mapping import Mapping, MappingError
from .nest import Loop, NestWriter, check_levels, product
from .pitches import pitches_of
from .step_words import least_crowded, unit_crowded
from .tensors import BlockedTensor, memory_order

__all__ = ["OutputEngines"]


@dataclass(frozen=True, eq=False)
class OutputEngines:
    """The computing engine's side of the output, and the store engine, for one mapped layer.

    A tile of outputs lies in the buffer as block, rows, columns, with one pitch each, filled up to
    whole pieces of the array; only what belongs to the tensor is stored.
    """

    mapping: Mapping

    @cached_property
    def tensor(self) -> BlockedTensor:
        mapping = self.mapping
        output, placing = mapping.machine.operation.output, mapping.placing
        return BlockedTensor(
            mapping.machine, mapping.layer, output, placing.output_images, placing.output_spread
        )

    @property
    def _levels(self):
        return self.mapping.levels

    @cached_property
    def _source(self) -> InputEngines:
        return InputEngines(self.mapping)

    @cached_property
    def boundary(self) -> int:
        """Levels outside an output tile.

        A tile holds whole sums and whole words, and whole rows where rows are walked inside.
        """
        if self.mapping.placing.whole:
            return 0
        batch = self.mapping.machine.operation.batch
        blocked = self.mapping.machine.blocked_dimension(self.tensor.tensor)
        for n, level in enumerate(self._levels):
            rows = not level.outer and level.dimension not in (blocked, *batch)
            if self.mapping.reduces(level) or level.in_word or rows:
                return n
        return len(self._levels)

    def pieces(self, name: str) -> int:
        """Positions of a rank (or blocks) that a tile takes, those without an output included."""
        return self._used(name) + self._added.get(name, 0)

    @cached_property
    def _added(self) -> dict[str, int]:
        """Positions by which the ranks of an output that stays on chip are lengthened.

        Who reads them finds the words of a step in as many banks as can be: as many as at stride
        and dilation 1, or at odd ones, if the words of a step lie in rows.
        """
        machine, reader = self.mapping.machine, self.mapping.machine.reader
        if reader.input_reads == 1 or not self.mapping.placing.whole:
            return {}
        # Ranks of the reader's input; batches and groups, which lie outside, may differ in number.
        ranks = memory_order(reader.operation, reader.operation.activation)
        names = dict(zip(reversed(ranks), reversed(self.tensor.order)))
        if len(names) < min(len(ranks), 3):
            return {}
        used = {read: self._used(names[read]) for read in ranks if read in names}
        room = max(machine.buffer_words("input"), machine.buffer_words("output"))
        last = [name for name in ranks[-2:] if name in names]
        added = least_crowded(
            lambda pitches: unit_crowded(reader, pitches), used, room, last, machine.banks
        )
        return {names[read]: more for read, more in added.items()}

    def _used(self, name: str) -> int:
        """Positions of a rank (or blocks) in a tile that outputs are written to."""
        if not self.tensor.tensor.rank(name).is_plain:
            return self.tensor.count(name)
        covered = self.mapping.covered(self._dimension(name), self.boundary)
        if self.mapping.placing.whole:
            covered = max(covered, self._filled(name))
        if name != self._blocked:
            return covered
        # Whole blocks, for sums that leave as they are take all words of one.
        block = self.mapping.machine.block
        return -(-covered // block) * (block // self.tensor.elements)

    def _filled(self, name: str) -> int:
        """A rank of an output that stays on chip, filled up to whole pieces of each of the design's
        dataflows: so it lies alike whichever writes it, and one may add what another gave.
        """
        size = self.mapping.layer.sizes[self._dimension(name)]
        place = self.tensor.order[::-1].index(name)  # other operations have their own names
        pieces = [_output_piece(machine, place) for machine in self.mapping.machine.all_modes]
        return max(-(-size // piece) * piece for piece in pieces)

    def _dimension(self, name: str) -> str:
        return self.tensor.tensor.rank(name).lead

    @property
    def _blocked(self) -> str:
        return self.tensor.tensor.blocked

    @cached_property
    def pitches(self) -> dict[str, int]:
        return pitches_of({name: self.pieces(name) for name in self.tensor.order})

    @property
    def tile_words(self) -> int:
        return product(self.pieces(name) for name in self.tensor.order)

    def check(self):
        """Raise MappingError if a tile does not fit the buffer or the accumulators."""
        mapping, machine = self.mapping, self.mapping.machine
        if mapping.layer.quantization.raw and not machine.widths.raw:
            raise MappingError(
                f"{mapping.layer.name}: gives its sums as int32, which the design cannot; "
                f"post.raw: true is needed"
            )
        room = mapping.placing.output_words or machine.buffer_words("output")
        if self.tile_words > room:
            raise MappingError(
                f"{mapping.layer.name}: an output tile of {self.tile_words} words does not fit the "
                f"buffer of {room}"
            )
        levels = self.boundary + sum(self._is_walked(name) for name in self.tensor.order)
        levels += self._words_apart
        check_levels(mapping, "store", levels, machine.dma_levels)
        self._check_parameters()
        kept = product(self._levels[n].bound for n in mapping.accumulated)
        if machine.reuse.output.stationary and kept > 1:
            raise MappingError(
                f"{mapping.layer.name}: the loop over "
                f"{self._levels[mapping.accumulated[0]].dimension!r} must lie outside all "
                f"reductions, for sums stay in the PEs"
            )
        if machine.accumulators and kept > machine.accumulators:
            raise MappingError(
                f"{mapping.layer.name}: {kept} sums behind an exit do not fit "
                f"{machine.accumulators} accumulators"
            )

    def _check_parameters(self):
        """Raise MappingError if parameters would change between products that are dropped."""
        leads = {rank.lead for rank in self.mapping.machine.operation.scattered}
        walked = [n for n, level in enumerate(self._levels) if level.dimension in leads]
        for level in self._levels[walked[0] :] if walked else ():
            if changes_channel_block(self.mapping, level):
                raise MappingError(
                    f"{self.mapping.layer.name}: the loop over {level.dimension!r} must lie "
                    f"outside that over {self._levels[walked[0]].dimension!r}, along which some "
                    f"products belong to no output"
                )

    def _moves(self, dimension: str, unit: int, name: str) -> int:
        rank = self.tensor.tensor.rank(name)
        if dimension not in rank.dimensions:
            return 0
        if name == self._blocked:
            return unit // self.tensor.elements
        return rank.coefficient(dimension, self.mapping.layer.symbols) * unit

    def _index(self, dimension: str, unit: int) -> int:
        return sum(
            self._moves(dimension, unit, name) * self.pitches[name] for name in self.tensor.order
        )

    def compute(self) -> dict[str, int]:
        """Fields of the computing engine."""
        mapping, machine = self.mapping, self.mapping.machine
        source = self._source
        writer = NestWriter(mapping, "compute", machine.design.levels)
        made: dict[int, Loop] = {}
        sums, step, in_pe = {}, 1, self._in_pe
        for n in reversed(mapping.accumulated):
            sums[n] = step
            step *= self._levels[n].bound
        blocked = machine.blocked_dimension(self.tensor.tensor)
        activation = machine.blocked_dimension(machine.operation.activation)
        for n, level in enumerate(self._levels):
            outside = n < self.boundary
            own = level.in_word and level.dimension == blocked
            strides = {"out": 0 if outside else self._index(level.dimension, level.unit)}
            if own:
                strides |= {"out": 0, "channel": level.unit}
            carried = machine.widths.byte_with_word
            if not carried and level.in_word and level.dimension == activation:
                strides["byte"] = level.unit
            if machine.accumulators:
                strides["accumulator"] = self._entry(level, sums)
            for k, rank in enumerate(machine.operation.scattered):
                strides[f"z{k}"] = self._moves(level.dimension, level.unit, rank.name)
            strides |= {form: places.get(n, 0) for form, places in in_pe.items()}
            if machine.moving:
                strides["x"] = source.moves(level, machine.moving.rank)
            events = {"commit": self.tile_words if outside else 0}
            loop = Loop(
                level.bound,
                level.last,
                made.get(mapping.chain(n)),
                strides,
                events,
                self._masks(n),
            )
            made[n] = writer.add(loop)
        moved, bases = {}, {}
        if machine.moving:
            moved, bases = self._ticks(source), {"x": source.origin(machine.moving.rank)}
        values = writer.fields(bases=bases, ends={"commit": self.tile_words})
        values["tile_words"] = self.tile_words
        if machine.widths.raw:
            raw = mapping.layer.quantization.raw
            values |= {"raw": int(raw), "raw_stride": self.pitches[self._blocked] if raw else 0}
        for k in range(machine.widths.output_checks):
            values[f"z{k}_limit"] = 1  # of a dataflow whose outputs are not compared
        for k, rank in enumerate(machine.operation.scattered):
            values[f"z{k}_limit"] = self.tensor.count(rank.name)
        return values | self._piece_strides() | moved | mapping.compute_fields

    @property
    def _in_pe(self) -> dict[str, dict[int, int]]:
        """How far levels move the addresses that go with each step to registers in the PEs."""
        mapping, machine = self.mapping, self.mapping.machine
        dimensions = machine.operation.activation.dimensions
        forms = {
            "input_register": (
                machine.input_depth,
                mapping.registers(machine.input_held, dimensions),
            ),
            "weight_register": (
                machine.weight_depth,
                mapping.registers(machine.weights_held, mapping.weight_dimensions),
            ),
            "sum": (machine.sums_kept, mapping.kept_in_pe),
        }
        return {form: places for form, (depth, places) in forms.items() if depth > 1}

    def _entry(self, level: Level, sums: dict[int, int]) -> int:
        """By how many accumulators a trip of a level moves on: to those of other outputs, also
        where it is one of those along which the products of a scattered rank follow each other.

        Parameters
        ----------
        sums
            Accumulators from one trip to the next of each level whose trips take their own.
        """
        for n, step in sums.items():
            own = self._levels[n]
            if own is level:
                return step
            for rank in self.mapping.machine.operation.scattered:
                if own.dimension == rank.lead and level.dimension in rank.dimensions:
                    return self._moves(level.dimension, level.unit, rank.name) * step
        return 0

    def _ticks(self, source: InputEngines) -> dict[str, int]:
        """Fields of an input that moves: ticks without a step, and which taps lie outside."""
        ticks, rank = source.ticks, self.mapping.machine.moving.rank
        tap = self.mapping.machine.moving.tap
        symbols = self.mapping.layer.symbols
        return {
            "ticks_begin": ticks.begin,
            "ticks_run": ticks.run,
            "ticks_step": ticks.every - 1,
            "pad_value": self.mapping.layer.quantization.input_zero,
            "x_tap": source.tensor.tensor.rank(rank).coefficient(tap, symbols),
            "x_limit": source.tensor.count(rank),
        }

    def _piece_strides(self) -> dict[str, int]:
        """How the words of one step, or of one drain, are spread over the tile."""
        machine, start = self.mapping.machine, 0
        spatial, sizes = machine.design.dataflow.spatial, machine.reuse.placement.sizes
        back = bool(machine.drains) and machine.shifts_backwards(machine.reuse.output.drain)
        loops = [(n, back) for n in machine.output_tick_loops]
        loops += [(n, False) for n in machine.output_word_loops]
        values = {f"stride{k}": 0 for k in range(len(machine.output_tick_sizes))}
        for k, (n, backwards) in enumerate(loops, len(values) - len(machine.output_tick_loops)):
            step = self._index(spatial[n].dimension, machine.reuse.placement.units[n])
            if backwards:
                start += step * (sizes[n] - 1)
            values[f"stride{k}"] = -step if backwards else step
        return values | {"start": start}

    def _masks(self, n: int) -> tuple[str, ...]:
        """The sets of the computing nest that a level belongs to."""
        mapping, machine, level = self.mapping, self.mapping.machine, self._levels[n]
        masks = ["reduce"] if mapping.reduces(level) else []
        if masks and machine.sums_pieces and level.in_pe:
            masks = ["piece"]
        kept = mapping.outside_use(machine.weights_held, mapping.weight_dimensions)
        if n >= kept:
            masks += ["weights", "weight_run"]
        elif n == kept - 1 and not machine.weights_held:
            masks.append("weight_run")
        if n >= self._input_kept:
            masks.append("input")
        if machine.moving and n == self._source.ticks.level:
            masks.append("run")
        if machine.widths.tick_steps and n >= self._source.kept:
            masks.append("tick")
        if not mapping.reduces(level) and n >= self._parameters_kept:
            masks.append("parameters")
        if not mapping.reduces(level) and n >= self.words_kept:
            masks.append("word")
        if level.dimension == mapping.row_dimension:
            masks.append("row")
        return tuple(masks)

    @cached_property
    def _input_kept(self) -> int:
        return self._source.kept

    @cached_property
    def _parameters_kept(self) -> int:
        """Levels up to the innermost that changes the channel block."""
        changing = [n for n, x in enumerate(self._levels) if changes_channel_block(self.mapping, x)]
        return changing[-1] + 1 if changing else 0

    @cached_property
    def words_kept(self) -> int:
        """Levels up to the innermost that leads to another word."""
        blocked = self.mapping.machine.blocked_dimension(self.tensor.tensor)
        moving = [
            n
            for n, x in enumerate(self._levels)
            if not self.mapping.reduces(x) and not (x.in_word and x.dimension == blocked)
        ]
        return moving[-1] + 1 if moving else 0

    def load_residual(self) -> dict[str, int]:
        """Fields of the engine that loads a residual, tiled as the output, without the base."""
        writer = NestWriter(self.mapping, "load_residual", self.mapping.machine.dma_levels)
        made: dict[int, Loop] = {}
        for n, level in enumerate(self._levels[: self.boundary]):
            moved = {x: self._moves(level.dimension, level.unit, x) for x in self.tensor.order}
            parent = made.get(self.mapping.chain(n))
            made[n] = writer.add(Loop(level.bound, level.last, parent, self._residual_forms(moved)))
        *outer, run = self.tensor.order
        for name in outer:
            if self.pieces(name) > 1:
                writer.add(Loop(self.pieces(name), strides=self._residual_forms({name: 1})))
        writer.add(Loop(self.pieces(run)))
        limits = {"x": run} | {f"y{n}": name for n, name in enumerate(outer)}
        # Another dataflow's outputs may have more ranks; one that is not there has one position.
        missing = range(len(outer), self.mapping.machine.widths.residual_checks)
        values = writer.fields() | {f"y{n}_limit": 1 for n in missing}
        return values | {f"{form}_limit": self.tensor.count(name) for form, name in limits.items()}

    def _residual_forms(self, moved: dict[str, int]) -> dict[str, int]:
        """What a move along some ranks adds to the forms of the engine that loads a residual."""
        *outer, run = self.tensor.order
        images = self.mapping.placing.residual_images
        strides = replace(self.tensor, image_words=images, spread=()).strides
        words = sum(strides[name] * by for name, by in moved.items())
        forms = {"offset": words * self.mapping.machine.block, "x": moved.get(run, 0)}
        return forms | {f"y{n}": moved.get(name, 0) for n, name in enumerate(outer)}

    def store(self) -> dict[str, int]:
        """Fields of the store engine, without the base address and the interrupt."""
        mapping, machine = self.mapping, self.mapping.machine
        writer = NestWriter(mapping, "store", machine.dma_levels)
        made: dict[int, Loop] = {}
        innermost: dict[str, int] = {}
        for n, level in enumerate(self._levels[: self.boundary]):
            made[n] = writer.add(
                Loop(
                    level.bound,
                    level.last,
                    made.get(mapping.chain(n)),
                    {"offset": self._offset(level.dimension, level.unit), "index": 0},
                    {"shrink": self.tile_words},
                )
            )
            innermost[level.dimension] = n
        for name in self.tensor.order:
            dimension = self._dimension(name)
            around = made.get(innermost.get(dimension))
            unit = self.tensor.elements if name == self._blocked else 1
            strides = {
                "offset": self._offset(dimension, unit),
                "index": self._index(dimension, unit),
            }
            if self._is_walked(name):
                run = name == self.tensor.order[-1] and not self._words_apart
                count, last = self._stored(dimension, name)
                writer.add(Loop(count, last, around, {} if run else strides))
        if self._words_apart:
            writer.add(Loop(1))
        return writer.fields(bases={"offset": 0, "index": 0}, ends={"shrink": self.tile_words})

    @property
    def _words_apart(self) -> bool:
        """Whether a word of the output does not lie beside the next: so runs are of one word."""
        return self.tensor.strides[self.tensor.order[-1]] > 1

    def _is_walked(self, name: str) -> bool:
        """Whether the store engine has a loop over a rank inside its tile."""
        return name == self.tensor.order[-1] or max(self._stored(self._dimension(name), name)) > 1

    def _stored(self, dimension: str, name: str) -> tuple[int, int]:
        """Positions of a rank that are stored of a tile, and of the last tile."""
        if not self.tensor.tensor.rank(name).is_plain:
            return self.tensor.count(name), self.tensor.count(name)
        rest, size = self.mapping.layer.sizes[dimension], self.mapping.layer.sizes[dimension]
        for level in self._levels[: self.boundary]:
            if level.dimension == dimension:
                rest -= (level.last - 1) * level.unit
                size = level.unit
        if name == self._blocked:
            return -(-size // self.tensor.elements), -(-rest // self.tensor.elements)
        return size, rest

    def _offset(self, dimension: str, unit: int) -> int:
        words = sum(
            self._moves(dimension, unit, name) * self.tensor.strides[name]
            for name in self.tensor.order
        )
        return words * self.mapping.machine.block


def _output_piece(machine: Machine, place: int) -> int:
    """What a dataflow's array takes of one rank of its output, or words have of it: of the last
    rank in memory, if ``place`` is 0; 1 of a rank that it has not.
    """
    output = machine.operation.output
    order = memory_order(machine.operation, output)
    if place >= len(order):
        return 1
    return tile_step(machine, output.rank(order[-1 - place]).lead)
