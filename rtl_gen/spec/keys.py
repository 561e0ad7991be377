"""The keys of dataflow and design files: one table, from which parser and schema are made."""

from ..isa.widths import IDIOMS
from .dataflow import AXES, PE_TRIPS, SIDE, SKEW
from .design import LIMITS, MEMORIES, Buffers, Design, Formats
from .kinds import Choice, Flag, Integer, Size, Text, Word
from .tables import Either, Key, ListOf, MapOf, Table, Variants

__all__ = ["DATAFLOW_FILE", "DESIGN_FILE", "FUSED_FILE", "HARDWARE", "OPERATION"]

AXIS = Choice(AXES)
SHIFT_AXIS = Choice((*AXES, "none"))
DIMENSION = Word("the name of a dimension")

OPERATION = {
    "einsum": Key(
        Text("an einsum, OUT[...] += A[...] * B[...]"),
        "the sum of products, OUT[rank, ...] += A[rank, ...] * B[rank, ...]; a rank is a dimension "
        "or NAME = an affine form such as u*p + r - t",
        required=True,
    ),
    "symbols": Key(
        ListOf(Word("the name of a symbol"), "a list of symbols", unique=True),
        "which names in the ranks are run-time numbers, such as strides and padding",
    ),
    "weights": Key(
        Word("the name of a tensor"),
        "which operand is laid out offline, in the order of its use (default: the last)",
    ),
    "batch": Key(
        ListOf(DIMENSION, "a list of dimensions", unique=True),
        "dimensions that lie outside the channel blocks in memory",
    ),
    "blocked": Key(
        MapOf(Word("the name of a rank"), "a mapping from tensors to ranks"),
        "the rank of each tensor that is split into memory words (default: its last)",
    ),
}

TIME_LOOP = Table(
    "a loop in time",
    {"for": Key(DIMENSION, "which dimension a loop outside the PE runs over", required=True)},
)
PE_LOOP = Table(
    "a loop in the PE",
    {
        "for": Key(DIMENSION, "which dimension the loop runs over", required=True),
        "in": Key(Choice(("pe",)), "that the loop lies inside the PE: in: pe", required=True),
        "max": Key(
            Integer(PE_TRIPS),
            "the most trips that the loop may have at run time",
            required=True,
        ),
    },
)
SPATIAL_LOOP = Table(
    "a spatial loop",
    {
        "spatial": Key(DIMENSION, "which dimension is laid out on the array", required=True),
        "on": Key(AXIS, "which axis the loop is laid out on, rows or columns", required=True),
        "size": Key(
            Integer(SIDE),
            "how many PEs of the axis the loop takes, where several are folded on it (default: "
            "what the others leave); the last loop of an axis is its fastest",
        ),
    },
)
LOOP = Variants(
    "a loop: {for: k}, {for: s, in: pe, max: 3} or {spatial: c, on: rows}",
    (
        (("spatial", "on", "size"), SPATIAL_LOOP),
        (("in", "max"), PE_LOOP),
        ((), TIME_LOOP),
    ),
)

SKEW_OF_AXES = Key(
    Table(
        "the skew of each axis",
        {
            axis: Key(
                Integer(SKEW),
                f"cycles by which a step reaches the next of the {axis}: 0 broadcast, "
                "1 or -1 systolic",
                required=True,
            )
            for axis in AXES
        },
    ),
    "whether a step reaches all PEs of an axis at once or in turn",
)
LINKS = Table(
    "what the reuse analysis leaves open",
    {
        "skew": SKEW_OF_AXES,
        "shift": Key(
            MapOf(SHIFT_AXIS, "a mapping from tensors to rows, columns or none"),
            "the axis along which a stationary tensor is shifted in, or a stationary output out; "
            "none: an operand is loaded by all its lanes at once",
        ),
        "moving": Key(
            ListOf(Word("the name of a tensor"), "a list of tensors", unique=True),
            "tensors of which a PE takes its neighbour's element of earlier ticks",
        ),
        "tagged": Key(
            ListOf(Word("the name of a tensor"), "a list of tensors", unique=True),
            "tensors that come on buses with row and column tags, to scratchpads in the PEs",
        ),
        "phases": Key(
            ListOf(Word("the name of a tensor"), "a list of tensors", unique=True),
            "tensors whose strided windows are split into parts of stride 1, for the links that "
            "hold there",
        ),
        "reach": Key(
            MapOf(Integer(SIDE), "a mapping from tensors to numbers of PEs"),
            "how many PEs in a line a wire of a tensor spans at most; those behind take from a "
            "register (default: all)",
        ),
    },
)


def _numbers(what: str, section: str, docs: dict[str, tuple[str, int | None]]) -> Table:
    """A section of numbers, each with its limit, its doc and its default."""
    keys = {}
    for name, (doc, default) in docs.items():
        limit = LIMITS[f"{section}.{name}"]
        size = section == "buffers" and name != "accumulators"
        kind = Size(limit) if size else Integer(limit)
        if section == "buffers" and name in ("input", "weights"):
            kind = Either(kind, _storage(kind, default))
        keys[name] = Key(kind, doc, default=default)
    return Table(what, keys)


def _storage(size: Size, default: int | None) -> Table:
    """A buffer in full: its size and its storage idiom."""
    idiom = (
        "how words are handed over: buffet (word by word), fifo (each word read once, in order), "
        "double_buffer (halves, one filled while the other is read), scratchpad (one tile, filled "
        "and read in turn)"
    )
    keys = {
        "size": Key(size, "bytes", default=default),
        "idiom": Key(Choice(IDIOMS), idiom, default=IDIOMS[0]),
    }
    return Table("a buffer", keys)


