"""The sizes of a design that its descriptors depend on."""

from dataclasses import dataclass

__all__ = ["IDIOMS", "Widths"]

IDIOMS = ("buffet", "fifo", "double_buffer", "scratchpad")
"""Storage idioms of the input and the weight buffer, in the order of their numbers."""


@dataclass(frozen=True, kw_only=True)
class Widths:
    """The sizes of a design that the records depend on.

    Parameters
    ----------
    levels, dma_levels
        Loop levels of the feeding and computing engines, and of those on the memory port.
    load_checks, feed_checks
        Ranks of the activation whose coordinate is compared with the tensor's extent where it is
        loaded (the contiguous one apart) and where it is read.
    input_held
        Whether input words are loaded into the PEs; then the byte goes with the read.
    groups
        Spatial loops over which the words of one output step or drain are spread.
    input_words, weight_words, parameter_words, output_words
        Capacity of the buffers in words; the activation memories are those of input and output.
    residual_checks
        Ranks of a residual, that along which its words lie apart, whose coordinate is compared
        where it is loaded; 0: no residual can be added.
    accumulators
        Entries behind each exit; 0 where the PEs accumulate.
    block
        Elements of a word.
    input_reads
        Input words that the feeder reads together.
    input_loops
        Spatial loops over these words; none where it reads one.
    input_taps
        PEs through which an input word moves, a tick each; 0: inputs do not move.
    output_checks
        Ranks of the output whose coordinate is compared with its extent in every step.
    input_idiom, weight_idiom
        Of :data:`IDIOMS`.
    input_depth, weight_depth, sums_kept
        Words of the input, weights, and sums that a PE keeps at most.
    sums_pieces
        Whether a PE adds some products before a sum leaves it, and the rest is added behind.
    tick_steps
        Whether a tick of an input that moves may have several steps.
    image_words
        Words of rows of a packed image; 0: images are not unfolded.
    modes
        Dataflows of which a layer takes one.
    raw
        Whether results can leave as the int32 sums that they are.
    vector
        Whether a vector unit stands beside the array.
    """

    levels: int
    dma_levels: int
    load_checks: int
    feed_checks: int
    input_held: bool
    groups: int
    input_words: int
    weight_words: int
    parameter_words: int
    output_words: int
    accumulators: int
    block: int
    residual_checks: int = 0
    input_reads: int = 1
    input_loops: int = 0
    input_taps: int = 0
    input_depth: int = 0
    weight_depth: int = 0
    sums_kept: int = 0
    sums_pieces: bool = False
    tick_steps: bool = False
    output_checks: int = 0
    input_idiom: str = "buffet"
    weight_idiom: str = "buffet"
    image_words: int = 0
    modes: int = 1
    raw: bool = False
    vector: bool = False

    def __post_init__(self):
        for name in (self.input_idiom, self.weight_idiom):
            if name not in IDIOMS:
                raise ValueError(f"idiom must be one of {', '.join(IDIOMS)}, not {name!r}")

    @property
    def byte_with_word(self) -> bool:
        """Whether the byte of the input lanes goes with the read: steps need not know it."""
        return self.input_held or self.input_taps > 0

    @property
    def adds(self) -> bool:
        """Whether a residual can be added to the outputs."""
        return self.residual_checks > 0

    @property
    def row_checks(self) -> int:
        """Ranks of a packed image beside that along which its rows lie."""
        return max(0, self.feed_checks - 1)

    @property
    def activation_words(self) -> int:
        """Words of the larger of the two activation memories."""
        return max(self.input_words, self.output_words)
