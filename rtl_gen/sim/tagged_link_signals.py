"""Where words on tagged buses, in scratchpads and on chains of sums are seen in a simulation.

On a bus in the cycle in which it is valid, each element of it; at a PE where its scratchpad is
written, with all weights of a group at once; on a chain where a PE adds the sum from above, in the
first cycle of a period, unless its row begins a chain; behind the columns where sums leave.
"""

from ..hw.accelerator_params import AcceleratorParams
from ..hw.array.scratchpad_pe import ELEMENTS, GROUP
from ..hw.array.tagged_row import bus_layout, filter_layout
from ..mapping.tagged_traffic import TAGGED_KINDS
from ..mapping.traffic_classes import LinkClass
from ..reuse.tagged_machine import TaggedMachine
from .link_signals import LinkSignal

__all__ = ["tagged_signals"]

CORE = "watched.dut.compute.core"
INPUTS, FILTERS, SUMS = f"{CORE}.input_bus", f"{CORE}.filter_bus", f"{CORE}.column_sums"


def tagged_signals(machine: TaggedMachine) -> dict[tuple[int, LinkClass], list[LinkSignal]]:
    """The words of every class of links, by the number of the dataflow (0) and the class."""
    params = AcceleratorParams(machine).compute
    operation, pe = machine.operation, params.pe
    bits, width = pe.operand_bits, pe.sum_bits
    inputs, filters, output = (
        tensor.name for tensor in (operation.activation, operation.weight, operation.output)
    )
    rows = [f"{CORE}.array.row{n}" for n in range(machine.design.rows)]
    pes = [(row, f"{row}.pe{n}") for row in rows for n in range(machine.design.columns)]
    bus, pad = TAGGED_KINDS
    on_bus, group = bus_layout(pe), filter_layout(pe)["weights"].offset
    valid, first = on_bus["valid"].offset, on_bus["elements"].offset
    found = {
        LinkClass(inputs, bus): [
            _when(f"{INPUTS}.bus[{valid}]", f"{INPUTS}.bus", first + bits * n, bits)
            for n in range(ELEMENTS)
        ],
        LinkClass(inputs, pad): [
            _when(f"{at}.input_pad.write_enable", f"{at}.input_pad.write_data", 0, bits)
            for _, at in pes
        ],
        LinkClass(filters, bus): [
            _when(f"{FILTERS}.send", f"{FILTERS}.filters", group + bits * n, bits)
            for n in range(GROUP)
        ],
        LinkClass(filters, pad): [
            _when(f"{at}.weight_pad.write_enable", f"{at}.weight_pad.write_data", bits * n, bits)
            for _, at in pes
            for n in range(GROUP)
        ],
        LinkClass(output, "reduce_forward", (1, 0), 1): [
            _when(f"({at}.add && {at}.first && !{row}.own_st)", f"{at}.above", 0, width)
            for row, at in pes[machine.design.columns :]
        ],
        LinkClass(output, "exit"): [
            _when(f"{SUMS}.valid", f"{SUMS}.sums", width * n, width)
            for n in range(machine.post_lanes)
        ],
    }
    return {(0, name): signals for name, signals in found.items()}


def _when(strobe: str, word: str, low: int, bits: int) -> LinkSignal:
    return LinkSignal(strobe, 0, f"{word}[{low} +: {bits}]")
