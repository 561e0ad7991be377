"""When each layer of a program begins and ends, estimated: layers overlap, and share the bus.

The rules stand in docs/architecture.md, section 5, 'Cycles of a program'.
"""

from dataclasses import dataclass

from ..isa.packets import PACKET_OVERHEAD
from ..reuse.machine import BURST_BEATS
from .cost import LATENCY, RUN, Work, work_of
from .input_engines import InputEngines
from .mapping import Mapping
from .program import Program, Step
from .tagged_mapping import TaggedMapping
from .vector_mapping import VectorMapping

__all__ = ["LayerTime", "estimate_program"]

START = 8
"""Cycles from the host's start to the first address of the program on the bus."""

TAKE = 3
"""Cycles from the last word of a descriptor to the engine's start."""

REQUEST = 10
"""Cycles from a load engine's start to its first address on the bus, 8, and from a beat at the port
to the buffer, 2."""

FEED = 3
"""Cycles from the start of a feeder, or a word in its buffer, to the step that takes it."""

SWAP = 8
"""Cycles from the last word of a set of held weights to the first step that uses it."""

INPUT_IN_FLIGHT = 128
"""Words of the input that are asked for at a time, before weights come in between."""

POST = 5
"""Cycles from totals to an output: ``Post`` 4, collector 1."""

SUMS = 4
"""Cycles more from a step of the array: registers in front of it and behind, accumulators 2."""

ADD = 7
"""Cycles of the residual adders, added or not, in designs that have them."""

RESPONSE = 3
"""Cycles from an output's word to its beat on the bus, or the last response to its count."""

BURSTS_AHEAD = 2
"""Bursts of a program that its fetch has room for."""


@dataclass(frozen=True)
class LayerTime:
    """When a layer runs, in cycles from the host's start.

    Parameters
    ----------
    begin
        Of its first step.
    computed
        Its last step is over.
    complete
        Its output is there, for others to read: on chip, or in main memory.
    cycles
        From the completion of the layer before it, or the start, to its own.
    """

    begin: int
    computed: int
    complete: int
    cycles: int

    def __post_init__(self):
        if not 0 <= self.begin <= self.computed <= self.complete:
            raise ValueError(
                f"a layer must begin, compute and be complete in this order, not at {self.begin}, "
                f"{self.computed} and {self.complete}"
            )


def estimate_program(program: Program) -> tuple[LayerTime, ...]:
    """When each layer of a program that the accelerator fetches begins and ends.

    Raises
    ------
    MappingError
        If a layer does not fit.
    """
    return tuple(_Timeline(program).layers())


def array_latency(mapping: Mapping) -> int:
    """Cycles from a step to its sums, with the register behind the adders of a chain."""
    if isinstance(mapping, VectorMapping):
        return mapping.machine.phases + 5
    if isinstance(mapping, TaggedMapping):
        return mapping.period
    found = []
    for machine in mapping.machine.alone:
        grid, output = machine.reuse.grid, machine.reuse.output
        delay = max((link.delay for link in output.links), default=1)
        found.append(max(grid.delay(pe) for pe in output.exits) + delay)
    return max(found)


class _Ahead:
    """A buffer of weights or of parameters, whose words are loaded in the order of the layers, as
    far ahead as there is room.

    Parameters
    ----------
    room
        Words of the buffer.
    words, tiles
        Of each layer; and those of them that are given back together, behind its last step.
    """

    def __init__(self, room: int, words: list[int], tiles: list[int]):
        self.room, self.words, self.tiles = room, words, tiles
        self.loaded = self.used = 0

    def due(self, n: int) -> int:
        """Words of a layer that have not come when the one before it is complete."""
        return max(0, self.used + self.words[n] - self.loaded)

    def wanted(self, n: int, reach: int) -> int:
        """Words that come until the end of a layer if the bus allows it: as many as the buffer
        then has room for, of layers up to ``reach``, whose descriptors are there.
        """
        most = self.used + self.words[n] - min(self.words[n], self.tiles[n]) + self.room
        known = self.used + sum(self.words[n : reach + 1])
        return max(0, min(most, known) - self.loaded)

    def pass_layer(self, n: int, loaded: int) -> None:
        """A layer is complete, during which so many words have come."""
        self.used += self.words[n]
        self.loaded += loaded


