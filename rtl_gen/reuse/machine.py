"""What a design fixes: every number that the components and the mapping share."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from ..isa.descriptors import Widths, records
from ..isa.fields import Record
from ..spec.dataflow import AXES
from ..spec.design import Design
from ..spec.layer import Layer
from ..spec.operation import Operation, SpecError, Tensor
from .analysis import analyse
from .moving import MovingInput, moving_input
from .placement import Placement
from .refusals import check_parameters, check_rate
from .result import HeldOperand, Reuse

__all__ = ["BURST_BEATS", "Lane", "Machine"]

BIAS_BYTES, MULTIPLIER_BYTES, SHIFT_BYTES = 4, 4, 1
"""Bytes of a channel's parameters; a block's biases come first, then multipliers, then shifts."""


BURST_BEATS = 16
"""Beats of a burst on the memory port at most."""


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
        smaller than what the array takes at once, or than a burst that fills it.
    """

    design: Design

    def __post_init__(self):
        if self.design.others:
            raise ValueError(f"{self.design.name} has several dataflows: use machine_of")
        self._check_nest()
        self._check_operation()
        check_parameters(self)
        self._check_words()

    def _check_nest(self):
        """The array's links are such that feeders can follow."""
        dataflow = self.design.dataflow
        if dataflow.pe:
            raise SpecError(
                f"the loop over {dataflow.pe[0].dimension!r} lies in the PE; an accelerator is "
                f"built only for nests whose loops are spatial or outside the PE",
                key=f"nest.pe.{dataflow.pe[0].dimension}",
            )
        if self.moving and self.idiom("input") == "fifo":
            raise SpecError(
                f"a FIFO gives a word at a time, but {self.operation.activation.name} moves; a "
                f"buffet, a double_buffer or a scratchpad can feed it",
                key="buffers.input.idiom",
            )

    def _check_operation(self):
        if len(self.operation.operands) != 2:
            raise SpecError(
                f"an accelerator multiplies two operands, not {len(self.operation.operands)}",
                key="operation.einsum",
            )
        for tensor in (self.operation.output, self.operation.weight):
            for rank in tensor.ranks:
                if not rank.is_plain:
                    raise SpecError(
                        f"the rank {rank} of {tensor.name} is no dimension as it is; in an "
                        f"accelerator only the input may have such ranks",
                        key="operation.einsum",
                    )

    def _check_words(self):
        """Words fill lanes, and buffers hold what is taken at once."""
        if self.design.bus_bits // 8 > self.design.block:
            raise SpecError(
                f"{self.design.bus_bits} bits are more than a block of {self.design.block} bytes; "
                f"at most {8 * self.design.block} are allowed",
                key="bus.width",
            )
        longest = 1 + max(record.words for record in self.records.values())
        if 2 * longest > self.design.queue_words:
            raise SpecError(
                f"{self.design.queue_words} words do not hold the descriptors of two layers, "
                f"{longest} words each at {self.design.levels} levels; at least {2 * longest} are "
                f"needed",
                key="queue_words",
            )
        if 0 < self.image_words < self.burst_words:
            raise SpecError(
                f"{self.image_words} words of {self.block} bytes are less than a burst of the bus; "
                f"at least {self.burst_words * self.block} bytes are needed",
                key="buffers.image",
            )
        if self.image_words and not self.checked_ranks:
            raise SpecError(
                f"{self.operation.name} has no windows to fold; without buffers.image it is built",
                key="buffers.image",
            )
        _ = (self.input_lanes, self.output_lanes)
        if self.drains and self.gathers:
            raise SpecError(
                f"sums are shifted out, a byte to each of {self.output_words} words in a tick; in "
                f"an accelerator those that leave together lie along "
                f"{self.blocked_dimension(self.operation.output)!r}, in one word",
                key=f"links.shift.{self.operation.output.name}",
            )
        if self.design.full_rate:
            check_rate(self)
        for name, tile in self.smallest_tiles.items():
            burst = 0 if name == "output" else self.burst_words
            smallest = (tile, "the smallest tile")
            if self.idiom(name) == "double_buffer":
                smallest = (2 * tile, "two of the smallest tile")
            for words, what in (smallest, (burst, "a burst of the bus")):
                if words > self.buffer_words(name):
                    have = f"{self.buffer_words(name)} words of {self.block} bytes"
                    need = f"at least {words * self.block} bytes are needed"
                    raise SpecError(f"{have} are less than {what}; {need}", key=f"buffers.{name}")

    def words_per_step(self, operand) -> Fraction:
        """Words of an operand that change in a step; 0 of a held one, which loads behind steps."""
        if isinstance(operand, HeldOperand):
            return Fraction(0)
        if operand.name == self.operation.weights:
            return Fraction(self.weight_words, self.weight_vectors)
        return Fraction(self.input_words, self.input_steps)

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

    @property
    def mode_fields(self) -> dict[str, int]:
        """What descriptors say of the dataflow that a layer takes; nothing where there is one."""
        return {}

    @property
    def alone(self) -> tuple["Machine", ...]:
        """A machine for each dataflow of the design."""
        return (self,)

    def operation_of(self, layer: Layer) -> Operation:
        """The operation that a layer runs as; where it is none of the design's, any of those."""
        return self.operation

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
                f"the blocked rank of {tensor.name} must be one dimension, not {rank}",
                key=f"operation.blocked.{tensor.name}",
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
        """Steps that the words of one serve at most: the inner loop may walk within words."""
        blocked = self.blocked_dimension(self.operation.activation)
        if self.design.dataflow.inner != blocked:
            return 1
        return max(1, -(-self.block // self.spatial_size(blocked)))

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
    def reader(self) -> "Machine":
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
    def channel_moves(self) -> bool:
        """Whether the channel of a lane depends on the step."""
        return self.spatial_size(self.blocked_dimension(self.operation.output)) < self.block

    @property
    def accumulators(self) -> int:
        """Entries behind each exit; 0 where sums are complete when they leave."""
        return 0 if self.reuse.output.stationary else self.design.buffers.accumulators

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

    # Memory

    @property
    def parameter_words(self) -> int:
        """Words of the parameters of one channel block."""
        return BIAS_BYTES + MULTIPLIER_BYTES + SHIFT_BYTES

    def buffer_words(self, name: str) -> int:
        return getattr(self.design.buffers, name) // self.block

    def idiom(self, name: str) -> str:
        """How a buffer hands words over."""
        return self.design.buffers.idiom(name)

    def tile_room(self, name: str, words: int | None = None) -> int:
        """Words of a tile at most: half of a double buffer; a FIFO keeps no tile.

        ``words``: those of the buffer, if it has only a part of its memory.
        """
        words = words or self.buffer_words(name)
        return words // (2 if self.idiom(name) == "double_buffer" else 1)

    @property
    def burst_words(self) -> int:
        """Words of a burst at most, whose room must be free before it is asked for."""
        return BURST_BEATS * self.design.bus_bits // (8 * self.block)

    @cached_property
    def smallest_tiles(self) -> dict[str, int]:
        """Words of the smallest tile of each buffer: what the array takes of it at once.

        Of the input and the output every word between those touched, at stride 1; of the weights
        those of a step, or of all load ticks; of the parameters those of a channel block.
        """
        weights = self.weight_words
        if self.weights_held:
            ticks = self.load_ticks(self.weight_operand)
            weights = -(-ticks // self.weight_vectors) * self.weight_words
        return {
            "input": self._touched_words(self.operation.activation),
            "weights": weights,
            "parameters": self.parameter_words,
            "output": self._touched_words(self.operation.output),
        }

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
        """Loops of the engines on the memory port; the load engine of a FIFO walks all loops."""
        fifo = "fifo" in (self.idiom("input"), self.idiom("weights"))
        return max(8, self.design.levels) if fifo else 8

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
            residual_checks=self.residual_checks,
            image_words=self.image_words,
            input_reads=self.input_reads,
            input_loops=len(self.input_read_sizes),
            input_taps=self.moving.size if self.moving else 0,
            input_idiom=self.idiom("input"),
            weight_idiom=self.idiom("weights"),
        )

    @property
    def image_words(self) -> int:
        """Words of rows of a packed image, an even number; 0: images are not unfolded."""
        return self.design.buffers.image // self.block // 2 * 2

    @property
    def residual_checks(self) -> int:
        """Ranks of the output, that along which its words lie apart; 0 without residuals."""
        return len(self.operation.output.ranks) - 1 if self.design.post_add else 0

    @property
    def engines(self) -> tuple[str, ...]:
        """The engines that it has."""
        return tuple(self.records)

    @cached_property
    def records(self) -> dict[str, Record]:
        return records(self.widths)

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

    def _touched_words(self, tensor) -> int:
        """Words of the box around what all PEs touch of a tensor, strides and dilations 1."""
        words = 1
        for rank in tensor.ranks:
            reach = sum(
                abs(term.coefficient) * (self.spatial_size(term.dimension) - 1)
                for term in rank.terms
                if term.dimension
            )
            words *= reach // self.block + 1 if rank.name == tensor.blocked else reach + 1
        return words

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
