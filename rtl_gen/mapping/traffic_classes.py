"""What is counted of what a layer moves: words at ports, and classes of links."""

from dataclasses import dataclass

__all__ = ["LinkClass", "Traffic"]

WHERE = {"bus": "on its bus", "scratchpad": "into scratchpads"}


@dataclass(frozen=True, order=True)
class LinkClass:
    """Links of one tensor that are alike, or its lanes or exits.

    Parameters
    ----------
    kind
        ``multicast``, ``forward``, ``diagonal``, ``moving``, ``reduce_tree``, ``reduce_forward``,
        ``shift``; ``lane``, ``exit``; of tagged buses ``bus``, and ``scratchpad``, what the PEs
        take of it.
    vector
        From source to target; (0, 0) of lanes and exits.
    delay
        Registers.
    """

    tensor: str
    kind: str
    vector: tuple[int, int] = (0, 0)
    delay: int = 0

    def __str__(self) -> str:
        if self.kind in ("lane", "exit"):
            return f"{self.tensor} {self.kind}s"
        if self.kind in WHERE:
            return f"{self.tensor} {WHERE[self.kind]}"
        return f"{self.tensor} {self.kind} {self.vector}"


@dataclass(frozen=True)
class Traffic:
    """Words that a layer moves.

    Parameters
    ----------
    steps, load_ticks, drain_ticks, input_ticks
        Of the array; load ticks of each held operand, by its name; ticks of an input that moves
        from PE to PE, else 0.
    buffers
        Words of a block: read of the buffers (``feed_input``, ``feed_weights``,
        ``feed_parameters``), written to the output buffer (``compute``); loaded and stored over the
        memory port (``load_input``, ``load_weights``, ``load_parameters``, ``store``); where
        windows of an image can be folded, the words that they make (``unfold_input``).
    links
        Elements, or sums, by class of link.
    """

    steps: int
    load_ticks: dict[str, int]
    drain_ticks: int
    input_ticks: int
    buffers: dict[str, int]
    links: dict[LinkClass, int]
