"""Where a PE stands in the hierarchy of an array's Verilog: what the bench's counters look into."""

import dataclasses
import re
from pathlib import Path

import pytest

from rtl_gen.flow.design import array_verilog
from rtl_gen.hw.array.blocks import instance_path
from rtl_gen.spec.parse import load_design

FILE = Path(__file__).parents[3] / "dataflows" / "weight_stationary.yaml"


@pytest.mark.parametrize("shape", [(1, 1), (3, 4), (4, 5), (6, 9), (17, 3), (18, 21)])
def test_every_pe_has_an_instance_of_its_own(shape):
    rows, columns = shape
    design = dataclasses.replace(load_design(FILE), rows=rows, columns=columns)
    text = array_verilog(design).text
    inside: dict[str, dict[str, str]] = {}
    for name, body in re.findall(r"^module (\w+)\(.*?$(.*?)^endmodule", text, re.S | re.M):
        inside[name] = {i: m for m, i in re.findall(r"^  (\w+) (\w+) \($", body, re.M)}
    [top] = [name for name in inside if name.endswith(f"_array_{rows}x{columns}")]
    seen = set()
    for pe in ((i, j) for i in range(rows) for j in range(columns)):
        path, module = instance_path(shape, pe), top
        for name in path:
            module = inside[module][name]
        assert re.search(r"_pe(__\d+)?$", module)
        seen.add(path)
    assert len(seen) == rows * columns
