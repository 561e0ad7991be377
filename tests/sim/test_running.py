"""Simulator processes: jobs that do not fit, processes that die, speed, waveforms."""

import time

import numpy as np
import pytest
from copier_jobs import COPIER, FROM, START, TO, copied, copy_job, random_bytes
from copier_jobs import start as start_script

from rtl_gen.sim.job import Job, MemoryTiming
from rtl_gen.sim.run import Simulation, SimulationError
from rtl_gen.sim.script import Idle, Write
from rtl_gen.sim.verilator import EXECUTABLE, Build, build


def test_many_jobs_a_process_and_one_result_ahead(copier):
    """Jobs are made as they are needed: none before its predecessor's result could be used."""
    made = []

    def jobs():
        for number in range(50):
            made.append(number)
            yield copy_job(16, name=f"job {number}")

    ahead = [len(made) - result.index for result in copier.stream(jobs())]
    assert max(ahead) <= 2
    assert len(ahead) == 50


def test_images_larger_than_a_pipe(copier):
    jobs = [copy_job(1 << 15, name=f"large {n}") for n in range(3)]
    assert all(copied(job, result) for job, result in zip(jobs, copier.run(jobs)))


def test_progress_of_a_long_job(copier):
    seen = []
    job = Job(name="rest", script=[Idle(4_000_000)], cycle_limit=5_000_000)
    (result,) = copier.run([job], on_progress=lambda name, cycles: seen.append((name, cycles)))
    assert result.cycles >= 4_000_000
    assert all(name == "rest" and cycles <= 4_000_010 for name, cycles in seen)
    assert [cycles for _, cycles in seen] == sorted(cycles for _, cycles in seen)


def test_speed_of_the_bench_alone(copier):
    """The bench must not be what a simulation waits for: over 500,000 cycles a second."""
    (result,) = copier.run([copy_job(1 << 18, cycle_limit=1 << 20)])
    assert result.problems == ()
    speed = result.cycles / result.seconds
    print(f"{speed:,.0f} cycles/s")
    assert speed > 500_000


@pytest.mark.parametrize(
    "job, message",
    [
        (
            Job(name="a", script=[], cycle_limit=1, images={(1 << 28) - 8: bytes(16)}),
            r"^a: image at 0xffffff8..0x10000008 is outside the memory, 0x0..0x10000000$",
        ),
        (
            Job(name="b", script=[], cycle_limit=1, regions={"y": (1 << 30, 4)}),
            r"^b: region y at 0x40000000..0x40000004 is outside the memory, 0x0..0x10000000$",
        ),
        (
            Job(name="c", script=[Write(0, START)] * ((1 << 20) + 1000), cycle_limit=1),
            r"^c: script must be at most \d+ words, not 1049577$",
        ),
    ],
)
def test_jobs_that_do_not_fit(copier, job, message):
    with pytest.raises(ValueError, match=message):
        copier.run([job])


def test_a_simulator_that_dies_says_where_and_why(tmp_path, copier):
    executable = tmp_path / EXECUTABLE
    executable.write_text("#!/bin/sh\necho something broke\nexit 3\n")
    executable.chmod(0o755)
    dying = Simulation(Build(tmp_path, "copier", 128, "memory", False, True), seed=1)
    with pytest.raises(
        SimulationError, match=r"(?s)in job 'copy' \(exit code 3\).*something broke"
    ):
        dying.run([copy_job(16)])


def test_what_a_simulation_may_not_be(tmp_path, copier):
    with pytest.raises(ValueError, match=r"^memory_bytes must be a positive multiple of 4096"):
        Simulation(copier.build, memory_bytes=100)
    with pytest.raises(ValueError, match=r"^memory_base must be a multiple of memory_bytes"):
        Simulation(copier.build, memory_base=4096)
    with pytest.raises(ValueError, match=r"was not built with waves$"):
        Simulation(copier.build, waves=tmp_path / "x.vcd")


def test_runs_leave_no_files(tmp_path, copier):
    (tmp_path / "run-999999999-abandoned").mkdir()
    simulation = Simulation(copier.build, root=tmp_path, seed=1)
    simulation.run([copy_job(16)])
    assert list(tmp_path.iterdir()) == []


def test_waveform_with_names(tmp_path):
    built = build("copier", COPIER, waves=True)
    waves = tmp_path / "copy.vcd"
    (result,) = Simulation(built, waves=waves, seed=1).run([copy_job(16)])
    assert result.problems == ()
    text = waves.read_text()
    for name in ("$scope module dut", "m_axi_araddr", "received", "$scope module memory"):
        assert name in text
    last = [line for line in text.splitlines() if line.startswith("#")][-1]
    assert int(last[1:]) > result.cycles * 10_000  # picoseconds


def test_the_same_jobs_on_the_protocol_bench(copier):
    """cocotbext-axi's memory and host find nothing wrong, and the same bytes arrive."""
    protocol = Simulation(build("copier", COPIER, bench="protocol"), seed=7)
    jobs = [
        copy_job(64),
        copy_job(64, name="stalled", timing=MemoryTiming.stalling(300), host_stall=300),
        Job(name="stuck", script=[*start_script(1 << 16), Idle(50)], cycle_limit=200),
        Job(name="hang", script=copy_job(1 << 16).script, cycle_limit=300, reset=True),
        copy_job(64, name="after", windows=[(TO, 512)], readable=[(FROM + 8, 1016)]),
    ]
    began = time.perf_counter()
    calm, stalled, stuck, hang, after = protocol.run(jobs)
    print(f"{sum(r.cycles for r in (calm, stalled, after)) / (time.perf_counter() - began):.0f}/s")
    assert calm.problems == () and copied(jobs[0], calm)
    assert stalled.problems == () and copied(jobs[1], stalled)
    assert stalled.cycles > calm.cycles
    assert calm.reads[0] == np.bitwise_xor.reduce(random_bytes(1024).view(np.uint32))
    assert not stuck.timed_out and stuck.counters["reads_open"] > 0
    assert hang.timed_out and "entry 9: WaitInterrupt()" in hang.reached
    assert copied(jobs[4], after)
    assert after.problems == (
        "512 bytes written outside the windows, the first at 0x400200",
        "8 bytes read outside the windows, the first at 0x100000",
    )
