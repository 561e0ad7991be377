"""Dataflow and design files to designs, and from a key back to its file and line.

A dataflow file alone means the reference design: what it leaves out is as `Design`'s defaults say.
A design file names a dataflow file and overrides, key by key, what that says about the hardware;
or it names several, which then share one array, and says what they say differently.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from .dataflow import AXES, Dataflow, PELoop, SpatialLoop
from .design import Buffers, Design, Formats, Scratchpads
from .keys import DATAFLOW_FILE, DESIGN_FILE, FUSED_FILE, HARDWARE
from .operation import Operation, SpecError
from .operations import inline_operation, shipped_operation
from .yaml_lines import Source, SpecFileError, read_source

__all__ = [
    "Place",
    "Written",
    "build_design",
    "build_operations",
    "load_design",
    "place",
    "read_design",
]


class Place(NamedTuple):
    """Where something is written; lines count from 1."""

    file: str
    line: int


@dataclass(frozen=True)
class Written:
    """What files say, before it is checked as a whole.

    Parameters
    ----------
    file
        The file that the user named.
    dataflow_name
        Name of the dataflow, which may stand in another file.
    settings
        The values of all keys of `DATAFLOW_FILE`, nested as in the file.
    places
        Where each dotted key is written.
    parts
        What each of several dataflow files says, where the file names more than one.
    """

    file: str
    dataflow_name: str
    settings: dict
    places: dict[str, Place]
    parts: tuple["Written", ...] = ()

    def place_of(self, key: str) -> Place:
        """Where a key is written, or the nearest part of it that is, or else line 1.

        Loops have the keys ``nest.for.k``, ``nest.pe.s``, ``nest.rows.c`` and ``nest.columns.k``.
        """
        while key:
            for places in (self.places, *(part.places for part in self.parts)):
                if key in places:
                    return places[key]
            key = key[: key.rindex("[")] if key.endswith("]") else key.rpartition(".")[0]
        return Place(self.file, 1)

    def placed(self, error: SpecError) -> SpecFileError:
        """The error with the file and line of its key."""
        if isinstance(error, SpecFileError):
            return error
        file, line = self.place_of(error.key)
        return SpecFileError(error.message, file=file, line=line, key=error.key)

    def overridden(self, settings: dict, places: dict[str, Place], file: str) -> "Written":
        """The same with the hardware's keys of another file laid over it."""
        merged = dict(self.settings)
        for name, value in settings.items():
            merged[name] = _laid_over(merged.get(name), value)
        return replace(self, file=file, settings=merged, places=self.places | places)


def load_design(path: str | Path) -> Design:
    """Read a dataflow file or a design file.

    Raises
    ------
    SpecFileError
        On one line: file, line, key, what is wrong, what is allowed.
    """
    written = read_design(path)
    try:
        return build_design(written)
    except SpecError as error:
        raise written.placed(error) from None


def place(error: SpecError, path: str | Path) -> SpecFileError:
    """An error about the design of a file, with the file and line of its key."""
    return read_design(path).placed(error)


def read_design(path: str | Path) -> Written:
    """Read a file, and the dataflow file that it may name, key by key.

    Raises
    ------
    SpecFileError
        For what is wrong with a single key.
    """
    source = read_source(path)
    keys = source.pairs(source.root, "")
    if "dataflow" not in keys and "dataflows" not in keys:
        return _read_dataflow(source)
    several = "dataflows" in keys
    for name in ("operation", "nest", *(("dataflow",) if several else ("links",))):
        if name in keys:
            wrong = "belongs in the dataflow file that this design file names"
            if name == "dataflow":
                wrong = "dataflows names them already; remove one of the two"
            raise source.error(keys[name][0], name, wrong)
    settings = (FUSED_FILE if several else DESIGN_FILE).read(source.root, "", source)
    if several:
        below = _read_parts(Path(path), settings, source)
    else:
        below = _read_named(Path(path), settings.pop("dataflow"), "dataflow", source)
    places = {key: Place(source.file, line) for key, line in source.lines.items()}
    return below.overridden({"name": _stem(path)} | settings, places, source.file)


