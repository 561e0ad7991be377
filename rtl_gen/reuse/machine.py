"""What a design fixes: every number that the components and the mapping share."""

from dataclasses import dataclass
from functools import cached_property

from ..isa.descriptors import Widths, records
from ..isa.fields import Record
from ..spec.design import Design
from ..spec.operation import SpecError, Tensor
from .analysis import HeldOperand, Reuse, analyse
from .placement import Placement

__all__ = ["Lane", "Machine"]

BIAS_BYTES, MULTIPLIER_BYTES, SHIFT_BYTES = 4, 4, 1
"""Bytes of a channel's parameters; a block's biases come first, then multipliers, then shifts."""


@dataclass(frozen=True)
class Lane:
    """Where an element of a step lies among the words of the step: the word, and the byte in it."""

    word: int
    byte: int


@dataclass(frozen=True, eq=False)
class Machine:
    """A design with everything derived from it.

    Raises
    ------
    SpecError
        If the design cannot be built: the array's lanes cannot be fed from words, a buffer is
        smaller than a word's worth of work.
    """

    design: Design

    def __post_init__(self):
        dataflow = self.design.dataflow
        if dataflow.pe:
            raise SpecError(
                f"nest: the loop {dataflow.pe[0].dimension!r} lies in the PE; an accelerator is "
                f"built only for nests whose loops are spatial or outside the PE"
            )
        if len(dataflow.operation.operands) != 2:
            raise SpecError(
                f"operation: an accelerator multiplies two operands, not "
                f"{len(dataflow.operation.operands)}"
            )
        if self.design.bus_bits // 8 > self.design.block:
            raise SpecError(
                f"bus.width: {self.design.bus_bits} bits are more than a block of "
                f"{self.design.block} bytes"
            )
        _ = (self.input_lanes, self.output_lanes)

    @cached_property
    def reuse(self) -> Reuse:
        return analyse(Placement(self.design.dataflow, self.design.shape), self.design.formats)

    @property
    def operation(self):
        return self.design.dataflow.operation

    @property
    def block(self) -> int:
        return self.design.block

    # Operands

    @cached_property
    def input_number(self) -> int:
        """Which operand comes from the input buffer."""
        return self.operation.operands.index(self.operation.activation)

    @cached_property
    def weight_number(self) -> int:
        return self.operation.operands.index(self.operation.weight)

    @property
    def input_operand(self):
        return self.reuse.operands[self.input_number]

    @property
    def weight_operand(self):
        return self.reuse.operands[self.weight_number]

    @property
    def input_held(self) -> bool:
        return isinstance(self.input_operand, HeldOperand)

    @property
    def weights_held(self) -> bool:
        return isinstance(self.weight_operand, HeldOperand)

    def blocked_dimension(self, tensor: Tensor) -> str:
        """The dimension along which a tensor's words lie."""
        rank = tensor.rank(tensor.blocked)
        if not rank.is_plain:
            raise SpecError(
                f"operation: the blocked rank of {tensor.name} must be one dimension, not {rank}"
            )
        return rank.terms[0].dimension

    def load_ticks(self, operand) -> int:
        """Ticks in which one set of held words is shifted in."""
        return 1 if operand.shift is None else self.reuse.placement.extent[operand.shift]

    @cached_property
    def input_tick_loops(self) -> tuple[int, ...]:
        """Spatial loops walked backwards while a held input is shifted in."""
        operand = self.input_operand
        if not self.input_held or operand.shift is None:
            return ()
        return self._loops_on(operand.shift)

    @cached_property
    def input_word_loops(self) -> tuple[int, ...]:
        """Spatial loops over which the words of one step (or load tick) are spread."""
        blocked = self.blocked_dimension(self.operation.activation)
        return self._spread(self.operation.activation, blocked, self.input_tick_loops)

    @cached_property
    def input_lanes(self) -> tuple[Lane, ...]:
        """Where each of the input's elements lies among the words of a step."""
        operand, tensor = self.input_operand, self.operation.activation
        blocked = self.blocked_dimension(tensor)
        on_shift = {self.design.dataflow.spatial[n].dimension for n in self.input_tick_loops}
        if blocked in on_shift:
            raise SpecError(
                f"links.shift: {tensor.name} cannot be shifted along {blocked!r}, along which its "
                f"words lie"
            )
        return self._lanes(operand, blocked, self.input_word_loops)

    @property
    def input_words(self) -> int:
        """Words of a step (or load tick)."""
        return max(lane.word for lane in self.input_lanes) + 1

    @property
    def input_byte_moves(self) -> bool:
        """Whether the byte of a lane depends on the step: a word has more channels than lanes."""
        blocked = self.blocked_dimension(self.operation.activation)
        return self.spatial_size(blocked) < self.block

    @property
    def weight_vectors(self) -> int:
        """Steps (or load ticks) whose weights lie in one word; 1 where they take whole words."""
        return max(1, self.block // len(self.weight_operand.elements))

    @property
    def weight_words(self) -> int:
        """Words that hold the weights of one step or load tick."""
        return -(-len(self.weight_operand.elements) // self.block)

    # Results

    @cached_property
    def drains(self) -> int:
        """Ticks in which the sums of a tile are shifted out; 0 where they leave step by step."""
        drain = self.reuse.output.drain
        return 0 if drain is None else self.reuse.placement.extent[drain]

    @cached_property
    def output_tick_loops(self) -> tuple[int, ...]:
        """Spatial loops walked backwards while sums are shifted out."""
        return self._loops_on(self.reuse.output.drain) if self.drains else ()

    @cached_property
    def output_word_loops(self) -> tuple[int, ...]:
        """Spatial loops over which the words of one step's outputs are spread."""
        blocked = self.blocked_dimension(self.operation.output)
        return self._spread(self.operation.output, blocked, self.output_tick_loops)

    @cached_property
    def output_lanes(self) -> tuple[Lane, ...]:
        """Where each sum of a step lies among the words of the step."""
        blocked = self.blocked_dimension(self.operation.output)
        on_drain = {self.design.dataflow.spatial[n].dimension for n in self.output_tick_loops}
        if blocked in on_drain:
            raise SpecError(
                f"links.shift: {self.operation.output.name} cannot be shifted out along "
                f"{blocked!r}, along which its words lie"
            )
        output = self.reuse.output
        lanes = self._lanes(output, blocked, self.output_word_loops, pes=output.exits)
        if any(lane.byte >= self.block for lane in lanes):
            raise SpecError(
                f"array: {self.spatial_size(blocked)} outputs along {blocked!r} are more than a "
                f"block of {self.block}"
            )
        return lanes

    @property
    def output_words(self) -> int:
        return max(lane.word for lane in self.output_lanes) + 1

    @property
    def gathers(self) -> bool:
        """Whether output bytes are gathered: a step gives one byte to each of several words."""
        return self.output_words > 1

    @property
    def channel_moves(self) -> bool:
        """Whether the channel of a lane depends on the step."""
        return self.spatial_size(self.blocked_dimension(self.operation.output)) < self.block

    @property
    def accumulators(self) -> int:
        """Entries behind each exit; 0 where sums are complete when they leave."""
        return 0 if self.reuse.output.stationary else self.design.buffers.accumulators

    @property
    def post_lanes(self) -> int:
        """Requantizers: no more than sums that leave together."""
        return min(self.design.post_lanes, len(self.output_lanes))

    @property
    def post_phases(self) -> int:
        """Cycles in which the sums of a step are requantized."""
        return -(-len(self.output_lanes) // self.post_lanes)

    # Memory

    @property
    def parameter_words(self) -> int:
        """Words of the parameters of one channel block."""
        return BIAS_BYTES + MULTIPLIER_BYTES + SHIFT_BYTES

    def buffer_words(self, name: str) -> int:
        return getattr(self.design.buffers, name) // self.block

    @property
    def contiguous_rank(self) -> str | None:
        """The activation's rank along which its words lie one behind the other in memory."""
        tensor = self.operation.activation
        ranks = [r.name for r in tensor.ranks if r.name != tensor.blocked and not self._batch(r)]
        return ranks[-1] if ranks else None

    @property
    def checked_ranks(self) -> tuple[str, ...]:
        """The activation's ranks that can be read outside the tensor."""
        return tuple(r.name for r in self.operation.activation.ranks if not r.is_plain)

    @property
    def loaded_ranks(self) -> tuple[str, ...]:
        """Ranks whose coordinate is compared at the load; the last is the block's number."""
        checked = [name for name in self.checked_ranks if name != self.contiguous_rank]
        return (*checked, self.operation.activation.blocked)

    @property
    def dma_levels(self) -> int:
        return 8

    @cached_property
    def widths(self) -> Widths:
        return Widths(
            levels=self.design.levels,
            dma_levels=self.dma_levels,
            load_checks=len(self.loaded_ranks),
            feed_checks=len(self.checked_ranks),
            input_held=self.input_held,
            groups=len(self.output_tick_loops) + len(self.output_word_loops),
            input_words=self.buffer_words("input"),
            weight_words=self.buffer_words("weights"),
            parameter_words=self.buffer_words("parameters"),
            output_words=self.buffer_words("output"),
            accumulators=self.accumulators,
            block=self.block,
        )

    @cached_property
    def records(self) -> dict[str, Record]:
        return records(self.widths)

    # Helpers

    def spatial_size(self, dimension: str) -> int:
        """Values of a dimension that the array works on at once."""
        size = 1
        for loop, n in zip(self.design.dataflow.spatial, self.reuse.placement.sizes):
            size *= n if loop.dimension == dimension else 1
        return size

    def _batch(self, rank) -> bool:
        return rank.is_plain and rank.terms[0].dimension in self.operation.batch

    def _loops_on(self, axis: int) -> tuple[int, ...]:
        spatial = self.design.dataflow.spatial
        return tuple(n for n, loop in enumerate(spatial) if loop.axis == axis)

    def _spread(self, tensor, blocked, ticks) -> tuple[int, ...]:
        """Spatial loops that index a tensor elsewhere than along its words, ticks apart."""
        return tuple(
            n
            for n, loop in enumerate(self.design.dataflow.spatial)
            if loop.dimension in tensor.dimensions and loop.dimension != blocked and n not in ticks
        )

    def _lanes(self, moved, blocked, word_loops, pes=None) -> tuple[Lane, ...]:
        """A lane for each distinct element; words count over ``word_loops``, the last fastest."""
        placement = self.reuse.placement
        pes = moved.lanes if pes is None else pes
        lanes = []
        for element in moved.elements:
            indices = placement.indices(pes[moved.keys.index(element)])
            word = channel = 0
            for n in word_loops:
                word = word * placement.sizes[n] + indices[n]
            for n, loop in enumerate(placement.dataflow.spatial):
                if loop.dimension == blocked:
                    channel += indices[n] * placement.units[n]
            wide = -(-self.spatial_size(blocked) // self.block)
            lanes.append(Lane(word * wide + channel // self.block, channel % self.block))
        return tuple(lanes)
