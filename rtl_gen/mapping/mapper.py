"""Choosing tile sizes and loop order for a layer."""

import itertools
from collections.abc import Container
from dataclasses import replace
from math import lcm

from ..reuse.fused_machine import FusedMachine
from ..reuse.machine import Machine
from ..reuse.tagged_machine import TaggedMachine
from ..reuse.vector_machine import VectorMachine
from ..spec.layer import Layer
from .cost import estimate
from .encode import encode_layer
from .levels import blocked_dimensions, tile_step
from .mapping import Mapping, MappingError
from .packed_image import packed_image
from .placing import Placing
from .tagged_mapper import choose_folding
from .vector_mapping import VectorMapping

__all__ = ["choose_mapping", "loop_orders", "tile_choices"]

CUTS = (1, 2, 3, 4, 6, 8, 12, 16, 32, 64, 128, 256)
"""Into how many tiles a dimension may be cut."""

CUTS_ALONG = (1, 2, 4, 8, 16)
"""The same for dimensions along which words follow each other in memory: short runs are slow."""

GAIN = 0.99
"""Smaller tiles are taken only for fewer cycles than this part of the best so far."""


ANYWHERE = Placing()
"""Nothing is on chip, and the memories are free."""


def choose_mapping(machine: Machine, layer: Layer, placing: Placing = ANYWHERE) -> Mapping:
    """A mapping with few estimated cycles.

    The search has stages, and the first that finds a mapping ends it: all reductions and rows of
    the image whole; rows cut; channels of the sums cut too; the largest or the smallest tiles of
    all, filter rows and columns included. A stage tries a grid of tile sizes with a few loop
    orders, the dataflow's own first, and takes another only where it gains more than :data:`GAIN`.
    So a mapping that lies off the grid, or in a later stage, may take fewer cycles.

    Where the input may lie as the mapping likes, and the design can unfold images, the layer is
    also mapped with its windows folded, and the cheaper one is taken.

    Of a design of several dataflows the one is taken whose mapping takes fewest cycles.

    Raises
    ------
    MappingError
        If no mapping tried fits the design; the message is that of the smallest tiles.
    """
    for vector in machine.vectors:
        if vector.operation.name == layer.operation:
            return _choose(vector, layer, placing)
    if isinstance(machine, FusedMachine):
        return _choose_mode(machine, layer, placing)
    if isinstance(machine, TaggedMachine):
        return choose_folding(machine, layer, placing)
    image = packed_image(machine, layer) if placing.free_input else None
    if image is None:
        return _choose(machine, layer, placing)
    found, reasons = [], []
    for chosen, at in ((layer, placing), (image.folded, replace(placing, image=image))):
        try:
            found.append(_choose(machine, chosen, at))
        except MappingError as error:
            reasons.append(error)
    if not found:
        raise reasons[0]
    return min(found, key=lambda mapping: estimate(mapping).cycles)


def _choose(machine: Machine, layer: Layer, placing: Placing) -> Mapping:
    _mapping_kind(machine)(
        machine, layer, placing=placing
    )  # refuses what does not belong to this design at all
    reduced = set(machine.operation.summed)
    window = reduced - blocked_dimensions(machine)
    for whole in ({*_along(machine), *reduced}, reduced, window):
        best, reason = _best(machine, layer, tile_choices(machine, layer, whole), placing)
        if best is not None:
            return best
    choices = _extreme_choices(machine, layer)
    best, reason = _best(machine, layer, choices, placing)
    if best is not None:
        return best
    smallest = " ".join(f"{d}={tiles[-1]}" for d, tiles in choices.items())
    raise MappingError(f"{reason} (the smallest tiles tried: {smallest})")


def _choose_mode(machine: FusedMachine, layer: Layer, placing: Placing) -> Mapping:
    """The best mapping of any dataflow that computes what the layer asks for."""
    names = [operation.name for operation in machine.design.operations]
    if layer.operation not in names:
        raise MappingError(
            f"{layer.name}: the design computes {' and '.join(names)}, not {layer.operation}"
        )
    found, reasons = [], []
    for mode in machine.modes:
        if mode.operation.name != layer.operation:
            continue
        try:
            found.append(choose_mapping(mode, layer, placing))
        except MappingError as error:
            reason = str(error).removeprefix(f"{layer.name}: ")
            reasons.append(f"{mode.design.dataflow.name}: {reason}")
    if not found:
        raise MappingError(f"{layer.name}: {'; '.join(reasons)}")
    return min(found, key=lambda mapping: estimate(mapping).cycles)


