"""From a nest to links, lanes, PE storage and accumulator width: exact integer algebra."""

from .analysis import analyse
from .fusion import Fusion, Mode, derive, fuse
from .grid import Grid
from .legality import check_links
from .links import Link, sources_of
from .optional import OptionalLink, optional_links
from .phases import Stretch, phases
from .placement import Placement
from .result import HeldOperand, OutputReuse, Reuse, StreamedOperand

__all__ = [
    "Fusion",
    "Grid",
    "HeldOperand",
    "Link",
    "Mode",
    "OptionalLink",
    "OutputReuse",
    "Placement",
    "Reuse",
    "StreamedOperand",
    "Stretch",
    "analyse",
    "check_links",
    "derive",
    "fuse",
    "optional_links",
    "phases",
    "sources_of",
]
