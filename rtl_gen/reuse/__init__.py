"""From a nest to links, lanes, PE storage and accumulator width: exact integer algebra."""

from .analysis import analyse
from .fusion import Fusion, Mode, derive, fuse
from .grid import Grid
from .legality import check_links
from .links import Link, reduction_kind, sources_of
from .optional import OptionalLink, optional_links
from .phases import Stretch, phases
from .placement import Placement
from .reduction import successors
from .result import HeldOperand, OutputReuse, Reuse, StreamedOperand
from .wires import Port, Wire, kept_loops, ports, wires

__all__ = [
    "Fusion",
    "Grid",
    "HeldOperand",
    "Link",
    "Mode",
    "OptionalLink",
    "OutputReuse",
    "Placement",
    "Port",
    "Reuse",
    "StreamedOperand",
    "Stretch",
    "Wire",
    "analyse",
    "check_links",
    "derive",
    "fuse",
    "kept_loops",
    "optional_links",
    "phases",
    "ports",
    "reduction_kind",
    "sources_of",
    "successors",
    "wires",
]
