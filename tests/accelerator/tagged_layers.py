"""Random layers that lie on arrays with tagged buses in random ways."""

import dataclasses
import random

from designs import DATAFLOWS
from random_layers import Case, Limits, draw_layer

from rtl_gen.mapping.encode import encode_layer
from rtl_gen.mapping.mapping import MappingError
from rtl_gen.mapping.placing import Placing
from rtl_gen.mapping.tagged_mapper import foldings
from rtl_gen.mapping.tagged_mapping import TaggedMapping
from rtl_gen.reuse.tagged_machine import TaggedMachine
from rtl_gen.sim.layers import random_data
from rtl_gen.spec.design import KIB, Buffers, Scratchpads
from rtl_gen.spec.parse import load_design

__all__ = ["coverage_of_foldings", "draw_tagged", "tagged_machine"]

TRIES = 200


def tagged_machine(rows: int, columns: int, *, inputs: int, weights: int, **others):
    """Row stationary with small buffers, so that layers are tiled; no power of two of words."""
    sizes = Buffers(
        input=8 * KIB, weights=2 * KIB, output=3 * KIB, parameters=1 * KIB, accumulators=200
    )
    design = load_design(DATAFLOWS / "row_stationary.yaml")
    pads = Scratchpads(input=inputs, weights=weights)
    changed = {"rows": rows, "columns": columns, "buffers": sizes, "scratchpads": pads}
    return TaggedMachine(dataclasses.replace(design, **changed | others))


def draw_tagged(machine: TaggedMachine, count: int, limits: Limits) -> list[Case]:
    """Layers with any folding that the design can run, not only the best."""
    cases, seed = [], 0
    while len(cases) < count:
        seed += 1
        assert seed < TRIES * count, "hardly any layer fits"
        rng = random.Random(f"tagged {machine.design.rows} {seed}")
        layer = draw_layer(rng, machine, f"seed{seed}", limits)
        if layer is None or layer.macs > limits.macs:
            continue
        mapping = _mapping(rng, machine, layer)
        if mapping:
            extreme = rng.random() < 0.1
            source, data = random_data(machine.operation, layer, seed, extreme=extreme)
            cases.append(Case(seed, mapping, source, data))
    return cases


def _mapping(rng, machine, layer) -> TaggedMapping | None:
    found = list(foldings(machine, layer))
    for fold in rng.sample(found, min(20, len(found))):
        try:
            mapping = TaggedMapping(machine, layer, placing=Placing(), fold=fold)
            encode_layer(mapping)
            return mapping
        except MappingError:
            continue
    return None


def coverage_of_foldings(cases: list[Case]) -> dict[str, int]:
    """How many layers have what a mistake may hide in."""
    found = dict.fromkeys(("chains", "groups", "taps", "channels", "passes", "ragged", "tiles"), 0)
    for case in cases:
        fold, sizes = case.mapping.fold, case.layer.sizes
        for name in ("chains", "groups", "taps", "channels"):
            found[name] += getattr(fold, name) > 1
        found["passes"] += sizes["c"] > fold.groups * fold.channels or sizes["r"] > fold.taps
        found["ragged"] += bool(sizes["p"] % fold.columns or sizes["q"] % fold.outputs)
        found["tiles"] += sizes["p"] > fold.columns and sizes["q"] > fold.outputs
    return found
