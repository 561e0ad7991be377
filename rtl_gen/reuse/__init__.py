"""From a nest to links, lanes, PE storage and accumulator width: exact integer algebra."""

from .analysis import HeldOperand, Link, OutputReuse, Reuse, StreamedOperand, analyse
from .legality import check_links
from .optional import OptionalLink, optional_links
from .placement import Placement

__all__ = [
    "HeldOperand",
    "Link",
    "OptionalLink",
    "OutputReuse",
    "Placement",
    "Reuse",
    "StreamedOperand",
    "analyse",
    "check_links",
    "optional_links",
]
