"""What an array of several dataflows costs against the largest of the arrays it stands for."""

import dataclasses
from pathlib import Path

from area import LIBERTY, check_library
from measure import Measure

from rtl_gen.flow.design import array_verilog
from rtl_gen.flow.synthesis import kilo_gates
from rtl_gen.reuse import derive
from rtl_gen.spec.design import Design
from rtl_gen.spec.parse import load_design

PROJECT = Path(__file__).resolve().parents[1]
COMMAND = "python benchmarks/run.py fused_area"
WITHIN = 1.25

FUSED = (
    PROJECT / "dataflows" / "adaptive.yaml",
    PROJECT / "dataflows" / "weight_and_output_stationary.yaml",
)


def parts(design: Design) -> list[Design]:
    """Each dataflow alone on the same array, with the skew that all have when fused."""
    flows = [mode.reuse.placement.dataflow for mode in derive(design).modes]
    return [dataclasses.replace(design, name=flow.name, dataflow=flow, others=()) for flow in flows]


def measures(
    *, liberty: Path = LIBERTY, side: int = 16, fused: tuple[Path, ...] = FUSED
) -> list[Measure]:
    """kGE of each fused array and of each of its parts, and the ratio to the largest part.

    Raises
    ------
    FileNotFoundError
        If the cell library is not there.
    """
    check_library(liberty)
    found = []
    for path in fused:
        design = dataclasses.replace(load_design(path), rows=side, columns=side)
        sizes = {}
        for one in (*parts(design), design):
            area = kilo_gates(array_verilog(one), liberty)
            sizes[one.name] = area.kilo_gates
            name = f"{design.name}_{side}x{side}"
            name += "_area" if one is design else f"_part_{one.name}_area"
            found.append(Measure(name=name, value=area.kilo_gates, unit="kGE", command=COMMAND))
        whole = sizes.pop(design.name)
        found.append(
            Measure(
                name=f"{design.name}_{side}x{side}_ratio",
                value=whole / max(sizes.values()),
                unit="x of the largest part",
                asked=WITHIN,
                command=COMMAND,
            )
        )
    return found
