"""A machine of several dataflows in the terms of the computing engine's components."""

from dataclasses import dataclass, replace
from functools import cached_property

from .array.array import ArrayParams
from .array.modes import mode_bits
from .compute_params import ComputeParams
from .control.issue_params import IssueParams
from .noc.collector import CollectorParams
from .post.post import PostParams

__all__ = ["FusedComputeParams"]


@dataclass(frozen=True, eq=False)
class FusedComputeParams(ComputeParams):
    """As :class:`~rtl_gen.hw.compute_params.ComputeParams`, for a fused machine.

    Words of input and weights carry the number of the mode that they are for: above the pad value
    in the tag of an input word, alone in that of a weight word.
    """

    @property
    def modes(self) -> tuple[ComputeParams, ...]:
        """Each dataflow alone."""
        return tuple(ComputeParams(machine) for machine in self.machine.modes)

    @property
    def mode_bits(self) -> int:
        return mode_bits(len(self.machine.modes))

    @cached_property
    def array(self) -> ArrayParams:
        masked = tuple(params.array.masked for params in self.modes)
        registers = self.machine.design.multiplier_registers
        return ArrayParams(self.machine.reuse, registers, masked if any(masked) else None)

    @property
    def input_tag_bits(self) -> int:
        return super().input_tag_bits + self.mode_bits

    @property
    def weight_tag_bits(self) -> int:
        return self.mode_bits + self.machine.widths.vector

    @cached_property
    def issue(self) -> IssueParams:
        alone = [params.issue for params in self.modes]
        drains = tuple(bool(params.drain_sizes) for params in alone)
        return replace(
            max(alone, key=lambda params: params.drain_sizes),
            record=self.machine.records["compute"],
            forms=self.forms("compute"),
            accumulators=bool(self.machine.accumulators),
            post_phases=self.machine.modes[0].post_phases,
            drain_modes=() if len(set(drains)) == 1 else drains,
            taps=self.machine.widths.input_taps,
            checks=self.machine.widths.output_checks,
            **self.raw_issue,
        )

    @cached_property
    def collector(self) -> CollectorParams:
        alone = max((params.collector for params in self.modes), key=lambda own: len(own.lanes))
        out_bits = dict(self.forms("compute"))["out"]
        return replace(alone, channel_moves=self.machine.channel_moves, out_bits=out_bits)

    @cached_property
    def post(self) -> PostParams:
        machine = self.machine
        return PostParams(
            channels=tuple(lane.byte for lane in machine.output_lanes),
            block=machine.block,
            channel_moves=machine.channel_moves,
            lanes=machine.modes[0].post_lanes,
            acc_bits=self.post_sum_bits,
            tag_bits=self.collector.tag.size + machine.widths.raw,
            scales=machine.widths.vector,
        )
