"""A machine with tagged buses in the terms of the computing engine's components."""

from dataclasses import dataclass
from functools import cached_property

from ..isa.descriptors import POST
from ..isa.tagged import ADDRESS_FORMS, PASS_MASKS
from ..reuse.tagged_machine import TaggedMachine
from .array.scratchpad_pe import ScratchpadParams
from .array.tagged_array import TaggedArrayParams
from .buffer.buffet import BuffetParams
from .buffer.region import RegionParams
from .compute_params import PAD_BITS
from .control.nest import NestParams
from .control.periods import PeriodParams
from .noc.column_sums import ColumnSumsParams
from .noc.word_gather import WordGatherParams
from .post.post import PostParams

__all__ = ["TaggedComputeParams"]


@dataclass(frozen=True, eq=False)
class TaggedComputeParams:
    """A machine, in the terms of the components of its computing engine."""

    machine: TaggedMachine

    def forms(self, engine: str) -> tuple[tuple[str, int], ...]:
        """(name, bits) of the linear forms of an engine's nest."""
        fields = self.machine.records[engine].fields
        return tuple((f.name[:-5], f.bits) for f in fields if f.name.endswith("_base"))

    @property
    def byte_bits(self) -> int:
        """Low bits of the input's addresses: the byte of a word."""
        return (self.machine.block - 1).bit_length()

    def region(self, name: str) -> RegionParams:
        """The region of the input or the output in the activation memories."""
        machine = self.machine
        depths = tuple(machine.buffer_words(memory) for memory in ("input", "output"))
        tag_bits = PAD_BITS + self.byte_bits + sum(ADDRESS_FORMS.values()) + 1
        lanes = machine.block if name == "output" else 1
        reads = machine.input_reads if name == "input" else 1
        tag_bits = tag_bits if name == "input" else 0
        block, banks = machine.block, machine.banks
        return RegionParams(8 * block, depths, block, tag_bits, lanes, reads, banks)

    @cached_property
    def input_buffet(self) -> BuffetParams:
        return self.region("input").buffet

    @cached_property
    def residual_buffet(self) -> BuffetParams:
        return self.region("residual").buffet

    @cached_property
    def output_buffet(self) -> BuffetParams:
        return self.region("output").buffet

    @cached_property
    def weight_buffet(self) -> BuffetParams:
        return self._buffet("weights", 1)

    @cached_property
    def parameter_buffet(self) -> BuffetParams:
        return self._buffet("parameters", sum(field.bits for field in POST))

    def _buffet(self, name, tag_bits) -> BuffetParams:
        words = self.machine.buffer_words(name)
        return BuffetParams(8 * self.machine.block, words, tag_bits)

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
