"""The register map: what a host sees at the AXI4-Lite port, for every design alike.

Addresses are bytes, 12 bits; a register is a word of 32 bits. Places never depend on the design;
what differs from design to design stands in the identification registers, whose values
``capabilities.identification`` gives.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from .counters import COUNTERS
from .descriptors import ENGINES
from .errors import ERROR_BITS
from .widths import IDIOMS

__all__ = [
    "ADDRESS_BITS",
    "BY_NAME",
    "COUNTER_BASE",
    "DESCRIPTOR_BITS",
    "FETCH",
    "KEPT_BITS",
    "MAGIC",
    "NO_ENGINE",
    "PAGE_BITS",
    "PROGRAM_WORDS_BITS",
    "REGISTERS",
    "REGISTERS_VERSION",
    "WINDOWS",
    "BitField",
    "Register",
    "engine_register",
    "listing",
]

ADDRESS_BITS = 12
MAGIC = 0x5254_4C47
"""Value of IDENTITY: "RTLG" in ASCII, the R highest."""
REGISTERS_VERSION = 4
"""Version of this map; grows when a register moves or changes its meaning."""

KEPT_BITS = 10
"""Of a number of words, or sums, that a PE keeps."""

WATCHDOG_RESET = 1 << 20
WINDOWS, WINDOW_BASE, WINDOW_SPACING = 4, 0x080, 0x20
"""Windows in the address space that a host can open, and where their registers lie."""

PAGE_BITS = 12
"""Windows are whole pages of 4 KiB, which no burst crosses."""

ENGINE_BASE, ENGINE_SPACING = 0x100, 0x10
COUNTER_BASE = 0x200
"""Where the counters begin: a word each, in the order of :data:`rtl_gen.isa.counters.COUNTERS`."""

NO_ENGINE, FETCH = 0xF, 0xE
"""STATUS.error_engine of an error that no engine raised, and of the fetch of a program."""

DESCRIPTOR_BITS = 16
"""Descriptors of a run are counted modulo 2^16."""

PROGRAM_WORDS_BITS = 17

Access = Literal["read", "write", "read/write", "read/clear"]


@dataclass(frozen=True)
class BitField:
    """Bits ``low`` to ``low + bits - 1`` of a register."""

    name: str
    low: int
    bits: int
    doc: str

    def __post_init__(self):
        high = self.low + self.bits - 1
        if not 0 <= self.low <= high <= 31:
            raise ValueError(f"field {self.name} must lie in bits 0..31, not {self.low}..{high}")

    @property
    def mask(self) -> int:
        """The field's bits within its register."""
        return ((1 << self.bits) - 1) << self.low


@dataclass(frozen=True)
class Register:
    """A word at ``offset``.

    ``access``: ``read`` cannot be written; ``write`` reads as 0; ``read/clear`` is cleared bit by
    bit by writing ones. ``reset`` is None where the design decides.
    """

    name: str
    offset: int
    access: Access
    fields: tuple[BitField, ...]
    doc: str
    reset: int | None = 0

    def __post_init__(self):
        if self.offset not in range(0, 1 << ADDRESS_BITS, 4):
            raise ValueError(
                f"offset of {self.name} must be a multiple of 4 bytes below "
                f"{1 << ADDRESS_BITS:#x}, not {self.offset!r}"
            )
        used = 0
        for field in self.fields:
            if used & field.mask:
                raise ValueError(f"{self.name}.{field.name} must not overlap another field")
            used |= field.mask

    @property
    def readable(self) -> bool:
        return self.access != "write"

    @property
    def writable(self) -> bool:
        return self.access != "read"

    def pack(self, values: Mapping[str, int]) -> int:
        """The word with these fields; those not named are 0.

        Raises
        ------
        ValueError
            If a name is unknown or a value does not fit its field.
        """
        unknown = sorted(set(values) - {field.name for field in self.fields})
        if unknown:
            raise ValueError(f"{self.name} has no field {unknown[0]!r}")
        word = 0
        for field in self.fields:
            value = int(values.get(field.name, 0))
            if value not in range(1 << field.bits):
                raise ValueError(
                    f"{self.name}.{field.name} must be 0..{(1 << field.bits) - 1}, not {value}"
                )
            word |= value << field.low
        return word

    def unpack(self, word: int) -> dict[str, int]:
        """The fields of a word read."""
        return {f.name: (word & f.mask) >> f.low for f in self.fields}


