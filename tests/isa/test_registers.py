"""The register map as data."""

import ast
import re
from dataclasses import fields
from pathlib import Path

import pytest

from rtl_gen import isa
from rtl_gen.isa import errors
from rtl_gen.isa.capabilities import Capabilities, identification
from rtl_gen.isa.counters import COUNTERS, reasons
from rtl_gen.isa.descriptors import ENGINES, VERSION
from rtl_gen.isa.registers import (
    ADDRESS_BITS,
    BY_NAME,
    COUNTER_BASE,
    REGISTERS,
    REGISTERS_VERSION,
    BitField,
    Register,
    engine_register,
    listing,
)
from rtl_gen.isa.widths import IDIOMS, Widths

WIDTHS = {
    "levels": 12,
    "dma_levels": 8,
    "load_checks": 2,
    "feed_checks": 3,
    "input_held": True,
    "groups": 2,
    "input_words": 8192,
    "weight_words": 4096,
    "parameter_words": 1024,
    "output_words": 8000,
    "accumulators": 1024,
    "block": 16,
    "residual_checks": 4,
    "input_reads": 9,
    "input_loops": 2,
    "input_taps": 3,
    "input_depth": 4,
    "weight_depth": 6,
    "sums_kept": 9,
    "sums_pieces": True,
    "tick_steps": True,
    "output_checks": 2,
    "input_idiom": "scratchpad",
    "weight_idiom": "fifo",
    "image_words": 512,
    "modes": 3,
    "vector": True,
    "raw": True,
}
DESIGN = {
    "rows": 12,
    "columns": 14,
    "operand_bits": 8,
    "accumulator_bits": 27,
    "bus_bits": 128,
    "post_lanes": 4,
    "queue_words": 256,
    "widths": Widths(**WIDTHS),
}


def test_names_and_places_are_distinct_and_ascending():
    offsets = [register.offset for register in REGISTERS]
    assert offsets == sorted(set(offsets))
    assert max(offsets) < 1 << ADDRESS_BITS
    assert len(BY_NAME) == len(REGISTERS)


@pytest.mark.parametrize(
    "name, offset",
    [
        ("IDENTITY", 0x000),
        ("ENGINES", 0x020),
        ("CONTROL", 0x040),
        ("STATUS", 0x044),
        ("WATCHDOG", 0x054),
        ("PROGRAM_LOW", 0x070),
        ("PROGRAM_WORDS", 0x078),
        ("QUEUE_LOAD_INPUT", 0x100),
        ("QUEUE_STORE", 0x170),
        ("ROOM_STORE", 0x174),
        ("CYCLES_LOW", 0x200),
        ("BUSY_LOAD_INPUT", 0x214),
        ("WAIT_BUS_LOAD_INPUT", 0x220),
        ("BYTES_STORE", 0x29C),
    ],
)
def test_places_that_drivers_know(name, offset):
    assert BY_NAME[name].offset == offset, "a register that moves needs a new REGISTERS_VERSION"


def test_every_engine_has_its_registers():
    for kind in ("QUEUE", "ROOM"):
        for engine in ENGINES:
            register = engine_register(kind, engine)
            assert register.name == f"{kind}_{engine.upper()}"
            assert (register.access == "write") == (kind == "QUEUE")


def test_every_engine_has_counters_of_what_it_can_wait_for():
    for engine in ENGINES:
        waits = {"data"} | ({"bus"} if engine == "store" else {"room"})
        waits |= {"bus"} if engine.startswith("load") else set()
        assert set(reasons(engine)) == waits
        kinds = ["BUSY", *(f"WAIT_{reason.upper()}" for reason in reasons(engine)), "BYTES"]
        assert [c.kind for c in COUNTERS if c.engine == engine] == kinds
        for kind in kinds:
            assert BY_NAME[f"{kind}_{engine.upper()}"].access == "read"


def test_counters_lie_one_behind_the_other():
    """The index of a counter is that of its register."""
    for n, counter in enumerate(COUNTERS):
        assert BY_NAME[counter.name].offset == COUNTER_BASE + 4 * n


