"""What enters and leaves the array in a step, in the words of memory."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from ..isa.descriptors import RAW_BYTES
from ..spec.dataflow import AXES
from ..spec.design import Design
from ..spec.operation import SpecError, Tensor
from .analysis import analyse
from .moving import MovingInput, moving_input
from .placement import Placement
from .result import HeldOperand, Reuse

__all__ = ["ArrayWords", "Lane"]


@dataclass(frozen=True)
class Lane:
    """Where an element of a step lies among the words of the step: the word, and the byte in it."""

    word: int
    byte: int


@dataclass(frozen=True, eq=False)
class ArrayWords:
    """Which words a design's array takes and gives, and where its lanes lie in them.

    Properties raise SpecError where lanes cannot be fed from words.
    """

    design: Design

    @cached_property
    def reuse(self) -> Reuse:
        return analyse(Placement(self.design.dataflow, self.design.shape), self.design.formats)

    @cached_property
    def moving(self) -> MovingInput | None:
        """How the input moves from PE to PE with the ticks; None if it does not."""
        return moving_input(self.reuse)

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
    def weight_numbers(self) -> tuple[int, ...]:
        """Which operands come from the weight buffer, side by side."""
        others = range(len(self.operation.operands))
        return tuple(n for n in others if n != self.input_number)

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

    @property
    def input_depth(self) -> int:
        """Words of the input that a PE holds at most; 0 where they stream."""
        return self.input_operand.depth if self.input_held else 0

    @property
    def weight_depth(self) -> int:
        """Weights that a PE holds at most; 0 where they stream."""
        return self.weight_operand.depth if self.weights_held else 0

    @cached_property
    def weight_parts(self) -> tuple[int, ...]:
        """Elements of each of the operands in :attr:`weight_numbers` in a step or load tick."""
        return tuple(len(self.reuse.operands[n].elements) for n in self.weight_numbers)

    def blocked_dimension(self, tensor: Tensor) -> str:
        """The dimension along which a tensor's words lie."""
        rank = tensor.rank(tensor.blocked)
        if not rank.is_plain:
            raise SpecError(
                f"the blocked rank of {tensor.name} must be one dimension, not {rank}",
                key=f"operation.blocked.{tensor.name}",
            )
        return rank.terms[0].dimension

    def load_ticks(self, operand) -> int:
        """Ticks in which one set of held words is shifted in."""
        return 1 if operand.shift is None else self.reuse.placement.extent[operand.shift]

    def shifts_backwards(self, axis: int) -> bool:
        """Whether what is shifted along an axis comes, or leaves, from its last PE to its first:
        it goes in the direction of time, so what goes in first goes farthest.
        """
        return self.reuse.paces[axis].direction > 0

    @cached_property
    def input_tick_loops(self) -> tuple[int, ...]:
        """Spatial loops walked while a held input is shifted in."""
        operand = self.input_operand
        if not self.input_held or operand.shift is None:
            return ()
        return self._loops_on(operand.shift)

    @cached_property
    def input_word_loops(self) -> tuple[int, ...]:
        """Spatial loops over which the words of one step (or load tick) are spread."""
        blocked = self.blocked_dimension(self.operation.activation)
        along = (self.moving.loop,) if self.moving else ()
        return self._spread(self.operation.activation, blocked, (*self.input_tick_loops, *along))

    @cached_property
    def input_lanes(self) -> tuple[Lane, ...]:
        """Where each of the input's elements lies among the words of a step."""
        operand, tensor = self.input_operand, self.operation.activation
        blocked = self.blocked_dimension(tensor)
        on_shift = {self.design.dataflow.spatial[n].dimension for n in self.input_tick_loops}
        if blocked in on_shift:
            raise SpecError(
                f"{tensor.name} cannot be shifted along {blocked!r}, along which its words lie; "
                f"{AXES[1 - operand.shift]} are left",
                key=f"links.shift.{tensor.name}",
            )
        # What the array takes at once begins with a word or lies in one.
        if (taken := self.spatial_size(blocked)) > self.block and taken % self.block:
            raise SpecError(
                f"{taken} inputs along {blocked!r} are more than a block of {self.block} and no "
                f"multiple of it; a multiple, or a larger block, is needed",
                key=self._axis_key(blocked),
            )
        return self._lanes(operand, blocked, self.input_word_loops)

    @property
    def input_words(self) -> int:
        """Words of a step (or load tick)."""
        return max(lane.word for lane in self.input_lanes) + 1

    @property
    def input_steps(self) -> int:
        """Steps that the words of one serve at most."""
        return self.steps_in_word(self.operation.activation)

    def steps_in_word(self, tensor: Tensor) -> int:
        """Trips of a tensor's innermost loop that may stay within its words."""
        blocked = self.blocked_dimension(tensor)
        if self.reuse.placement.tick(tensor) != blocked:
            return 1
        in_word = max(1, -(-self.block // self.spatial_size(blocked)))
        in_pe = [x.maximum for x in self.design.dataflow.pe if x.dimension == blocked]
        return min(in_word, *in_pe) if in_pe else in_word

    @property
    def input_reads(self) -> int:
        """Words that the feeder reads together: all of a step, where each step takes new ones.

        Words that are walked within come one by one, as do held ones and those of a FIFO.
        """
        walked = self.input_held or self.input_steps > 1
        return 1 if walked or self.idiom("input") == "fifo" else self.input_words

    @property
    def input_read_sizes(self) -> tuple[int, ...]:
        """Sizes of the loops over the words that are read together, the last fastest."""
        if self.input_reads == 1:
            return ()
        blocked = self.blocked_dimension(self.operation.activation)
        wide = -(-self.spatial_size(blocked) // self.block)
        sizes = tuple(self.reuse.placement.sizes[n] for n in self.input_word_loops)
        return sizes + ((wide,) if wide > 1 else ())

    @property
    def banks(self) -> int:
        """Banks of each activation memory, by the lowest bits of a word's address."""
        return 1 << (self.input_reads - 1).bit_length()

    @property
    def reader(self) -> "ArrayWords":
        """What reads outputs that stay on chip: of several dataflows that of most words a step."""
        return self

    @property
    def input_byte_moves(self) -> bool:
        """Whether the byte of a lane depends on the step: a word has more channels than lanes."""
        blocked = self.blocked_dimension(self.operation.activation)
        return self.spatial_size(blocked) < self.block

    @property
    def weight_vectors(self) -> int:
        """Steps (or load ticks) whose weights lie in one word; 1 where they take whole words."""
        return max(1, self.block // sum(self.weight_parts))

    @property
    def weight_words(self) -> int:
        """Words that hold the weights of one step or load tick."""
        return -(-sum(self.weight_parts) // self.block)

    # Results

    @cached_property
    def drains(self) -> int:
        """Ticks in which the sums of a tile are shifted out; 0 where they leave step by step."""
        drain = self.reuse.output.drain
        return 0 if drain is None else self.reuse.placement.extent[drain]

    @cached_property
    def output_tick_loops(self) -> tuple[int, ...]:
        """Spatial loops walked while sums are shifted out."""
        return self._loops_on(self.reuse.output.drain) if self.drains else ()

    @cached_property
    def output_tick_sizes(self) -> tuple[int, ...]:
        """Trip counts of the loops in which sums are shifted out; a tick is a trip, too, where no
        loop lies on the axis. Empty where they leave step by step.
        """
        sizes = tuple(self.reuse.placement.sizes[n] for n in self.output_tick_loops)
        return sizes or ((1,) if self.drains else ())

    @cached_property
    def output_word_loops(self) -> tuple[int, ...]:
        """Spatial loops over which the words of one step's outputs are spread."""
        blocked = self.blocked_dimension(self.operation.output)
        return self._spread(self.operation.output, blocked, self.output_tick_loops)

    @cached_property
    def output_word_sizes(self) -> tuple[int, ...]:
        """Trip counts of these loops."""
        return tuple(self.reuse.placement.sizes[n] for n in self.output_word_loops)

    @cached_property
    def output_lanes(self) -> tuple[Lane, ...]:
        """Where each sum of a step lies among the words of the step."""
        blocked = self.blocked_dimension(self.operation.output)
        on_drain = {self.design.dataflow.spatial[n].dimension for n in self.output_tick_loops}
        if blocked in on_drain:
            raise SpecError(
                f"{self.operation.output.name} cannot be shifted out along {blocked!r}, along "
                f"which its words lie; {AXES[1 - self.reuse.output.drain]} are left",
                key=f"links.shift.{self.operation.output.name}",
            )
        if self.spatial_size(blocked) > self.block:
            raise SpecError(
                f"{self.spatial_size(blocked)} outputs along {blocked!r} do not fit a block; at "
                f"most {self.block} are allowed",
                key=self._axis_key(blocked),
            )
        output = self.reuse.output
        return self._lanes(output, blocked, self.output_word_loops, pes=output.exits)

    @property
    def output_words(self) -> int:
        return max(lane.word for lane in self.output_lanes) + 1

    @property
    def gathers(self) -> bool:
        """Whether output bytes are gathered: a step gives one byte to each of several words."""
        return self.output_words > 1

    @property
    def gathered_words(self) -> int:
        """Output words that gather together: those of a step, or of all ticks of a drain."""
        return self.output_words * (max(1, self.drains) if self.gathers else 1)

    @property
    def channel_moves(self) -> bool:
        """Whether the channel of a lane depends on the step."""
        return self.spatial_size(self.blocked_dimension(self.operation.output)) < self.block

    @property
    def accumulators(self) -> int:
        """Entries behind each exit; 0 where sums are complete when they leave."""
        return 0 if self.reuse.output.stationary else self.design.buffers.accumulators

    @property
    def sums_kept(self) -> int:
        """Sums that a PE keeps at most; 0 where each product leaves in its own step."""
        return self.reuse.output.depth

    @property
    def sums_pieces(self) -> bool:
        """Whether a PE adds some products before a sum leaves it, and the rest is added behind."""
        output = self.reuse.output
        return output.accumulate and not output.stationary

    @property
    def sum_bits(self) -> int:
        """Bits of a complete sum: what the formats' largest reduction needs, at most."""
        formats = self.design.formats
        if not self.accumulators:
            return self.reuse.psum_bits
        return min(formats.accumulator_bits, formats.bits_for(formats.reduction))

    @property
    def post_lanes(self) -> int:
        """Requantizers: no more than sums that leave together."""
        return min(self.design.post_lanes, len(self.output_lanes))

    @property
    def post_phases(self) -> int:
        """Cycles in which the sums of a step are requantized."""
        return -(-len(self.output_lanes) // self.post_lanes)

    @property
    def raw_aligned(self) -> bool:
        """Whether the first sum of a step begins a word, where sums leave as they are."""
        blocked = self.blocked_dimension(self.operation.output)
        return not self.channel_moves or not self.spatial_size(blocked) % (self.block // RAW_BYTES)

    @property
    def raw_words(self) -> int:
        """Words that the sums of a step take, or take parts of, where they leave as they are."""
        each = self.block // RAW_BYTES
        channels = max(lane.byte for lane in self.output_lanes) + 1
        return -(-(channels + (0 if self.raw_aligned else each - 1)) // each)

    def words_per_step(self, operand) -> Fraction:
        """Words of an operand that change in a step; 0 of a held one, which loads behind steps."""
        if isinstance(operand, HeldOperand):
            return Fraction(0)
        if operand.name != self.operation.activation.name:
            return Fraction(self.weight_words, self.weight_vectors)
        return Fraction(self.input_words, self.input_steps)

    # Helpers

    def _axis_key(self, dimension: str) -> str:
        """The key of the size of the axis along which a dimension lies."""
        axes = (x.axis for x in self.design.dataflow.spatial if x.dimension == dimension)
        return f"array.{AXES[next(axes)]}"

    def spatial_size(self, dimension: str) -> int:
        """Values of a dimension that the array works on at once."""
        size = 1
        for loop, n in zip(self.design.dataflow.spatial, self.reuse.placement.sizes):
            size *= n if loop.dimension == dimension else 1
        return size

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
