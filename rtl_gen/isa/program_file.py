"""Program files: a network for one design, in one file that a host loads anywhere in memory.

A file is the header, tables of tensors, windows, segments and relocations, the tensors' names, the
segments' bytes and a checksum, one behind the other (:mod:`rtl_gen.isa.program_format`).
``docs/program.md`` explains it.
"""

import struct
from dataclasses import dataclass, field
from math import prod
from zlib import crc32

from .descriptors import VERSION as DESCRIPTOR_VERSION
from .packets import PACKET_OVERHEAD, checksum
from .program_format import (
    AXES,
    AXIS,
    CHECKSUM_BYTES,
    DIRECTIONS,
    ELEMENTS,
    FORMAT_VERSION,
    HEADER,
    MAGIC,
    OLDEST_FORMAT,
    PAGE,
    RELOCATION,
    SEGMENT,
    SHAPE,
    TENSOR,
    WINDOW,
    ProgramFileError,
)
from .registers import REGISTERS_VERSION, WINDOWS

__all__ = ["Axis", "FileTensor", "ProgramFile", "Relocation", "Segment", "Window"]


@dataclass(frozen=True)
class Axis:
    """Elements along one axis of an array: see :data:`AXIS`."""

    size: int
    split: int
    inner: int
    outer: int = 0

    def place(self, index: int) -> int:
        """Bytes from element 0 to another."""
        return index // self.split * self.outer + index % self.split * self.inner

    @property
    def last(self) -> int:
        """The farthest place: that of the last element, or of the last whole run's."""
        whole = self.size // self.split * self.split
        return max(self.place(n - 1) for n in (self.size, whole) if n)


@dataclass(frozen=True)
class FileTensor:
    """An input or output of a program file: see :data:`TENSOR`; ``element`` is one of ELEMENTS."""

    name: str
    direction: str
    offset: int
    bytes: int
    shape: tuple[int, ...]
    layout: tuple[Axis, ...]
    scale: float
    zero: int
    element: str = "int8"

    @property
    def elements(self) -> int:
        return prod(self.shape)

    @property
    def last(self) -> int:
        """The last byte in which an element lies."""
        return sum(axis.last for axis in self.layout) + ELEMENTS[self.element] - 1

    def pack(self, name: int) -> bytes:
        """Its structure; ``name``: where its name begins among the names.

        Raises
        ------
        ProgramFileError
            If it has more ranks or axes than a file holds, or a number is too large.
        """
        if len(self.shape) > SHAPE or len(self.layout) > AXES:
            raise ProgramFileError(
                "NOT_A_PROGRAM",
                f"{self.name}: a program file holds tensors of up to {SHAPE} ranks and {AXES} "
                f"axes, not {len(self.shape)} and {len(self.layout)}",
            )
        values = {
            "elements": self.elements,
            "direction": DIRECTIONS.index(self.direction),
            "name": name,
            "rank": len(self.shape),
            "axes": len(self.layout),
            "format": list(ELEMENTS).index(self.element),
            "layout": [getattr(axis, m.name) for axis in self.layout for m in AXIS.members],
        }
        values |= {m.name: getattr(self, m.name) for m in TENSOR.members if m.name not in values}
        return TENSOR.pack(values)


@dataclass(frozen=True)
class Relocation:
    """Words of the program: where a packet begins, and where an address in it does."""

    packet: int
    address: int


@dataclass(frozen=True)
class Window:
    """Bytes of memory, whole pages, that a run may read (``access`` 1), write (2), or both (3)."""

    offset: int
    bytes: int
    access: int


