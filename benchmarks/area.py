"""What a MAC of the bare 8x8 arrays costs, in the table of hand-written ones."""

import dataclasses
from pathlib import Path

from measure import Measure

from rtl_gen.flow.design import array_verilog
from rtl_gen.flow.synthesis import kilo_gates
from rtl_gen.reuse import Placement, analyse
from rtl_gen.spec.parse import load_design

PROJECT = Path(__file__).resolve().parents[1]
LIBERTY = PROJECT.parent / "shared" / "data" / "liberty" / "sg13g2_stdcell_typ_1p20V_25C.lib.gz"
COMMAND = "python benchmarks/run.py area"
SIDE = 8
WITHIN = 1.15

# Hand-written 8x8 arrays in the same flow (Yosys, Booth multipliers, sg13g2): kGE and flip-flops a
# MAC; weight stationary with double-buffered weights and partial sums as wide as their bounds.
HAND_WRITTEN = {"weight_stationary": (0.853, 42), "output_stationary": (1.039, 46)}


def check_library(liberty: Path) -> None:
    """Raise FileNotFoundError if the cell library is not there."""
    if not liberty.is_file():
        raise FileNotFoundError(f"the cell library {liberty} is not there")


def measures(*, liberty: Path = LIBERTY, side: int = SIDE) -> list[Measure]:
    """kGE and flip-flops per MAC of each array, the skew at its edges apart; idle drain steps.

    Behind each number of ours that of the hand-written array, which has no mark.

    Raises
    ------
    FileNotFoundError
        If the cell library is not there.
    """
    check_library(liberty)
    found = []
    for name, (kge, flip_flops) in HAND_WRITTEN.items():
        design = load_design(PROJECT / "dataflows" / f"{name}.yaml")
        design = dataclasses.replace(design, rows=side, columns=side)
        area = kilo_gates(array_verilog(design), liberty)
        for what, value, unit, hand in (
            ("area", area.kilo_gates / side**2, "kGE/MAC", kge),
            ("flip_flops", area.flip_flops / side**2, "FF/MAC", flip_flops),
        ):
            measure = Measure(
                name=f"{name}_{side}x{side}_{what}",
                value=value,
                unit=unit,
                asked=WITHIN * hand,
                command=COMMAND,
            )
            reference = f"hand_written_{name}_{SIDE}x{SIDE}_{what}"
            found += [measure, Measure(name=reference, value=hand, unit=unit, command=COMMAND)]
        placement = Placement(design.dataflow, design.shape)
        drain = analyse(placement, design.formats).output.drain
        if drain is not None:
            found.append(
                Measure(
                    name=f"{name}_{side}x{side}_drain",
                    value=placement.extent[drain],
                    unit="idle steps/tile",
                    command=COMMAND,
                )
            )
    return found
