"""Lists and mappings of values in a spec file: the tables of keys and what they are made of."""

import re
from dataclasses import dataclass, field

import yaml

from .kinds import WORD, Kind, describe, nearest
from .limits import shown
from .yaml_lines import Source, path_of, tag_of

__all__ = ["Either", "Key", "ListOf", "MapOf", "Pair", "Table", "Variants"]


@dataclass(frozen=True)
class ListOf(Kind):
    """A list of one kind of value."""

    item: Kind
    what: str
    least: int = 0
    unique: bool = False

    def read(self, node, key, source):
        if tag_of(node) != "seq" or not isinstance(node, yaml.SequenceNode):
            raise source.error(node, key, f"must be {self.what}, not {describe(node)}")
        if len(node.value) < self.least:
            found = f"a list of {len(node.value)}" if node.value else "an empty list"
            raise source.error(node, key, f"must be {self.what}, not {found}")
        values = []
        for number, item in enumerate(node.value):
            path = f"{key}[{number}]"
            source.note(item, path)
            value = self.item.read(item, path, source)
            if self.unique and value in values:
                raise source.error(item, path, f"{shown(value)} stands twice; once is allowed")
            values.append(value)
        return values

    def schema(self):
        found = {"type": "array", "items": self.item.schema()}
        if self.least:
            found["minItems"] = self.least
        return found | ({"uniqueItems": True} if self.unique else {})


@dataclass(frozen=True)
class Pair(Kind):
    """A list of two values, each of a kind of its own."""

    first: Kind
    second: Kind
    what: str

    def read(self, node, key, source):
        if tag_of(node) != "seq" or len(node.value) != 2:
            found = describe(node)
            if tag_of(node) == "seq":
                found = f"a list of {len(node.value)}"
            raise source.error(node, key, f"must be {self.what}, not {found}")
        kinds = zip((self.first, self.second), node.value)
        return [kind.read(item, f"{key}[{n}]", source) for n, (kind, item) in enumerate(kinds)]

    def schema(self):
        kinds = [self.first.schema(), self.second.schema()]
        return {"type": "array", "prefixItems": kinds, "minItems": 2, "maxItems": 2}


@dataclass(frozen=True)
class Key:
    """A key of a table.

    Parameters
    ----------
    kind
        What its value is.
    doc
        What it says, for messages and editors; no full stop.
    required
        Whether the table must have it.
    default
        What holds without it, for editors; None where that depends.
    """

    kind: Kind
    doc: str
    required: bool = False
    default: int | str | None = None

    def schema(self) -> dict:
        found = self.kind.schema() | {"description": self.doc}
        return found if self.default is None else found | {"default": self.default}


@dataclass(frozen=True)
class Table(Kind):
    """A mapping with known keys."""

    what: str
    keys: dict[str, Key]

    def read(self, node, key, source):
        pairs = _pairs_of(self, node, key, source)
        _refuse_unknown(pairs, self.keys, key, source, f" in {self.what}")
        found = {}
        for name, (name_node, value) in pairs.items():
            path = path_of(key, name)
            source.note(name_node, path)
            found[name] = self.keys[name].kind.read(value, path, source)
        for name, known in self.keys.items():
            if known.required and name not in found:
                raise source.error(
                    node, path_of(key, name), f"missing; {self.what} needs it: {known.doc}"
                )
        return found

    def schema(self):
        found = {
            "type": "object",
            "properties": {name: key.schema() for name, key in self.keys.items()},
            "additionalProperties": False,
        }
        required = [name for name, key in self.keys.items() if key.required]
        return found | ({"required": required} if required else {})

    def __str__(self):
        return f"{self.what} ({', '.join(self.keys)})"


@dataclass(frozen=True)
class Variants(Kind):
    """A mapping that is one of several tables.

    Parameters
    ----------
    tables
        Each with the keys that mark it; the first that has one of its marks is meant, else the
        last.
    """

    what: str
    tables: tuple[tuple[tuple[str, ...], Table], ...]
    every: dict[str, Key] = field(init=False)

    def __post_init__(self):
        every = {name: key for _, table in self.tables for name, key in table.keys.items()}
        object.__setattr__(self, "every", every)

    def read(self, node, key, source):
        pairs = _pairs_of(self, node, key, source)
        _refuse_unknown(pairs, self.every, key, source)
        for marks, table in self.tables:
            if any(mark in pairs for mark in marks):
                return table.read(node, key, source)
        return self.tables[-1][1].read(node, key, source)

    def schema(self):
        return {"oneOf": [table.schema() | {"title": table.what} for _, table in self.tables]}

    def __str__(self):
        return self.what


@dataclass(frozen=True)
class MapOf(Kind):
    """A mapping from names that only the rest of the file knows to one kind of value."""

    value: Kind
    what: str

    def read(self, node, key, source):
        found = {}
        for name, (name_node, value) in _pairs_of(self, node, key, source).items():
            path = path_of(key, name)
            source.note(name_node, path)
            if not re.fullmatch(WORD, name):
                raise source.error(
                    name_node,
                    path,
                    f"a name of letters, digits and underscores is expected, not {shown(name)}",
                )
            found[name] = self.value.read(value, path, source)
        return found

    def schema(self):
        names = {"pattern": f"^{WORD}$"}
        values = self.value.schema()
        return {"type": "object", "propertyNames": names, "additionalProperties": values}

    def __str__(self):
        return self.what


@dataclass(frozen=True)
class Either(Kind):
    """A word, or a table that says in full what the word stands for."""

    word: Kind
    table: Table

    def read(self, node, key, source):
        kind = self.table if isinstance(node, yaml.MappingNode) else self.word
        return kind.read(node, key, source)

    def schema(self):
        return {"anyOf": [self.word.schema(), self.table.schema()]}


def _pairs_of(kind: Kind, node: yaml.Node, key: str, source: Source):
    if tag_of(node) != "map" or not isinstance(node, yaml.MappingNode):
        raise source.error(node, key, f"must be {kind}, not {describe(node)}")
    return source.pairs(node, key)


def _refuse_unknown(pairs: dict, known: dict, key: str, source: Source, where: str = ""):
    for name, (name_node, _) in pairs.items():
        if name not in known:
            raise source.error(
                name_node,
                path_of(key, name),
                f"unknown key{where};{nearest(name, known)} allowed: {', '.join(known)}",
            )