@dataclass(frozen=True)
class Segment:
    """What lies in memory before a run."""

    offset: int
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class ProgramFile:
    """What a program file says; all addresses count from the begin of its memory.

    Parameters
    ----------
    design_hash
        Of the design that it was made for.
    memory_bytes
        Memory that it wants.
    layers, estimated_cycles
        Of a run.
    tensors
        Inputs and outputs.
    windows
        To be opened.
    segments
        Bytes of memory; the last is the program.
    relocations
        Where the program says addresses.
    """

    design_hash: int
    memory_bytes: int
    layers: int
    estimated_cycles: int
    tensors: tuple[FileTensor, ...]
    windows: tuple[Window, ...]
    segments: tuple[Segment, ...]
    relocations: tuple[Relocation, ...] = field(repr=False)
    descriptor_version: int = DESCRIPTOR_VERSION
    registers_version: int = REGISTERS_VERSION

    @property
    def program_offset(self) -> int:
        return self.segments[-1].offset

    @property
    def program_words(self) -> int:
        return len(self.segments[-1].data) // 4

    def named(self, direction: str) -> dict[str, list[FileTensor]]:
        """Inputs, or outputs, by name, with every place in which each lies."""
        found: dict[str, list[FileTensor]] = {}
        for tensor in self.tensors:
            if tensor.direction == direction:
                found.setdefault(tensor.name, []).append(tensor)
        return found

    def program_at(self, address: int) -> bytes:
        """The program for a memory that begins at an address of the bus.

        Raises
        ------
        ProgramFileError
            If the address is not that of a page.
        """
        if address % PAGE:
            raise ProgramFileError(
                "UNALIGNED_MEMORY",
                f"the memory must begin with a page of {PAGE} bytes, not at {address:#x}",
            )
        words = list(struct.unpack(f"<{self.program_words}I", self.segments[-1].data))
        for place in self.relocations:
            at = place.address
            moved = words[at] + (words[at + 1] << 32) + address
            words[at : at + 2] = (moved & 0xFFFF_FFFF, moved >> 32 & 0xFFFF_FFFF)
            size = (words[place.packet] & 0xFFFF) + PACKET_OVERHEAD
            packet = words[place.packet : place.packet + size]
            words[place.packet + 1] = checksum([packet[0], *packet[2:]])
        return struct.pack(f"<{len(words)}I", *words)

    def to_bytes(self) -> bytes:
        """The file."""
        names = sorted({tensor.name for tensor in self.tensors})
        encoded = [name.encode() + b"\0" for name in names]
        places = {n: sum(map(len, encoded[:k])) for k, n in enumerate(names)}
        tables = [tensor.pack(places[tensor.name]) for tensor in self.tensors]
        tables += [WINDOW.pack(vars(window) | {"reserved": 0}) for window in self.windows]
        tables_bytes = sum(map(len, tables)) + len(self.segments) * SEGMENT.bytes
        tables_bytes += len(self.relocations) * RELOCATION.bytes
        at, data = _aligned(HEADER.bytes + tables_bytes + sum(map(len, encoded))), []
        for segment in self.segments:
            values = {"offset": segment.offset, "bytes": len(segment.data), "file_offset": at}
            tables.append(SEGMENT.pack(values))
            data.append(segment.data + bytes(_aligned(len(segment.data)) - len(segment.data)))
            at += len(data[-1])
        tables += [RELOCATION.pack(vars(place)) for place in self.relocations]
        values = {
            "magic": MAGIC,
            "version": FORMAT_VERSION,
            "file_bytes": at + CHECKSUM_BYTES,
            "names_bytes": sum(map(len, encoded)),
            "reserved": 0,
        }
        values |= {name: len(getattr(self, name)) for name in _TABLES}
        values |= {m.name: getattr(self, m.name) for m in HEADER.members if m.name not in values}
        front = HEADER.pack(values) + b"".join(tables) + b"".join(encoded)
        body = front + bytes(_aligned(len(front)) - len(front)) + b"".join(data)
        return body + crc32(body).to_bytes(CHECKSUM_BYTES, "little")

    @classmethod
    def from_bytes(cls, data: bytes) -> "ProgramFile":
        """Read a file.

        Raises
        ------
        ProgramFileError
            If it is no program file, has another version of the format, is truncated or damaged.
        """
        header = _checked_header(data)
        rows, at = {}, HEADER.bytes
        for name, structure in _TABLES.items():
            end = at + header[name] * structure.bytes
            if end > len(data):
                raise ProgramFileError("NOT_A_PROGRAM", f"its {name} do not fit the file")
            rows[name] = [structure.unpack(data, n) for n in range(at, end, structure.bytes)]
            at = end
        names = data[at : at + header["names_bytes"]]
        kept = {name: header[name] for name in cls.__dataclass_fields__ if name in header}
        for row in rows["segments"]:
            if row["file_offset"] + row["bytes"] > len(data) - CHECKSUM_BYTES:
                raise ProgramFileError("NOT_A_PROGRAM", "a segment does not lie in the file")
        tables = {
            "tensors": tuple(_read_tensor(values, names) for values in rows["tensors"]),
            "windows": tuple(
                Window(row["offset"], row["bytes"], row["access"]) for row in rows["windows"]
            ),
            "segments": tuple(
                Segment(row["offset"], data[row["file_offset"] :][: row["bytes"]])
                for row in rows["segments"]
            ),
            "relocations": tuple(Relocation(**values) for values in rows["relocations"]),
        }
        return cls(**kept | tables)

    def check_tables(self) -> None:
        """Raise ProgramFileError if a table names what lies outside the file or its memory."""
        program_bytes = len(self.segments[-1].data) if self.segments else 0
        spans = [("tensor", one.offset, one.bytes) for one in self.tensors]
        spans += [("window", one.offset, max(1, one.bytes)) for one in self.windows]
        spans += [("segment", one.offset, len(one.data)) for one in self.segments]
        wrong = [
            f"a {what} at {first:#x}, of {size} bytes"
            for what, first, size in spans
            if first + size > self.memory_bytes
        ]
        wrong += [
            f"elements of {tensor.name}, as far as byte {tensor.last} of its {tensor.bytes}"
            for tensor in self.tensors
            if tensor.last >= tensor.bytes
        ]
        wrong += [
            f"an address at word {one.address} of the program"
            for one in self.relocations
            if not self._in_program(one, program_bytes)
        ]
        if not self.segments or len(self.windows) > WINDOWS:
            wrong = [f"{len(self.segments)} segments and {len(self.windows)} windows"]
        if wrong:
            raise ProgramFileError(
                "NOT_A_PROGRAM", f"names {wrong[0]}, of {self.memory_bytes} bytes of memory"
            )

    def _in_program(self, place: Relocation, size: int) -> bool:
        """Whether an address and the packet around it lie in a program of so many bytes."""
        if 4 * place.address + 8 > size or 4 * place.packet + 8 > size:
            return False
        (word,) = struct.unpack_from("<I", self.segments[-1].data, 4 * place.packet)
        return 4 * (place.packet + PACKET_OVERHEAD + (word & 0xFFFF)) <= size

    def check_design(self, design_hash: int, descriptors: int, registers: int) -> None:
        """Raise ProgramFileError unless it was made for a design and its versions."""
        if self.design_hash != design_hash:
            raise ProgramFileError(
                "OTHER_DESIGN",
                f"was made for the design {self.design_hash:016x}, not for {design_hash:016x}",
            )
        mine, its = (self.descriptor_version, self.registers_version), (descriptors, registers)
        if mine != its:
            raise ProgramFileError(
                "OTHER_VERSION",
                f"was made for descriptors of version {mine[0]} and registers of version "
                f"{mine[1]}, not {its[0]} and {its[1]}",
            )


