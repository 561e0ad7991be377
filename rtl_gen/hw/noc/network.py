"""The face of networks: which input goes to which output, and how many cycles later."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Network", "Routes", "Tap"]


class Tap(NamedTuple):
    """An input on its way to an output."""

    source: int
    delay: int


@dataclass(frozen=True)
class Routes:
    """What a network does, known when it is elaborated.

    Parameters
    ----------
    width
        Bits of a word, at inputs as at outputs.
    inputs
        Words that come in.
    outputs
        For each word that goes out the inputs that it is made of, each with its cycles; of
        several it is the sum (signed, modulo ``2**width``).
    """

    width: int
    inputs: int
    outputs: tuple[tuple[Tap, ...], ...]

    def __post_init__(self):
        for number, taps in enumerate(self.outputs):
            if not taps:
                raise ValueError(f"output {number} is made of no input")
            for source, delay in taps:
                if not 0 <= source < self.inputs:
                    raise ValueError(f"output {number}: there is no input {source}")
                if delay < 0:
                    raise ValueError(f"output {number}: a delay of {delay} cycles is in the past")

    @classmethod
    def from_lanes(cls, width: int, words: list, delays: list[int]) -> tuple["Routes", list]:
        """A lane for each word and delay; returns the distinct words too, which are the inputs.

        Words that are equal are one input, whose lanes take it at their own times.
        """
        distinct = list(dict.fromkeys(words))
        number = {word: n for n, word in enumerate(distinct)}
        lanes = tuple((Tap(number[word], delay),) for word, delay in zip(words, delays))
        return cls(width, len(distinct), lanes), distinct

    @cached_property
    def delay(self) -> int:
        """The most cycles that an input takes."""
        return max((tap.delay for taps in self.outputs for tap in taps), default=0)

    @property
    def distributes(self) -> bool:
        """Whether every output is one input."""
        return all(len(taps) == 1 for taps in self.outputs)


class Network(wiring.Component):
    """What all networks have in common: words in, words out, and nothing that waits.

    Parameters
    ----------
    routes
        Where words go.
    name
        Of the module.

    Members
    -------
    i : ``In(width * inputs)``, o : ``Out(width * outputs)``; the first word lowest.
    """

    def __init__(self, routes: Routes, name: str):
        self._routes = routes
        self.module_name = name
        width = routes.width
        ports = {"i": In(width * routes.inputs), "o": Out(width * len(routes.outputs))}
        super().__init__(ports)

    def _word(self, n: int):
        """An input."""
        return self.i[n * self._routes.width : (n + 1) * self._routes.width]
