"""Choosing by mode: a multiplexer only where modes differ."""

from collections.abc import Callable, Hashable, Sequence

from amaranth.hdl import Mux, Value

__all__ = ["by_mode", "mode_bits", "settled"]


def mode_bits(modes: int) -> int:
    """Bits of a mode's number."""
    return (modes - 1).bit_length()


def by_mode(mode: Value, choices: Sequence[Hashable], value_of: Callable):
    """``value_of`` the present mode's choice.

    Modes of equal choice share an input of the multiplexer; where all choose alike there is none.
    """
    distinct = list(dict.fromkeys(choices))
    value = value_of(distinct[0])
    for choice in distinct[1:]:
        numbers = [n for n, other in enumerate(choices) if other == choice]
        here = mode == numbers[0]
        for number in numbers[1:]:
            here = here | (mode == number)
        value = Mux(here, value_of(choice), value)
    return value


def settled(choices: Sequence) -> tuple:
    """The choices of modes, those that are open (None, or nothing in a tuple) as the first."""
    first = next(choice for choice in choices if choice not in (None, ()))
    return tuple(first if choice in (None, ()) else choice for choice in choices)