_TABLES = {
    "tensors": TENSOR,
    "windows": WINDOW,
    "segments": SEGMENT,
    "relocations": RELOCATION,
}
"""In their order, by the members of the header that say how many there are."""


def _aligned(size: int) -> int:
    return -(-size // 16) * 16


def _read_tensor(values: dict, names: bytes) -> FileTensor:
    width = len(AXIS.members)
    numbers = values["layout"][: width * values["axes"]]
    axes = [numbers[n : n + width] for n in range(0, len(numbers), width)]
    begin, known = values["name"], values["direction"] < len(DIRECTIONS)
    split = all(axis[0] and axis[1] for axis in axes)
    known = known and values["format"] < len(ELEMENTS)
    if not known or not split or values["axes"] > AXES or 0 not in names[begin:]:
        raise ProgramFileError("NOT_A_PROGRAM", "it describes a tensor as no tensor is")
    tensor = FileTensor(
        name=names[begin : names.index(0, begin)].decode(errors="replace"),
        direction=DIRECTIONS[values["direction"]],
        offset=values["offset"],
        bytes=values["bytes"],
        shape=values["shape"][: values["rank"]],
        layout=tuple(Axis(*axis) for axis in axes),
        scale=values["scale"],
        zero=values["zero"],
        element=list(ELEMENTS)[values["format"]],
    )
    if prod(axis.size for axis in tensor.layout) != tensor.elements:
        raise ProgramFileError("NOT_A_PROGRAM", f"{tensor.name}: its layout is not of its shape")
    return tensor


def _checked_header(data: bytes) -> dict:
    """The header of a file that is whole."""
    if len(data) >= 4 and data[:4] != MAGIC.to_bytes(4, "little"):
        raise ProgramFileError("NOT_A_PROGRAM", "not a program file: it does not begin with RTLP")
    if len(data) < HEADER.bytes + CHECKSUM_BYTES:
        raise ProgramFileError(
            "TRUNCATED",
            f"truncated: it has {len(data)} bytes, and its header alone {HEADER.bytes}",
        )
    header = HEADER.unpack(data)
    if not OLDEST_FORMAT <= header["version"] <= FORMAT_VERSION:
        raise ProgramFileError(
            "NEWER_FORMAT",
            f"has version {header['version']} of the format; this rtl-gen reads {OLDEST_FORMAT} to "
            f"{FORMAT_VERSION}",
        )
    if header["file_bytes"] != len(data):
        raise ProgramFileError(
            "TRUNCATED",
            f"truncated: it has {len(data)} bytes of {header['file_bytes']}"
            if len(data) < header["file_bytes"]
            else f"has {len(data)} bytes, {header['file_bytes']} of them its own",
        )
    found = crc32(data[:-CHECKSUM_BYTES])
    if found != int.from_bytes(data[-CHECKSUM_BYTES:], "little"):
        raise ProgramFileError("BAD_CHECKSUM", "its checksum is wrong: it is damaged")
    return header
