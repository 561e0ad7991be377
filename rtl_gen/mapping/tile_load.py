"""How tiles of the input are loaded, run by run."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .mapping import MappingError
from .nest import Loop, NestWriter, check_levels, tile_field

if TYPE_CHECKING:
    from .input_engines import InputEngines

__all__ = ["TileLoad"]


@dataclass(frozen=True, eq=False)
class TileLoad:
    """Loading for one mapped layer, whose input lies in channel blocks.

    Parameters
    ----------
    source
        Its tiles.
    """

    source: "InputEngines"

    @property
    def _machine(self):
        return self.source.mapping.machine

    def check(self):
        """Raise MappingError if the engine has too few loops, or would load what is not there:
        where no coordinate is compared, no tile may reach beyond the tensor.
        """
        source, machine = self.source, self._machine
        for name in source.order:
            size, covered = source.tensor.count(name), source.pieces(name)
            compared = name == machine.contiguous_rank or name in machine.loaded_ranks
            if not compared and size % covered:
                raise MappingError(
                    f"{source.mapping.layer.name}: tiles of {name} must divide all {size}, for the "
                    f"input is loaded {covered} at a time"
                )
        check_levels(source.mapping, "load_input", self._levels, machine.dma_levels)

    @property
    def _levels(self) -> int:
        """Loops of the loading engine: outside a tile, over its ranks, along its runs."""
        source = self.source
        ranks = [name for name in source.order if name != self._machine.contiguous_rank]
        inside = sum(source.pieces(name) > 1 for name in ranks if name != source.slides)
        if source.slides is None:
            return source.boundary + inside + 1
        return source.boundary - 1 + inside + (source.sweep_rows > 1) + 1

    def load(self) -> dict[str, int]:
        """Fields of the loading engine, without the base address and the fence."""
        source, machine = self.source, self._machine
        mapping, tensor = source.mapping, source.tensor
        writer = NestWriter(mapping, "load_input", machine.dma_levels)
        made: dict[int, Loop] = {}
        for n, level in enumerate(source.levels[: source.boundary]):
            if source.slides and n == source.boundary - 1:
                continue
            strides = self._offsets({name: source.moves(level, name) for name in source.order})
            made[n] = writer.add(Loop(level.bound, level.last, made.get(mapping.chain(n)), strides))
        for name in source.order:
            if name == machine.contiguous_rank:
                continue
            count = source.sweep_rows if name == source.slides else source.pieces(name)
            if count > 1:
                step = source.step(tensor.tensor.rank(name))
                writer.add(Loop(count, strides=self._offsets({name: step})))
        run = source.pieces(machine.contiguous_rank) if machine.contiguous_rank else 1
        writer.add(Loop(run))
        origin = {name: source.origin(name) for name in source.order}
        values = writer.fields(bases=self._offsets(origin))
        limits = {"x": machine.contiguous_rank} | {
            f"y{n}": name for n, name in enumerate(machine.loaded_ranks)
        }
        for form, name in limits.items():
            values[f"{form}_limit"] = tensor.count(name) if name else 1
        return values | tile_field(machine, "load_input", source.tile_words)

    def _offsets(self, moved: dict[str, int]) -> dict[str, int]:
        """What a move along some ranks adds to the forms of the loading engine."""
        machine, tensor = self._machine, self.source.tensor
        words = sum(tensor.strides[name] * by for name, by in moved.items())
        forms = {"offset": words * machine.block}
        if machine.contiguous_rank in moved:
            forms["x"] = moved[machine.contiguous_rank]
        for n, name in enumerate(machine.loaded_ranks):
            if name in moved:
                forms[f"y{n}"] = moved[name]
        return forms
