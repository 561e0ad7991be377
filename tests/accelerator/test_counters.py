"""The counters of engines: what the host reads is what the bench counted, and none is always 0.

Every program that is simulated compares all of them (``ProgramResult.problems``).
"""

import dataclasses

import pytest
from designs import small_machine

from rtl_gen.isa.counters import COUNTERS, reasons
from rtl_gen.isa.registers import BY_NAME
from rtl_gen.mapping.mapper import choose_mapping
from rtl_gen.mapping.program import Program
from rtl_gen.sim.job import MemoryTiming
from rtl_gen.sim.layers import check_layers, random_data
from rtl_gen.sim.programs import build_machine, program_job
from rtl_gen.sim.run import Simulation
from rtl_gen.sim.script import Read, Write
from rtl_gen.spec.design import KIB
from rtl_gen.spec.layer import conv2d

LAYERS = (
    conv2d(name="padded", k=20, c=20, h=9, w=9, r=3, s=3, pad=(1, 1, 1, 1)),
    conv2d(name="many outputs", k=64, c=4, h=8, w=6, r=1, s=1),
    conv2d(name="one pixel", k=4, c=64, h=1, w=1, r=1, s=1),
    # The last channel block has one step in each image: parameters come too late.
    conv2d(name="few steps a block", k=20, c=4, h=1, w=1, r=1, s=1, n=8),
)
SLOW = MemoryTiming(latency=30, bandwidth=0.1, stall_aw=500, stall_w=900, stall_b=500)


@pytest.fixture(scope="module")
def machine():
    return small_machine("weight_stationary", 4, 4, buffers=2 * KIB)


@pytest.fixture(scope="module")
def build(machine):
    """That of the tests of overlap and of random layers."""
    return build_machine(machine, waves=True)


def test_every_engine_waits_for_everything_it_can(machine, build):
    simulation = Simulation(build, seed=1)
    known = [c for c in COUNTERS if c.engine is None or c.engine in machine.engines]
    seen = dict.fromkeys((counter.name for counter in known), 0)
    work = [(layer, *random_data(machine.operation, layer, n)) for n, layer in enumerate(LAYERS)]
    for timing in (MemoryTiming(), SLOW):
        for check in check_layers(machine, simulation, work, timing=timing):
            assert check.exact, check.done.problems
            for name in seen:
                seen[name] = max(seen[name], check.done.counters[name])
    missing = {name for name, count in seen.items() if not count}
    # No run of a test has 2^32 cycles; parameters are few, and there is always room for them here.
    assert missing <= {"CYCLES_HIGH", "WAIT_ROOM_LOAD_PARAMETERS"}
    for engine in machine.engines:
        assert all(f"WAIT_{reason.upper()}_{engine.upper()}" in seen for reason in reasons(engine))


def test_a_snapshot_in_the_middle_of_a_run(machine, build):
    """Its registers are read one after the other and are of one cycle all the same."""
    layer = LAYERS[0]
    source, data = random_data(machine.operation, layer, 1)
    program = Program()
    program.add(choose_mapping(machine, layer), data, source=source)
    job = program_job(program, "snapshots", timing=MemoryTiming.stalling(300))
    script, snapshots = list(job.script), 20
    ends = next(n for n, entry in enumerate(script) if type(entry).__name__ == "WaitInterrupt")
    counted = [Read(BY_NAME[counter.name].offset) for counter in COUNTERS]
    taken = [Write(BY_NAME["CONTROL"].offset, 0b1000), *counted] * snapshots
    job = dataclasses.replace(job, script=[*script[:ends], *taken, *script[ends:]])
    [result] = Simulation(build, seed=2).run([job])
    assert not result.problems
    before = dict.fromkeys((counter.name for counter in COUNTERS), 0)
    for n in range(snapshots):
        values = result.reads[n * len(COUNTERS) : (n + 1) * len(COUNTERS)]
        now = dict(zip(before, values, strict=True))
        assert all(now[name] >= before[name] for name in now)
        assert now["CYCLES_LOW"] > before["CYCLES_LOW"]
        assert now["BYTES_STORE"] == 16 * now["WRITE_BEATS"]
        for engine in machine.engines:
            name = engine.upper()
            waits = sum(now[f"WAIT_{reason.upper()}_{name}"] for reason in reasons(engine))
            moved = now[f"BUSY_{name}"] - waits
            assert moved >= 0 and now[f"BUSY_{name}"] <= now["CYCLES_LOW"]
            if engine.startswith("load"):
                assert 16 * moved == now[f"BYTES_{name}"]
        before = now
    assert before["WRITE_BEATS"] > 0, "the run was too short to see anything"
