"""What the identification registers say of a design, so that one driver serves all."""

from dataclasses import dataclass

from .descriptors import ENGINES, VERSION
from .registers import BY_NAME, MAGIC, REGISTERS_VERSION
from .widths import IDIOMS, Widths

__all__ = ["Capabilities", "identification"]


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What the identification registers of a design say.

    Parameters
    ----------
    rows, columns
        Shape of the array.
    operand_bits, accumulator_bits, bus_bits
        Bits of an operand, of an accumulator, and of the memory port's data.
    post_lanes
        Outputs requantized a cycle.
    queue_words
        Words of each descriptor queue.
    widths
        The sizes that descriptors depend on.
    engines
        The engines present, names of :data:`ENGINES` in their order.
    design_hash
        64 bits.

    Raises
    ------
    ValueError
        If an engine is unknown or out of order, or a value does not fit its register.
    """

    rows: int
    columns: int
    operand_bits: int
    accumulator_bits: int
    bus_bits: int
    post_lanes: int
    queue_words: int
    widths: Widths
    engines: tuple[str, ...] = ENGINES
    design_hash: int = 0

    def __post_init__(self):
        if self.engines != tuple(name for name in ENGINES if name in self.engines):
            raise ValueError(
                f"engines must be some of {', '.join(ENGINES)} in that order, not {self.engines!r}"
            )
        if self.design_hash not in range(1 << 64):
            raise ValueError(f"design_hash must be 0..2^64 - 1, not {self.design_hash!r}")
        identification(self)


def identification(capabilities: Capabilities) -> dict[str, int]:
    """The values of the identification registers of a design, by name."""
    c, widths = capabilities, capabilities.widths
    fields = {
        "IDENTITY": {"value": MAGIC},
        "VERSIONS": {"descriptor": VERSION, "registers": REGISTERS_VERSION},
        "HASH0": {"value": c.design_hash & 0xFFFF_FFFF},
        "HASH1": {"value": c.design_hash >> 32},
        "ARRAY": {"rows": c.rows, "columns": c.columns},
        "FORMATS": {
            "operand_bits": c.operand_bits,
            "accumulator_bits": c.accumulator_bits,
            "bus_bits": c.bus_bits,
            "raw": widths.raw,
        },
        "WORD": {
            "block": widths.block,
            "post_lanes": c.post_lanes,
            "residual_checks": widths.residual_checks,
            "input_idiom": IDIOMS.index(widths.input_idiom),
            "weight_idiom": IDIOMS.index(widths.weight_idiom),
            "output_checks": widths.output_checks,
        },
        "NESTS": {
            "levels": widths.levels,
            "dma_levels": widths.dma_levels,
            "load_checks": widths.load_checks,
            "feed_checks": widths.feed_checks,
            "groups": widths.groups,
            "input_held": widths.input_held,
            "more_modes": widths.modes - 1,
        },
        "ENGINES": {name: 1 for name in c.engines} | {"vector": widths.vector},
        "QUEUE_WORDS": {"value": c.queue_words},
        "IMAGE_WORDS": {"value": widths.image_words},
        "IN_PE": {
            "input_depth": widths.input_depth,
            "weight_depth": widths.weight_depth,
            "sums_kept": widths.sums_kept,
            "sums_pieces": widths.sums_pieces,
            "tick_steps": widths.tick_steps,
        },
        "INPUT_WORDS": {"value": widths.input_words},
        "WEIGHT_WORDS": {"value": widths.weight_words},
        "PARAMETER_WORDS": {"value": widths.parameter_words},
        "OUTPUT_WORDS": {"value": widths.output_words},
        "ACCUMULATORS": {"value": widths.accumulators},
        "INPUT_READS": {"input_reads": widths.input_reads, "input_loops": widths.input_loops}
        | {"input_taps": widths.input_taps},
    }
    return {name: BY_NAME[name].pack(values) for name, values in fields.items()}
