"""What the issue of steps depends on, and what it tells of each step."""

from dataclasses import dataclass

from amaranth.hdl import signed, unsigned
from amaranth.lib import data

from ...isa.descriptors import compute_masks
from ...isa.fields import Record
from .nest import NestParams

__all__ = ["IN_PE", "VECTOR_STEP", "IssueParams"]

IN_PE = ("input_register", "weight_register", "sum")
"""Forms that say which word, or which sum, of several PEs take in a step."""

VECTOR_STEP = ("last", "row_first", "row_last")


@dataclass(frozen=True, kw_only=True)
class IssueParams:
    """What the issue of steps depends on.

    Parameters
    ----------
    record
        The computing engine's descriptor.
    levels
        Loops.
    forms
        (name, bits) of the nest's forms.
    amount_bits
        Bits of a number of words of the output buffer.
    accumulators
        Whether sums meet in memory behind the array.
    drain_sizes
        Trip counts of the loops in which sums are shifted out; empty where they leave at once.
    post_phases
        Cycles that post-processing takes for the sums of a step.
    gathered_words
        Output words gathered together, in a step or in all ticks of a drain; 1 where a step gives
        whole words or parts of one.
    gather_loops
        Loops over the words of a step, or tick; their strides, behind those of a drain's ticks, go
        with each: the next layer may have begun before words are written. 0 where nothing is
        gathered.
    adds
        Whether a residual may be added.
    taps
        Places through which an input moves; 0: inputs do not move.
    tick_steps
        Whether a tick of an input that moves may have several steps, of which the last is the tick.
    pieces
        Whether PEs add some products before a sum leaves them: steps between give none.
    checks
        Coordinates of the output that a step must have inside the tensor, else its products belong
        nowhere.
    vector
        Whether a vector unit takes the steps of some layers: it keeps their sums, and no weights
        are used up.
    drain_modes
        Of a design of several dataflows, in which of them sums are shifted out.
    raw_cycles, settle_cycles
        Where results may leave as sums: cycles that those of a step take, and those after a step
        whose outputs are int8 in which none may go whose are not, or both would be written in one;
        0 where none do.
    """

    record: Record
    levels: int
    forms: tuple[tuple[str, int], ...]
    amount_bits: int
    accumulators: bool
    drain_sizes: tuple[int, ...]
    post_phases: int
    gathered_words: int
    gather_loops: int
    adds: bool = False
    taps: int = 0
    pieces: bool = False
    tick_steps: bool = False
    checks: int = 0
    drain_modes: tuple[bool, ...] = ()
    raw_cycles: int = 0
    settle_cycles: int = 0
    vector: bool = False

    @property
    def groups(self) -> int:
        """Loops over the words of all ticks of a drain, or of a step."""
        return len(self.drain_sizes) + self.gather_loops

    @property
    def nest(self) -> NestParams:
        return NestParams(
            levels=self.levels,
            forms=self.forms,
            events=(("commit", self.amount_bits),),
            masks=compute_masks(self.taps > 0, self.pieces, self.tick_steps, self.vector),
        )

    @property
    def tag(self) -> data.StructLayout:
        """What travels beside a step, to where its sums come out.

        ``first``: the sum starts anew; ``emit``: it is complete; ``out``, ``channel``: where the
        outputs go, and by which ``strides``; ``parameters_done``, ``word_done``: the channel
        block's parameters, the gathered word end here; ``commit``: output words that are complete
        with it.
        """
        forms = dict(self.forms)
        members = {"first": 1, "emit": 1, "parameters_done": 1, "word_done": 1}
        members |= {"commit": unsigned(self.amount_bits)}
        members |= {"out": signed(forms["out"]), "channel": signed(forms["channel"])}
        if self.accumulators:
            members["accumulator"] = signed(forms["accumulator"])
        if self.gather_loops:
            members["strides"] = unsigned(forms["out"] * self.groups)
        if self.raw_cycles:
            members |= {"raw": 1, "raw_stride": unsigned(forms["out"])}
        return data.StructLayout(members)

    @property
    def step(self) -> data.StructLayout:
        """What a step means to its operands.

        ``first``: the PEs' sums start anew; ``byte``: of the input lanes; for input and weights
        whether they are used up; ``weight_align``: the next weights begin a word; ``outside``: for
        each tap whether it lies outside the tensor; ``last``, ``row_first``, ``row_last``: with
        ``first``, what a step of a vector unit begins and ends; ``input_register``,
        ``weight_register``, ``sum``: what a PE takes of several words or sums that it keeps.
        """
        forms = dict(self.forms)
        names = [name for name in ("byte", *IN_PE) if name in forms]
        byte = {name: signed(forms[name]) for name in names}
        members = {"first": 1, "input_done": 1, "weights_done": 1, "weight_align": 1}
        outside = {"outside": unsigned(self.taps)} if self.taps else {}
        outside |= dict.fromkeys(VECTOR_STEP, 1) if self.vector else {}
        return data.StructLayout(members | byte | outside)
