"""How tiles lie in banked memories: the distances of neighbours, and what meets in a bank."""

from collections import Counter
from collections.abc import Iterable

__all__ = ["crowded", "pitches_of", "rounded"]


def pitches_of(counts: dict[str, int]) -> dict[str, int]:
    """Words between neighbours along each rank, the slowest rank first."""
    pitches, step = {}, 1
    for name in reversed(counts):
        pitches[name] = step
        step *= counts[name]
    return pitches


def crowded(offsets: Iterable[int], banks: int) -> int:
    """Words in the bank that has most of them, wherever the first word lies."""
    return max(Counter(offset % banks for offset in offsets).values())


def rounded(words: int, banks: int) -> int:
    """The next multiple of the number of banks."""
    return -(-words // banks) * banks
