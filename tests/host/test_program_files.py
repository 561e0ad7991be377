"""Program files: written and read, damaged, and put anywhere in memory."""

import struct
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from zlib import crc32

import pytest
from small_networks import PROJECT, TINY, digits, two_inputs

from rtl_gen.api import load
from rtl_gen.host.compile import compile_network, packets_of
from rtl_gen.host.listing import listing
from rtl_gen.isa.descriptors import header
from rtl_gen.isa.packets import checksum
from rtl_gen.isa.program_file import Axis, FileTensor, ProgramFile, Segment, Window
from rtl_gen.isa.program_format import HEADER, STATUS, STRUCTURES, TENSOR, ProgramFileError


@pytest.fixture(scope="module")
def compiled():
    return compile_network(load(TINY).machine, digits(2))


def sealed(body: bytes) -> bytes:
    return body + crc32(body).to_bytes(4, "little")


def test_what_is_written_is_read(compiled):
    data = compiled.file.to_bytes()
    assert ProgramFile.from_bytes(data) == compiled.file
    assert data[:4] == b"RTLP" and len(data) == HEADER.unpack(data)["file_bytes"]
    tensor = FileTensor("bild ä", "output", 7, 9, (2, 3), (Axis(6, 2, 1, 4),), 0.1, -3)
    file = ProgramFile(
        design_hash=(1 << 64) - 1,
        memory_bytes=1 << 33,
        layers=1,
        estimated_cycles=1 << 40,
        tensors=(
            tensor,
            replace(tensor, direction="input", offset=1 << 32, element="uint8"),
            replace(tensor, element="int32"),
        ),
        windows=(Window(0, 1 << 33, 1),),
        segments=(Segment(1 << 32, b"123"), Segment(0, b"four")),
        relocations=(),
    )
    assert ProgramFile.from_bytes(file.to_bytes()) == file


def _changed(member: str, value: int):
    """A file with another number in its header, and the checksum that belongs to it."""

    def change(data: bytes) -> bytes:
        offset, code = HEADER.offsets[member], HEADER.member(member).code
        body = bytearray(data[:-4])
        struct.pack_into(f"<{code}", body, offset, value)
        return sealed(bytes(body))

    return change


DAMAGED = [
    (lambda data: b"", "TRUNCATED", "truncated: it has 0 bytes"),
    (lambda data: data[:50], "TRUNCATED", "truncated: it has 50 bytes"),
    (lambda data: data[:-1], "TRUNCATED", "truncated: it has"),
    (lambda data: data + b"\0", "TRUNCATED", "of them its own"),
    (lambda data: b"\x7fELF" + data[4:], "NOT_A_PROGRAM", "does not begin with RTLP"),
    (
        _changed("version", 3),
        "NEWER_FORMAT",
        "has version 3 of the format; this rtl-gen reads 1 to",
    ),
    (_changed("version", 0), "NEWER_FORMAT", "has version 0 of the format"),
    (lambda data: data[:200] + bytes([data[200] ^ 4]) + data[201:], "BAD_CHECKSUM", "is damaged"),
    (lambda data: data[:-9] + b"\1" + data[-8:], "BAD_CHECKSUM", "is damaged"),
    (_changed("tensors", 1 << 20), "NOT_A_PROGRAM", "its tensors do not fit the file"),
]


@pytest.mark.parametrize("change, status, message", DAMAGED)
def test_damaged_files(compiled, change, status, message):
    with pytest.raises(ProgramFileError, match=message) as caught:
        ProgramFile.from_bytes(change(compiled.file.to_bytes()))
    assert caught.value.status == status and "\n" not in str(caught.value)


def _row(table: str, member: str, *numbers: int):
    """A file with other numbers in a table's first row, and the checksum that belongs to it."""

    def change(data: bytes) -> bytes:
        rows = {one.name: one for one in STRUCTURES}
        header, at = HEADER.unpack(data), HEADER.bytes
        for name in ("tensor", "window", "segment", "relocation"):
            if name == table:
                break
            at += header[f"{name}s"] * rows[name].bytes
        code = rows[table].member(member).code
        body = bytearray(data[:-4])
        struct.pack_into(f"<{len(numbers)}{code}", body, at + rows[table].offsets[member], *numbers)
        return sealed(bytes(body))

    return change


OUTSIDE = {
    "tensor beyond the memory": _row("tensor", "offset", 1 << 40),
    "tensor whose end wraps": _row("tensor", "offset", (1 << 64) - 1),
    "elements beyond the tensor": _row("tensor", "bytes", 1),
    "too many axes": _row("tensor", "axes", 99),
    "elements of no type": _row("tensor", "format", 3),
    "an axis of none": _row("tensor", "layout", 0),
    "an axis without runs": _row("tensor", "layout", 1, 0),
    "name beyond the names": _row("tensor", "name", 1 << 20),
    "window beyond the memory": _row("window", "offset", 1 << 40),
    "more windows than there are": _changed("windows", 5),
    "segment beyond the memory": _row("segment", "offset", 1 << 40),
    "segment beyond the file": _row("segment", "file_offset", 1 << 40),
    "segment whose end wraps": _row("segment", "bytes", (1 << 64) - 16),
    "packet beyond the program": _row("relocation", "packet", 1 << 28),
    "address beyond the program": _row("relocation", "address", 1 << 28),
    "no segment": _changed("segments", 0),
}
"""Files whose checksum is right and whose tables are not."""