def _extreme_choices(machine: Machine, layer: Layer) -> dict[str, list[int]]:
    """Of each dimension the largest tile and the smallest ones, down to what the array takes."""
    found = {}
    for dimension, tiles in tile_choices(machine, layer).items():
        least = min(layer.sizes[dimension], _step(machine, layer, dimension))
        if dimension in machine.uncut:
            least = tiles[0]
        found[dimension] = sorted({tiles[0], tiles[-1], least}, reverse=True)
    return found


def _best(machine, layer, choices, placing) -> tuple[Mapping | None, MappingError | None]:
    """The cheapest of some tile sizes that can be encoded, or why the last of them cannot be."""
    best, least, reason = None, 0, None
    kind = _mapping_kind(machine)
    for order in loop_orders(machine):
        for tiles in itertools.product(*choices.values()):
            try:
                mapping = kind(machine, layer, dict(zip(choices, tiles)), order, placing)
                cycles = estimate(mapping).cycles
                if best is not None and cycles >= GAIN * least:
                    continue
                encode_layer(mapping)
            except MappingError as error:
                reason = error
                continue
            best, least = mapping, cycles
    return best, reason


def _mapping_kind(machine: Machine) -> type[Mapping]:
    return VectorMapping if isinstance(machine, VectorMachine) else Mapping


def tile_choices(
    machine: Machine, layer: Layer, whole: Container[str] = ()
) -> dict[str, list[int]]:
    """Tile sizes worth trying, by dimension, the largest first.

    Parameters
    ----------
    whole
        Dimensions that are not to be cut.
    """
    operation, choices = machine.operation, {}
    for dimension in operation.dimensions:
        size = layer.sizes[dimension]
        step = _step(machine, layer, dimension)
        tiles = {size}
        kept = dimension in whole or dimension in machine.uncut
        if dimension not in operation.batch and not kept:
            cuts = CUTS_ALONG if dimension in _along(machine) else CUTS
            for parts in (n for n in cuts if n <= size):
                even = -(-size // parts)
                tiles.add(min(size, -(-even // step) * step))
        if dimension in operation.batch and dimension in operation.output.dimensions:
            tiles.add(min(size, step))  # image for image: a tile need not hold the whole batch
        choices[dimension] = sorted(tiles, reverse=True)
    return choices


def _step(machine: Machine, layer: Layer, dimension: str) -> int:
    """What a tile of a dimension must be a multiple of, unless it is all of it."""
    return lcm(tile_step(machine, dimension), layer.parts.get(dimension, 1))


def loop_orders(machine: Machine) -> list[tuple[str, ...]]:
    """Loop orders from tile to tile: the dataflow's own, then two that a layer may gain from.

    Of these one loads weights again for each image tile, the other images for each tile of weights;
    rows go innermost of what moves over the image, so that the window can slide. Dimensions of
    one role keep the dataflow's order: nothing depends on their names.
    """
    operation, flow = machine.operation, machine.design.dataflow
    along = _along(machine)
    own = [d for d in flow.temporal if d not in operation.batch]
    own += [d for d in operation.dimensions if d not in (*own, *operation.batch)]
    reduced = [d for d in own if d in operation.summed]
    moved = [d for d in own if d not in operation.summed]
    image = [d for d in moved if d in operation.activation.dimensions]
    others = [d for d in moved if d not in operation.activation.dimensions]
    image.sort(key=lambda dimension: dimension not in along)
    orders = ((*own,), (*image, *others, *reduced), (*others, *image, *reduced))
    return list(dict.fromkeys(orders))


def _along(machine: Machine) -> tuple[str, ...]:
    """Dimensions that move along the contiguous rank of the input."""
    contiguous = machine.contiguous_rank
    return machine.operation.activation.rank(contiguous).dimensions if contiguous else ()
