"""The C driver without an accelerator: how it compiles, what it refuses, where it puts things."""

import ctypes
import struct
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from c_driver import FLAGS, CDriver, build_driver
from fake_registers import FakeRegisters
from small_networks import PROJECT, TINY, digits, flat, two_inputs
from test_program_files import DAMAGED, OUTSIDE

from rtl_gen.api import load
from rtl_gen.host.compile import compile_network
from rtl_gen.host.layout import gather, scatter
from rtl_gen.isa.errors import EXPLANATIONS
from rtl_gen.isa.program_file import ProgramFile
from rtl_gen.isa.program_format import STATUS
from rtl_gen.isa.registers import BY_NAME, MAGIC

ADAPTIVE = PROJECT / "dataflows" / "adaptive.yaml"


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return build_driver(tmp_path_factory.mktemp("driver"), TINY)


@pytest.fixture(scope="module")
def file():
    return compile_network(load(TINY).machine, digits(2)).file


def opened(library, design=TINY, size=1 << 20, **others) -> CDriver:
    memory = np.random.default_rng(1).integers(0, 256, size).astype(np.uint8)
    driver = CDriver(library, FakeRegisters(design, **others), memory)
    assert driver.open() == "OK"
    return driver


def test_it_needs_no_library_and_passes_the_analyzer(library):
    """Nothing is undefined in the object: no malloc, not even memcpy."""
    source, made = library.with_name("rtl_gen.c"), library.with_name("rtl_gen.o")
    for level in ("-O0", "-Os", "-O2"):
        command = ["gcc", *FLAGS, level, "-fanalyzer", "-c", "-o", str(made), str(source)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert not done.returncode and not done.stderr, done.stderr
        symbols = subprocess.run(
            ["nm", "-u", str(made)], capture_output=True, text=True, check=True
        )
        assert not symbols.stdout


def test_words_are_those_of_the_description(library):
    driver = CDriver(library, FakeRegisters(TINY), np.zeros(4096, np.uint8))
    assert [driver.text("status_text", n) for n in range(len(STATUS))] == list(STATUS.values())
    for code, text in EXPLANATIONS.items():
        assert driver.text("error_text", code) == text
    assert driver.text("engine_name", 7) == "store" and driver.text("engine_name", 99) == "none"


@pytest.mark.parametrize("change, status, message", DAMAGED[:-1])
def test_damaged_files_are_refused_as_in_python(library, file, change, status, message):
    driver = opened(library)
    before = driver.memory.copy()
    assert driver.load(change(file.to_bytes())) == status
    assert driver.call("run") == "NOT_LOADED"
    assert (driver.memory == before).all() and not driver.backend.get("WINDOW0_ACCESS")


@pytest.mark.parametrize("change", OUTSIDE.values(), ids=OUTSIDE)
def test_tables_that_name_what_is_not_there_are_refused_as_in_python(library, file, change):
    driver = opened(library)
    before = driver.memory.copy()
    assert driver.load(change(file.to_bytes())) == "NOT_A_PROGRAM"
    assert (driver.memory == before).all() and not driver.backend.get("WINDOW0_ACCESS")


def test_a_load_during_a_run_leaves_that_run(library, file):
    driver = opened(library)
    assert driver.load(file.to_bytes()) == "OK"
    before = driver.memory.copy()
    driver.backend.set("STATUS", BY_NAME["STATUS"].pack({"running": 1}))
    assert driver.load(file.to_bytes()) == "BUSY" and driver.call("start") == "BUSY"
    driver.backend.set("STATUS", 0)
    assert (driver.memory == before).all() and driver.call("start") == "OK"


@pytest.mark.parametrize(
    "change, status",
    [
        ({"design_hash": 5}, "OTHER_DESIGN"),
        ({"descriptor_version": 200}, "OTHER_VERSION"),
        ({"registers_version": 3}, "OTHER_VERSION"),
        ({"memory_bytes": (1 << 20) + 4096}, "LITTLE_MEMORY"),
        ({"memory_bytes": 1 << 40}, "LITTLE_MEMORY"),
    ],
)
def test_files_for_others_are_refused(library, file, change, status):
    assert opened(library).load(replace(file, **change).to_bytes()) == status


def test_what_is_no_accelerator(library):
    memory = np.zeros(4096, np.uint8)
    driver = CDriver(library, FakeRegisters(TINY), memory)
    for name, value, status in (
        ("IDENTITY", MAGIC ^ 1, "NO_ACCELERATOR"),
        ("VERSIONS", 0x0103, "OTHER_REGISTERS"),
    ):
        driver.backend = FakeRegisters(TINY)
        driver = CDriver(library, driver.backend, memory)
        driver.backend.set(name, value)
        assert driver.open() == status
    driver = CDriver(library, FakeRegisters(TINY, address=0x800), memory)
    assert driver.open() == "UNALIGNED_MEMORY"


@pytest.mark.parametrize("address", [0, 0x8000_0000, 0xFEDC_BA98_7654_3000])
def test_memory_and_registers_are_set_as_in_python(library, file, address):
    driver = opened(library, address=address)
    assert driver.load(file.to_bytes()) == "OK"
    for segment in file.segments[:-1]:
        assert driver.memory[segment.offset :][: len(segment.data)].tobytes() == segment.data
    program = file.program_at(address)
    assert driver.memory[file.program_offset :][: len(program)].tobytes() == program
    get = driver.backend.get
    where = get("PROGRAM_HIGH") << 32 | get("PROGRAM_LOW")
    assert where == address + file.program_offset
    assert get("PROGRAM_WORDS") == file.program_words
    for n in range(4):
        if n >= len(file.windows):
            assert not get(f"WINDOW{n}_ACCESS")
            continue
        window = file.windows[n]
        first = get(f"WINDOW{n}_FIRST_HIGH") << 32 | get(f"WINDOW{n}_FIRST_LOW")
        last = get(f"WINDOW{n}_LAST_HIGH") << 32 | get(f"WINDOW{n}_LAST_LOW")
        assert (first, last) == (address + window.offset, first + window.bytes - 1)
        assert get(f"WINDOW{n}_ACCESS") == window.access


@pytest.mark.parametrize("make", [digits, flat, two_inputs])
def test_arrays_go_where_python_puts_them(library, make, tmp_path):
    design = ADAPTIVE if make is two_inputs else TINY
    graph = make(tmp_path) if make is not digits else digits(3)
    file: ProgramFile = compile_network(load(design).machine, graph).file
    driver, rng = opened(library, design), np.random.default_rng(3)
    assert driver.load(file.to_bytes()) == "OK"
    for name, places in file.named("input").items():
        array = rng.integers(-128, 128, places[0].shape).astype(np.int8)
        assert driver.write_input(name, array[..., :-1]) == "WRONG_SIZE"
        assert driver.write_input(name, array) == "OK"
        for tensor in places:
            data = driver.memory[tensor.offset :][: tensor.bytes].tobytes()
            np.testing.assert_array_equal(gather(data, tensor.layout, tensor.shape), array)
    for name, (tensor,) in file.named("output").items():
        array = rng.integers(-128, 128, tensor.shape).astype(np.int8)
        data = np.frombuffer(scatter(array, tensor.layout, tensor.bytes), np.uint8)
        driver.memory[tensor.offset :][: tensor.bytes] = data
        got = np.zeros_like(array)
        assert driver.read_output(name, got) == "OK"
        np.testing.assert_array_equal(got, array)
    for other in ("", "nothing", f"{name}x", name[:-1]):
        assert driver.read_output(other, got) == driver.write_input(other, got) == "NO_TENSOR"


def test_what_is_known_of_tensors(library, file):
    driver = opened(library)
    assert driver.call("tensor_at", 0, 0, None) == "NOT_LOADED"
    driver.load(file.to_bytes())
    (given,), (result,) = driver.tensors(0), driver.tensors(1)
    for found, named in ((given, "input"), (result, "output")):
        ((name, (tensor,)),) = file.named(named).items()
        assert (found.name.decode(), found.offset) == (name, tensor.offset)
        assert tuple(found.shape[: found.rank]) == tensor.shape
        assert (found.scale, found.zero) == (tensor.scale, tensor.zero)
        assert found.elements == tensor.elements


def test_a_run_that_is_on(library, file):
    driver = opened(library)
    driver.backend.set("STATUS", 1)
    assert driver.load(file.to_bytes()) == "BUSY"
    driver.backend.set("STATUS", 0)
    assert driver.load(file.to_bytes()) == "OK"
    driver.backend.set("STATUS", 1)
    assert driver.call("start") == "BUSY"


def test_registers_in_the_address_space(library):
    """The accesses for registers that lie in memory, on memory."""
    words = (ctypes.c_uint32 * 8)(*range(100, 108))
    loaded = ctypes.CDLL(str(library))
    loaded.rtl_gen_mmio_read32.restype = ctypes.c_uint32
    loaded.rtl_gen_mmio_write32(words, 12, 0xDEAD_BEEF)
    assert loaded.rtl_gen_mmio_read32(words, 12) == 0xDEAD_BEEF
    assert list(words) == [100, 101, 102, 0xDEAD_BEEF, 104, 105, 106, 107]


def test_headers_have_the_offsets_of_the_registers(library, tmp_path):
    """Every register's place in PeakRDL's header is its offset."""
    rows = "\n".join(
        f'    printf("%zu\\n", offsetof(rtl_gen_t, {register.name}));'
        for register in BY_NAME.values()
    )
    source = tmp_path / "places.c"
    source.write_text(
        '#include <stddef.h>\n#include <stdio.h>\n#include "rtl_gen_registers.h"\n'
        f"int main(void)\n{{\n{rows}\n    return 0;\n}}\n"
    )
    made = tmp_path / "places"
    subprocess.run(["gcc", f"-I{library.parent}", "-o", made, source], check=True)
    printed = subprocess.run([made], capture_output=True, text=True, check=True).stdout
    assert list(map(int, printed.split())) == [register.offset for register in BY_NAME.values()]
    assert struct.calcsize("P") == ctypes.sizeof(ctypes.c_void_p)
