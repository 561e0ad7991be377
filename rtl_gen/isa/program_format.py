"""The format of program files: their structures, and what a driver answers.

All numbers are little-endian. Structures are described here once: what Python reads and writes
(:mod:`rtl_gen.isa.program_file`), the offsets in the C driver's header and the tables of
``docs/program.md`` follow from :data:`STRUCTURES`.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from .registers import PAGE_BITS, WINDOWS

__all__ = [
    "AXES",
    "AXIS",
    "CHECKSUM_BYTES",
    "DIRECTIONS",
    "ELEMENTS",
    "FORMAT_VERSION",
    "HEADER",
    "MAGIC",
    "OLDEST_FORMAT",
    "PAGE",
    "RELOCATION",
    "SEGMENT",
    "SHAPE",
    "STATUS",
    "STRUCTURES",
    "TENSOR",
    "WINDOW",
    "Member",
    "ProgramFileError",
    "Structure",
]

MAGIC = int.from_bytes(b"RTLP", "little")
FORMAT_VERSION, OLDEST_FORMAT = 2, 1
"""What is written; and the oldest that is read. Version 1 had no elements but int8."""
PAGE = 1 << PAGE_BITS
CHECKSUM_BYTES = 4
DIRECTIONS = ("input", "output")
ELEMENTS = {"int8": 1, "uint8": 1, "int32": 4}
"""Types of elements in the order of their numbers, from 0, and their bytes."""
SHAPE, AXES = 6, 8
"""Most ranks of a tensor's shape, and most axes of its layout."""

STATUS = {
    "OK": "done",
    "NO_ACCELERATOR": "there is no accelerator at this address",
    "OTHER_REGISTERS": "the accelerator has another version of the register map",
    "NOT_A_PROGRAM": "not a program file",
    "NEWER_FORMAT": "the program file has a newer format",
    "TRUNCATED": "the program file is truncated",
    "BAD_CHECKSUM": "the program file's checksum is wrong",
    "OTHER_DESIGN": "the program file was made for another design",
    "OTHER_VERSION": "the program file was made for another version of descriptors or registers",
    "UNALIGNED_MEMORY": "the memory does not begin with a page",
    "LITTLE_MEMORY": "the memory is smaller than the program wants",
    "NOT_LOADED": "no program is loaded",
    "NO_TENSOR": "the program has no such input or output",
    "WRONG_SIZE": "the array has another size than the tensor",
    "BUSY": "a run is on",
    "DEVICE_ERROR": "the run ended with an error of the accelerator",
    "NO_INTERRUPT": "the wait for the interrupt was given up",
    "OVERFLOW": "a sum overflowed in the run",
}
"""What a driver answers, in the order of the numbers, from 0."""


class ProgramFileError(ValueError):
    """A program file that cannot be used; ``status`` is a name of :data:`STATUS`."""

    def __init__(self, status: str, message: str):
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Member:
    """A number in a structure: ``code`` is that of the module struct, ``count`` of how many."""

    name: str
    code: str
    doc: str
    count: int = 1

    @property
    def bytes(self) -> int:
        return struct.calcsize(f"<{self.count}{self.code}")


@dataclass(frozen=True)
class Structure:
    """Members one behind the other, each at a multiple of its own size."""

    name: str
    members: tuple[Member, ...]
    doc: str

    def __post_init__(self):
        for member, offset in self.offsets.items():
            size = struct.calcsize(f"<{self.member(member).code}")
            if offset % size:
                raise ValueError(f"{self.name}.{member} must lie at a multiple of {size} bytes")

    def member(self, name: str) -> Member:
        return next(member for member in self.members if member.name == name)

    @property
    def offsets(self) -> dict[str, int]:
        """Bytes before each member."""
        found, at = {}, 0
        for member in self.members:
            found[member.name] = at
            at += member.bytes
        return found

    @property
    def bytes(self) -> int:
        return sum(member.bytes for member in self.members)

    def pack(self, values: Mapping[str, object]) -> bytes:
        """Values by name; of a member with a count a sequence, filled up with 0."""
        parts = []
        for member in self.members:
            value = values[member.name]
            many = list(value) if member.count > 1 else [value]
            many += [0] * (member.count - len(many))
            try:
                parts.append(struct.pack(f"<{member.count}{member.code}", *many))
            except struct.error:
                raise ProgramFileError(
                    "NOT_A_PROGRAM",
                    f"{self.name}.{member.name} must fit {8 * member.bytes} bits, not {value!r}",
                ) from None
        return b"".join(parts)

    def unpack(self, data: bytes, at: int = 0) -> dict:
        """The values of a structure that begins at a byte."""
        found = {}
        for member in self.members:
            values = struct.unpack_from(f"<{member.count}{member.code}", data, at)
            found[member.name] = values if member.count > 1 else values[0]
            at += member.bytes
        return found


