"""What descriptors say of layers of the vector unit, and the sizes of its rows and tables."""

from .fields import Field

__all__ = [
    "CONSTANT_BITS",
    "LENGTH_BITS",
    "LONGEST_ROW",
    "TABLE_ENTRIES",
    "VECTOR",
    "VECTOR_FUNCTIONS",
]

TABLE_ENTRIES = 256
"""Of a table, one for each int8, 32 bits each."""

LENGTH_BITS = 12
LONGEST_ROW = (1 << LENGTH_BITS) - 1
"""Elements of a row: of more, sums could overflow."""

CONSTANT_BITS = 38
"""Of what is added to a row's variance."""

VECTOR_FUNCTIONS = ("array", "max_pool", "average_pool", "table", "softmax", "layer_norm")
"""What makes a layer's sums, in the order of their numbers: the array, or the vector unit."""

VECTOR = (
    Field("function", 3),
    Field("row_length", LENGTH_BITS),
    Field("row_last", 7),
    Field("row_constant", CONSTANT_BITS),
)
"""Of designs with a vector unit: which of :data:`VECTOR_FUNCTIONS`; elements of a row, how many of
them a row's last step has, what is added to its variance (golden.layer_norm)."""