def _whole(name: str, offset: int, access: Access, doc: str, reset: int | None = 0) -> Register:
    return Register(name, offset, access, (BitField("value", 0, 32, doc),), doc, reset)


_EVENTS = (
    BitField("done", 0, 1, "a layer whose descriptor asks for an interrupt is complete"),
    BitField("error", 1, 1, "a run ended with an error"),
)


def _identification_registers() -> tuple[Register, ...]:
    return (
        _whole("IDENTITY", 0x000, "read", 'The letters "RTLG", the R highest.', MAGIC),
        Register("VERSIONS", 0x004, "read", (
            BitField("descriptor", 0, 8, "version of the descriptors it reads"),
            BitField("registers", 8, 8, "version of this map"),
        ), "Versions.", None),
        _whole("HASH0", 0x008, "read", "Low half of the design's hash.", None),
        _whole("HASH1", 0x00C, "read", "High half of the design's hash.", None),
        Register("ARRAY", 0x010, "read", (
            BitField("rows", 0, 16, "rows of PEs"),
            BitField("columns", 16, 16, "columns of PEs"),
        ), "Shape of the array.", None),
        Register("FORMATS", 0x014, "read", (
            BitField("operand_bits", 0, 8, "bits of an operand"),
            BitField("accumulator_bits", 8, 8, "bits of an accumulator"),
            BitField("bus_bits", 16, 12, "data width of the memory port"),
            BitField("raw", 28, 1, "results can leave as the int32 sums that they are"),
        ), "Widths of numbers and of the bus.", None),
        Register("WORD", 0x018, "read", (
            BitField("block", 0, 8, "elements of a buffer word"),
            BitField("post_lanes", 8, 8, "outputs requantized a cycle"),
            BitField("residual_checks", 16, 4, "coordinates of a residual compared with the extent "
                     "at the load; 0: no residual can be added"),
            BitField("input_idiom", 20, 4, "storage idiom of the input buffer: "
                     + ", ".join(f"{n} {name}" for n, name in enumerate(IDIOMS))),
            BitField("weight_idiom", 24, 4, "the same of the weight buffer"),
            BitField("output_checks", 28, 4, "coordinates of the output compared with the extent "
                     "in every step"),
        ), "Elements side by side, and how buffers hand them over.", None),
        Register("NESTS", 0x01C, "read", (
            BitField("levels", 0, 8, "loop levels of the feeding and computing engines"),
            BitField("dma_levels", 8, 8, "loop levels of the engines on the memory port"),
            BitField("load_checks", 16, 4, "coordinates compared with the extent at the load"),
            BitField("feed_checks", 20, 4, "coordinates compared with the extent at the read"),
            BitField("groups", 24, 4, "spatial loops over which the words of an output step lie"),
            BitField("input_held", 28, 1, "input words are loaded into the PEs"),
            BitField("more_modes", 29, 3, "dataflows beside the first, of which descriptors name "
                     "one"),
        ), "What the descriptors' nests have.", None),
        Register("ENGINES", 0x020, "read", (
            *(BitField(name, n, 1, f"{name} is there") for n, name in enumerate(ENGINES)),
            BitField("vector", 31, 1, "a vector unit is there"),
        ), "Engines present.", None),
        _whole("QUEUE_WORDS", 0x024, "read", "Words of each descriptor queue.", None),
        _whole("INPUT_WORDS", 0x028, "read", "Words of the input buffer.", None),
        _whole("WEIGHT_WORDS", 0x02C, "read", "Words of the weight buffer.", None),
        _whole("PARAMETER_WORDS", 0x030, "read", "Words of the parameter buffer.", None),
        _whole("OUTPUT_WORDS", 0x034, "read", "Words of the output buffer.", None),
        _whole("ACCUMULATORS", 0x038, "read",
               "Accumulators behind each exit of the array; 0 where the PEs accumulate.", None),
        Register("INPUT_READS", 0x03C, "read", (
            BitField("input_reads", 0, 16, "input words that are read together"),
            BitField("input_loops", 16, 8, "spatial loops over these words; 0 for one word"),
            BitField("input_taps", 24, 8, "PEs through which an input word moves; 0: none"),
        ), "What a step takes of the input buffer at once.", None),
    )  # fmt: skip


