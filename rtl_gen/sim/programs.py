"""Programs on a simulated accelerator: what the host writes, and what came out."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..flow.design import accelerator_verilog
from ..isa import counters
from ..isa.descriptors import ENGINES
from ..isa.registers import BY_NAME, engine_register
from ..isa.status import describe_error
from ..mapping.program import Program, Step
from ..reuse.machine import Machine
from .job import Job, MemoryTiming
from .link_counters import LinkCounters
from .result import Result
from .run import Simulation
from .script import Poll, Read, Stamp, WaitInterrupt, Write
from .verilator import Build, build

__all__ = [
    "ProgramResult",
    "build_machine",
    "host_script",
    "open_windows",
    "point_at",
    "program_job",
    "run_programs",
]

COUNTERS = ("STATUS", "COMPLETED", *(counter.name for counter in counters.COUNTERS))
"""Registers read at a program's end."""

CYCLES_AT_LEAST = 20_000


@dataclass(frozen=True, eq=False)
class ProgramResult:
    """What a program did.

    Parameters
    ----------
    outputs
        int8 array of each layer; None of one that stays on chip.
    counters
        The registers :data:`COUNTERS` at the end.
    result
        What the bench saw.
    """

    program: Program
    outputs: list[np.ndarray | None]
    counters: dict[str, int]
    result: Result

    @property
    def cycles(self) -> int:
        """Cycles from start to interrupt, memory included."""
        return self.counters["CYCLES_HIGH"] << 32 | self.counters["CYCLES_LOW"]

    @property
    def problems(self) -> tuple[str, ...]:
        """What must not happen; empty for a good run."""
        if self.result.timed_out:
            return self.result.problems
        status = BY_NAME["STATUS"].unpack(self.counters["STATUS"])
        if status["error"]:
            return (*self.result.problems, f"the accelerator reports: {describe_error(status)}")
        overflow = ["a total, or one with its bias, overflowed"] if status["overflow"] else []
        return (*self.result.problems, *overflow, *self._miscounted())

    def _miscounted(self) -> list[str]:
        """Counters of the accelerator that differ from what the bench saw at its ports.

        The start lies between the stamps before and after its write, so CYCLES is known but for
        the cycles of that write, and one more: where Python plays the host it sees a rise of the
        interrupt a cycle later than a clock edge.
        """
        seen, found = self.result, []
        for register, name in (("READ_BEATS", "read_beats"), ("WRITE_BEATS", "write_beats")):
            if self.counters[register] != seen.counters[name] & 0xFFFF_FFFF:
                found.append(
                    f"{register} says {self.counters[register]}, but {seen.counters[name]} moved"
                )
        before, after = seen.stamps[:2]
        least, most = seen.interrupt_cycle - after, seen.interrupt_cycle - before
        if self.cycles not in range(least - 1, most + 1):
            found.append(f"CYCLES says {self.cycles}, but {least} to {most} passed")
        return found + self._miscounted_engines()

    def _miscounted_engines(self) -> list[str]:
        """Counters of engines that differ from what the bench saw at their ports."""
        machine, found = self.program.steps[0].mapping.machine, []
        sizes = {"bus_bytes": machine.design.bus_bits // 8, "block": machine.block}
        for engine in machine.engines:
            size = counters.unit(engine, **sizes)
            for kind in ("BUSY", "BYTES", *(f"WAIT_{x.upper()}" for x in counters.reasons(engine))):
                name = f"{kind}_{engine.upper()}"
                seen = self.result.engines[name] * (size if kind == "BYTES" else 1)
                if self.counters[name] != seen & 0xFFFF_FFFF:
                    found.append(f"{name} says {self.counters[name]}, but the bench saw {seen}")
        return found

    @property
    def mac_use(self) -> float:
        """Useful MACs over PEs times cycles."""
        machine = self.program.steps[0].mapping.machine
        macs = sum(step.mapping.layer.macs for step in self.program.steps)
        return macs / (machine.design.rows * machine.design.columns * self.cycles)


def build_machine(
    machine: Machine, *, waves: bool = False, bench: str = "memory", links: bool = False
) -> Build:
    """Generate a design's Verilog and build its bench, or find it built.

    ``links``: with counters at every link of the array (``link_counters.py``), which is slower.
    """
    verilog = accelerator_verilog(machine)
    counters = LinkCounters(machine) if links else None
    return build(
        verilog.top,
        verilog.text + verilog.wrapper,
        data_width=machine.design.bus_bits,
        name=machine.design.name,
        waves=waves,
        bench=bench,
        engines=machine.watched,
        links=counters.verilog if counters else "",
        link_counts=counters.counts if counters else 0,
    )


def host_script(program: Program, *, fetched: bool = False, completions: bool = False) -> list:
    """The host's register accesses: the first layer's descriptors, start, the others', counters.

    Where the program is ``fetched`` from memory the host says where it lies and starts. The cycles
    before and after the start are noted, and, with ``completions``, those in which the host sees
    each layer but the last complete, a few cycles late. At the end the interrupt is cleared, so
    that another program may follow.
    """
    script = [Write(BY_NAME["INTERRUPT_ENABLE"].offset, 0x3)]
    script += open_windows(program, fetched=fetched)
    words = len(program.descriptor_image()) // 4 if fetched else 0
    script += point_at(program.descriptor_address, words)
    start = [Stamp(), Write(BY_NAME["CONTROL"].offset, 1), Stamp()]
    for n, layer in enumerate([] if fetched else program.descriptors()):
        for engine in ENGINES:
            address = engine_register("QUEUE", engine).offset
            script += [Write(address, word) for word in layer.get(engine, ())]
        if n == 0:
            script += start
    script += start if fetched else []
    for n in range(1, len(program.steps) if completions else 1):
        script += [Poll(BY_NAME["COMPLETED"].offset, 0xFFFF, n, at_least=True), Stamp()]
    script.append(WaitInterrupt())
    script += [Read(BY_NAME[name].offset) for name in COUNTERS]
    return [*script, Write(BY_NAME["INTERRUPT"].offset, 0x3)]


def point_at(address: int, words: int) -> list[Write]:
    """Say where the program lies that a start fetches, and how long it is; 0 words: none."""
    values = {
        "PROGRAM_LOW": address & 0xFFFF_FFFF,
        "PROGRAM_HIGH": address >> 32,
        "PROGRAM_WORDS": words,
    }
    return [Write(BY_NAME[name].offset, value) for name, value in values.items()]


def open_windows(program: Program, *, fetched: bool = False) -> list[Write]:
    """Open a window for reading around all that a program touches, one for writing its outputs."""
    images = [(address, len(image)) for address, image in _images(program, fetched).items()]
    outputs = [(step.output_address, step.output.tensor.bytes) for step in _stored(program)]
    writes = []
    for n, (spans, access) in enumerate(((images + outputs, 1), (outputs, 2))):
        first = min(address for address, _ in spans)
        last = max(address + size - 1 for address, size in spans)
        values = {
            "FIRST_LOW": first & 0xFFFF_FFFF,
            "FIRST_HIGH": first >> 32,
            "LAST_LOW": last & 0xFFFF_FFFF,
            "LAST_HIGH": last >> 32,
            "ACCESS": access,
        }
        writes += [
            Write(BY_NAME[f"WINDOW{n}_{name}"].offset, value) for name, value in values.items()
        ]
    return writes


def _stored(program: Program) -> list[Step]:
    """The layers whose outputs are written to memory."""
    return [step for step in program.steps if step.output_address is not None]


def _images(program: Program, fetched: bool) -> dict[int, bytes]:
    """All that is read of memory, by address; whole words of the bus."""
    images = program.images()
    if fetched:
        image = program.descriptor_image()
        beat = program.steps[0].mapping.machine.design.bus_bits // 8
        images[program.descriptor_address] = image + bytes(-len(image) % beat)
    return images


def program_job(
    program: Program,
    name: str,
    *,
    fetched: bool = False,
    completions: bool = False,
    timing: MemoryTiming | None = None,
    host_stall: int = 0,
    cycle_limit: int | None = None,
    reset: bool = True,
    sample_every: int = 0,
) -> Job:
    """The job of a program: memory before, what the host does, memory to read back.

    Outputs begin as random bytes: what is not written is wrong, whatever ran before. ``fetched``
    and ``completions`` as in :func:`host_script`.
    """
    regions, images = {}, _images(program, fetched)
    for n, step in enumerate(_stored(program)):
        size = step.output.tensor.bytes
        regions[f"output{n}"] = (step.output_address, size)
        images[step.output_address] = np.random.default_rng(n).bytes(size)
    macs = sum(step.mapping.layer.macs for step in program.steps)
    return Job(
        name=name,
        script=host_script(program, fetched=fetched, completions=completions),
        cycle_limit=cycle_limit or CYCLES_AT_LEAST + 20 * macs,
        images=images,
        regions=regions,
        windows=list(regions.values()),
        readable=[(address, len(image)) for address, image in images.items()],
        timing=timing or MemoryTiming(),
        host_stall=host_stall,
        reset=reset,
        sample_every=sample_every,
    )


def run_programs(
    simulation: Simulation,
    named: Iterable[tuple[str, Program]],
    *,
    timing: MemoryTiming | None = None,
    host_stall: int = 0,
    reset_every: int = 1,
    fetched: Sequence[bool] = (False,),
    completions: bool = False,
    cycle_limit: int | None = None,
    sample_every: int = 0,
    on_progress: Callable[[str, int], None] | None = None,
    on_result: Callable[[str, ProgramResult], None] | None = None,
) -> list[ProgramResult]:
    """Run programs one after the other on one build.

    Parameters
    ----------
    timing, host_stall
        As in :class:`Job`.
    reset_every
        The first of so many programs begins with a reset, the others with the start alone.
    fetched
        For each program in turn, over and over: whether the accelerator fetches it from memory or
        the host pushes it.
    completions
        As in :func:`host_script`.
    cycle_limit
        After which a program that did not end is given up; by default one that follows from MACs.
    sample_every
        As in :class:`Job`.
    """
    queue: list[tuple[str, Program]] = []

    def jobs():
        for n, (name, program) in enumerate(named):
            queue.append((name, program))
            yield program_job(
                program,
                name,
                timing=timing,
                host_stall=host_stall,
                reset=n % reset_every == 0,
                fetched=fetched[n % len(fetched)],
                completions=completions,
                cycle_limit=cycle_limit,
                sample_every=sample_every,
            )

    results = []
    for result in simulation.stream(jobs(), on_progress=on_progress):
        name, program = queue.pop(0)
        outputs = []
        if not result.timed_out:
            data = [result.regions[f"output{n}"].tobytes() for n in range(len(_stored(program)))]
            for step in program.steps:
                stored = step.output_address is not None
                outputs.append(step.output.tensor.unpack(data.pop(0)) if stored else None)
        counters = dict(zip(COUNTERS, result.reads)) if not result.timed_out else {}
        done = ProgramResult(program, outputs, counters, result)
        results.append(done)
        if on_result:
            on_result(name, done)
    return results
