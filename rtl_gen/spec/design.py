"""Designs: all that fixes the hardware."""

from dataclasses import asdict, dataclass, field, replace
from math import prod

from ..isa.widths import IDIOMS
from .dataflow import AXES, SIDE, Dataflow
from .limits import KIB, MIB, ByteLimit, Limit, either, shown
from .operation import Operation, SpecError

__all__ = [
    "KIB",
    "LIMITS",
    "MEMORIES",
    "SRAM_MODULE",
    "Buffers",
    "Design",
    "Formats",
    "Scratchpads",
]

# What each field may be, by its key in a design file.
LIMITS = {
    "array.rows": SIDE,
    "array.columns": SIDE,
    "formats.operand_bits": Limit((8,), "bits"),
    "formats.max_reduction": Limit(range(1, 1 << 30), "products"),
    "formats.accumulator_bits": Limit(range(18, 33), "bits"),
    "buffers.input": ByteLimit(range(256, 16 * MIB + 1)),
    "buffers.weights": ByteLimit(range(256, 16 * MIB + 1)),
    "buffers.output": ByteLimit(range(256, 16 * MIB + 1)),
    "buffers.parameters": ByteLimit(range(256, 16 * MIB + 1)),
    "buffers.image": ByteLimit(range(256, MIB + 1)),
    "buffers.accumulators": Limit(range(1, 65537), "entries"),
    "scratchpads.input": Limit(range(2, 256), "words"),
    "scratchpads.weights": Limit(range(8, 1021), "words"),
    "bus.width": Limit((64, 128, 256), "bits"),
    "post.lanes": Limit((1, 2, 4, 8, 16, 32, 64), "lanes"),
    "vector.lanes": Limit((1, 2, 4, 8, 16, 32, 64), "lanes"),
    "multiplier_registers": Limit(range(5), "registers"),
    "block": Limit((8, 16, 32, 64), "channels"),
    "levels": Limit(range(6, 21), "levels"),
    "queue_words": Limit((128, 256, 512, 1024, 2048, 4096), "words"),
}

MODES = 8
"""Dataflows on one array, at most."""

MEMORIES = ("inferred", "sram")
"""What memories become: what a synthesis infers, or instances of a module for foundry macros."""

SRAM_MODULE = "rtl_gen_sram"
"""The name of that module, in every design the same, and of its file."""


@dataclass(frozen=True, kw_only=True)
class Formats:
    """Number formats.

    Parameters
    ----------
    operand_bits
        Bits of a signed operand.
    max_reduction
        Products summed into one accumulator at most; None: what ``accumulator_bits`` holds.
    accumulator_bits
        Bits of an accumulator at the edge, biases and post-processing.
    operands
        Operands of a product; follows from the operation (:meth:`of`), and is no key of a file.
    """

    operand_bits: int = 8
    max_reduction: int | None = None
    accumulator_bits: int = 32
    operands: int = 2

    def __post_init__(self):
        LIMITS["formats.operand_bits"].check(self.operand_bits, "formats.operand_bits")
        LIMITS["formats.accumulator_bits"].check(self.accumulator_bits, "formats.accumulator_bits")
        if self.max_reduction is None:
            return
        LIMITS["formats.max_reduction"].check(self.max_reduction, "formats.max_reduction")
        if self.max_reduction > self.reduction_limit:
            raise SpecError(
                f"a sum of {self.max_reduction} products can overflow an accumulator of "
                f"{self.accumulator_bits} bits; at most {self.reduction_limit} are allowed",
                key="formats.max_reduction",
            )

    def of(self, *operations: Operation) -> "Formats":
        """The same formats for the products of some operations.

        Raises
        ------
        SpecError
            If an accumulator does not hold the declared number of such products.
        """
        return replace(self, operands=max(len(operation.operands) for operation in operations))

    @property
    def largest_product(self) -> int:
        """Magnitude of the product of most negative operands."""
        return 1 << (self.operands * (self.operand_bits - 1))

    @property
    def reduction_limit(self) -> int:
        """Products that an accumulator holds whatever their values."""
        return ((1 << (self.accumulator_bits - 1)) - 1) // self.largest_product

    @property
    def reduction(self) -> int:
        """Products summed at most, declared or derived."""
        return self.max_reduction or self.reduction_limit

    def bits_for(self, products: int) -> int:
        """Bits of two's complement that hold every sum of so many products."""
        return (products * self.largest_product).bit_length() + 1


