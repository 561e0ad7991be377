"""What a design fixes: every number that the components and the mapping share."""

from dataclasses import dataclass
from functools import cached_property

from ..isa.descriptors import RAW_BYTES, records
from ..isa.fields import Record
from ..isa.registers import KEPT_BITS
from ..isa.widths import Widths
from ..spec.layer import Layer
from ..spec.operation import Operation, SpecError
from .array_words import ArrayWords
from .refusals import check_operands, check_output, check_parameters, check_rate

__all__ = ["BURST_BEATS", "Machine"]

BIAS_BYTES, MULTIPLIER_BYTES, SHIFT_BYTES = 4, 4, 1
"""Bytes of a channel's parameters; a block's biases come first, then multipliers, then shifts."""


BURST_BEATS = 16
"""Beats of a burst on the memory port at most."""


@dataclass(frozen=True, eq=False)
class Machine(ArrayWords):
    """A design with everything derived from it.

    Raises
    ------
    SpecError
        If the design cannot be built: the array's lanes cannot be fed from words, a buffer is
        smaller than what the array takes at once, or than a burst that fills it.
    """

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
        most = (1 << KEPT_BITS) - 1
        for operand in (*self.reuse.operands, self.reuse.output):
            kept = getattr(operand, "depth", 0)
            if kept > most:
                loop = next(x for x in dataflow.pe if x.dimension in dict(operand.loops))
                raise SpecError(
                    f"the loops in the PE would keep {kept} words of {operand.name} there; in an "
                    f"accelerator at most {most} are allowed",
                    key=f"nest.pe.{loop.dimension}",
                )
        if self.moving and self.idiom("input") == "fifo":
            raise SpecError(
                f"a FIFO gives a word at a time, but {self.operation.activation.name} moves; a "
                f"buffet, a double_buffer or a scratchpad can feed it",
                key="buffers.input.idiom",
            )

    def _check_operation(self):
        check_operands(self)
        check_output(self)

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
        if self.design.post_raw and (self.gathers or self.block < RAW_BYTES):
            raise SpecError(
                f"results leave as sums where those of a step lie in one word of {RAW_BYTES} bytes "
                f"or more; here a step gives a byte to each of {self.output_words} words"
                if self.gathers
                else f"a word of {self.block} bytes does not hold a sum of {RAW_BYTES}",
                key="post.raw",
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

    @property
    def mode_fields(self) -> dict[str, int]:
        """What descriptors say of the dataflow that a layer takes; nothing where there is one."""
        return {}

    @property
    def weight_fields(self) -> dict[str, int]:
        """What the feeder of the weights says of its words."""
        return self.mode_fields

    @cached_property
    def vectors(self) -> "tuple[Machine, ...]":
        """A machine for each function of the vector unit; none without one."""
        from .vector_machine import vector_machines  # these are machines themselves

        return vector_machines(self)

    @property
    def uncut(self) -> tuple[str, ...]:
        """Dimensions of which a tile has all: that the ranks of a scattered output follow, since
        their tiles would share outputs.
        """
        return tuple(rank.lead for rank in self.operation.scattered)

    @property
    def alone(self) -> tuple["Machine", ...]:
        """A machine for each dataflow of the design."""
        return (self,)

    @property
    def all_modes(self) -> tuple["Machine", ...]:
        """All dataflows of the design that this is one of, each as a machine."""
        return (self,)

    def operation_of(self, layer: Layer) -> Operation:
        """The operation that a layer runs as; where it is none of the design's, any of those."""
        return self._operation_of(layer, (self.operation,))

    def _operation_of(self, layer: Layer, own: tuple[Operation, ...]) -> Operation:
        operations = (*own, *(machine.operation for machine in self.vectors))
        return next((x for x in operations if x.name == layer.operation), self.operation)

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

    @property
    def reads_on_chip(self) -> bool:
        """Whether a layer may read its input where another left it: not through a FIFO."""
        return self.idiom("input") != "fifo"

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
        """Ranks whose coordinate is compared at the load, all but batches and the run; the last is
        the block's number.
        """
        tensor = self.operation.activation
        apart = (tensor.blocked, self.contiguous_rank)
        others = [r.name for r in tensor.ranks if r.name not in apart and not self._batch(r)]
        return (*others, tensor.blocked)

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
            groups=len(self.output_tick_sizes) + len(self.output_word_loops),
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
            input_depth=self.input_depth,
            weight_depth=self.weight_depth,
            sums_kept=self.sums_kept,
            sums_pieces=self.sums_pieces,
            tick_steps=bool(self.moving and self.moving.within),
            output_checks=len(self.operation.scattered),
            raw=self.design.post_raw,
            input_idiom=self.idiom("input"),
            weight_idiom=self.idiom("weights"),
            vector=self.design.vector_lanes > 0,
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

    @property
    def sums_together(self) -> int:
        """Sums at one address of the accumulators."""
        return len(self.output_lanes)

    @property
    def watched(self) -> tuple[str, ...]:
        """What a bench counts by itself: engines, and other parts that only some designs have."""
        return self.engines

    @cached_property
    def records(self) -> dict[str, Record]:
        return records(self.widths)

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
