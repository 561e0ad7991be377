"""The counters of a run: their names, in the order of their registers, and what each counts.

In each cycle that an engine is busy it moves something or waits for one thing, so that

    BUSY = cycles in which it moved + its WAIT_DATA + its WAIT_ROOM + its WAIT_BUS

A cycle in which it moves counts as no wait. Of several reasons to wait the first of room, bus, data
counts, so that WAIT_DATA also has what no other engine is to blame for: the cycles from a
descriptor's start to its first move, and those that something takes on its way through.
"""

from dataclasses import dataclass

from .descriptors import ENGINES

__all__ = ["COUNTERS", "Counter", "moves", "reasons", "unit"]


@dataclass(frozen=True)
class Counter:
    """A counter of 32 bits; of CYCLES one half. Every counter is 0 when a run starts.

    ``engine`` is None, and ``kind`` its name, where it is not one engine's.
    """

    name: str
    doc: str
    kind: str
    engine: str | None = None


@dataclass(frozen=True)
class _Kind:
    """What the counters of a kind of engine mean."""

    busy: str
    moved: str
    waits: dict[str, str]  # by reason
    bytes: str
    on_bus: bool  # whether its bytes are those of beats, else of buffer words


_KINDS = {
    "load": _Kind(
        "from a descriptor's start, its fence included, until its last word has come",
        "a beat has come",
        {
            "data": "its fence, or a region that is not free yet, holds it, or it has nothing to "
            "ask for yet",
            "room": "the next burst, with what is skipped before it, has no room in the buffer",
            "bus": "a burst is asked for, and its beat has not come",
        },
        "bytes that came from memory, a bus width for each beat",
        True,
    ),
    "feed": _Kind(
        "from a descriptor's start, its fence included, until its last word is asked for",
        "a word of the buffer, or of padding, is asked for",
        {
            "data": "the buffer does not have the next word yet, its memory is busy, or the fence "
            "holds it",
            "room": "the word that was read is not taken",
        },
        "bytes read from the buffer, a block for each word; padding is not read",
        False,
    ),
    "unfold": _Kind(
        "from a descriptor's start, its wait for the load of its image included, until its last "
        "word is in the input's region",
        "a word is written to the input's region",
        {
            "data": "the image's next bytes are not there yet, the slices of a word take more "
            "cycles than it, or the load of its image has not begun",
            "room": "a word is made, and has no room in the region or not its memory's port",
        },
        "bytes written to the input's region, a block for each word",
        False,
    ),
    "compute": _Kind(
        "from a descriptor's start until its last output is in the buffer",
        "a step or a drain tick goes, or outputs are written",
        {
            "data": "operands or parameters of the next step are not there, or all steps have gone "
            "and their sums are on their way",
            "room": "the next step, or drain tick, has these, but the output buffer has no room, "
            "or post-processing, the collector or the step's accumulator is not free, or the "
            "residual of its outputs is not there",
        },
        "bytes written to the output buffer, a block for each write, whatever its strobes",
        False,
    ),
    "store": _Kind(
        "from a descriptor's start until its last write response",
        "a beat is written, or the words of a layer are kept",
        {
            "data": "the buffer does not have the next word yet",
            "bus": "an address, a beat or a word that was read stands before the port, or no word "
            "is asked for and a write response is awaited",
        },
        "bytes written to memory, a bus width for each beat",
        True,
    ),
}


def _kind(engine: str) -> _Kind:
    return _KINDS[engine.partition("_")[0]]


def reasons(engine: str) -> tuple[str, ...]:
    """What an engine can wait for."""
    return tuple(_kind(engine).waits)


def moves(engine: str) -> str:
    """When an engine moves, in words."""
    return _kind(engine).moved


def unit(engine: str, *, bus_bytes: int, block: int) -> int:
    """Bytes that an engine moves at once, as BYTES counts them."""
    return bus_bytes if _kind(engine).on_bus else block


def _engine_counters(engine: str) -> tuple[Counter, ...]:
    kind, name = _kind(engine), engine.upper()
    waits = {f"WAIT_{reason.upper()}": doc for reason, doc in kind.waits.items()}
    docs = {"BUSY": f"Cycles busy: {kind.busy}."}
    docs |= {
        wait: f"Cycles busy without a move ({kind.moved}): {doc}." for wait, doc in waits.items()
    }
    docs["BYTES"] = f"{kind.bytes[0].upper()}{kind.bytes[1:]}, modulo 2^32."
    return tuple(Counter(f"{what}_{name}", doc, what, engine) for what, doc in docs.items())


COUNTERS: tuple[Counter, ...] = (
    Counter("CYCLES_LOW", "Cycles from start to the end of the run, low half.", "CYCLES_LOW"),
    Counter("CYCLES_HIGH", "High half; of the same cycle as the low one.", "CYCLES_HIGH"),
    Counter("STEPS", "Steps issued to the array, modulo 2^32.", "STEPS"),
    Counter("READ_BEATS", "Beats read from memory, modulo 2^32.", "READ_BEATS"),
    Counter("WRITE_BEATS", "Beats written, modulo 2^32.", "WRITE_BEATS"),
    *(counter for engine in ENGINES for counter in _engine_counters(engine)),
)
"""Every counter, in the order of its register; the carry of CYCLES_LOW is CYCLES_HIGH's."""
