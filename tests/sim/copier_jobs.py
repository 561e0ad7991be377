"""Jobs for the devices that the bench is tried on."""

from pathlib import Path

import numpy as np

from rtl_gen.sim.job import Job
from rtl_gen.sim.script import Read, Stamp, WaitInterrupt, Write

HERE = Path(__file__).parent
COPIER = (HERE / "copier.v").read_text()
FAULTY = (HERE / "faulty.v").read_text() + COPIER
NOTHING = (HERE / "nothing.v").read_text()

CONTROL, MODE, SOURCE, TARGET, BEATS, LENGTH = 0x00, 0x04, 0x08, 0x10, 0x18, 0x1C
IDENTITY, SUM, FAILED, STROBES = 0x20, 0x24, 0x28, 0x2C
FAULT = 0x3FC  # of faulty.v
START, CLEAR = 1, 2
READS, WRITES, COPIES = 1, 2, 3

FROM, TO = 0x10_0000, 0x40_0000


def random_bytes(count, seed=1):
    return np.random.default_rng(seed).integers(0, 256, count, np.uint8)


def start(beats, *, mode=COPIES, source=FROM, target=TO, burst=16):
    """Register writes that set the copier going."""
    return [
        Write(MODE, mode),
        Write(SOURCE, source & 0xFFFF_FFFF),
        Write(SOURCE + 4, source >> 32),
        Write(TARGET, target & 0xFFFF_FFFF),
        Write(TARGET + 4, target >> 32),
        Write(BEATS, beats),
        Write(LENGTH, burst - 1),
        Stamp(),
        Write(CONTROL, START),
    ]


FINISH = [WaitInterrupt(), Stamp(), Read(SUM), Read(FAILED), Write(CONTROL, CLEAR)]


def copy_job(beats=256, *, width=128, name="copy", cycle_limit=100_000, **options):
    """Move ``beats`` random beats; region ``out`` is where they should be, with guards."""
    how = {key: options.pop(key) for key in ("mode", "source", "target", "burst") if key in options}
    size = beats * width // 8
    source, target = how.get("source", FROM), how.get("target", TO)
    guard = np.full(64, 0xA5, np.uint8)
    images = {source: random_bytes(size), target - 64: guard, target + size: guard}
    return Job(
        name=name,
        script=[*start(beats, **how), *FINISH],
        cycle_limit=cycle_limit,
        images=images,
        regions={"out": (target - 64, size + 128)},
        **options,
    )


def copied(job, result):
    """Whether the job's bytes have arrived, and nothing beside them was touched."""
    (data, guard, _) = job.images.values()
    return np.array_equal(result.regions["out"], np.concatenate([guard, data, guard]))


def duration(result):
    """Cycles from the start's write to the interrupt."""
    return result.stamps[1] - result.stamps[0]