def _control_registers() -> tuple[Register, ...]:
    return (
        Register("CONTROL", 0x040, "read/write", (
            BitField("start", 0, 1, "write 1: begin a run; reads as STATUS.running"),
            BitField("abort", 1, 1, "write 1: end a run with the error of an abort"),
            BitField("reset", 2, 1, "write 1: end whatever goes on, let bursts under way end, and "
                     "clear engines, queues and buffers; reads 1 until that is done"),
            BitField("snapshot", 3, 1, "write 1: copy all counters of one cycle to where they are "
                     "read; reads 1 until that is done"),
        ), "Begins a run: counters and COMPLETED are cleared, engines take descriptors. It ends "
           "when a layer that asks for an interrupt is complete and no engine has work or "
           "descriptors left, or with an error. A 0 does nothing; a start is refused while "
           "running, after an error and during a reset, an abort while nothing runs. A reset also "
           "clears STATUS; windows, INTERRUPT_ENABLE, WATCHDOG and counters stay. Counters are "
           "read as of the last snapshot; the end of a run takes one. While one is made, which "
           f"takes up to {2 * len(COUNTERS) + 1} cycles, a read of a counter and a start wait."),
        Register("STATUS", 0x044, "read", (
            BitField("running", 0, 1, "from start until nothing is left to do, or an error"),
            BitField("error", 1, 1, "an error ended a run; stays until a reset"),
            BitField("overflow", 2, 1, "since start a total behind the array, or one with its "
                     "bias, did not fit and wrapped; sums inside the array are not watched, as "
                     "they have the bits of all products that meet there in a mapped layer"),
            BitField("in_flight", 3, 1, "the memory port has bursts under way; after an error no "
                     "other begins, and memory may be given to others once this is 0"),
            BitField("error_code", 8, ERROR_BITS, "the first error"),
            BitField("error_engine", 12, 4, "its engine, in the order of ENGINES; "
                     f"{FETCH}: the fetch of a program; {NO_ENGINE}: none"),
            BitField("error_descriptor", 16, DESCRIPTOR_BITS, "which descriptor of that engine in "
                     "the run, from 0: the one refused, the one whose write failed, or, of a read "
                     "that failed and of a burst outside the windows, the latest begun, to which "
                     "an engine that runs ahead may have come; of a fetch, which packet of the "
                     "program"),
        ), "What it is doing and what went wrong.", NO_ENGINE << 12),
        Register("INTERRUPT", 0x048, "read/clear", _EVENTS, "What happened; write 1 to clear."),
        Register("INTERRUPT_ENABLE", 0x04C, "read/write", _EVENTS,
                 "Which of INTERRUPT drive the interrupt pin."),
        Register("COMPLETED", 0x050, "read", (
            BitField("layers", 0, 16, "layers complete in memory since start, modulo 2^16"),
        ), "Count that fences wait for."),
        _whole("WATCHDOG", 0x054, "read/write",
               "Cycles without progress that end a run with an error; 0: never.", WATCHDOG_RESET),
        # Of the identification, for which there is no room before; IMAGE_WORDS too.
        Register("IN_PE", 0x068, "read", (
            BitField("input_depth", 0, KEPT_BITS, "inputs; 0: they stream"),
            BitField("weight_depth", 10, KEPT_BITS, "weights; 0: they stream"),
            BitField("sums_kept", 20, KEPT_BITS, "sums; 0: none"),
            BitField("sums_pieces", 30, 1, "sums leave before they are complete"),
            BitField("tick_steps", 31, 1, "a tick of an input that moves may have several steps"),
        ), "What a PE keeps at most.", None),
        _whole("REFUSED", 0x06C, "read",
               "Runs that ended with a burst outside the windows, since the port's reset, modulo "
               "2^32."),
        _whole("PROGRAM_LOW", 0x070, "read/write",
               "Address of the program, a multiple of the bus width, low half; whole words of the "
               "bus are read."),
        _whole("PROGRAM_HIGH", 0x074, "read/write", "High half."),
        Register("PROGRAM_WORDS", 0x078, "read/write", (
            BitField("words", 0, PROGRAM_WORDS_BITS, "its length in words of 32 bits"),
        ), "A start with a program fetches its descriptors into the queues, behind what is there; "
           "until that is done pushes are refused. 0: none. The three stay over runs and resets, "
           "and may be written for the next start while a run is on. A longer program is refused."),
        _whole("IMAGE_WORDS", 0x07C, "read",
               "Words of rows of a packed image; 0: images are not unfolded.", None),
    )  # fmt: skip


