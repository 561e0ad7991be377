"""The wrapper of memories: as Verilog, and as a black box of synthesis."""

import subprocess

import pytest
from emitted_designs import accelerator

from rtl_gen.flow.design import SRAM_FILE, VerilogDesign
from rtl_gen.flow.synthesis import cell_counts, check_structure
from rtl_gen.flow.verilog import emit
from rtl_gen.flow.yosys import YosysError
from rtl_gen.hw.buffer.memory import Memory
from rtl_gen.sim.compiler import find_toolchain

SIZES = [(512, 128, 8), (4, 35, 35), (2, 1, 1), (40, 32, 32)]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_verilator_has_nothing_to_say_about_the_wrapper(size):
    toolchain = find_toolchain()
    sizes = [f"-G{name}={n}" for name, n in zip(("WORDS", "WIDTH", "GRANULE"), size)]
    done = subprocess.run(
        [str(toolchain.verilator), "--lint-only", "-Wall", *sizes, str(SRAM_FILE)],
        env=toolchain.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def design() -> VerilogDesign:
    return accelerator("weight_stationary", 3, 5, memories="sram")


@pytest.mark.long
def test_synthesis_leaves_the_wrapper_alone(design):
    counts = cell_counts(design)
    assert counts.kinds["rtl_gen_sram"] >= 5 + 8, "buffers, accumulators and queues"
    inferred = cell_counts(accelerator("weight_stationary", 3, 5))
    assert "rtl_gen_sram" not in inferred.kinds
    whole = {kind: n for kind, n in counts.kinds.items() if kind.startswith("$mem")}
    rest = inferred.kinds["$mem_v2"] - counts.kinds["rtl_gen_sram"]
    assert whole == {"$mem_v2": rest}, "those that are read at once"
    assert counts.memory_bits < inferred.memory_bits / 100
    check_structure(design)


def test_without_the_wrappers_file_the_design_is_not_whole(design):
    with pytest.raises(YosysError, match="rtl_gen_sram"):
        check_structure(VerilogDesign(design.top, design.text))


@pytest.mark.parametrize("kind", [(16, 12, 8), (9, 5, 0)])
def test_a_memory_is_the_wrapper_and_nothing_else(kind):
    width, depth, granule = kind
    text = emit(Memory, *kind, memories="sram")
    for name, size in (("WIDTH", width), ("WORDS", depth), ("GRANULE", granule or width)):
        assert f".{name}(32'd{size})" in text
    assert "always" not in text and "reg" not in text


def test_a_memory_that_is_read_at_once_stays_as_it_is():
    kind = (9, 5, 0, True)
    assert emit(Memory, *kind, memories="sram") == emit(Memory, *kind)
