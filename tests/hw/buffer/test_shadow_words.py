"""Shadow words: what is emitted does what is simulated, and both do what they should."""

import random

import pytest
from amaranth.back import verilog
from amaranth.sim import Simulator

from rtl_gen.flow.verilog import emit
from rtl_gen.flow.yosys import run_yosys
from rtl_gen.hw.buffer.shadow_words import ShadowWords

KINDS = [((3, 1, 2), True), ((3, 1, 2), False), ((4,), True), ((1, 2), False)]

STEPS = 6
"""Cycles from reset that are looked at: a word is written, taken, written again and taken."""


@pytest.mark.parametrize("kind", KINDS)
def test_it_emits_what_it_simulates(kind):
    """No inputs tell them apart in the first cycles; their registers hold no more than that."""
    ours = emit(ShadowWords, *kind, "ours")
    amaranths = verilog.convert(ShadowWords(*kind, "simulated"), name="simulated", emit_src=False)
    assert ("rst" in ours) == kind[1]
    assert ("if (rst)" in amaranths) == kind[1]
    script = [
        "read_verilog ours.v simulated.v",
        "proc",
        *([] if kind[1] else ["delete -port simulated/rst"]),  # Amaranth always has it
        "miter -equiv -flatten ours simulated both",
        "hierarchy -top both",
        "opt_clean",
        f"sat -verify -prove trigger 0 -seq {STEPS} -set-init-zero both",
    ]
    run_yosys("\n".join(script) + "\n", {"ours.v": ours, "simulated.v": amaranths})


@pytest.mark.parametrize("kind", KINDS)
def test_words_are_handed_over_whole(kind):
    used, clears = kind
    rng, dut = random.Random(str(kind)), ShadowWords(*kind, "shadow")
    shadow, taken = [0] * len(used), None

    async def testbench(ctx):
        nonlocal shadow, taken
        for _ in range(200):
            word, take = rng.getrandbits(max(used)), rng.random() < 0.3
            place = rng.choice([None, *range(len(used))])
            ctx.set(dut.word, word)
            ctx.set(dut.write, 0 if place is None else 1 << place)
            ctx.set(dut.take, take)
            if taken is not None:
                assert ctx.get(dut.words) == taken
            await ctx.tick()
            if take:
                taken = sum(v << sum(used[:n]) for n, v in enumerate(shadow))
            if place is not None:
                shadow[place] = word & ((1 << used[place]) - 1)
            if take and clears:
                shadow = [0] * len(used)

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    simulator.run()
