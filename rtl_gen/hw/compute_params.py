"""A machine in the terms of the computing engine's components."""

from dataclasses import dataclass
from functools import cached_property

from ..isa.descriptors import POST
from ..reuse.machine import Machine
from .array.array import ArrayParams
from .array.pe import index_bits
from .buffer.buffet import BuffetParams
from .buffer.region import RegionParams
from .control.issue import IssueParams
from .noc.collector import CollectorParams
from .post.post import PostParams

__all__ = ["PAD_BITS", "ComputeParams"]

PAD_BITS = 8
"""Of the value that stands in for a byte outside the tensor; lowest in the tag of a word."""


@dataclass(frozen=True, eq=False)
class ComputeParams:
    """A machine, in the terms of the components of its computing engine."""

    machine: Machine

    @cached_property
    def array(self) -> ArrayParams:
        moving = self.machine.moving
        masked = (self.machine.input_number, moving.loop) if moving else None
        registers = self.machine.design.multiplier_registers
        return ArrayParams(self.machine.reuse, registers, masked)

    def forms(self, engine: str) -> tuple[tuple[str, int], ...]:
        """(name, bits) of the linear forms of an engine's nest."""
        fields = self.machine.records[engine].fields
        return tuple((f.name[:-5], f.bits) for f in fields if f.name.endswith("_base"))

    def region(self, name: str) -> RegionParams:
        """The region of the input, the output or the residual in the activation memories."""
        machine, tag_bits = self.machine, 0
        depths = tuple(machine.buffer_words(memory) for memory in ("input", "output"))
        if name == "input":
            tag_bits = PAD_BITS + dict(self.forms("feed_input")).get("byte", 0)
            tag_bits += index_bits(machine.input_depth)
        lanes = machine.block if name == "output" else 1
        reads = machine.input_reads if name == "input" else 1
        block, banks = machine.block, machine.banks
        return RegionParams(8 * block, depths, block, tag_bits, lanes, reads, banks)

    @cached_property
    def input_buffet(self) -> BuffetParams:
        return self.region("input").buffet

    @cached_property
    def residual_buffet(self) -> BuffetParams:
        return self.region("residual").buffet

    @cached_property
    def weight_buffet(self) -> BuffetParams:
        return self._buffet("weights", index_bits(self.machine.weight_depth))

    @cached_property
    def parameter_buffet(self) -> BuffetParams:
        return self._buffet("parameters", sum(field.bits for field in POST))

    @cached_property
    def output_buffet(self) -> BuffetParams:
        return self.region("output").buffet

    def _buffet(self, name, tag_bits) -> BuffetParams:
        words = self.machine.buffer_words(name)
        return BuffetParams(8 * self.machine.block, words, tag_bits)

    @cached_property
    def issue(self) -> IssueParams:
        machine, sizes = self.machine, self.machine.reuse.placement.sizes
        return IssueParams(
            record=machine.records["compute"],
            levels=machine.design.levels,
            forms=self.forms("compute"),
            amount_bits=self.output_buffet.amount.width,
            accumulators=bool(machine.accumulators),
            drain_sizes=tuple(sizes[n] for n in machine.output_tick_loops),
            post_phases=machine.post_phases,
            gathered_words=machine.output_words,
            gather_loops=len(machine.output_word_loops) if machine.gathers else 0,
            adds=bool(machine.residual_checks),
            taps=machine.moving.size if machine.moving else 0,
            pieces=machine.sums_pieces,
            tick_steps=machine.widths.tick_steps,
            checks=machine.widths.output_checks,
        )

    @cached_property
    def collector(self) -> CollectorParams:
        machine, sizes = self.machine, self.machine.reuse.placement.sizes
        return CollectorParams(
            lanes=tuple((lane.word, lane.byte) for lane in machine.output_lanes),
            per_cycle=machine.post_lanes,
            block=machine.block,
            channel_moves=machine.channel_moves,
            buffet=self.output_buffet,
            out_bits=dict(self.forms("compute"))["out"],
            word_sizes=tuple(sizes[n] for n in machine.output_word_loops),
        )

    @cached_property
    def post(self) -> PostParams:
        machine = self.machine
        return PostParams(
            channels=tuple(lane.byte for lane in machine.output_lanes),
            block=machine.block,
            channel_moves=machine.channel_moves,
            lanes=machine.post_lanes,
            acc_bits=machine.sum_bits,
            tag_bits=self.collector.tag.size,
        )