@pytest.mark.parametrize("change", OUTSIDE.values(), ids=OUTSIDE)
def test_tables_that_name_what_is_not_there(compiled, change):
    compiled.file.check_tables()
    with pytest.raises(ProgramFileError) as caught:
        ProgramFile.from_bytes(change(compiled.file.to_bytes())).check_tables()
    assert caught.value.status == "NOT_A_PROGRAM" and "\n" not in str(caught.value)


def test_every_wrong_byte_is_seen(compiled):
    data = compiled.file.to_bytes()
    for at in range(0, len(data), 97):
        with pytest.raises(ProgramFileError):
            ProgramFile.from_bytes(data[:at] + bytes([data[at] ^ 0x80]) + data[at + 1 :])


@pytest.mark.parametrize("network", ["digits", "two inputs"])
def test_a_program_anywhere_is_the_program_with_other_addresses(compiled, network, tmp_path):
    """At the base that it was mapped to it is, packet by packet, the program itself."""
    if network == "two inputs":
        machine = load(PROJECT / "dataflows" / "adaptive.yaml").machine
        compiled = compile_network(machine, two_inputs(tmp_path))
    file, program = compiled.file, compiled.program
    machine = program.steps[0].mapping.machine
    packets = packets_of(program)
    asked = [layer[p.engine] for p in packets for layer in [program.descriptors()[p.layer]]]
    for base in (program.base, 0xFEDC_BA98_7654_3000):
        words = struct.unpack(f"<{file.program_words}I", file.program_at(base))
        for packet, own in zip(packets, asked):
            count = len(packet.words) + 1
            header, crc, *body = words[packet.word : packet.word + count]
            assert crc == checksum([header, *body])
            record = machine.records[packet.engine]
            expected = record.unpack(own[1:])
            if "base" in expected and not expected.get("keep"):
                expected["base"] += base - program.base
            assert record.unpack(body) == expected
            assert header & 0xFFFF == len(body) and header >> 16 == own[0] >> 16
    assert file.program_words == sum(len(packet.words) + 1 for packet in packets)
    assert len(file.program_at(program.base)) >= len(program.descriptor_image())
    assert len(file.relocations) == sum(len(packet.addresses) for packet in packets) > 4


def test_memory_is_used_once(compiled):
    """Segments, inputs and outputs do not overlap; only outputs lie in what may be written."""
    file = compiled.file
    spans = [(s.offset, len(s.data), "segment") for s in file.segments]
    spans += [(t.offset, t.bytes, t.direction) for t in file.tensors]
    spans.sort()
    for (first, size, _), (after, _, _) in pairwise(spans):
        assert first + size <= after
    assert spans[-1][0] + spans[-1][1] <= file.memory_bytes
    written = [window for window in file.windows if window.access == 2]
    for first, size, what in spans:
        inside = [w for w in written if w.offset <= first < first + size <= w.offset + w.bytes]
        assert len(inside) == (what == "output"), what


def test_addresses_must_be_pages(compiled):
    with pytest.raises(ProgramFileError, match="must begin with a page of 4096 bytes, not at 0x10"):
        compiled.file.program_at(0x10)


def test_other_versions(compiled):
    file = compiled.file
    file.check_design(file.design_hash, file.descriptor_version, file.registers_version)
    with pytest.raises(ProgramFileError, match=r"design 0*1, not for"):
        replace(file, design_hash=1).check_design(file.design_hash, 0, 0)
    with pytest.raises(ProgramFileError, match="descriptors of version 1 and registers of"):
        replace(file, descriptor_version=1).check_design(
            file.design_hash, file.descriptor_version, file.registers_version
        )


def test_the_listing_names_all_that_is_there(compiled):
    text = listing(compiled)
    for number, name in enumerate(["conv0", "conv1", "conv2", "dense"]):
        assert f"layer {number}: {name}\n" in text
    lines = text.splitlines()
    for packet in packets_of(compiled.program):
        at = compiled.file.program_offset + 4 * packet.word
        assert f"  {at:#010x} {packet.engine}, {len(packet.words)} words" in lines
    assert f"{compiled.file.design_hash:016x}" in text and "image: 2 x 1 x 8 x 8" in text
    assert max(map(len, lines)) <= 140 and not any(line.endswith(" ") for line in lines)


def test_the_documentation_has_every_member():
    """docs/program.md: a row for each member of each structure, with its place, and each status."""
    text = (Path(PROJECT) / "docs" / "program.md").read_text()
    for structure in STRUCTURES:
        for member, offset in structure.offsets.items():
            count = structure.member(member)
            row = f"| {offset} | {count.bytes} | `{member}` | {count.doc} |"
            assert row in text, row
    assert all(f"`{name}`" in text for name in STATUS) and TENSOR.bytes == 208


def test_an_address_takes_two_words_even_if_nothing_is_behind_it(compiled):
    """The shortest packet: its record's trailing zeros are left out, but not of the address."""
    step = compiled.program.steps[0]
    body = step.mapping.machine.records["load_parameters"].pack({"base": 0x3000})
    assert len(body) == 1
    layer = {"load_parameters": [header("load_parameters", 1), *body]}
    program = SimpleNamespace(descriptors=lambda: [layer], steps=[step], base=0x1000)
    (packet,) = packets_of(program)
    assert packet.words == (header("load_parameters", 2), 0x2000, 0) and packet.addresses == (2,)