ARRAY = {
    "rows": ("rows of PEs (default: 16, or 1 if no loop lies on them)", None),
    "columns": ("columns of PEs (default: 16, or 1 if no loop lies on them)", None),
}
FORMATS = {
    "operand_bits": ("bits of a signed operand", Formats.operand_bits),
    "max_reduction": (
        "products summed into one accumulator at most (default: what accumulator_bits hold)",
        None,
    ),
    "accumulator_bits": ("bits of an accumulator at the edge", Formats.accumulator_bits),
}
BUFFERS = {
    "input": ("bytes of input memory", Buffers.input),
    "weights": ("bytes of weight memory", Buffers.weights),
    "output": ("bytes of output memory", Buffers.output),
    "parameters": ("bytes for biases, multipliers and shifts", Buffers.parameters),
    "image": (
        "bytes of rows of a packed image: layers whose input has few channels fold their windows "
        "(default: none)",
        None,
    ),
    "accumulators": ("accumulators of each exit of the array", Buffers.accumulators),
}
SCRATCHPADS = {
    "input": ("words of the input", None),
    "weights": ("words of the weights, a multiple of 4", None),
}
BUS = {"width": ("data bits of the AXI4 port", Design.bus_bits)}
POST = {"lanes": ("outputs requantized a cycle, up to the block (default: 16)", None)}

HARDWARE = {
    "array": Key(_numbers("the shape of the array", "array", ARRAY), "the array's shape"),
    "formats": Key(_numbers("number formats", "formats", FORMATS), "number formats"),
    "buffers": Key(_numbers("buffer capacities", "buffers", BUFFERS), "buffer capacities"),
    "scratchpads": Key(
        Table(
            "scratchpads of a PE",
            {
                name: Key(Integer(LIMITS[f"scratchpads.{name}"]), doc, required=True)
                for name, (doc, _) in SCRATCHPADS.items()
            },
        ),
        "words in a PE that tagged buses feed",
    ),
    "bus": Key(_numbers("the memory bus", "bus", BUS), "the memory bus"),
    "post": Key(
        Table(
            "post-processing",
            {
                **_numbers("post-processing", "post", POST).keys,
                "add": Key(
                    Flag(),
                    "whether a residual can be added to the outputs",
                    default=Design.post_add,
                ),
                "raw": Key(
                    Flag(),
                    "whether results can leave as the int32 sums that they are",
                    default=Design.post_raw,
                ),
            },
        ),
        "requantization, clamp, residual addition",
    ),
    "vector": Key(
        Table(
            "the vector unit",
            {
                "lanes": Key(
                    Integer(LIMITS["vector.lanes"]),
                    "elements that are looked up in a table, or multiplied, a cycle",
                    required=True,
                )
            },
        ),
        "a unit beside the array for pools, tables of functions, softmax and layer normalization "
        "(default: none)",
    ),
    "multiplier_registers": Key(
        Integer(LIMITS["multiplier_registers"]),
        "pipeline registers behind each multiplier",
        default=Design.multiplier_registers,
    ),
    "block": Key(Integer(LIMITS["block"]), "channels in a memory word", default=Design.block),
    "levels": Key(
        Integer(LIMITS["levels"]), "loop levels of the address generators", default=Design.levels
    ),
    "queue_words": Key(
        Integer(LIMITS["queue_words"]),
        "words of the descriptor queue of each engine",
        default=Design.queue_words,
    ),
    "memories": Key(
        Choice(MEMORIES),
        "what memories become: inferred by synthesis, or instances of the module rtl_gen_sram, "
        "which foundry macros replace",
        default=Design.memories,
    ),
    "full_rate": Key(
        Flag(),
        "whether to refuse a design whose buffers do not give the words of a step in every cycle",
        default=Design.full_rate,
    ),
}

NAME = {"name": Key(Word(), "a name for messages and modules (default: the file's name)")}

DATAFLOW_FILE = Table(
    "a dataflow file",
    {
        **NAME,
        "operation": Key(
            Either(
                Word("the name of a shipped operation or a mapping with an einsum"),
                Table(
                    "an operation",
                    {"name": Key(Word(), "what layers call the operation", required=True)}
                    | OPERATION,
                ),
            ),
            "what is computed: conv2d, depthwise, matmul, conv1d, or a mapping with an einsum",
            required=True,
        ),
        "nest": Key(
            ListOf(LOOP, "a list of loops, outermost first", least=1),
            "the loops, outermost first; the last `for` outside the PE is the array's inner loop",
            required=True,
        ),
        "links": Key(LINKS, "what the reuse analysis leaves open; all may be left out"),
        **HARDWARE,
    },
)

DESIGN_FILE = Table(
    "a design file",
    {
        **NAME,
        "dataflow": Key(
            Text("the name of a dataflow file"),
            "which dataflow file the design is for, relative to this file",
            required=True,
        ),
        **HARDWARE,
    },
)

FUSED_FILE = Table(
    "a design file of several dataflows",
    {
        **NAME,
        "dataflows": Key(
            ListOf(
                Text("the name of a dataflow file"), "a list of two files or more", 2, unique=True
            ),
            "which dataflow files the design is for, relative to this file; one runs each layer",
            required=True,
        ),
        "links": Key(
            Table("what all dataflows share", {"skew": SKEW_OF_AXES}),
            "the skew that all dataflows have; it must be said where they say different ones",
        ),
        **HARDWARE,
    },
)
