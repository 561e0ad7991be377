"""Kinds of single values in a spec file: each reads a YAML node and is a piece of JSON schema.

Parser and schema are both made of these, so neither can know a key that the other does not.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

import yaml

from .limits import KIB, MIB, Limit, either, shown
from .yaml_lines import Source, tag_of

__all__ = [
    "WORD",
    "Choice",
    "Flag",
    "Integer",
    "Kind",
    "Size",
    "Text",
    "Word",
    "describe",
    "nearest",
]

WORD = "[A-Za-z_][A-Za-z0-9_]*"
UNITS = {"B": 1, "KiB": KIB, "MiB": MIB}


def nearest(name: str, known: Iterable[str]) -> str:
    """`` did you mean X?``, or nothing where nothing known is like ``name``."""
    lowered = {word.lower(): word for word in known}
    close = difflib.get_close_matches(name.lower(), lowered, 1)
    return f" did you mean {lowered[close[0]]!r}?" if close else ""


def describe(node: yaml.Node) -> str:
    """What a node is, for "must be ..., not ..."."""
    tag = tag_of(node)
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    if tag == "null":
        return "nothing"
    if tag == "str":
        return f"the text {shown(node.value)}"
    return node.value if tag in ("int", "float", "bool") else f"{node.value} with the tag {tag}"


class Kind:
    """A kind of value. ``read`` gives plain Python data and notes the lines of all keys."""

    def read(self, node: yaml.Node, key: str, source: Source):
        raise source.error(node, key, f"must be {self}, not {describe(node)}")

    def schema(self) -> dict:
        """The kind in JSON schema, draft 2020-12."""
        return {}


@dataclass(frozen=True)
class Text(Kind):
    """Any text but an empty one."""

    what: str = "text"

    def read(self, node, key, source):
        if tag_of(node) == "str" and node.value.strip():
            return node.value
        return super().read(node, key, source)

    def schema(self):
        return {"type": "string", "pattern": r"\S"}

    def __str__(self):
        return self.what


@dataclass(frozen=True)
class Word(Kind):
    """A name: ASCII letters, digits and underscores, no digit first."""

    what: str = "a name of letters, digits and underscores"

    def read(self, node, key, source):
        if tag_of(node) == "str" and re.fullmatch(WORD, node.value):
            return node.value
        return super().read(node, key, source)

    def schema(self):
        return {"type": "string", "pattern": f"^{WORD}$"}

    def __str__(self):
        return self.what


@dataclass(frozen=True)
class Choice(Kind):
    """One of a few words."""

    words: tuple[str, ...]

    def read(self, node, key, source):
        if tag_of(node) == "str" and node.value in self.words:
            return node.value
        hint = nearest(node.value, self.words) if tag_of(node) == "str" else ""
        raise source.error(
            node, key, f"must be {self}, not {describe(node)}{';' if hint else ''}{hint}"
        )

    def schema(self):
        return {"enum": list(self.words)}

    def __str__(self):
        return either(self.words)


@dataclass(frozen=True)
class Flag(Kind):
    """true or false."""

    def read(self, node, key, source):
        if tag_of(node) == "bool":
            return node.value.lower() == "true"
        return super().read(node, key, source)

    def schema(self):
        return {"type": "boolean"}

    def __str__(self):
        return "true or false"


@dataclass(frozen=True)
class Integer(Kind):
    """A whole number within a limit."""

    limit: Limit

    def read(self, node, key, source):
        if tag_of(node) != "int":
            quoted = tag_of(node) == "str" and re.fullmatch(r"[-+]?[0-9]+", node.value)
            advice = "; write it without quotes" if quoted and node.style else ""
            kind = "a whole number " if isinstance(self.limit.allowed, range) else ""
            raise source.error(
                node, key, f"must be {kind}{self.limit}, not {describe(node)}{advice}"
            )
        value = int(node.value)
        if value not in self.limit:
            raise source.error(node, key, f"must be {self.limit}, not {value}")
        return value

    def schema(self):
        return self.limit.schema()


@dataclass(frozen=True)
class Size(Kind):
    """Bytes: a whole number, or one with the unit B, KiB or MiB."""

    limit: Limit

    def read(self, node, key, source):
        tag = tag_of(node)
        match = re.fullmatch(r"([-+]?[0-9]{1,18}) *([A-Za-z]*)", str(node.value).strip())
        if tag not in ("int", "str") or not match or (tag == "str" and not match[2]):
            raise source.error(
                node, key, f"must be a size such as 64 KiB, {self.limit}, not {describe(node)}"
            )
        count, unit = int(match[1]), match[2] or "B"
        if unit not in UNITS:
            raise source.error(
                node,
                key,
                f"the unit {unit!r} is unknown;{nearest(unit, UNITS)} allowed: {', '.join(UNITS)}",
            )
        if count * UNITS[unit] not in self.limit:
            raise source.error(node, key, f"must be {self.limit}, not {node.value.strip()}")
        return count * UNITS[unit]

    def schema(self):
        text = {"type": "string", "pattern": f"^ *[0-9]+ *({'|'.join(UNITS)}) *$"}
        return {"anyOf": [self.limit.schema(), text]}
