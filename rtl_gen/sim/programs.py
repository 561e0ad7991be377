"""Programs on a simulated accelerator: what the host writes, and what came out."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from ..flow.design import accelerator_verilog
from ..isa.descriptors import ENGINES
from ..isa.registers import BY_NAME, engine_register
from ..mapping.program import Program
from ..reuse.machine import Machine
from .job import Job, MemoryTiming
from .result import Result
from .run import Simulation
from .script import Read, WaitInterrupt, Write
from .verilator import Build, build

__all__ = ["ProgramResult", "build_machine", "host_script", "run_programs"]

COUNTERS = (
    "STATUS",
    "CYCLES_LOW",
    "STEPS",
    "READ_BEATS",
    "WRITE_BEATS",
    "COMPLETED",
    *(f"{kind}_{engine.upper()}" for engine in ENGINES for kind in ("BUSY", "STALL")),
)
"""Registers read at a program's end."""

CYCLES_AT_LEAST = 20_000


@dataclass(frozen=True, eq=False)
class ProgramResult:
    """What a program did.

    Parameters
    ----------
    outputs
        int8 array of each layer.
    counters
        The registers :data:`COUNTERS` at the end.
    result
        What the bench saw.
    """

    program: Program
    outputs: list[np.ndarray]
    counters: dict[str, int]
    result: Result

    @property
    def cycles(self) -> int:
        """Cycles from start to interrupt, memory included."""
        return self.counters["CYCLES_LOW"]

    @property
    def problems(self) -> tuple[str, ...]:
        """What must not happen; empty for a good run."""
        found = list(self.result.problems)
        if not self.result.timed_out and self.counters["STATUS"] & 2:
            found.append(f"the accelerator reports an error: STATUS {self.counters['STATUS']:#x}")
        return tuple(found)

    @property
    def mac_use(self) -> float:
        """Useful MACs over PEs times cycles."""
        machine = self.program.steps[0].mapping.machine
        macs = sum(step.mapping.layer.macs for step in self.program.steps)
        return macs / (machine.design.rows * machine.design.columns * self.cycles)


def build_machine(machine: Machine, *, waves: bool = False) -> Build:
    """Generate a design's Verilog and build its bench, or find it built."""
    verilog = accelerator_verilog(machine)
    return build(
        verilog.top,
        verilog.text,
        data_width=machine.design.bus_bits,
        name=machine.design.name,
        waves=waves,
    )


def host_script(program: Program) -> list:
    """The host's register accesses: the first layer's descriptors, start, the others', counters."""
    script = [Write(BY_NAME["INTERRUPT_ENABLE"].offset, 0x3)]
    for n, layer in enumerate(program.descriptors()):
        for engine in ENGINES:
            address = engine_register("QUEUE", engine).offset
            script += [Write(address, word) for word in layer[engine]]
        if n == 0:
            script.append(Write(BY_NAME["CONTROL"].offset, 1))
    script.append(WaitInterrupt())
    return script + [Read(BY_NAME[name].offset) for name in COUNTERS]


def program_job(
    program: Program,
    name: str,
    *,
    timing: MemoryTiming | None = None,
    host_stall: int = 0,
    cycle_limit: int | None = None,
) -> Job:
    """The job of a program: memory before, what the host does, memory to read back."""
    regions = {}
    for n, step in enumerate(program.steps):
        regions[f"output{n}"] = (step.output_address, step.output.tensor.bytes)
    macs = sum(step.mapping.layer.macs for step in program.steps)
    return Job(
        name=name,
        script=host_script(program),
        cycle_limit=cycle_limit or CYCLES_AT_LEAST + 20 * macs,
        images=program.images(),
        regions=regions,
        windows=list(regions.values()),
        timing=timing or MemoryTiming(),
        host_stall=host_stall,
        reset=True,
    )


def run_programs(
    simulation: Simulation,
    named: Iterable[tuple[str, Program]],
    *,
    timing: MemoryTiming | None = None,
    on_progress: Callable[[str, int], None] | None = None,
    on_result: Callable[[str, ProgramResult], None] | None = None,
) -> list[ProgramResult]:
    """Run programs one after the other on one build."""
    queue: list[tuple[str, Program]] = []

    def jobs():
        for name, program in named:
            queue.append((name, program))
            yield program_job(program, name, timing=timing)

    results = []
    for result in simulation.stream(jobs(), on_progress=on_progress):
        name, program = queue.pop(0)
        outputs = []
        if not result.timed_out:
            for n, step in enumerate(program.steps):
                data = result.regions[f"output{n}"].tobytes()
                outputs.append(step.output.tensor.unpack(data))
        counters = dict(zip(COUNTERS, result.reads)) if not result.timed_out else {}
        done = ProgramResult(program, outputs, counters, result)
        results.append(done)
        if on_result:
            on_result(name, done)
    return results