def _window_registers(number: int) -> tuple[Register, ...]:
    base, name = WINDOW_BASE + WINDOW_SPACING * number, f"WINDOW{number}"
    page, high = 32 - PAGE_BITS, "High half."
    return (
        Register(f"{name}_FIRST_LOW", base, "read/write", (
            BitField("page", PAGE_BITS, page, "of the first byte's address"),
        ), "First page of the window, low half of its address."),
        _whole(f"{name}_FIRST_HIGH", base + 0x4, "read/write", high),
        Register(f"{name}_LAST_LOW", base + 0x8, "read/write", (
            BitField("page", PAGE_BITS, page, "of the last byte's address"),
        ), "Last page of the window, low half of its address."),
        _whole(f"{name}_LAST_HIGH", base + 0xC, "read/write", high),
        Register(f"{name}_ACCESS", base + 0x10, "read/write", (
            BitField("read", 0, 1, "bursts in the window may read"),
            BitField("write", 1, 1, "bursts in the window may write"),
        ), "What the window is open for; a burst that no window allows is refused, ends the run "
           "and is counted."),
    )  # fmt: skip


def _engine_registers(number: int, engine: str) -> tuple[Register, ...]:
    base, name = ENGINE_BASE + ENGINE_SPACING * number, engine.upper()
    return (
        _whole(f"QUEUE_{name}", base, "write",
               f"Pushes a descriptor word to {engine}. While the queue is full it waits if a run "
               "is on, else it is refused; also while a program is fetched."),
        _whole(f"ROOM_{name}", base + 0x4, "read", "Words the queue has room for.", None),
    )  # fmt: skip


def _counter_registers() -> tuple[Register, ...]:
    return tuple(
        _whole(counter.name, COUNTER_BASE + 4 * n, "read", counter.doc)
        for n, counter in enumerate(COUNTERS)
    )


REGISTERS: tuple[Register, ...] = (
    *_identification_registers(),
    *_control_registers(),
    *(register for n in range(WINDOWS) for register in _window_registers(n)),
    *(register for n, name in enumerate(ENGINES) for register in _engine_registers(n, name)),
    *_counter_registers(),
)
"""Every register, by ascending offset."""

BY_NAME: dict[str, Register] = {register.name: register for register in REGISTERS}


def engine_register(kind: Literal["QUEUE", "ROOM"], engine: str) -> Register:
    """The register of one engine, for example ``engine_register("QUEUE", "store")``."""
    return BY_NAME[f"{kind}_{engine.upper()}"]


def listing() -> str:
    """The map as a Markdown table: a row a register, then a row for each of its named fields."""
    lines = ["| offset | register | access | reset | bits | what |", "|---|---|---|---|---|---|"]
    for r in REGISTERS:
        reset = "design" if r.reset is None else f"{r.reset:#x}"
        lines.append(f"| {r.offset:#05x} | {r.name} | {r.access} | {reset} | | {r.doc} |")
        for f in r.fields:
            if f.bits < 32:
                high = f.low + f.bits - 1
                bits = f"{high}:{f.low}" if f.bits > 1 else f"{f.low}"
                lines.append(f"| | .{f.name} | | | {bits} | {f.doc} |")
    return "\n".join(lines) + "\n"
