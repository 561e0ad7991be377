"""A word on a link, as the counters of a simulation see it."""

from dataclasses import dataclass

__all__ = ["LinkSignal"]


@dataclass(frozen=True)
class LinkSignal:
    """A word on a wire: the condition that it is there, so many cycles later, and its name."""

    when: str
    later: int
    word: str

    @property
    def strobe(self) -> str:
        return f"{self.when}[{self.later - 1}]" if self.later else self.when
