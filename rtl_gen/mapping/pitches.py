"""How tiles lie in banked memories: the distances of neighbours, and what meets in a bank."""

from collections import Counter
from collections.abc import Iterable

__all__ = ["crowded", "crowded_by", "pitches_of", "rounded"]


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


def crowded_by(loops: Iterable[tuple[int, int]], banks: int) -> int:
    """The same of the words that loops walk: of each its trips, and the words between them."""
    offsets = [0]
    for trips, step in loops:
        offsets = [at + n * step for at in offsets for n in range(trips)]
    return crowded(offsets, banks)


def rounded(words: int, banks: int) -> int:
    """The next multiple of the number of banks."""
    return -(-words // banks) * banks