HEADER = Structure("header", (
    Member("magic", "I", 'the letters "RTLP", the R first'),
    Member("version", "I", f"of this format: {FORMAT_VERSION}"),
    Member("file_bytes", "Q", "of the whole file, the checksum included"),
    Member("design_hash", "Q", "of the design, as HASH0 and HASH1 say it"),
    Member("descriptor_version", "I", "of the descriptors, as VERSIONS says it"),
    Member("registers_version", "I", "of the register map, as VERSIONS says it"),
    Member("memory_bytes", "Q", "of memory that the program wants, whole pages"),
    Member("program_offset", "Q", "in memory: where the descriptors lie, whole pages"),
    Member("estimated_cycles", "Q", "of a run, by the cost model"),
    Member("program_words", "I", "words of 32 bits of the descriptors"),
    Member("layers", "I", "that complete in a run"),
    Member("tensors", "I", "structures in the table of tensors, which follows this header"),
    Member("windows", "I", "structures behind that table"),
    Member("segments", "I", "structures behind those; the last is the program"),
    Member("relocations", "I", "structures behind those"),
    Member("names_bytes", "I", "of names behind those, in UTF-8, each with a 0 at its end"),
    Member("reserved", "I", "0"),
), "The file's first bytes.")  # fmt: skip

WINDOW = Structure("window", (
    Member("offset", "Q", "in memory, whole pages"),
    Member("bytes", "Q", "whole pages"),
    Member("access", "I", "as WINDOW0_ACCESS has it: 1 to be read, 2 to be written"),
    Member("reserved", "I", "0"),
), f"A window to open for a run; there are at most {WINDOWS}.")  # fmt: skip

SEGMENT = Structure("segment", (
    Member("offset", "Q", "in memory"),
    Member("bytes", "Q", "that are copied there"),
    Member("file_offset", "Q", "of these in the file, a multiple of 16"),
), "Bytes that lie in memory before a run: weights, parameters, the program.")  # fmt: skip

AXIS = Structure("axis", (
    Member("size", "I", "elements along the axis"),
    Member("split", "I", "elements side by side; more than these lie `outer` bytes further on"),
    Member("inner", "I", "bytes from one element to the next"),
    Member("outer", "I", "bytes from one such run to the next"),
), "Element i of an axis lies (i / split) * outer + (i % split) * inner bytes behind its first.",
)  # fmt: skip

TENSOR = Structure("tensor", (
    Member("offset", "Q", "in memory"),
    Member("bytes", "Q", "that it takes there"),
    Member("elements", "Q", "of the array"),
    Member("scale", "d", "a value means scale * (value - zero)"),
    Member("zero", "i", "zero point, of values as the array has them"),
    Member("direction", "I", ", ".join(f"{n}: {name}" for n, name in enumerate(DIRECTIONS))),
    Member("name", "I", "where its name begins among the names"),
    Member("rank", "I", "numbers of `shape`"),
    Member("axes", "I", "axes of `layout`"),
    Member("format", "I", "of an element; "
           + ", ".join(f"{n}: {name}" for n, name in enumerate(ELEMENTS))),
    Member("shape", "I", "of the array as the network's file has it", SHAPE),
    Member("layout", "I", f"{AXES} axes, the slowest first: their sizes multiply to `elements`, "
           "in the order of the array in C", AXES * len(AXIS.members)),
), "An input or output. An input that layers read in several places stands once for each.",
)  # fmt: skip

RELOCATION = Structure("relocation", (
    Member("packet", "I", "word of the program where a packet begins; its header, then its "
           "checksum"),
    Member("address", "I", "word of the program where an address of 64 bits begins, to which the "
           "memory's own is added; then the packet gets a new checksum"),
), "A place in the program that depends on where its memory lies.")  # fmt: skip

STRUCTURES = (HEADER, TENSOR, AXIS, WINDOW, SEGMENT, RELOCATION)
