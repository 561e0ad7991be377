"""The storage idioms of an operand: a buffet, and what stands before it."""

from ..place import place
from .buffet import BuffetParams
from .handover import Handover
from .read_once import ReadOnce

__all__ = ["HELD_TILES", "tie_idiom"]

HELD_TILES = {"double_buffer": 2, "scratchpad": 1}
"""Tiles between which the idioms that hand over whole tiles are divided."""


def tie_idiom(m, platform, name: str, idiom: str, buffet: BuffetParams, load, config, request):
    """Place what makes an idiom of a buffet; return what the buffet's ports are tied to.

    All idioms are one memory with a head and a tail. A buffet gives room back word by word, a FIFO
    with each word read; a double buffer and a scratchpad hand over and give back whole tiles. So
    any component with a buffet's ports may be tied so.

    Parameters
    ----------
    name
        Of the operand, for the parts' names.
    idiom
        One of :data:`~rtl_gen.isa.descriptors.IDIOMS`.
    load, config
        The load engine that fills, and its configuration: with ``tile_words`` where tiles are
        handed over. It must not start before all it loaded has come (:data:`HELD_TILES`).
    request
        The reader's.
    """
    ties = {"write": load.write, "commit": load.commit, "space": load.space, "request": request}
    if idiom == "fifo":
        once = place(m, platform, f"{name}_read_once", ReadOnce, buffet, tied={"i": request})
        ties["request"] = once.o
    if idiom in HELD_TILES:
        tied = {
            "start": load.start,
            "tile_words": config.tile_words,
            "fill": load.write,
            "fill_commit": load.commit,
            "space": ties.pop("space"),
        }
        shape = (buffet.width, buffet.depth, HELD_TILES[idiom])
        handover = place(m, platform, f"{name}_handover", Handover, *shape, tied=tied)
        ties |= {
            "write": handover.write,
            "commit": handover.commit,
            "filled": handover.filled,
        }
    return ties
