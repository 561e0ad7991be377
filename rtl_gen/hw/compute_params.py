"""A machine in the terms of the computing engine's components."""

from dataclasses import dataclass
from functools import cached_property

from .array.array import ArrayParams
from .array.pe import index_bits
from .compute_buffers import PAD_BITS, ComputeBuffers
from .control.issue_params import IssueParams
from .noc.collector import CollectorParams
from .post.post import PostParams
from .post.raw_words import RawParams
from .post.requantize import RequantizeParams
from .vector.params import SUM_BITS as VECTOR_BITS
from .vector.params import VectorParams
from .vector.part import VectorPartParams

__all__ = ["ComputeParams"]


@dataclass(frozen=True, eq=False)
class ComputeParams(ComputeBuffers):
    """A machine, in the terms of the components of its computing engine."""

    @property
    def input_tag_bits(self) -> int:
        byte = dict(self.forms("feed_input")).get("byte", 0)
        return PAD_BITS + byte + index_bits(self.machine.input_depth)

    @property
    def weight_tag_bits(self) -> int:
        return index_bits(self.machine.weight_depth) + self.machine.widths.vector

    @cached_property
    def array(self) -> ArrayParams:
        moving = self.machine.moving
        masked = (self.machine.input_number, moving.loop) if moving else None
        registers = self.machine.design.multiplier_registers
        return ArrayParams(self.machine.reuse, registers, masked)

    @cached_property
    def issue(self) -> IssueParams:
        machine = self.machine
        return IssueParams(
            record=machine.records["compute"],
            levels=machine.design.levels,
            forms=self.forms("compute"),
            amount_bits=self.output_buffet.amount.width,
            accumulators=bool(machine.accumulators),
            drain_sizes=machine.output_tick_sizes,
            post_phases=machine.post_phases,
            gathered_words=machine.gathered_words,
            gather_loops=len(machine.output_word_loops) if machine.gathers else 0,
            adds=bool(machine.residual_checks),
            taps=machine.moving.size if machine.moving else 0,
            pieces=machine.sums_pieces,
            tick_steps=machine.widths.tick_steps,
            checks=machine.widths.output_checks,
            vector=machine.widths.vector,
            **self.raw_issue,
        )

    @property
    def raw_issue(self) -> dict[str, int]:
        """What the issue of steps must know where results may leave as sums."""
        if not self.raw:
            return {}
        post = self.post
        lane = RequantizeParams(acc_bits=post.acc_bits)
        return {
            "raw_cycles": max(self.raw.words, post.phases),
            "settle_cycles": lane.latency + post.phases - 1,
        }

    @cached_property
    def raw(self) -> RawParams | None:
        """Of designs whose results can leave as the sums that they are."""
        machine, post = self.machine, self.post
        if not machine.widths.raw:
            return None
        return RawParams(
            channels=post.channels,
            block=machine.block,
            aligned=machine.raw_aligned,
            words=machine.raw_words,
            acc_bits=post.acc_bits,
            buffet=self.output_buffet,
            out_bits=dict(self.forms("compute"))["out"],
        )

    @cached_property
    def collector(self) -> CollectorParams:
        machine = self.machine
        return CollectorParams(
            lanes=tuple((lane.word, lane.byte) for lane in machine.output_lanes),
            per_cycle=machine.post_lanes,
            block=machine.block,
            channel_moves=machine.channel_moves,
            buffet=self.output_buffet,
            out_bits=dict(self.forms("compute"))["out"],
            word_sizes=machine.output_word_sizes,
            tick_sizes=machine.output_tick_sizes if machine.gathers else (),
        )

    @cached_property
    def post(self) -> PostParams:
        machine = self.machine
        return PostParams(
            channels=tuple(lane.byte for lane in machine.output_lanes),
            block=machine.block,
            channel_moves=machine.channel_moves,
            lanes=machine.post_lanes,
            acc_bits=self.post_sum_bits,
            tag_bits=self.collector.tag.size + machine.widths.raw,
            scales=machine.widths.vector,
        )

    @property
    def post_sum_bits(self) -> int:
        """Bits of a sum that post-processing takes: of the array, or of a vector unit."""
        own = self.machine.sum_bits
        return max(own, VECTOR_BITS) if self.machine.widths.vector else own

    @property
    def vector(self) -> VectorPartParams:
        """The vector unit, where there is one."""
        machine = self.machine
        unit = VectorParams(
            lanes=machine.design.vector_lanes,
            width=len(machine.output_lanes),
            block=machine.block,
            post_phases=self.issue.post_phases,
        )
        return VectorPartParams(unit=unit, weights=self.weight_buffet, tag=self.issue.tag)
