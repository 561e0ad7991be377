"""What the control of a buffet costs: all of it but its memories and the data they hold."""

import re
from pathlib import Path

from area import LIBERTY, check_library
from measure import Measure

from rtl_gen.flow.design import VerilogDesign
from rtl_gen.flow.synthesis import kilo_gates
from rtl_gen.flow.verilog import emit
from rtl_gen.hw.buffer.buffet import Buffet

COMMAND = "python benchmarks/run.py buffet"
WIDTH, WORDS = 128, 512
MEMORY = re.compile(r"module (memory_\w+)\((.*?)\);(.*?)endmodule", re.DOTALL)

# A scoreboard as deep as the memory's pipeline has one entry.
CASES = {
    "read_only": ({"in_order": True}, 0.6),
    "updates": ({"in_order": True, "updates": 1}, 1.5),
    "updates_every_cycle": ({"in_order": True, "updates": 2}, None),
    "read_only_tiles": ({}, None),
}


def measures(*, liberty: Path = LIBERTY) -> list[Measure]:
    """kGE of buffets of 512 words of 128 bits, filled in order, and by tiles.

    Raises
    ------
    FileNotFoundError
        If the cell library is not there.
    """
    check_library(liberty)
    found = []
    for name, (options, asked) in CASES.items():
        text = MEMORY.sub(_black_box, emit(Buffet, WIDTH, WORDS, **options))
        top = re.search(r"module (buffet_\w+)", text)[1]
        area = kilo_gates(VerilogDesign(top=top, text=text), liberty)
        found.append(
            Measure(
                name=f"buffet_{WORDS}x{WIDTH}_{name}",
                value=area.kilo_gates,
                unit="kGE",
                asked=asked,
                command=COMMAND,
            )
        )
    return found


def _black_box(memory: re.Match) -> str:
    """A memory's module with nothing in it but its ports."""
    name, ports, body = memory.groups()
    kept = [line for line in body.splitlines() if re.match(r"\s*(input|output)", line)]
    return "\n".join([f"(* blackbox *)\nmodule {name}({ports});", *kept, "endmodule"])
