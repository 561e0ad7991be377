"""When each layer of a program begins and ends, estimated: layers overlap, and share the bus.

The rules stand in docs/architecture.md, section 5, 'Cycles of a program'.
"""

from dataclasses import dataclass

from ..isa.packets import PACKET_OVERHEAD
from .cost import LATENCY, RUN, Work, work_of
from .mapping import Mapping
from .program import Program, Step
from .tagged_mapping import TaggedMapping
from .vector_mapping import VectorMapping

__all__ = ["LayerTime", "estimate_program"]

START = 8
"""Cycles from the host's start to the first address of the program on the bus."""

RETURN = 2
"""Cycles from a beat at the port to its engine, and from there to the buffer."""

TAKE = 3
"""Cycles from the last word of a descriptor to the engine's start."""

REQUEST = 8
"""Cycles from a load engine's start to its first address on the bus."""

FEED = 10
"""Cycles from the start of the feeders to the first step: nest, buffer, word set, issue."""

BEHIND = 9
"""Cycles from a sum behind the array to its output: accumulators and ``Post`` 7, collector 2."""

ADD = 7
"""Cycles of the residual adders, added or not, in designs that have them."""

RESPONSE = 8
"""Cycles from a tile's last word to its last address on the bus, and from the response on."""

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
    """

    def __init__(self, room: int, words: list[int]):
        self.room, self.words = room, words
        self.loaded = self.used = 0

    def due(self, n: int) -> int:
        """Words of a layer that have not come when the one before it is complete."""
        return max(0, self.used + self.words[n] - self.loaded)

    def wanted(self, n: int) -> int:
        """Words that come until the end of a layer if the bus allows it."""
        here = self.used + self.words[n]
        return min(here + self.room, sum(self.words)) - self.loaded

    def pass_layer(self, n: int, loaded: int) -> None:
        self.used += self.words[n]
        self.loaded += loaded


class _Timeline:
    """What engines are at, layer by layer."""

    def __init__(self, program: Program):
        self.steps = program.steps
        first = self.steps[0].mapping.machine
        self.machine = first
        self.beats = first.block * 8 // first.design.bus_bits
        self.work = [work_of(step.mapping) for step in self.steps]
        self.weights = _Ahead(
            first.buffer_words("weights"), [work.weight_words for work in self.work]
        )
        self.parameters = _Ahead(
            first.buffer_words("parameters"), [work.parameter_words for work in self.work]
        )
        self.descriptors = _Fetch(self.steps, first)
        self.done: list[LayerTime] = []
        self.bus = 0
        """The cycle in which the bus is done with all words of the layers so far."""
        self.fed = 0
        """The cycle in which the last weights so far were handed to the array."""
        self.loader_free = 0
        """The cycle in which the input's load engine may begin another layer."""

    def layers(self) -> list[LayerTime]:
        for n in range(len(self.steps)):
            self.done.append(self._layer(n))
        return self.done

    def _complete(self, layers: int) -> int:
        """The cycle in which so many layers are complete."""
        return self.done[layers - 1].complete if layers else 0

    def _layer(self, n: int) -> LayerTime:
        step, work, beats = self.steps[n], self.work[n], self.beats
        mapping, before = step.mapping, self.done[-1] if self.done else None
        there = self.descriptors.there(n, [layer.begin for layer in self.done])
        fence = self._complete(step.after)
        load = max(there["load_input"], fence, self.loader_free)
        data = fence if work.input_words == 0 else load + REQUEST + LATENCY + RETURN
        begin = max(data + beats * work.tile_words, there["feed_input"]) + FEED
        # What was not loaded ahead of the weights and parameters that the first step needs.
        first = there["load_weights"] + REQUEST + LATENCY + RETURN
        begin = max(begin, first + self._first_words(n) + FEED)
        if isinstance(mapping, VectorMapping) and work.weight_words:
            begin = max(begin, self.fed + work.weight_words + FEED)
        if before:
            begin = max(begin, before.computed, self._drained(n) + FEED)
        # The bus: nothing of this layer before its first words, or its first outputs.
        bus = max(self.bus, data if work.input_words else begin)
        moved = self._moved(work)
        due = beats * (self.weights.due(n) + self.parameters.due(n))
        wanted = beats * (self.weights.wanted(n) + self.parameters.wanted(n))
        array = begin + work.compute + work.coupled
        bound = bus + moved + due >= array
        ahead = wanted if bound else max(due, min(wanted, array - bus - moved))
        self._load_ahead(n, ahead)
        over = bus + moved + ahead if bound else bus
        last = beats * work.last_words
        computed = max(array, over - last + self._behind_loads(n))
        complete = computed + array_latency(mapping) + BEHIND + self._adds
        if work.output_words:
            complete += last + RESPONSE + LATENCY
        self.bus = max(over, bus)
        self._note(n, begin, computed, load)
        start = before.complete if before else 0
        return LayerTime(begin, computed, complete, complete - start)

    @property
    def _adds(self) -> int:
        return ADD if self.machine.residual_checks else 0

    def _moved(self, work: Work) -> int:
        """Cycles of the bus for the activations of a layer."""
        loads = self.beats * (work.input_words + work.residual_words)
        loads = max(loads, RUN * (work.input_runs + work.residual_runs))
        stores = max(self.beats * work.output_words, RUN * work.output_runs)
        return loads + stores

    def _behind_loads(self, n: int) -> int:
        """Steps that the array has left when the last words of the input have come."""
        work = self.work[n]
        if not work.input_words:
            return 0
        return work.compute * min(work.tile_words, work.input_words) // work.input_words

    def _first_words(self, n: int) -> int:
        """Cycles that the words take without which no step goes, if no layer hides them."""
        return self.beats * (self.work[n].weight_set + self.work[n].parameter_set)

    def _drained(self, n: int) -> int:
        """When the layer before leaves its output's place, if this one's output lies elsewhere."""
        before, own = self.steps[n - 1], self.steps[n]
        moves = own.mapping.placing.whole or own.output_place != before.output_place
        if not moves:
            return 0
        end = self.done[-1].complete
        return end - LATENCY if before.output_address is not None else end

    def _load_ahead(self, n: int, beats: int) -> None:
        """Share what the bus has for weights and parameters: parameters are few, and go first."""
        words = beats // self.beats
        parameters = min(words, self.parameters.wanted(n))
        self.parameters.pass_layer(n, parameters)
        self.weights.pass_layer(n, min(words - parameters, self.weights.wanted(n)))

    def _note(self, n: int, begin: int, computed: int, load: int) -> None:
        work = self.work[n]
        if work.weight_words:
            sets = max(1, work.weight_words // max(1, work.weight_set))
            self.fed = max(begin, computed - work.compute // sets)
        if work.input_words:
            self.loader_free = computed


class _Fetch:
    """When descriptors are there."""

    def __init__(self, steps: list[Step], machine):
        self.machine = machine
        self.words = [step.descriptors(last=n == len(steps) - 1) for n, step in enumerate(steps)]
        self.pushed = START + LATENCY + RETURN

    def there(self, n: int, begun: list[int]) -> dict[str, int]:
        """Of each engine of a layer, the cycle in which it may start."""
        found = dict.fromkeys(self.machine.engines, 0)
        for engine, words in self.words[n].items():
            self.pushed += len(words) + PACKET_OVERHEAD - 1
            found[engine] = self.pushed + TAKE
        return found
