"""YAML with line numbers: a file as nodes, and errors that name file, line and key.

Scalars are resolved as YAML 1.2's core schema does, which is also what editors that check against
the JSON schema do: ``on`` and ``no`` are text, not truth values.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from .operation import SpecError

__all__ = [
    "CoreLoader",
    "Source",
    "SpecFileError",
    "parse_source",
    "path_of",
    "read_source",
    "tag_of",
]


class SpecFileError(SpecError):
    """An error in a file: ``file:line: key: what is wrong; what is allowed``, on one line.

    Parameters
    ----------
    file
        As the user named it.
    line
        From 1; 0 where the file as a whole is meant.
    key
        Dotted key; empty where there is none, as in text that is not YAML.
    """

    def __init__(self, message: str, *, file: str, line: int = 0, key: str = ""):
        super().__init__(message, key=key)
        self.file = file
        self.line = line

    def __reduce__(self):
        # Sweeps send errors from process to process; keyword arguments need help there.
        return _rebuild, (self.message, self.file, self.line, self.key)

    def __str__(self):
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {super().__str__()}"


def _rebuild(message, file, line, key):
    return SpecFileError(message, file=file, line=line, key=key)


@dataclass
class Source:
    """A file that is being read.

    Parameters
    ----------
    file
        Its name for messages.
    root
        What it holds.
    lines
        The line of every key read so far.
    """

    file: str
    root: yaml.Node
    lines: dict[str, int] = field(default_factory=dict)

    def error(self, node: yaml.Node, key: str, message: str) -> SpecFileError:
        return SpecFileError(message, file=self.file, line=_line(node), key=key)

    def note(self, node: yaml.Node, key: str) -> None:
        """Remember where a key stands."""
        self.lines[key] = _line(node)

    def pairs(self, node: yaml.MappingNode, key: str) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """The keys of a mapping with their key and value nodes; none may stand twice."""
        found: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for name, value in node.value:
            if not isinstance(name, yaml.ScalarNode):
                raise self.error(name, key, "a key must be a word, not a list or mapping")
            path = path_of(key, name.value)
            if name.value in found:
                first = _line(found[name.value][0])
                raise self.error(name, path, f"stands twice, first in line {first}; remove one")
            found[name.value] = (name, value)
        return found


def path_of(key: str, name: str) -> str:
    """The dotted key of a name inside ``key``, on one line whatever the name."""
    name = name if name.isprintable() else repr(name)[1:-1]
    return f"{key}.{name}" if key else name


def tag_of(node: yaml.Node) -> str:
    """``str``, ``int``, ``float``, ``bool``, ``null``, ``seq``, ``map``, or an odd tag in full."""
    return node.tag.removeprefix("tag:yaml.org,2002:")


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1


class CoreLoader(yaml.SafeLoader):
    """PyYAML's loader with the scalars of YAML 1.2 (its section 10.3) instead of 1.1."""

    yaml_implicit_resolvers: dict = {}


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]{1,18}", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    CoreLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _first
    )


def read_source(path: str | Path) -> Source:
    """Read a YAML file whose top level is a mapping.

    Raises
    ------
    SpecFileError
        If it cannot be read, is empty, or is not YAML in UTF-8.
    """
    return parse_source(_read_text(Path(path), str(path)), str(path))


def parse_source(text: str, file: str) -> Source:
    """Read the text of a YAML file; ``file`` is its name for messages.

    Raises
    ------
    SpecFileError
        As `read_source`.
    """
    try:
        root = yaml.compose(text, Loader=CoreLoader)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, file, text) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = f"not YAML: the character {chr(error.character)!r} is not allowed; remove it"
        raise SpecFileError(message, file=file, line=line) from None
    except RecursionError:
        raise SpecFileError("nested too deeply; no key needs that", file=file) from None
    if root is None:
        raise SpecFileError("empty; keys and their values are expected", file=file, line=1)
    if tag_of(root) != "map" or not isinstance(root, yaml.MappingNode):
        raise SpecFileError(
            "must be a mapping: `key: value`, one a line", file=file, line=_line(root)
        )
    return Source(file, root)


def _read_text(path: Path, file: str) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise SpecFileError("no such file; check the path", file=file) from None
    except IsADirectoryError:
        raise SpecFileError("a folder; a file is expected", file=file) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SpecFileError(f"cannot be read: {reason}", file=file) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"not text in UTF-8: byte {data[error.start]:#04x}; save it as UTF-8"
        raise SpecFileError(message, file=file, line=line) from None


def _syntax_error(error: yaml.MarkedYAMLError, file: str, text: str) -> SpecFileError:
    mark = error.problem_mark or error.context_mark
    problem = " ".join((error.problem or error.context or "cannot be read").split())
    if error.context and error.context.startswith("expected a single document"):
        problem = "a second document begins; one is allowed"
    elif mark.index < len(text) and text[mark.index] == "\t":
        problem = "a tab; indent with spaces"
    elif error.context and error.context_mark and error.context_mark.line != mark.line:
        problem += f" ({error.context} that began in line {error.context_mark.line + 1})"
    return SpecFileError(f"not YAML: {problem}", file=file, line=mark.line + 1)
