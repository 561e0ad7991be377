"""A machine with tagged buses in the terms of the computing engine's components."""

from dataclasses import dataclass
from functools import cached_property

from ..isa.tagged import ADDRESS_FORMS, PASS_MASKS
from ..reuse.tagged_machine import TaggedMachine
from .array.scratchpad_pe import ScratchpadParams
from .array.tagged_array import TaggedArrayParams
from .compute_buffers import PAD_BITS, ComputeBuffers
from .control.nest import NestParams
from .control.periods import PeriodParams
from .noc.column_sums import ColumnSumsParams
from .noc.word_gather import WordGatherParams
from .post.post import PostParams

__all__ = ["TaggedComputeParams"]


@dataclass(frozen=True, eq=False)
class TaggedComputeParams(ComputeBuffers):
    """A machine, in the terms of the components of its computing engine."""

    machine: TaggedMachine

    @property
    def byte_bits(self) -> int:
        """Low bits of the input's addresses: the byte of a word."""
        return (self.machine.block - 1).bit_length()

    @property
    def input_tag_bits(self) -> int:
        return PAD_BITS + self.byte_bits + sum(ADDRESS_FORMS.values()) + 1

    @property
    def weight_tag_bits(self) -> int:
        return 1

    @cached_property
    def pe(self) -> ScratchpadParams:
        machine, pads = self.machine, self.machine.design.scratchpads
        bits = machine.design.formats.operand_bits
        return ScratchpadParams(pads.input, pads.weights, bits, machine.chain_bits)

    @cached_property
    def array(self) -> TaggedArrayParams:
        return TaggedArrayParams(self.machine.design.rows, self.machine.design.columns, self.pe)

    @cached_property
    def periods(self) -> PeriodParams:
        amount = self.output_buffet.amount.width
        nest = NestParams(
            levels=self.machine.design.levels,
            forms=self.forms("compute"),
            events=(("commit", amount),),
            masks=PASS_MASKS,
        )
        return PeriodParams(pe=self.pe, nest=nest)

    @cached_property
    def column_sums(self) -> ColumnSumsParams:
        machine = self.machine
        return ColumnSumsParams(
            periods=self.periods,
            columns=machine.design.columns,
            lanes=machine.post_lanes,
            address_bits=(max(2, machine.accumulators) - 1).bit_length(),
        )

    @cached_property
    def gather(self) -> WordGatherParams:
        return WordGatherParams(
            lanes=self.machine.post_lanes,
            groups=self.column_sums.groups,
            block=self.machine.block,
            buffet=self.output_buffet,
            tag=self.column_sums.tag,
        )

    @cached_property
    def post(self) -> PostParams:
        machine = self.machine
        return PostParams(
            channels=(0,) * machine.post_lanes,
            block=machine.block,
            channel_moves=True,
            lanes=machine.post_lanes,
            acc_bits=machine.sum_bits,
            tag_bits=self.column_sums.tag.size,
        )