def _read_named(path: Path, name: str, key: str, source: Source) -> Written:
    """A dataflow file that a design file names, relative to itself."""
    named = path.parent / name
    error = None
    if not named.is_file():
        error = f"there is no file {str(named)!r}; the name is relative to this file"
    elif named.resolve() == path.resolve():
        error = "names this file itself; a dataflow file is expected"
    if error:
        raise _at(source, key, error)
    below = read_source(named)
    if {"dataflow", "dataflows"} & set(below.pairs(below.root, "")):
        raise _at(source, key, f"{str(named)!r} is a design file too; name a dataflow file")
    return _read_dataflow(below)


def _read_parts(path: Path, settings: dict, source: Source) -> Written:
    """The dataflow files that a design file names, and what they all say about the hardware."""
    parts, merged, places = [], {}, {}
    for n, name in enumerate(settings.pop("dataflows")):
        key = f"dataflows[{n}]"
        part = _read_named(path, name, key, source)
        for dotted, value in _leaves({k: v for k, v in part.settings.items() if k in HARDWARE}):
            other, said = merged.setdefault(dotted, (part.file, value))
            if said != value and not _says(settings, dotted):
                raise _at(
                    source,
                    key,
                    f"{part.file} says {_dots(dotted)}: {value} and {other} {said}; say here which",
                )
            places.setdefault(_dots(dotted), part.place_of(_dots(dotted)))
        parts.append(part)
    hardware: dict = {}
    for dotted, (_, value) in merged.items():
        section = hardware
        for name in dotted[:-1]:
            section = section.setdefault(name, {})
        section[dotted[-1]] = value
    return Written(source.file, parts[0].dataflow_name, hardware, places, tuple(parts))


def _leaves(settings: dict, above: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], object]]:
    """Every value with the names that lead to it; a buffer's size is one, however it is written."""
    found = []
    for name, value in settings.items():
        if above == ("buffers",) and name != "accumulators" and not isinstance(value, dict):
            value = {"size": value}
        if isinstance(value, dict):
            found += _leaves(value, (*above, name))
        else:
            found.append(((*above, name), value))
    return found


def _says(settings: dict, dotted: tuple[str, ...]) -> bool:
    return dotted in dict(_leaves(settings))


def _dots(names: tuple[str, ...]) -> str:
    return ".".join(names)


def _read_dataflow(source: Source) -> Written:
    settings = {"name": _stem(source.file)} | DATAFLOW_FILE.read(source.root, "", source)
    places = {key: Place(source.file, line) for key, line in source.lines.items()}
    for number, loop in enumerate(settings["nest"]):
        places[_loop_key(loop)] = places[f"nest[{number}]"]
    return Written(source.file, settings["name"], settings, places)


def _laid_over(below, above):
    """A section key by key; a buffer's size and its idiom are keys too."""
    if not isinstance(above, dict):
        return below | {"size": above} if isinstance(below, dict) else above
    if not isinstance(below, dict):
        below = {} if below is None else {"size": below}
    return below | {name: _laid_over(below.get(name), value) for name, value in above.items()}


def _at(source: Source, key: str, message: str) -> SpecFileError:
    return SpecFileError(message, file=source.file, line=source.lines[key], key=key)


def _stem(path: str | Path) -> str:
    """A file's name as a name of a design."""
    stem = re.sub(r"[^A-Za-z0-9_]", "_", Path(path).stem)
    return f"_{stem}" if stem[:1].isdigit() else stem


def _loop_key(loop: dict) -> str:
    """How errors name a loop; see `Dataflow`."""
    if "spatial" in loop:
        return f"nest.{loop['on']}.{loop['spatial']}"
    return f"nest.pe.{loop['for']}" if "in" in loop else f"nest.for.{loop['for']}"


