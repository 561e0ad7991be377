"""A device behind mapped files: ordinary files stand for its registers and memory."""

import mmap
import struct
import threading

import numpy as np
import pytest
from fake_registers import design_words
from small_networks import TINY, digits, images

import rtl_gen
from rtl_gen.host.backend import DeviceError
from rtl_gen.host.compile import compile_network
from rtl_gen.host.layout import gather, scatter
from rtl_gen.host.mapped import MappedDevice
from rtl_gen.isa.registers import BY_NAME

MEMORY, AT, ADDRESS = 1 << 17, 1 << 12, 0x7000_0000
PAGE = 4096


class Chip:
    """The other side of the files: what a device would do with its registers and memory."""

    def __init__(self, registers, memory):
        self.registers = _mapped(registers, PAGE, 0)
        self.memory = _mapped(memory, MEMORY, AT)

    def get(self, name: str) -> int:
        return struct.unpack_from("<I", self.registers, BY_NAME[name].offset)[0]

    def set(self, name: str, value: int) -> None:
        struct.pack_into("<I", self.registers, BY_NAME[name].offset, value)

    def close(self):
        self.registers.close()
        self.memory.close()


def _mapped(path, size, at):
    with open(path, "r+b") as file:
        return mmap.mmap(file.fileno(), size, offset=at)


@pytest.fixture
def chip(tmp_path):
    registers, memory = tmp_path / "registers", tmp_path / "memory"
    registers.write_bytes(bytes(PAGE))
    memory.write_bytes(np.random.default_rng(2).bytes(AT + MEMORY))
    made = Chip(registers, memory)
    for offset, value in design_words(TINY).items():
        struct.pack_into("<I", made.registers, offset, value)
    yield made
    made.close()


def opened(tmp_path, **others) -> MappedDevice:
    files = (tmp_path / "registers", tmp_path / "memory")
    return MappedDevice(*files, address=ADDRESS, memory_bytes=MEMORY, memory_at=AT, **others)


def test_a_program_from_load_to_output(chip, tmp_path):
    """The device finds in registers and memory what the file says; what it writes is read."""
    file = compile_network(rtl_gen.load(TINY).machine, digits(2)).file
    result = np.random.default_rng(4).integers(-128, 128, (2, 10)).astype(np.int8)
    (given,), (written,) = file.named("input")["image"], file.named("output")["scores"]

    def work() -> None:
        """Wait for the start; answer."""
        while not chip.get("CONTROL") & 1:
            pass
        data = scatter(result, written.layout, written.bytes)
        chip.memory[written.offset : written.offset + written.bytes] = data
        chip.set("CYCLES_LOW", 4711)
        chip.set("STATUS", 0)

    with rtl_gen.Accelerator(TINY, opened(tmp_path)) as accelerator:
        accelerator.load(file)
        accelerator.write_input("image", images(2))
        program = file.program_at(ADDRESS)
        assert chip.memory[file.program_offset :][: len(program)] == program
        data = chip.memory[given.offset : given.offset + given.bytes]
        np.testing.assert_array_equal(gather(data, given.layout, given.shape), images(2))
        assert chip.get("PROGRAM_LOW") == ADDRESS + file.program_offset
        assert chip.get("WINDOW0_LAST_LOW") == ADDRESS + file.memory_bytes - 1
        assert chip.get("WINDOW1_ACCESS") == 2 and chip.get("WINDOW3_ACCESS") == 0
        _runs_from_its_start(accelerator.backend, chip)  # until the work is done
        worker = threading.Thread(target=work)
        worker.start()
        assert accelerator.run() == 4711
        worker.join()
        np.testing.assert_array_equal(accelerator.read_output("scores"), result)
        chip.set("STATUS", 1 << 1 | 4 << 8 | 7 << 12 | 3 << 16)
        with pytest.raises(DeviceError, match="store, descriptor 3: memory answered a write"):
            _run_to_error(accelerator, chip)


def _runs_from_its_start(backend, chip) -> None:
    write = backend.write32

    def write32(offset: int, value: int) -> None:
        if offset == BY_NAME["CONTROL"].offset and value & 1:
            chip.set("STATUS", 1)
        write(offset, value)

    backend.write32 = write32


def test_a_run_that_is_on_and_one_that_does_not_end(chip, tmp_path):
    """Nothing is written under a run; a run that is given up is ended, with a reset."""
    file = compile_network(rtl_gen.load(TINY).machine, digits(2)).file
    with rtl_gen.Accelerator(TINY, opened(tmp_path, seconds=0.02)) as accelerator:
        accelerator.load(file)
        before = bytes(chip.memory)
        chip.set("STATUS", 1)
        for act in (lambda: accelerator.load(file), accelerator.run):
            with pytest.raises(DeviceError, match="a run is on"):
                act()
        assert bytes(chip.memory) == before and chip.get("CONTROL") == 0
        chip.set("STATUS", 0)
        written, write = [], accelerator.backend.write32

        def write32(offset: int, value: int) -> None:
            written.append((offset, value))
            if offset not in (BY_NAME["CONTROL"].offset, BY_NAME["INTERRUPT"].offset):
                write(offset, value)  # of these two the device has its own

        accelerator.backend.write32 = write32
        with pytest.raises(DeviceError, match="no interrupt came within"):
            accelerator.run()
        control = BY_NAME["CONTROL"].offset
        assert [value for offset, value in written if offset == control] == [1, 4]


def _run_to_error(accelerator, chip) -> None:
    """A reset of the device ends at once."""
    chip.set("CONTROL", 0)
    backend = accelerator.backend
    write = backend.write32
    backend.write32 = lambda offset, value: write(
        offset, 0 if offset == BY_NAME["CONTROL"].offset else value
    )
    accelerator.run()


def test_waits_for_the_interrupt(chip, tmp_path):
    with opened(tmp_path, seconds=0.05) as device:
        with pytest.raises(DeviceError, match=r"no interrupt came within 0\.05 s"):
            device.wait_interrupt()
        device.seconds = 30
        threading.Timer(0.02, chip.set, ("INTERRUPT", 1)).start()
        device.wait_interrupt()


def test_no_accelerator_and_another_design(chip, tmp_path):
    chip.set("HASH0", 1)
    with opened(tmp_path) as device, pytest.raises(DeviceError, match="which is tiny"):
        rtl_gen.Accelerator(TINY, device)
    chip.set("IDENTITY", 0)
    with opened(tmp_path) as device, pytest.raises(DeviceError, match="IDENTITY is 0x00000000"):
        rtl_gen.Accelerator(None, device)


def test_numbers_and_bounds(chip, tmp_path):
    with pytest.raises(ValueError, match="address must be a multiple of 4096 bytes, not 0x7"):
        MappedDevice("a", "b", address=7, memory_bytes=4096)
    with opened(tmp_path) as device:
        for write in (
            lambda: device.write_memory(MEMORY - 1, b"ab"),
            lambda: device.read_memory(-1, 1),
        ):
            with pytest.raises(ValueError, match="lie outside the memory"):
                write()
    with pytest.raises(FileNotFoundError):
        opened(tmp_path / "nowhere")
