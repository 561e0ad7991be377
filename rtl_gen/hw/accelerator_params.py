"""A machine in the terms of the accelerator's components."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

from ..isa.capabilities import Capabilities
from ..isa.descriptors import ENGINES, POST
from ..isa.tagged import ADDRESS_FORMS
from ..reuse.fused_machine import FusedMachine
from ..reuse.machine import BURST_BEATS, Machine
from ..reuse.tagged_machine import TaggedMachine
from ..spec.design import Design
from .buffer.buffet import BuffetParams
from .compute_params import ComputeParams
from .fused_compute_params import FusedComputeParams
from .memory.descriptor_fetch import FetchParams
from .memory.load_params import LoadParams
from .memory.store_params import StoreParams
from .noc.feeder import FeederParams
from .tagged_compute_params import TaggedComputeParams
from .unfold.image_rows import ImageParams
from .unfold.unfold_params import UnfoldParams

__all__ = ["AcceleratorParams", "design_hash"]

LOADS = ("weights", "parameters", "residual", "input")
"""Load engines in the order in which urgent ones are served."""

SETS_AHEAD, WORDS_AHEAD = 8, 128
"""Weights that are loaded before anything else: sets, and words for the latency of memory."""

INPUT_IN_FLIGHT = 128
"""Input words in flight at most: a memory may answer in order, and weights must not wait long."""


@dataclass(frozen=True, eq=False)
class AcceleratorParams:
    """A machine in the terms of the accelerator's components."""

    machine: Machine

    @cached_property
    def compute(self) -> ComputeParams | TaggedComputeParams:
        if self.tagged:
            return TaggedComputeParams(self.machine)
        several = isinstance(self.machine, FusedMachine)
        return (FusedComputeParams if several else ComputeParams)(self.machine)

    @property
    def tagged(self) -> bool:
        """Whether operands come on tagged buses."""
        return isinstance(self.machine, TaggedMachine)

    @property
    def engines(self) -> tuple[str, ...]:
        return self.machine.engines

    @property
    def loads(self) -> tuple[str, ...]:
        return tuple(name for name in LOADS if f"load_{name}" in self.engines)

    def load(self, name: str) -> LoadParams:
        machine, activations = self.machine, name in ("input", "residual")
        words = machine.widths.activation_words if activations else machine.buffer_words(name)
        return LoadParams(
            record=machine.records[f"load_{name}"],
            block=machine.block,
            bus_bits=machine.design.bus_bits,
            burst_beats=BURST_BEATS,
            capacity=words,
            watermark=self.watermark(name),
            in_flight_words=min(INPUT_IN_FLIGHT, words) if activations else 0,
        )

    def watermark(self, name: str) -> int:
        """Words below which a load goes before the others: a few sets ahead of their use."""
        if name in ("input", "residual"):
            return 0
        machine = self.machine
        words = machine.smallest_tiles[name]
        ahead = max(SETS_AHEAD * words, WORDS_AHEAD) if name == "weights" else 2 * words
        return min(ahead, machine.buffer_words(name) // 2)

    def feed(self, name: str) -> FeederParams:
        mode = ("mode",) if self.machine.widths.modes > 1 else ()
        tags = {
            "input": (
                "pad_value",
                *mode,
                *(["byte"] if self.machine.widths.byte_with_word else []),
                *(["registers"] if self.machine.widths.input_depth > 1 else []),
            ),
            "weights": (
                *mode,
                *(["registers"] if self.machine.widths.weight_depth > 1 else []),
                *(["table"] if self.machine.widths.vector else []),
            ),
            "parameters": tuple(field.name for field in POST),
        }
        byte_bits = 0
        if self.tagged:
            # Words say where their elements belong, and which is a layer's last.
            tags["input"] += (*ADDRESS_FORMS, "end")
            tags["weights"] = ("end",)
            byte_bits = self.compute.byte_bits if name == "input" else 0
        return FeederParams(
            byte_bits=byte_bits,
            record=self.machine.records[f"feed_{name}"],
            levels=self.machine.design.levels,
            buffet=self.buffet(name),
            forms=self.compute.forms(f"feed_{name}"),
            tags=tags[name],
            words=self.machine.input_read_sizes if name == "input" else (),
        )

    def buffet(self, name: str) -> BuffetParams:
        compute = self.compute
        return {
            "input": compute.input_buffet,
            "weights": compute.weight_buffet,
            "parameters": compute.parameter_buffet,
        }[name]

    @property
    def unfold(self) -> UnfoldParams:
        machine = self.machine
        return UnfoldParams(
            record=machine.records["unfold_input"],
            levels=machine.design.levels,
            image=ImageParams(machine.block, machine.image_words),
            buffet=self.buffet("input"),
        )

    @property
    def store(self) -> StoreParams:
        machine = self.machine
        return StoreParams(
            record=machine.records["store"],
            block=machine.block,
            bus_bits=machine.design.bus_bits,
            burst_beats=BURST_BEATS,
            buffet=self.compute.output_buffet,
        )

    @property
    def fetch(self) -> FetchParams:
        machine = self.machine
        return FetchParams(
            bus_bits=machine.design.bus_bits,
            burst_beats=BURST_BEATS,
            queue_words=machine.design.queue_words,
            lengths=tuple(
                machine.records[engine].words if engine in self.engines else 0 for engine in ENGINES
            ),
        )

    @cached_property
    def capabilities(self) -> Capabilities:
        machine = self.machine
        return Capabilities(
            rows=machine.design.rows,
            columns=machine.design.columns,
            operand_bits=machine.design.formats.operand_bits,
            accumulator_bits=machine.sum_bits,
            bus_bits=machine.design.bus_bits,
            post_lanes=machine.post_lanes,
            queue_words=machine.design.queue_words,
            widths=machine.widths,
            engines=machine.engines,
            design_hash=design_hash(machine.design),
        )


def design_hash(design: Design) -> int:
    """64 bits that tell designs apart: of everything the user can say about one."""
    text = json.dumps(design.facts, sort_keys=True, default=str)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
