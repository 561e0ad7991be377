"""An accelerator whose memories are instances of the wrapper, as rtl-gen ships it."""

import pytest
from designs import run_cases, small_machine
from random_layers import Limits, draw_case

from rtl_gen.flow.design import accelerator_verilog
from rtl_gen.spec.design import KIB


@pytest.fixture(scope="module")
def machine():
    return small_machine("weight_stationary", 3, 5, buffers=2 * KIB, memories="sram")


def test_random_layers_are_exact(machine, tell):
    """What the wrapper reads of a word that is being written is wrong on purpose."""
    seeds = range(5000, 5012)
    limits = Limits(pixels=12, macs=100_000)
    cases = [draw_case(machine, seed, tiled=seed % 5 < 2, limits=limits) for seed in seeds]
    run_cases(machine, cases, tell, seed=1)


def test_only_memories_read_at_once_are_written_out(machine):
    verilog = accelerator_verilog(machine)
    modules = verilog.text.split("\nendmodule")
    memories = [text for text in modules if "_memory_" in text.partition("(")[0]]
    written = [text for text in memories if "rtl_gen_sram" not in text]
    assert len(written) < len(memories)
    assert all("_async" in text.partition("(")[0] for text in written)
    assert "module rtl_gen_sram" in verilog.wrapper and "module rtl_gen_sram" not in verilog.text
