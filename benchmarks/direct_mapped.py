"""A direct-mapped cache between a feeder and memory: a cycle model, no part of the product.

It is driven by the word addresses that the feeders of a mapping ask for, in their order: the nests
that the descriptors encode, walked with numpy. A cache has no tiles, so it needs neither a load
engine nor room for a tile; what it lacks is knowledge of what comes next: a miss stops its feeder
for the memory's latency and the beats of a line.

For the cache: a hit takes no cycle beyond the read, the port to memory is always free, fills and
stores take nothing away. Against it: it has one miss at a time, waits for the whole line, and
fetches nothing ahead.
"""

from dataclasses import dataclass

import numpy as np

from rtl_gen.mapping.cost import FIXED, LATENCY
from rtl_gen.mapping.input_engines import InputEngines
from rtl_gen.mapping.linear_engines import weight_engines
from rtl_gen.mapping.mapping import Mapping
from rtl_gen.mapping.nest import product
from rtl_gen.mapping.output_engines import OutputEngines

__all__ = ["CacheRun", "input_trace", "missed", "run_caches", "weight_trace"]

PADDING = -1
ADDRESS_BITS = 32


@dataclass(frozen=True)
class CacheRun:
    """What a layer did on two caches, of inputs and of weights.

    Parameters
    ----------
    cycles
        From start to the last output.
    fetched
        Words read from memory.
    tag_bits
        Bits of a tag, with its valid bit.
    """

    cycles: int
    fetched: int
    tag_bits: int


def input_trace(mapping: Mapping) -> np.ndarray:
    """The word in memory of each read of the input, in order; :data:`PADDING` outside.

    Raises
    ------
    ValueError
        If tiles do not divide the layer, or a step takes several words: not modelled.
    """
    source, machine = InputEngines(mapping), mapping.machine
    levels = mapping.levels[: source.kept]
    if any(level.bound != level.last for level in levels) or machine.input_words != 1:
        raise ValueError(f"{mapping.layer.name}: tiles must divide it, and a step take one word")
    tensor, bounds = source.tensor, [level.bound for level in levels]
    address, inside = np.zeros(bounds, dtype=np.int64), np.ones(bounds, dtype=bool)
    for name in source.order:
        at = np.full(bounds, source.origin(name), dtype=np.int64)
        for n, level in enumerate(levels):
            steps = np.arange(level.bound) * source.moves(level, name)
            at += steps.reshape([-1 if k == n else 1 for k in range(len(levels))])
        address += at * tensor.strides[name]
        inside &= (at >= 0) & (at < tensor.count(name))
    return np.where(inside, address, PADDING).reshape(-1)


def weight_trace(mapping: Mapping) -> np.ndarray:
    """The word in the image of each read of the weights, in order.

    Raises
    ------
    ValueError
        As :func:`input_trace`.
    """
    engines = weight_engines(mapping)
    levels = [engines.level(n) for n in engines.used]
    if any(level.bound != level.last for level in levels):
        raise ValueError(f"{mapping.layer.name}: tiles must divide it")
    address = np.zeros([level.bound for level in levels], dtype=np.int64)
    for k, n in enumerate(engines.used):
        steps = np.arange(levels[k].bound) * engines.strides.get(n, 0)
        address += steps.reshape([-1 if j == k else 1 for j in range(len(levels))])
    return (address.reshape(-1, 1) + np.arange(engines.set_words)).reshape(-1)


def missed(trace: np.ndarray, words: int, line: int) -> np.ndarray:
    """Which reads miss in a direct-mapped cache of so many words, in lines of ``line`` words."""
    read = np.flatnonzero(trace != PADDING)
    block = trace[read] // line
    place = block % (words // line)
    order = np.argsort(place, kind="stable")  # of each line of the cache its reads, in order
    place, block = place[order], block[order]
    kept = (place[1:] == place[:-1]) & (block[1:] == block[:-1])
    found = np.zeros(len(trace), dtype=bool)
    found[read[order]] = ~np.concatenate(([False], kept))
    return found


def run_caches(mapping: Mapping, words: tuple[int, int], lines: tuple[int, int]) -> CacheRun:
    """Run a layer of held weights on two caches.

    Parameters
    ----------
    words, lines
        Words of the input's cache and of the weights', and of a line of each.

    While a set of weights is at work the next is fetched and shifted in, so only what takes
    longer than the steps of the set before shows. A miss of the input stops the steps.
    """
    machine = mapping.machine
    beats = machine.block * 8 // machine.design.bus_bits
    inputs, weights = input_trace(mapping), weight_trace(mapping)
    lost = [missed(t, n, line) for t, n, line in zip((inputs, weights), words, lines)]
    stall = [LATENCY + beats * line for line in lines]
    sets = len(weights) // weight_engines(mapping).set_words
    steps = len(inputs) // sets + lost[0].reshape(sets, -1).sum(axis=1) * stall[0]
    ticks = machine.load_ticks(machine.weight_operand)
    loads = ticks + lost[1].reshape(sets, -1).sum(axis=1) * stall[1]
    began = ended = ready = 0
    for step, load in zip(steps.tolist(), loads.tolist()):
        ready = max(ready, began) + load  # the shadow is free when the set before is swapped in
        began = max(ended, ready)
        ended = began + step
    result = OutputEngines(mapping)
    tiles = product(level.bound for level in mapping.levels[: result.boundary])
    last = beats * result.tensor.words // tiles
    return CacheRun(
        cycles=ended + FIXED + LATENCY + last,
        fetched=sum(int(x.sum()) * line for x, line in zip(lost, lines)),
        tag_bits=ADDRESS_BITS - (min(words) * machine.block - 1).bit_length() + 1,
    )
