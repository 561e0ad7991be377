"""What a design costs: cells counted by Yosys, for no technology, an FPGA or a cell library.

Memories stay memories in the generic and in the library flow: their bits are counted, not turned
into flip-flops, since block RAM or an SRAM macro is what they become. An FPGA's flow maps them.
"""

import gzip
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .design import VerilogDesign
from .yosys import YosysError, run_yosys

__all__ = ["FLOWS", "Area", "CellCounts", "cell_counts", "check_structure", "kilo_gates"]

# What Yosys' own `synth` does, but for `memory_map`, so that memories stay whole.
COARSE = "synth {options} -noshare -run begin:fine -top {top}"
FINE = """\
opt -fast -full
opt_clean
techmap
opt -fast"""
ABC = """\
abc
opt -fast
opt_clean"""

FLOWS = {
    # Hierarchy kept, no logic minimization: see cell_counts.
    "generic": f"{COARSE.format(options='', top='{top}')}\n{FINE}",
    # The same minimized by abc: 8 % fewer cells, three times as long.
    "minimized": f"{COARSE.format(options='', top='{top}')}\n{FINE}\n{ABC}",
    "ecp5": "synth_ecp5 -noflatten -top {top}",
    "xilinx": "synth_xilinx -noiopad -top {top}",
    # The same without its longest part: logic stays gates.
    "xilinx_memories": "synth_xilinx -noiopad -top {top} -run :map_luts",
}
"""Scripts by name; ``{top}`` is the top module."""

FLIP_FLOP = re.compile(r"\$_S?DFF|\$_ALDFF|\$_DFFSR|TRELLIS_FF$|FD[RSCP]E$")


@dataclass(frozen=True)
class CellCounts:
    """The cells of a design, instances counted as often as they occur.

    Parameters
    ----------
    flow
        Of :data:`FLOWS`.
    kinds
        How many of each kind, by its name in Yosys.
    modules
        The cells that lie in one instance of each module itself, not in those below, by kind.
    memory_bits
        Bits of all memories, in queues and FIFOs too, as the Verilog declares them.
    """

    flow: str
    kinds: Mapping[str, int]
    modules: Mapping[str, Mapping[str, int]]
    memory_bits: int

    @property
    def cells(self) -> int:
        """All cells, flip-flops among them; memories that are still whole not."""
        return sum(number for kind, number in self.kinds.items() if kind != "$mem_v2")

    @property
    def flip_flops(self) -> int:
        return sum(number for kind, number in self.kinds.items() if FLIP_FLOP.match(kind))


@dataclass(frozen=True)
class Area:
    """The area of a design in a cell library.

    Parameters
    ----------
    square_um
        Sum of the cells' areas, in the library's unit (square micrometres as a rule).
    nand2
        Area of the library's NAND2, the unit of a gate equivalent.
    cells
        Cells of the library.
    flip_flops
        Those of them that are flip-flops.
    memory_bits
        Of memories, whose area is not in ``square_um``.
    """

    square_um: float
    nand2: float
    cells: int
    flip_flops: int
    memory_bits: int

    @property
    def kilo_gates(self) -> float:
        """Gate equivalents (cell area / NAND2 area) / 1000."""
        return self.square_um / self.nand2 / 1000


def cell_counts(design: VerilogDesign, flow: str = "generic") -> CellCounts:
    """Synthesize a design and count its cells.

    Parameters
    ----------
    flow
        ``generic``: gates of one and two inputs, multiplexers and flip-flops, one bit each, as
        Yosys' operators decompose (ripple-carry adders, shift-and-add multipliers), no logic
        minimized; module by module, so that its time does not grow with the array. Good for
        comparing designs of this generator with one another, and quick. ``minimized``: these gates
        after abc. ``ecp5``, ``xilinx`` (7 series): the cells of that FPGA. ``xilinx_memories``: all
        but its LUTs.

    Raises
    ------
    ValueError
        If there is no such flow.
    YosysError
        If Yosys refuses the design.
    """
    if flow not in FLOWS:
        raise ValueError(f"flow must be one of {', '.join(FLOWS)}, not {flow!r}")
    reading, files = _read(design)
    script = [
        *reading,
        "proc",
        "tee -q -o memories.json stat -json",
        FLOWS[flow].format(top=design.top),
        "tee -q -o cells.json stat -json",
    ]
    written = run_yosys("\n".join(script) + "\n", files)
    return _counts(flow, design.top, written["cells"], written["memories"])