class _Fetch:
    """When the descriptors of a program that is fetched are there."""

    IN_TURN = ("feed_input", "compute", "feed_parameters", "store")
    """Engines that take a descriptor of each layer, as it begins."""

    def __init__(self, steps: list[Step], machine):
        self.machine, last = machine, len(steps) - 1
        self.lengths = [
            {engine: len(words) for engine, words in step.descriptors(last=n == last).items()}
            for n, step in enumerate(steps)
        ]
        words = BURST_BEATS * machine.design.bus_bits // 32
        self.at_once = BURSTS_AHEAD * words
        # Two bursts on the way, the second of which is asked for as the first is taken apart.
        self.rate = self.at_once / max(self.at_once, words + LATENCY + REQUEST)
        self.pushed = START + LATENCY + 2.0
        self.fetched = 0

    def reach(self, n: int, *, ended: bool = False) -> int:
        """The last layer whose descriptors are in the queues, or gone, while a layer runs: behind
        it lies one in each engine's shadow and what fits its queue. Where it has ``ended`` engines
        have the next one's.
        """
        room = dict.fromkeys(self.IN_TURN, self.machine.design.queue_words)
        for m in range(n + 2 + ended, len(self.lengths)):
            for engine in self.IN_TURN:
                room[engine] -= self.lengths[m].get(engine, 0)
            if min(room.values()) < 0:
                return m - 1
        return len(self.lengths) - 1

    def there(self, n: int, begun: list[int]) -> dict[str, int]:
        """Of each engine of a layer the cycle in which it may start; ``begun``: the first steps of
        the layers before.
        """
        made = (begin for m, begin in enumerate(begun) if self.reach(m) >= n)
        self.pushed = max(self.pushed, next(made, 0) if self.reach(0) < n else 0)
        found = dict.fromkeys(self.machine.engines, 0)
        for engine, words in self.lengths[n].items():
            self.fetched += words + PACKET_OVERHEAD - 1
            self.pushed += (words + PACKET_OVERHEAD - 1) / (
                1 if self.fetched <= self.at_once else self.rate
            )
            found[engine] = int(self.pushed) + TAKE
        return found


