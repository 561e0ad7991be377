"""Inputs that move from PE to PE in an accelerator: what feeders and steps must know of them."""

from dataclasses import dataclass, replace

from ..spec.operation import SpecError
from .links import links_of
from .optional import moving_vector
from .result import Reuse

__all__ = ["MovingInput", "moving_input"]


@dataclass(frozen=True)
class MovingInput:
    """How an input moves: what the PE at a place along a loop uses now, the PE before it uses a
    tick later, so words enter at the last place.

    Parameters
    ----------
    loop
        Number of the spatial loop along which it moves.
    size
        PEs along that loop: places of a word.
    tap, tick
        The dimension of that loop; that of the input's innermost loop, of the array's inner one and
        those in the PE, whose trips are the ticks.
    rank
        The input's rank that both index.
    within
        Dimensions of loops in the PE inside that one: their trips are steps of one tick.
    """

    loop: int
    size: int
    tap: str
    tick: str
    rank: str
    within: tuple[str, ...] = ()


def moving_input(reuse: Reuse) -> MovingInput | None:
    """How the input of an accelerator moves; None if it does not.

    Raises
    ------
    SpecError
        If something moves in a way that feeders cannot follow.
    """
    placement = reuse.placement
    dataflow = placement.dataflow
    tensor = dataflow.operation.activation
    if dataflow.phases or any(name != tensor.name for name in dataflow.moving):
        raise SpecError(
            f"an accelerator feeds every lane in every step, the input {tensor.name} alone may "
            f"move; other links that move, or hold in phases only, are built in an array alone",
            key="links.phases" if dataflow.phases else "links.moving",
        )
    if not dataflow.moving:
        return None
    split = tensor.name in placement.split
    steps, ticks = moving_vector(placement, tensor, split=split)
    (loop, step), *others = [(n, step) for n, step in enumerate(steps) if step]
    tick, tap = placement.tick(tensor), dataflow.spatial[loop].dimension
    ranks = [rank for rank in tensor.ranks if tick in rank.dimensions]
    spatial = [x.dimension for x in dataflow.spatial]
    simple = not others and (step, ticks) == (-1, 1) and placement.units[loop] == 1
    simple = simple and len(ranks) == 1 and sorted(ranks[0].dimensions) == sorted((tick, tap))
    if not simple or tick in spatial or spatial.count(tap) > 1:
        raise SpecError(
            f"{tensor.name} moves by {placement.vector(steps)} in {ticks} ticks of {tick!r}; an "
            f"accelerator is built where it moves along one loop, a place a tick, towards the "
            f"loop's first PE",
            key="links.moving",
        )
    whole = links_of(replace(placement, split=frozenset()), tensor, reuse.grid)
    if links_of(placement, tensor, reuse.grid) != whole:
        raise SpecError(
            f"a stride would break other links of {tensor.name} than the moving one; such links "
            f"are built in an array alone",
            key="links.moving",
        )
    loops = dataflow.hardware_loops
    within = loops[len(loops) - loops[::-1].index(tick) :]
    return MovingInput(loop, placement.sizes[loop], tap, tick, ranks[0].name, within)
