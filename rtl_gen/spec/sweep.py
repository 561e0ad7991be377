"""Sweep files: parameters of a design and their values, and the layers that every point runs.

::

    fixed:                                  # as in a design file, relative to this file
      dataflow: ../weight_stationary.yaml
      buffers: {input: 8 KiB}
    parameters:                             # every combination is a point
      array: [[4, 4], [8, 8]]               # rows, columns
      bus.width: [64, 128]                  # any other key, dotted
    layers:                                 # names of a file of layers, or their text
      - conv2d:k=8,c=8,p=6,q=6,r=3,s=3,pad=1
"""

import itertools
from dataclasses import dataclass
from pathlib import Path

from .design import Design
from .keys import DESIGN_FILE
from .kinds import Text, Word
from .layer import Layer
from .layer_text import find_layer, load_layers
from .operation import Operation, SpecError
from .parse import Place, Written, build_design, build_operations, read_design
from .tables import Key, ListOf, Pair, Table
from .yaml_lines import Source, SpecFileError, read_source

__all__ = ["SWEEP_FILE", "RefusedPoint", "Sweep", "SweepPoint", "load_sweep"]

MAX_POINTS = 10_000


@dataclass(frozen=True)
class SweepPoint:
    """A combination of the swept values.

    Parameters
    ----------
    name
        A word, unique in the sweep: ``weight_stationary_4x4_bus_width_64``.
    values
        Each swept key with its value as a table shows it.
    design
        What is built.
    layers
        What it runs.
    written
        What the files say from which the design was made, for messages.
    """

    name: str
    values: tuple[tuple[str, str], ...]
    design: Design
    layers: tuple[Layer, ...]
    written: Written

    def placed(self, error: SpecError) -> SpecFileError:
        """An error about the design, with the file and line where its key is set."""
        return self.written.placed(error)


@dataclass(frozen=True)
class RefusedPoint:
    """A combination that is no design, such as more lanes than a block has channels.

    Parameters
    ----------
    name, values
        As of `SweepPoint`.
    error
        Why, with file and line.
    """

    name: str
    values: tuple[tuple[str, str], ...]
    error: SpecFileError


@dataclass(frozen=True)
class Sweep:
    """All points of a sweep file, the first parameter varying slowest."""

    name: str
    points: tuple[SweepPoint, ...]
    refused: tuple[RefusedPoint, ...] = ()


def _values_of(kind) -> Key:
    return Key(ListOf(kind, "a list of values", least=1, unique=True), "the values to try")


def _parameters() -> dict[str, Key]:
    """Every key of a design file that can be swept, dotted, with a list of its values."""
    keys = {}
    for name, key in DESIGN_FILE.keys.items():
        if name == "array":
            sides = [side.kind for side in key.kind.keys.values()]
            keys[name] = _values_of(Pair(*sides, "a pair [rows, columns]"))
        if isinstance(key.kind, Table):
            for inner, leaf in key.kind.keys.items():
                keys[f"{name}.{inner}"] = _values_of(leaf.kind)
        elif name != "name":
            keys[name] = _values_of(key.kind)
    return keys


_FIXED = {
    name: Key(key.kind, key.doc, default=key.default)
    for name, key in DESIGN_FILE.keys.items()
    if name != "name"
}

SWEEP_FILE = Table(
    "a sweep file",
    {
        "name": Key(Word(), "a name for messages and results (default: the file's name)"),
        "fixed": Key(Table("what all points share", _FIXED), "what all points share"),
        "parameters": Key(
            Table("the swept parameters", _parameters()),
            "dotted keys of a design file, each with a list of values; array takes pairs "
            "[rows, columns]",
            required=True,
        ),
        "layer_file": Key(
            Text("the name of a file of layers"),
            "where layers are named, relative to this file (default: examples/layers.yaml)",
        ),
        "layers": Key(
            ListOf(Text("a layer's name or text"), "a list of layers", least=1, unique=True),
            "what every point runs: names, or text such as conv2d:k=8,c=8,p=6,q=6,r=3,s=3",
            required=True,
        ),
    },
)