@dataclass(frozen=True, kw_only=True)
class Buffers:
    """Capacities in bytes; ``accumulators`` in entries per exit of the array.

    Parameters
    ----------
    image
        Bytes of rows of a packed image, from which windows are folded (:mod:`rtl_gen.hw.unfold`);
        0: none are.
    input_idiom, weights_idiom
        How a buffer hands words over: ``buffet``, ``fifo``, ``double_buffer`` or ``scratchpad``.
    """

    input: int = 128 * KIB
    weights: int = 64 * KIB
    output: int = 128 * KIB
    parameters: int = 16 * KIB
    accumulators: int = 1024
    image: int = 0
    input_idiom: str = "buffet"
    weights_idiom: str = "buffet"

    def __post_init__(self):
        for name in ("input", "weights", "output", "parameters", "accumulators"):
            LIMITS[f"buffers.{name}"].check(getattr(self, name), f"buffers.{name}")
        if self.image:
            LIMITS["buffers.image"].check(self.image, "buffers.image")
        for name in ("input", "weights"):
            if (idiom := self.idiom(name)) not in IDIOMS:
                raise SpecError(
                    f"must be {either(IDIOMS)}, not {shown(idiom)}", key=f"buffers.{name}.idiom"
                )
        if self.image and self.input_idiom != "buffet":
            raise SpecError(
                f"unfolded images are handed over word by word: the input's idiom must be buffet, "
                f"not {self.input_idiom}",
                key="buffers.image",
            )

    def idiom(self, name: str) -> str:
        """The storage idiom of a buffer; parameters and outputs lie in buffets."""
        return getattr(self, f"{name}_idiom", "buffet")


@dataclass(frozen=True, kw_only=True)
class Scratchpads:
    """Words in a PE that tagged buses feed: of inputs, and of weights."""

    input: int
    weights: int

    def __post_init__(self):
        for name in ("input", "weights"):
            LIMITS[f"scratchpads.{name}"].check(getattr(self, name), f"scratchpads.{name}")


