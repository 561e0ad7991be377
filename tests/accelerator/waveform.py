"""Signals of a waveform (VCD), cycle by cycle."""

from collections.abc import Iterator
from pathlib import Path

__all__ = ["cycles"]


def cycles(file: Path, scope: str, clock: str, signals: tuple[str, ...]) -> Iterator[dict]:
    """The values of some signals of one scope in each cycle: just before the clock's next edge.

    Parameters
    ----------
    scope
        Names of the scopes from the outermost, with dots between.
    clock, signals
        Names of variables in that scope. A value of several bits comes as an integer.

    Raises
    ------
    KeyError
        If the waveform has no such signal.
    """
    with open(file) as lines:
        codes = _codes(lines, scope)
        names = {codes[name]: name for name in signals}
        edge = codes[clock]
        now = dict.fromkeys(signals, 0)  # up to the time before
        changed: dict[str, int] = {}  # at this time
        high = rising = False
        for line in lines:
            if line[0] == "#":
                if rising:
                    yield dict(now)
                now |= changed
                changed, rising = {}, False
                continue
            value, _, code = line.rstrip().partition(" ") if line[0] == "b" else _bit(line)
            if code == edge:
                rising, high = value == "1" and not high, value == "1"
            elif code in names:
                bits = value.removeprefix("b").replace("x", "0").replace("z", "0")
                changed[names[code]] = int(bits, 2)


def _bit(line: str) -> tuple[str, str, str]:
    return line[0], "", line[1:].rstrip()


def _codes(lines, scope: str) -> dict[str, str]:
    """The codes of the variables of a scope, by name; reads up to the end of the definitions."""
    path: list[str] = []
    found: dict[str, str] = {}
    for line in lines:
        words = line.split()
        if not words:
            continue
        if words[0] == "$scope":
            path.append(words[2])
        elif words[0] == "$upscope":
            path.pop()
        elif words[0] == "$var" and ".".join(path) == scope:
            found[words[4]] = words[3]
        elif words[0] == "$enddefinitions":
            return found
    return found