def load_sweep(path: str | Path) -> Sweep:
    """Read a sweep file.

    Combinations that are no design are in ``refused``, so that the others can run.

    Raises
    ------
    SpecFileError
        On one line, if the file is wrong, or no point is left.
    """
    source = read_source(path)
    written = SWEEP_FILE.read(source.root, "", source)
    swept, fixed = written["parameters"], written.get("fixed", {})
    _check_parameters(swept, fixed, source)
    bases = _read_bases(swept, fixed, Path(path), source)
    operations = [one for base in bases.values() for one in build_operations(base)]
    layers = _layers(written, Path(path), source, operations)
    points, refused, names = [], [], set()
    for combination in itertools.product(*(enumerate(values) for values in swept.values())):
        chosen = dict(zip(swept, combination))
        base = bases[chosen["dataflow"][1] if "dataflow" in chosen else fixed["dataflow"]]
        name, values = _name_point(base.dataflow_name, chosen)
        if name in names:
            raise _at(
                source,
                "parameters.dataflow",
                f"two dataflows are called {base.dataflow_name!r}; rename one",
            )
        names.add(name)
        settings = _settings_of(name, base, chosen, fixed, source)
        try:
            points.append(SweepPoint(name, values, build_design(settings), layers, settings))
        except SpecError as error:
            refused.append(RefusedPoint(name, values, settings.placed(error)))
    if not points:
        raise refused[0].error
    return Sweep(written.get("name", Path(path).stem), tuple(points), tuple(refused))


def _at(source: Source, key: str, message: str) -> SpecFileError:
    return SpecFileError(message, file=source.file, line=source.lines[key], key=key)


def _check_parameters(swept: dict, fixed: dict, source: Source) -> None:
    """Each key may be set in one place only, and there must be a dataflow."""
    if not swept:
        raise _at(source, "parameters", "empty; at least one key with its values is needed")
    taken = {key: f"fixed.{key}" for key in _dotted(fixed)}
    for key in swept:
        for other, where in taken.items():
            if key == other or key.startswith(f"{other}.") or other.startswith(f"{key}."):
                raise _at(source, f"parameters.{key}", f"is set by {where} too; remove one")
        taken[key] = f"parameters.{key}"
    if "dataflow" not in swept and "dataflow" not in fixed:
        raise _at(source, "parameters", "no dataflow; give it here or in fixed")
    count = 1
    for values in swept.values():
        count *= len(values)
    if count > MAX_POINTS:
        raise _at(source, "parameters", f"make {count} points; at most {MAX_POINTS} are allowed")


def _dotted(settings: dict) -> list[str]:
    """The dotted keys of settings."""
    keys = []
    for key, value in settings.items():
        keys += [f"{key}.{inner}" for inner in value] if isinstance(value, dict) else [key]
    return keys


def _layers(
    written: dict, path: Path, source: Source, operations: list[Operation]
) -> tuple[Layer, ...]:
    if "layer_file" in written:
        file = path.parent / written["layer_file"]
        if not file.is_file():
            raise _at(source, "layer_file", f"there is no file {str(file)!r}")
        known = load_layers(file)
    else:
        known = None  # those that ship, where one is named
    layers = []
    for number, text in enumerate(written["layers"]):
        try:
            layers.append(find_layer(text, known, operations=operations))
        except SpecError as error:
            raise _at(source, f"layers[{number}]", error.message) from None
    return tuple(layers)


def _read_bases(swept: dict, fixed: dict, path: Path, source: Source) -> dict[str, Written]:
    """What each dataflow or design file says, by the name that the sweep file gives it."""
    if "dataflow" in swept:
        names = {name: f"parameters.dataflow[{n}]" for n, name in enumerate(swept["dataflow"])}
    else:
        names = {fixed["dataflow"]: "fixed.dataflow"}
    for name, key in names.items():
        if not (path.parent / name).is_file():
            raise _at(source, key, f"there is no file {str(path.parent / name)!r}")
    return {name: read_design(path.parent / name) for name in names}


def _name_point(dataflow: str, chosen: dict) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The name of a point, and its values as a table shows them."""
    parts, values = [dataflow], []
    for key, (_, value) in chosen.items():
        if key == "dataflow":
            values.append((key, dataflow))
        elif key == "array":
            shape = f"{value[0]}x{value[1]}"
            parts.append(shape)
            values.append((key, shape))
        else:
            if isinstance(value, dict):  # a buffer's size and idiom
                value = "_".join(map(str, value.values()))
            parts.append(f"{key.replace('.', '_')}_{value}")
            values.append((key, str(value)))
    return "_".join(parts), tuple(values)


def _settings_of(name: str, base: Written, chosen: dict, fixed: dict, source: Source) -> Written:
    """What the files say about a point, and where in the sweep file each key is set."""
    settings = {key: dict(v) if isinstance(v, dict) else v for key, v in fixed.items()}
    places = {}
    for key, line in source.lines.items():
        if key.startswith("fixed."):
            places[key.removeprefix("fixed.")] = Place(source.file, line)
    for key, (number, value) in chosen.items():
        place = Place(source.file, source.lines[f"parameters.{key}[{number}]"])
        section, _, inner = key.partition(".")
        places[key] = places[section] = place
        if key == "array":
            value = dict(zip(("rows", "columns"), value))
            places |= {f"array.{side}": place for side in value}
        if inner:
            settings.setdefault(section, {})[inner] = value
        else:
            settings[section] = value
    settings.pop("dataflow", None)
    return base.overridden({"name": name} | settings, places, source.file)