def build_design(written: Written) -> Design:
    """Check what was written as a whole.

    Raises
    ------
    SpecError
        With the key, but without file and line; see `Written.placed`.
    """
    settings = written.settings
    dataflows = [_build_part(part, settings) for part in written.parts]
    dataflows = dataflows or [_build_dataflow(written.dataflow_name, settings)]
    array = settings.get("array", {})
    for axis, name in enumerate(AXES):
        if not any(dataflow.on_axis(axis) for dataflow in dataflows):
            array = {name: 1} | array
    # As many lanes as a block has channels, up to those of the reference design.
    lanes = min(Design.post_lanes, settings.get("block", Design.block))
    plain = ("block", "levels", "queue_words", "multiplier_registers", "memories", "full_rate")
    return Design(
        name=settings["name"],
        dataflow=dataflows[0],
        others=tuple(dataflows[1:]),
        formats=Formats(**settings.get("formats", {})),
        buffers=_build_buffers(settings.get("buffers", {})),
        bus_bits=settings.get("bus", {}).get("width", Design.bus_bits),
        post_lanes=settings.get("post", {}).get("lanes", lanes),
        scratchpads=_build_scratchpads(settings.get("scratchpads")),
        post_add=settings.get("post", {}).get("add", Design.post_add),
        post_raw=settings.get("post", {}).get("raw", Design.post_raw),
        vector_lanes=settings.get("vector", {}).get("lanes", Design.vector_lanes),
        **array,
        **{name: settings[name] for name in plain if name in settings},
    )


def _build_part(part: Written, settings: dict) -> Dataflow:
    """One of several dataflows, with the skew that all have if the design's file says one.

    Raises
    ------
    SpecFileError
        With its own file and line.
    """
    links = part.settings.get("links", {}) | settings.get("links", {})
    try:
        return _build_dataflow(part.dataflow_name, part.settings | {"links": links})
    except SpecError as error:
        raise part.placed(error) from None


def _build_scratchpads(written: dict | None) -> Scratchpads | None:
    return Scratchpads(**written) if written else None


def _build_buffers(written: dict) -> Buffers:
    """Sizes, and the idioms of those buffers that are written in full."""
    found = {}
    for name, value in written.items():
        if not isinstance(value, dict):
            value = {"size": value}
        if "size" in value:
            found[name] = value["size"]
        if "idiom" in value:
            found[f"{name}_idiom"] = value["idiom"]
    return Buffers(**found)


def _build_dataflow(name: str, settings: dict) -> Dataflow:
    nest = settings["nest"]
    _check_order(nest)
    links = settings.get("links", {})
    skew = links.get("skew")
    spatial = [loop for loop in nest if "spatial" in loop]
    return Dataflow(
        name=name,
        operation=_build_operation(settings["operation"]),
        temporal=tuple(loop["for"] for loop in nest if "for" in loop and "in" not in loop),
        pe=tuple(PELoop(loop["for"], loop["max"]) for loop in nest if "in" in loop),
        spatial=tuple(
            SpatialLoop(loop["spatial"], AXES.index(loop["on"]), loop.get("size"))
            for loop in spatial
        ),
        skew=(skew["rows"], skew["columns"]) if skew else None,
        shift={
            tensor: None if axis == "none" else AXES.index(axis)
            for tensor, axis in links.get("shift", {}).items()
        },
        moving=tuple(links.get("moving", ())),
        phases=tuple(links.get("phases", ())),
        tagged=tuple(links.get("tagged", ())),
        reach=dict(links.get("reach", {})),
    )


def _check_order(nest: list[dict]) -> None:
    """What stands inside a loop of the PE lies in the PE too."""
    inside = None
    for loop in nest:
        if "in" in loop:
            inside = loop["for"]
        elif "for" in loop and inside:
            raise SpecError(
                f"a loop outside the PE must stand before the loop in the PE over {inside!r}",
                key=_loop_key(loop),
            )


def build_operations(written: Written) -> list[Operation]:
    """The operations that the dataflow files name or spell out.

    Raises
    ------
    SpecFileError
        If one is unknown or cannot be read.
    """
    found = []
    for part in written.parts or (written,):
        try:
            found.append(_build_operation(part.settings["operation"]))
        except SpecError as error:
            raise part.placed(error) from None
    return found


def _build_operation(written: str | dict) -> Operation:
    if isinstance(written, str):
        return shipped_operation(written)
    return inline_operation(written)
