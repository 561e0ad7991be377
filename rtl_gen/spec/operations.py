"""The operations that ship, by name, and operations that a file spells out."""

from functools import cache
from pathlib import Path

from .keys import OPERATION
from .kinds import nearest
from .operation import Operation, SpecError, parse_einsum
from .tables import MapOf, Table
from .yaml_lines import read_source

__all__ = ["inline_operation", "make_operation", "shipped_operation", "shipped_operations"]

_FILE = Path(__file__).with_name("operations.yaml")


def make_operation(name: str, written: dict) -> Operation:
    """An operation from the keys of `OPERATION` as a file gives them.

    Raises
    ------
    SpecError
        With a key that begins with ``operation``.
    """
    return parse_einsum(
        written["einsum"],
        name=name,
        symbols=tuple(written.get("symbols", ())),
        weights=written.get("weights", ""),
        batch=tuple(written.get("batch", ())),
        blocked=written.get("blocked"),
    )


@cache
def shipped_operations() -> dict[str, Operation]:
    """Every operation of ``operations.yaml`` by its name."""
    source = read_source(_FILE)
    kind = MapOf(Table("an operation", OPERATION), "operations by name")
    written = kind.read(source.root, "", source)
    return {name: make_operation(name, keys) for name, keys in written.items()}


def shipped_operation(name: str) -> Operation:
    """The operation of that name.

    Raises
    ------
    SpecError
        With the nearest name that there is.
    """
    operations = shipped_operations()
    if name not in operations:
        raise SpecError(
            f"the operation {name!r} is unknown;{nearest(name, operations)} shipped: "
            f"{', '.join(operations)}; any other is a mapping with name and einsum",
            key="operation",
        )
    return operations[name]


def inline_operation(written: dict) -> Operation:
    """An operation that a dataflow file spells out.

    Raises
    ------
    SpecError
        Also if it has the name of a shipped operation but is another sum.
    """
    operation = make_operation(written["name"], written)
    shipped = shipped_operations().get(operation.name)
    if shipped and shipped != operation:
        raise SpecError(
            f"{operation.name!r} ships as {shipped.einsum}; another operation needs another name",
            key="operation.name",
        )
    return operation
