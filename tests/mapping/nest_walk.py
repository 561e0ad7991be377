"""Descriptors walked as the engines walk them: what is loaded and what is asked for, in order."""

from collections.abc import Iterator

from rtl_gen.mapping.encode import encode_layer
from rtl_gen.mapping.mapping import Mapping

__all__ = ["walk", "walk_feed", "walk_load", "walk_unfold"]


def walk(values: dict[str, int], levels: int, names: tuple[str, ...], *, run: bool) -> Iterator:
    """The items of a nest: forms, amounts, and with ``run`` the trips of level 0."""
    forms = [name for name in names if f"{name}_base" in values]
    amounts = [name for name in names if f"{name}_end" in values]
    at = {name: [values[f"{name}_base"]] * levels for name in forms}  # where each trip began
    trip, trips, last = [0] * levels, [0] * levels, [False] * levels
    least = int(run)

    def begin(level):
        parent = values[f"parent{level}"]
        last[level] = parent <= level or ends(parent)
        trips[level] = values[f"last{level}" if last[level] else f"bound{level}"] + 1
        trip[level] = 0

    def ends(level):
        """Whether a level and its parents are on their last trips."""
        return last[level] and trip[level] == trips[level] - 1

    for level in reversed(range(levels)):
        begin(level)
    while True:
        item = {name: at[name][0] for name in forms}
        moved = next((n for n in range(least, levels) if trip[n] < trips[n] - 1), None)
        for name in amounts:
            item[name] = values[f"{name}_end" if moved is None else f"{name}{moved}"]
        yield item | {"words": trips[0]}
        if moved is None:
            return
        trip[moved] += 1
        for name in forms:
            here = at[name][moved] + values[f"{name}{moved}"]
            at[name][: moved + 1] = [here] * (moved + 1)
        for level in reversed(range(moved)):
            begin(level)


def walk_load(mapping: Mapping, name: str) -> Iterator[dict[str, int]]:
    """The runs of a load engine: ``offset``, ``words`` and coordinates."""
    machine = mapping.machine
    record = machine.records[f"load_{name}"]
    values = record.unpack(encode_layer(mapping)[f"load_{name}"][1:])
    forms = tuple(key.removesuffix("_base") for key in values if key.endswith("_base"))
    yield from walk(values, machine.dma_levels, forms, run=True)


def walk_feed(mapping: Mapping, name: str) -> Iterator[dict[str, int]]:
    """The requests of a feeder: ``index``, ``shrink`` and coordinates."""
    machine = mapping.machine
    record = machine.records[f"feed_{name}"]
    values = record.unpack(encode_layer(mapping)[f"feed_{name}"][1:])
    forms = tuple(key.removesuffix("_base") for key in values if key.endswith("_base"))
    yield from walk(values, machine.design.levels, (*forms, "shrink"), run=False)


def walk_unfold(mapping: Mapping) -> Iterator[dict[str, int]]:
    """The slices of the unfolding engine."""
    machine = mapping.machine
    values = machine.records["unfold_input"].unpack(encode_layer(mapping)["unfold_input"][1:])
    forms = tuple(key.removesuffix("_base") for key in values if key.endswith("_base"))
    yield from walk(values, machine.design.levels, forms, run=False)
