"""Writing a nest's fields: loops outermost first, with what each adds to every form."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..isa.fields import Record
from .mapping import MappingError

__all__ = ["MOST_TRIPS", "Loop", "NestWriter", "check_levels"]


@dataclass
class Loop:
    """A loop of an engine's nest.

    Parameters
    ----------
    bound, last
        Trips; trips when the parent, and its parents, are on their last.
    parent
        The loop of the same dimension around it, or None.
    strides
        What a trip adds to each form.
    events
        Amounts given out when it advances.
    masks
        Sets it belongs to.
    """

    bound: int
    last: int = 0
    parent: "Loop | None" = None
    strides: dict[str, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    masks: tuple[str, ...] = ()

    def __post_init__(self):
        self.last = self.last or self.bound


MOST_TRIPS = 1 << 16
"""Of one loop."""


class NestWriter:
    """Collects the loops of one engine's nest and gives the fields of its descriptor."""

    def __init__(self, engine: str, levels: int):
        self.engine, self.levels = engine, levels
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
            If there are more loops than the engine has levels.
        """
        check_levels(self.engine, len(self.loops), self.levels)
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


def check_levels(engine: str, needed: int, levels: int):
    """Raise MappingError if an engine has fewer levels than its nest needs."""
    if needed > levels:
        raise MappingError(f"{engine} would need {needed} loop levels, the design has {levels}")


def pack(record: Record, values: dict[str, int]) -> list[int]:
    """The words of a descriptor, with a message for a user where a value does not fit."""
    try:
        return record.pack(values)
    except ValueError as error:
        raise MappingError(str(error)) from None


def product(numbers: Iterable[int]) -> int:
    result = 1
    for number in numbers:
        result *= number
    return result