class _Timeline:
    """What engines are at, layer by layer."""

    def __init__(self, program: Program):
        self.steps = program.steps
        self.machine = self.steps[0].mapping.machine
        self.beats = self.machine.block * 8 // self.machine.design.bus_bits
        self.work = [work_of(step.mapping) for step in self.steps]
        self.weights, self.parameters = self._ahead("weights"), self._ahead("parameters")
        self.fetch = _Fetch(self.steps, self.machine)
        self.done: list[LayerTime] = []
        self.fed = 0
        """The cycle in which the last weights so far were handed to the array."""
        self.loader_free = 0
        """The cycle in which the input's load engine may begin another layer."""

    def _ahead(self, name: str) -> _Ahead:
        one = name.removesuffix("s")
        words, tiles = (
            [getattr(work, f"{one}_{what}") for work in self.work] for what in ("words", "tile")
        )
        return _Ahead(self.machine.buffer_words(name), words, tiles)

    def layers(self) -> list[LayerTime]:
        for n in range(len(self.steps)):
            self.done.append(self._layer(n))
        return self.done

    def _layer(self, n: int) -> LayerTime:
        work, beats = self.work[n], self.beats
        there = self.fetch.there(n, [layer.begin for layer in self.done])
        data, begin = self._begin(n, there)
        array = begin + work.compute + work.coupled - self._held_ahead(n) + self._gives_way(n)
        if work.unfolded:
            array = max(array, data + work.unfolded)
        moved, reach = self._moved(work), self.fetch.reach(n, ended=True)
        due = beats * (self.weights.due(n) + self.parameters.due(n))
        wanted = beats * (self.weights.wanted(n, reach) + self.parameters.wanted(n, reach))
        # Loads ahead have what is left of the bus, and their turn between the other words.
        start = self.done[-1].complete if self.done else 0
        idle = array + self._way_out(n) - start - moved
        self._load_ahead(n, min(wanted, max(due, moved, idle)), reach)
        bus = (data if work.input_words else begin) + moved + min(wanted, moved)
        computed = max(array, self._behind_loads(work, bus))
        if due and self.done:
            computed = max(computed, max(start, there["load_weights"] + REQUEST + LATENCY) + due)
        complete, last = computed + self._way_out(n), beats * work.last_words
        if work.output_words:
            complete = max(complete + last, bus) + RESPONSE + LATENCY
        self._note(work, begin, computed)
        return LayerTime(begin, computed, complete, complete - start)

    def _begin(self, n: int, there: dict[str, int]) -> tuple[int, int]:
        """When the first words of a layer's input come, and when its first step goes."""
        step, work, beats = self.steps[n], self.work[n], self.beats
        data = self.done[step.after - 1].complete if step.after else 0
        begin = max(data, there["feed_input"]) + FEED
        if work.input_words:
            data = max(there["load_input"], data, self.loader_free) + REQUEST + LATENCY
            begin = data + beats * work.tile_words + work.folding + FEED
        if not self.done:
            # Weights come in between the input's words, as they are asked for later.
            asked = min(work.input_words, INPUT_IN_FLIGHT) + BURST_BEATS
            weights = max(there["load_weights"] + REQUEST + LATENCY, data + beats * asked)
            begin = max(begin, weights + beats * work.weight_set + SWAP)
            return data, begin
        before = self.done[-1]
        if isinstance(step.mapping, VectorMapping) and work.weight_words:
            begin = max(begin, self.fed + work.weight_words + FEED)
        return data, max(begin, before.computed, self._drained(n))

    def _drained(self, n: int) -> int:
        """When the layer before has left its output's place, if this one's output moves."""
        before, own = self.steps[n - 1], self.steps[n]
        if not own.mapping.placing.whole and own.output_place == before.output_place:
            return 0
        end = self.done[-1].complete
        return end - LATENCY - RESPONSE if before.output_address is not None else end

    def _held_ahead(self, n: int) -> int:
        """Cycles of sets of weights that the array has before its first step: one behind that in
        use, and one in use itself if the layer before leaves the array alone.
        """
        idle = n > 0 and isinstance(self.steps[n - 1].mapping, VectorMapping)
        return (1 + idle) * self.work[n].held_ahead

    def _gives_way(self, n: int) -> int:
        """Cycles in which the array waits for residuals that are read of the same bank: where its
        own words do not lie side by side, so that the two do not fall into step.
        """
        step, source = self.steps[n], InputEngines(self.steps[n].mapping)
        if step.added is None or step.added.address is not None or not source.resident:
            return 0
        if step.added.place.memory != source.resident.place.memory:
            return 0
        inner = [level for level in source.levels if source.moves(level, source.order[-1])]
        if inner and source.moves(inner[-1], source.order[-1]) == 1:
            return 0
        return step.output.tensor.words // self.machine.banks

    def _moved(self, work: Work) -> int:
        """Cycles of the bus for the activations of a layer."""
        stores = max(self.beats * work.output_words, RUN * work.output_runs)
        return self._loaded(work) + stores

    def _loaded(self, work: Work) -> int:
        """Cycles of these in which they are loaded."""
        words = self.beats * (work.input_words + work.residual_words)
        return max(words, RUN * (work.input_runs + work.residual_runs))

    def _behind_loads(self, work: Work, bus: int) -> int:
        """When the last step goes if it waits for the last tile of the input.

        ``bus``: when all words of the layer have crossed the bus. What the array gives, and what is
        loaded ahead, while it works on that tile comes behind it.
        """
        if work.unfolded or work.tile_words >= work.input_words:
            return 0
        tiles = work.input_words / work.tile_words
        others = self._moved(work) - self._loaded(work)
        return int(bus - others / tiles + work.compute / tiles)

    def _way_out(self, n: int) -> int:
        """Cycles from the last step to its output, for others to read."""
        vector = isinstance(self.steps[n].mapping, VectorMapping)
        adds = ADD if self.machine.residual_checks else 0
        return array_latency(self.steps[n].mapping) + (0 if vector else SUMS) + POST + adds

    def _load_ahead(self, n: int, beats: int, reach: int) -> None:
        """Share the words of weights and parameters: those are few, and urgent sooner."""
        words = beats // self.beats
        parameters = min(words, self.parameters.wanted(n, reach))
        weights = min(words - parameters, self.weights.wanted(n, reach))
        self.parameters.pass_layer(n, parameters)
        self.weights.pass_layer(n, weights)

    def _note(self, work: Work, begin: int, computed: int) -> None:
        if work.weight_words:
            sets = max(1, work.weight_words // max(1, work.weight_set))
            self.fed = max(begin, computed - work.compute // sets)
        if work.input_words:
            self.loader_free = computed