@dataclass(frozen=True, kw_only=True)
class Design:
    """A dataflow with the array, formats, buffers and memory bus it is built for.

    Parameters
    ----------
    dataflow
        What it runs; where it runs several, the first.
    others
        The other dataflows that it runs on the same array, one a layer.
    rows, columns
        Shape of the array; neither need be a power of two.
    block
        Channels in a memory word (L), a power of two; a word is at least as wide as the bus.
    bus_bits
        Data width of the AXI4 port: 64, 128 or 256.
    post_lanes
        Outputs requantized a cycle, 1 to ``block``.
    post_add
        Whether a residual, scaled, can be added to the outputs: three multipliers a channel of a
        block.
    post_raw
        Whether results can leave as the int32 sums that they are: an adder and a register of 32
        bits for each sum of a step.
    vector_lanes
        Elements that the vector unit beside the array (pools, tables, softmax, layer normalization)
        looks up a cycle; 0: there is none.
    multiplier_registers
        Pipeline registers behind each multiplier.
    levels
        Loop levels of the address generators.
    queue_words
        Words of the descriptor queue of each engine.
    memories
        One of :data:`MEMORIES`.
    scratchpads
        Of designs with tagged buses: words in a PE.
    full_rate
        Whether an accelerator is refused in which a step would wait for the words of its operands.
    """

    name: str
    dataflow: Dataflow
    rows: int = 16
    columns: int = 16
    block: int = 16
    formats: Formats = field(default_factory=Formats)
    buffers: Buffers = field(default_factory=Buffers)
    bus_bits: int = 128
    post_lanes: int = 16
    post_add: bool = False
    post_raw: bool = False
    multiplier_registers: int = 0
    levels: int = 12
    queue_words: int = 256
    memories: str = "inferred"
    others: tuple[Dataflow, ...] = ()
    full_rate: bool = False
    scratchpads: Scratchpads | None = None
    vector_lanes: int = 0

    def __post_init__(self):
        for key, value in (
            ("array.rows", self.rows),
            ("array.columns", self.columns),
            ("block", self.block),
            ("bus.width", self.bus_bits),
            ("post.lanes", self.post_lanes),
            ("multiplier_registers", self.multiplier_registers),
            ("levels", self.levels),
            ("queue_words", self.queue_words),
        ):
            LIMITS[key].check(value, key)
        if self.post_lanes > self.block:
            raise SpecError(
                f"must be at most the block of {self.block} channels, not {self.post_lanes}",
                key="post.lanes",
            )
        if self.vector_lanes:
            LIMITS["vector.lanes"].check(self.vector_lanes, "vector.lanes")
        if self.memories not in MEMORIES:
            raise SpecError(
                f"must be {either(MEMORIES)}, not {shown(self.memories)}", key="memories"
            )
        if self.memories == "sram" and self.name == SRAM_MODULE:
            raise SpecError("is the name of the memories' module", key="name")
        if self.scratchpads and not any(flow.tagged for flow in self.dataflows):
            raise SpecError(
                "scratchpads are for PEs that tagged buses feed; links.tagged is missing",
                key="scratchpads",
            )
        self._check_modes()
        object.__setattr__(self, "formats", self.formats.of(*self.operations))
        for axis in (0, 1):
            for dataflow in self.dataflows:
                try:
                    self._check_axis(dataflow, axis)
                except SpecError as error:
                    raise self.naming(dataflow, error) from None

    def _check_modes(self):
        """A layer is run by the dataflow it names, so each has a name of its own."""
        names = [dataflow.name for dataflow in self.dataflows]
        if len(names) > MODES:
            raise SpecError(
                f"{len(names)} dataflows on one array; at most {MODES} are allowed",
                key=f"dataflows[{MODES}]",
            )
        for number, name in enumerate(names):
            if name in names[:number]:
                raise SpecError(
                    f"two dataflows are called {name!r}; each needs a name of its own",
                    key=f"dataflows[{number}]",
                )

    def _check_axis(self, dataflow, axis):
        """The loops laid out on an axis must fit it."""
        name, size = AXES[axis], self.shape[axis]
        loops = dataflow.on_axis(axis)
        if not any(flow.on_axis(axis) for flow in self.dataflows) and size > 1:
            raise SpecError(
                f"no loop is laid out on the {name}, so there must be 1, not {size}",
                key=f"array.{name}",
            )
        whole = [loop for loop in loops if loop.size is None]
        if len(whole) > 1:
            raise SpecError(
                f"the loops over {' and '.join(loop.dimension for loop in whole)} each take what "
                f"is left of the {name}; only one may be without a size",
                key=f"nest.{name}.{whole[-1].dimension}",
            )
        taken = prod(loop.size or 1 for loop in loops)
        if taken > size:
            sizes = " * ".join(f"{loop.dimension} {loop.size}" for loop in loops)
            raise SpecError(
                f"the {name} are filled beyond their number: {sizes} = {taken} PEs; "
                f"at most {size} are allowed",
                key=f"nest.{name}.{loops[-1].dimension}",
            )

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows, self.columns

    @property
    def dataflows(self) -> tuple[Dataflow, ...]:
        """All that it runs."""
        return (self.dataflow, *self.others)

    @property
    def operations(self) -> tuple[Operation, ...]:
        """Each operation that it computes, once."""
        return tuple({flow.operation.name: flow.operation for flow in self.dataflows}.values())

    def naming(self, dataflow: Dataflow, error: SpecError) -> SpecError:
        """An error about one of the dataflows, which says about which if there are several."""
        if not self.others:
            return error
        return SpecError(f"{dataflow.name}: {error.message}", key=error.key)

    @property
    def facts(self) -> dict:
        """Everything the user can say about it, what is not said left out where all may lack it."""
        facts = asdict(self)
        del facts["formats"]["operands"]
        for dataflow in (facts["dataflow"], *facts["others"]):
            for name in ("reach", "paces", "tagged"):
                if not dataflow[name]:
                    del dataflow[name]
        lacked = ("others", "scratchpads", "post_raw", "vector_lanes")
        return {name: fact for name, fact in facts.items() if name not in lacked or fact}
