"""MAC use of the first layers of networks, whose windows are folded on the way in."""

import dataclasses
from pathlib import Path

from measure import Measure

from rtl_gen.mapping.cost import estimate
from rtl_gen.reuse.fused_machine import machine_of
from rtl_gen.reuse.machine import Machine
from rtl_gen.sim.layers import check_layers, random_data
from rtl_gen.sim.programs import build_machine
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.design import KIB
from rtl_gen.spec.layer import Layer, conv2d
from rtl_gen.spec.parse import load_design

PROJECT = Path(__file__).resolve().parents[1]
COMMAND = "python benchmarks/run.py first_layers"

LAYERS = {  # by name: the layer, and the MAC use asked for in percent
    "resnet8": (conv2d(name="resnet8", k=16, c=3, h=32, w=32, r=3, s=3, pad=(1, 1, 1, 1)), 55),
    "resnet50": (
        conv2d(name="resnet50", k=64, c=3, h=224, w=224, r=7, s=7, stride=(2, 2), pad=(3, 3, 3, 3)),
        55,
    ),
    "dscnn": (
        conv2d(name="dscnn", k=64, c=1, h=49, w=10, r=10, s=4, stride=(2, 2), pad=(4, 1, 5, 1)),
        None,
    ),
    "mobilenetv1": (
        conv2d(name="mobilenetv1", k=8, c=3, h=96, w=96, r=3, s=3, stride=(2, 2), pad=(0, 0, 1, 1)),
        None,
    ),
}


def measures(*, design=None, layers: tuple[str, ...] = tuple(LAYERS)) -> list[Measure]:
    """MAC use from start to interrupt, memory included; estimated cycles; layers not exact.

    A smaller design and fewer layers only to try the code.

    Raises
    ------
    RuntimeError
        If a run did not end as it should.
    """
    machine = unfolding(design or load_design(PROJECT / "dataflows" / "adaptive.yaml"))
    simulation = Simulation(build_machine(machine), seed=1)
    numbers = [_numbers(machine, LAYERS[name][0]) for name in layers]
    found, wrong = [], 0
    for name, check in zip(layers, check_layers(machine, simulation, numbers), strict=True):
        if check.done.problems:
            raise RuntimeError(f"first layers: {check.done.problems[0]}")
        wrong += not check.exact
        use, asked = 100 * check.done.mac_use, LAYERS[name][1]
        marked = {"relation": ">=", "asked": asked} if asked else {}
        found.append(
            Measure(name=f"mac_use_first_{name}", value=use, unit="%", command=COMMAND, **marked)
        )
        ratio = estimate(check.mapping).cycles / check.done.cycles
        found.append(
            Measure(
                name=f"estimated_first_{name}", value=ratio, unit="of its cycles", command=COMMAND
            )
        )
    found.append(
        Measure(name="first_layers_wrong", value=wrong, unit="layers", asked=0, command=COMMAND)
    )
    return found


def unfolding(design) -> Machine:
    """The design with rows of an image."""
    return machine_of(
        dataclasses.replace(design, buffers=dataclasses.replace(design.buffers, image=8 * KIB))
    )


def _numbers(machine: Machine, layer: Layer):
    return (layer, *random_data(machine.operation_of(layer), layer, 1))
