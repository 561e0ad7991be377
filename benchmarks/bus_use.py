"""How much of the memory's peak a layer moves that is bound by memory."""

from pathlib import Path

from measure import Measure

from rtl_gen.mapping.mapper import choose_mapping
from rtl_gen.mapping.program import Program
from rtl_gen.reuse.machine import Machine
from rtl_gen.sim.layers import golden_output, random_data
from rtl_gen.sim.programs import build_machine, run_programs
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.layer import Layer, conv2d
from rtl_gen.spec.parse import load_design

PROJECT = Path(__file__).resolve().parents[1]
COMMAND = "python benchmarks/run.py bus_use"
ASKED = 95

LAYERS = {  # weights that are used once; images that are read and written once
    "weights": conv2d(name="weights", k=512, c=2048, h=4, w=4, r=1, s=1),
    "images": conv2d(name="images", k=16, c=16, h=128, w=128, r=1, s=1),
}


def measures(*, design=None, layers: dict[str, Layer] = LAYERS) -> list[Measure]:
    """Bytes read and written over the peak of the cycles from start to interrupt, and errors.

    A step of the images' layer reads a word and writes one, so two cycles of the port are its
    least; of the weights' layer a word of 16 weights is used in a step. A smaller design and
    smaller layers only to try the code.
    """
    machine = Machine(design or load_design(PROJECT / "dataflows" / "weight_stationary.yaml"))
    simulation = Simulation(build_machine(machine), seed=1)
    named, expected = [], []
    for name, layer in layers.items():
        source, data = random_data(machine.operation, layer, 1)
        program = Program()
        program.add(choose_mapping(machine, layer), data, source=source)
        named.append((name, program))
        expected.append(golden_output(machine.operation, layer, source, data))
    found, wrong = [], 0
    for (name, _), right, done in zip(named, expected, run_programs(simulation, named)):
        beats = done.counters["READ_BEATS"] + done.counters["WRITE_BEATS"]
        found.append(
            Measure(
                name=f"bus_use_{name}",
                value=100 * beats / done.cycles,
                unit="%",
                relation=">=",
                asked=ASKED,
                command=COMMAND,
            )
        )
        wrong += int((done.outputs[0] != right).sum()) + len(done.problems)
    bad = Measure(name="bus_use_wrong_outputs", value=wrong, unit="", asked=0, command=COMMAND)
    return [*found, bad]