def _read(design: VerilogDesign) -> tuple[list[str], dict[str, str]]:
    """Commands that read a design, and their files. The wrapper of SRAMs is a black box."""
    script, files = ["read_verilog design.v"], {"design.v": design.text}
    if design.wrapper:
        script.insert(0, "read_verilog -lib sram.v")
        files["sram.v"] = design.wrapper
    return [*script, f"hierarchy -check -top {design.top}"], files


def _counts(flow: str, top: str, stat: dict[str, Any], memories: dict[str, Any]) -> CellCounts:
    """The numbers in what Yosys' ``stat`` says of a mapped design, and of the one read.

    Totals are made here: Yosys leaves out those cells of an FPGA that it has a model of.
    """
    inside = {}
    for name in memories["modules"]:
        if name in stat["modules"]:  # flattening leaves the top alone, and notes of what was where
            cells = dict(stat["modules"][name]["num_cells_by_type"])
            cells.pop("$scopeinfo", None)
            inside[name.removeprefix("\\")] = cells
    totals: dict[str, Counter] = {}

    def total(module: str) -> Counter:
        if module not in totals:
            found = Counter()
            for kind, number in inside[module].items():
                below = total(kind) if kind in inside else {kind: 1}
                for cell, times in below.items():
                    found[cell] += number * times
            totals[module] = found
        return totals[module]

    return CellCounts(
        flow=flow,
        kinds=dict(total(top)),
        modules={
            name: {kind: number for kind, number in cells.items() if kind not in inside}
            for name, cells in inside.items()
        },
        memory_bits=memories["design"]["num_memory_bits"],
    )


def check_structure(design: VerilogDesign) -> None:
    """Raise unless a design has no latch, no wire with two drivers and no combinational loop.

    Flattened, so that a loop through several modules is found, and bit by bit.

    Raises
    ------
    YosysError
        With Yosys' count of what is wrong.
    """
    reading, files = _read(design)
    script = [
        *reading,
        "proc -latches error",
        "check -assert",
        "flatten",
        "opt_clean",
        "check -assert -nolatches -force-detailed-loop-check",
    ]
    run_yosys("\n".join(script) + "\n", files)


def kilo_gates(verilog: VerilogDesign, liberty: str | Path) -> Area:
    """Map a design to a cell library; its area in gate equivalents is ``.kilo_gates``.

    Flattened, multipliers Booth encoded, no timing constraint. Memories are left out.

    Parameters
    ----------
    liberty
        File of the cell library, plain or with gzip (``.gz``).

    Raises
    ------
    ValueError
        If the library has no NAND2.
    YosysError
        If Yosys refuses the design or the library.
    """
    path = Path(liberty)
    library = (
        gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    )
    nand2 = nand2_area(library, path)
    reading, files = _read(verilog)
    script = [
        *reading,
        "proc",
        "tee -q -o memories.json stat -json",
        COARSE.format(options="-flatten -booth", top=verilog.top),
        FINE,
        ABC,
        "tee -q -o generic.json stat -json",
        "dfflibmap -liberty cells.lib",
        "abc -liberty cells.lib",
        "opt_clean",
        "tee -q -o cells.json stat -json -liberty cells.lib",
    ]
    written = run_yosys("\n".join(script) + "\n", files | {"cells.lib": library})
    generic = _counts("generic", verilog.top, written["generic"], written["memories"])
    mapped = _counts("liberty", verilog.top, written["cells"], written["memories"])
    left = sorted(kind for kind in mapped.kinds if kind.startswith("$") and kind != "$mem_v2")
    if left:
        raise YosysError(f"{path.name} has no cell for {', '.join(left)}")
    return Area(
        square_um=float(written["cells"]["design"]["area"]),
        nand2=nand2,
        cells=mapped.cells,
        flip_flops=generic.flip_flops,
        memory_bits=mapped.memory_bits,
    )


def nand2_area(library: str, path: Path) -> float:
    """The area of a library's smallest NAND2, which its name tells (``sg13g2_nand2_1``)."""
    areas = []
    for cell in re.split(r"\bcell\s*\(", library)[1:]:
        name = cell[: cell.index(")")].strip().strip('"')
        area = re.search(r"\barea\s*:\s*([0-9.eE+-]+)", cell)
        if area and re.search(r"nand2(?![0-9a-z])", name, re.IGNORECASE):
            areas.append(float(area[1]))
    if not areas:
        raise ValueError(f"{path}: no cell is called nand2, whose area is a gate equivalent")
    return min(areas)