def test_identification_tells_a_driver_all_it_packs_descriptors_by():
    values = identification(Capabilities(**DESIGN, design_hash=0x0123_4567_89AB_CDEF))
    seen = {name: BY_NAME[name].unpack(word) for name, word in values.items()}
    assert seen["IDENTITY"]["value"].to_bytes(4, "big") == b"RTLG"
    assert seen["VERSIONS"] == {"descriptor": VERSION, "registers": REGISTERS_VERSION}
    assert values["HASH1"] << 32 | values["HASH0"] == 0x0123_4567_89AB_CDEF
    assert seen["ENGINES"] == dict.fromkeys((*ENGINES, "vector"), 1)
    told = {name: value for word in seen.values() for name, value in word.items()}
    told |= {name.lower(): word["value"] for name, word in seen.items() if "value" in word}
    expected = {name: value for name, value in DESIGN.items() if name != "widths"} | WIDTHS
    expected |= {name: IDIOMS.index(WIDTHS[name]) for name in ("input_idiom", "weight_idiom")}
    told["modes"] = 1 + told["more_modes"]
    assert {field.name for field in fields(Widths)} == set(WIDTHS)
    assert {name: told[name] for name in expected} == expected


def test_every_register_without_a_reset_value_is_given_by_the_design():
    rooms = {engine_register("ROOM", engine).name for engine in ENGINES}
    without = {register.name for register in REGISTERS if register.reset is None}
    assert without - rooms == set(identification(Capabilities(**DESIGN))) - {"IDENTITY"}


@pytest.mark.parametrize(
    "values, message",
    [
        ({"rows": 1 << 16}, "ARRAY.rows must be 0..65535, not 65536"),
        ({"post_lanes": -1}, "WORD.post_lanes must be 0..255, not -1"),
        ({"design_hash": 1 << 64}, f"design_hash must be 0..2^64 - 1, not {1 << 64}"),
        (
            {"engines": ("store", "compute")},
            f"engines must be some of {', '.join(ENGINES)} in that order, not ('store', 'compute')",
        ),
        (
            {"engines": ("storage",)},
            f"engines must be some of {', '.join(ENGINES)} in that order, not ('storage',)",
        ),
    ],
)
def test_capabilities_that_cannot_be(values, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Capabilities(**DESIGN | values)


def test_fields_pack_and_unpack():
    status = BY_NAME["STATUS"]
    values = {"running": 1, "error": 0, "overflow": 1, "in_flight": 1}
    values |= {"error_code": 5, "error_engine": 15, "error_descriptor": 0x123}
    assert status.pack(values) == 0x0123_F50D
    assert status.unpack(status.pack(values)) == values
    with pytest.raises(ValueError, match=r"^STATUS has no field 'code'$"):
        status.pack({"code": 1})
    with pytest.raises(ValueError, match=r"^STATUS.error_code must be 0..15, not 16$"):
        status.pack({"error_code": 16})


def test_registers_that_cannot_be():
    with pytest.raises(ValueError, match=r"^field a must lie in bits 0..31, not 30..32$"):
        BitField("a", 30, 3, "")
    with pytest.raises(ValueError, match=r"^X.b must not overlap another field$"):
        Register("X", 0, "read", (BitField("a", 0, 4, ""), BitField("b", 3, 1, "")), "")
    rule = r"^offset of X must be a multiple of 4 bytes below 0x1000, not 4096$"
    with pytest.raises(ValueError, match=rule):
        Register("X", 4096, "read", (), "")


def test_the_listing_shows_every_register_and_field():
    text = listing()
    for register in REGISTERS:
        assert f"| {register.offset:#05x} | {register.name} |" in text
        for field in register.fields:
            assert field.bits == 32 or f"| .{field.name} |" in text
    assert len({line.count("|") for line in text.splitlines()}) == 1


def test_error_codes_fit_and_are_explained():
    codes = [
        value
        for name, value in vars(errors).items()
        if name.isupper() and isinstance(value, int) and name != "ERROR_BITS"
    ]
    assert sorted(codes) == sorted(set(codes)) == sorted(errors.EXPLANATIONS)
    assert all(code in range(1 << errors.ERROR_BITS) for code in codes)
    assert (
        next(f.bits for f in BY_NAME["STATUS"].fields if f.name == "error_code")
        == errors.ERROR_BITS
    )
    assert errors.explain(errors.WATCHDOG) == errors.EXPLANATIONS[errors.WATCHDOG]
    assert errors.explain(14) == "unknown error code 14"


def test_the_package_imports_nothing_of_the_project():
    for path in Path(isa.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                inside = node.level == 1
                known = ("collections.abc", "dataclasses", "math", "typing", "zlib")
                assert inside or node.module in known, path
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            assert set(names) <= {"struct"}, path
