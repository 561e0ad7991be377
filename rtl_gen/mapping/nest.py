"""Writing a nest's fields: loops outermost first, with what each adds to every form."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..reuse.machine import Machine
from .mapping import Mapping, MappingError

__all__ = ["MOST_TRIPS", "Loop", "NestWriter", "check_levels", "product", "tile_field"]


@dataclass
class Loop:
    """A loop of an engine's nest.

    Parameters
    ----------
    bound, last
        Trips; trips when the parent, and its parents, are on their last (default: the same).
    parent
        The loop of the same dimension around it, or None.
    strides
        What a trip adds to each form.
    events
        Amounts given out when it advances.
    masks
        Sets it belongs to.

    Raises
    ------
    MappingError
        If it has no trip.
    """

    bound: int
    last: int | None = None
    parent: "Loop | None" = None
    strides: dict[str, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    masks: tuple[str, ...] = ()

    def __post_init__(self):
        if self.last is None:
            self.last = self.bound
        if not 1 <= self.last <= self.bound:
            raise MappingError(
                f"a loop must have 1 <= last <= bound, not last {self.last!r}, bound {self.bound!r}"
            )


MOST_TRIPS = 1 << 16
"""Of one loop."""


class NestWriter:
    """Collects the loops of one engine's nest and gives the fields of its descriptor.

    Parameters
    ----------
    mapping
        The mapped layer, for messages and the widths of the fields.
    engine
        Name of the engine.
    levels
        Loops that it has.
    """

    def __init__(self, mapping: Mapping, engine: str, levels: int):
        self.mapping, self.engine, self.levels = mapping, engine, levels
        self.loops: list[Loop] = []

    def add(self, loop: Loop) -> Loop:
        """Put a loop inside all that are there."""
        self.loops.append(loop)
        return loop

    def fields(self, *, bases: dict[str, int] | None = None, ends: dict[str, int] | None = None):
        """The values of the nest's fields.

        Raises
        ------
        MappingError
            If there are more loops than the engine has levels, or a form leaves its field's range.
        """
        check_levels(self.mapping, self.engine, len(self.loops), self.levels)
        self._check_ranges(bases or {})
        values = {f"{name}_base": value for name, value in (bases or {}).items()}
        values |= {f"{name}_end": value for name, value in (ends or {}).items()}
        number = {id(loop): n for n, loop in enumerate(reversed(self.loops))}
        for level, loop in enumerate(reversed(self.loops)):
            values[f"bound{level}"] = loop.bound - 1
            values[f"last{level}"] = loop.last - 1
            values[f"parent{level}"] = number[id(loop.parent)] if loop.parent is not None else 0
            for name, amount in (*loop.strides.items(), *loop.events.items()):
                values[f"{name}{level}"] = amount
            for name in loop.masks:
                values[f"{name}_levels"] = values.get(f"{name}_levels", 0) | 1 << level
        return values

    def _check_ranges(self, bases: dict[str, int]) -> None:
        """Raise MappingError if a form's value, from least to greatest, leaves its field: it would
        wrap. Last bounds are not counted, so both are what they are at most.
        """
        fields = {f.name: f.range for f in self.mapping.machine.records[self.engine].fields}
        forms = [name.removesuffix("_base") for name in fields if name.endswith("_base")]
        for name in forms:
            reach = [loop.strides.get(name, 0) * (loop.bound - 1) for loop in self.loops]
            least = bases.get(name, 0) + sum(x for x in reach if x < 0)
            most = bases.get(name, 0) + sum(x for x in reach if x > 0)
            held = fields[f"{name}_base"]
            if least not in held or most not in held:
                raise MappingError(
                    f"{self.mapping.layer.name}: {self.engine} would need {name} from {least} to "
                    f"{most}, the design has {held.start} to {held.stop - 1}"
                )


def check_levels(mapping: Mapping, engine: str, needed: int, levels: int) -> None:
    """Raise MappingError if an engine has fewer levels than its nest needs."""
    if needed > levels:
        raise MappingError(
            f"{mapping.layer.name}: {engine} would need {needed} loop levels, the design has "
            f"{levels}"
        )


def tile_field(machine: Machine, engine: str, words: int) -> dict[str, int]:
    """The field of a loading engine that counts a tile's words, where its buffer asks for it."""
    asked = any(field.name == "tile_words" for field in machine.records[engine].fields)
    return {"tile_words": words} if asked else {}


def product(numbers: Iterable[int]) -> int:
    result = 1
    for number in numbers:
        result *= number
    return result
