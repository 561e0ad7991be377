"""What STATUS says of an error, in words."""

from collections.abc import Mapping

from .descriptors import ENGINES
from .errors import explain
from .registers import FETCH

__all__ = ["describe_error"]


def describe_error(status: Mapping[str, int]) -> str:
    """One line for the fields of STATUS: which engine, which of its descriptors, what happened."""
    engine, number = status["error_engine"], status["error_descriptor"]
    where = f"{ENGINES[engine]}, descriptor {number}: " if engine < len(ENGINES) else ""
    if engine == FETCH:
        where = f"fetch, packet {number}: "
    return where + explain(status["error_code"])
