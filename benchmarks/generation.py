"""How long Verilog takes, how much there is of it, and whether it is the same each time."""

import dataclasses
import hashlib
import os
import subprocess
import sys
from pathlib import Path

from measure import Measure, Times, repeat

from rtl_gen.flow.design import array_verilog
from rtl_gen.spec.parse import load_design

PROJECT = Path(__file__).resolve().parents[1]
DATAFLOW = PROJECT / "dataflows" / "weight_stationary.yaml"
COMMAND = "python benchmarks/run.py generation"
SECONDS = {"accelerator": 3, "array": 5}

# Each time in a process of its own, as the user meets it: imports count.
GENERATE = """
import dataclasses, sys
from rtl_gen.flow.design import accelerator_verilog, array_verilog
from rtl_gen.reuse.machine import Machine
from rtl_gen.spec.parse import load_design
kind, path, side = sys.argv[1:]
design = dataclasses.replace(load_design(path), rows=int(side), columns=int(side))
verilog = array_verilog(design) if kind == "array" else accelerator_verilog(Machine(design))
sys.stdout.write(verilog.text)
"""


def measures(*, times: int = 5, accelerator: int = 16, array: int = 128) -> list[Measure]:
    """The marks of generation; smaller arrays and fewer times only to try the code."""
    found = []
    for kind, side in (("accelerator", accelerator), ("array", array)):
        taken, texts = generate(kind, side, times)
        name = f"verilog_{kind}_{side}x{side}"
        asked = SECONDS[kind]
        found += [
            Measure(name=name, value=taken.wall, unit="s", asked=asked, command=COMMAND),
            # For comparison on a busy machine; the mark is on what the user waits for.
            Measure(name=f"{name}_cpu", value=taken.cpu, unit="s", command=COMMAND),
            Measure(
                name=f"{name}_different_texts",
                value=len(texts) - 1,
                unit="texts",
                asked=0,
                command=COMMAND,
            ),
        ]
    ratio = array_bytes(array) / array_bytes(accelerator)
    name = f"verilog_array_{array}x{array}_size"
    unit = f"x {accelerator}x{accelerator}"
    return [*found, Measure(name=name, value=ratio, unit=unit, asked=4, command=COMMAND)]


def generate(kind: str, side: int, times: int) -> tuple[Times, set[str]]:
    """Times of a generation in a fresh process, and hashes of the texts it gave.

    Python's hashes of strings differ from process to process, so that an order that depends on
    them shows.
    """
    texts: set[str] = set()
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "PYTHONHASHSEED": "random"}

    def once():
        done = subprocess.run(
            [sys.executable, "-c", GENERATE, kind, str(DATAFLOW), str(side)],
            env=environment,
            stdout=subprocess.PIPE,
            check=True,
        )
        texts.add(hashlib.sha256(done.stdout).hexdigest())

    return repeat(once, times), texts


def array_bytes(side: int) -> int:
    """Bytes of the bare array's Verilog."""
    design = dataclasses.replace(load_design(DATAFLOW), rows=side, columns=side)
    return len(array_verilog(design).text.encode())
