"""Limits of numbers: one description for the checks, the messages and the JSON schema."""

from dataclasses import dataclass

from .operation import SpecError

__all__ = ["KIB", "MIB", "ByteLimit", "Limit", "either", "shown"]

KIB = 1 << 10
MIB = 1 << 20


def either(words) -> str:
    """``a, b or c``."""
    words = [str(word) for word in words]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def shown(value) -> str:
    """A value as a message quotes it: on one line and not too long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


@dataclass(frozen=True)
class Limit:
    """The whole numbers that a field may have.

    Parameters
    ----------
    allowed
        A range, or the few values there are.
    unit
        What is counted, plural; empty where a bare number says enough.
    """

    allowed: range | tuple[int, ...]
    unit: str = ""

    def __contains__(self, value) -> bool:
        """Only true integers: neither True nor 16.0, though Python finds both in a range."""
        return isinstance(value, int) and not isinstance(value, bool) and value in self.allowed

    def check(self, value, key: str) -> None:
        """Raise a SpecError about ``key`` where ``value`` is not allowed."""
        if value not in self:
            raise SpecError(f"must be {self}, not {shown(value)}", key=key)

    def schema(self) -> dict:
        """The same in JSON schema."""
        if isinstance(self.allowed, tuple):
            return {"enum": list(self.allowed)}
        return {"type": "integer", "minimum": self.allowed[0], "maximum": self.allowed[-1]}

    def __str__(self):
        if isinstance(self.allowed, tuple):
            text = either(self.allowed)
        else:
            text = f"{self.allowed[0]}..{self.allowed[-1]}"
        return f"{text} {self.unit}".strip()


class ByteLimit(Limit):
    """A limit of a size in bytes, written with the units of memories."""

    def __str__(self):
        return f"{_bytes(self.allowed[0])} to {_bytes(self.allowed[-1])}"


def _bytes(count: int) -> str:
    for unit, size in (("MiB", MIB), ("KiB", KIB)):
        if count % size == 0:
            return f"{count // size} {unit}"
    return f"{count} bytes"
