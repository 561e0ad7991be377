"""How fast the 16x16 weight-stationary accelerator is simulated through cocotb."""

import statistics
from pathlib import Path

from measure import Measure, cpu_seconds

from rtl_gen.mapping.mapper import choose_mapping
from rtl_gen.mapping.program import Program
from rtl_gen.reuse.machine import Machine
from rtl_gen.sim.layers import golden_output, random_data
from rtl_gen.sim.programs import build_machine, run_programs
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.layer import Layer, conv2d
from rtl_gen.spec.parse import load_design

PROJECT = Path(__file__).resolve().parents[1]
COMMAND = "python benchmarks/run.py simulation"
ASKED = 200_000

RESNET50 = conv2d(name="resnet50", k=64, c=64, h=56, w=56, r=3, s=3, pad=(1, 1, 1, 1))
"""A layer of ResNet-50: 116 million MACs."""


def measures(*, design=None, layer: Layer = RESNET50, times: int = 3) -> list[Measure]:
    """Simulated cycles a second, by the wall and by processor time; outputs that differ.

    Processor time is that of the runs after the first, which pays for the simulator's start.
    """
    machine = Machine(design or load_design(PROJECT / "dataflows" / "weight_stationary.yaml"))
    source, data = random_data(machine.operation, layer, 1)
    program = Program()
    program.add(choose_mapping(machine, layer), data, source=source)
    simulation = Simulation(build_machine(machine), seed=1)
    spent = []
    for count in (1, 1 + times):
        before = cpu_seconds()
        done = run_programs(simulation, [(f"run {n}", program) for n in range(count)])
        spent.append(cpu_seconds() - before)
    for each in done:
        if each.problems:
            raise RuntimeError(f"simulation: {each.problems[0]}")
    walls = [each.result.cycles / each.result.seconds for each in done]
    cycles = done[0].result.cycles
    expected = golden_output(machine.operation, layer, source, data)
    wrong = sum(int((each.outputs[0] != expected).sum()) for each in done)
    speeds = {
        "simulation_speed": statistics.median(walls),
        "simulation_speed_cpu": cycles * times / max(spent[1] - spent[0], 1e-3),
    }
    return [
        *(
            Measure(
                name=name,
                value=value,
                unit="cycles/s",
                relation=">=",
                asked=ASKED,
                command=COMMAND,
            )
            for name, value in speeds.items()
        ),
        Measure(
            name="simulation_wrong_outputs", value=wrong, unit="outputs", asked=0, command=COMMAND
        ),
    ]
