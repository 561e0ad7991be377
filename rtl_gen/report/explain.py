"""Explains a dataflow: how each tensor moves, what is stored where, and what bounds the rate."""

from dataclasses import asdict, dataclass, is_dataclass
from fractions import Fraction

from ..reuse import Placement, Reuse, analyse
from ..reuse.machine import Machine
from ..reuse.registers import border_bits, link_bits, reaches
from ..spec.dataflow import AXES
from ..spec.design import Design
from ..spec.operation import SpecError
from .reuse_facts import OperandFacts, OutputFacts, operand_facts, output_facts
from .sentences import (
    count_text,
    held_text,
    lane_text,
    link_rows,
    ratio_text,
    row,
    size_text,
    stream_text,
    wrapped,
    written_text,
)
from .word_facts import (
    BlockPieces,
    BufferFacts,
    HeldWords,
    StreamWords,
    block_pieces,
    buffer_facts,
    operand_words,
    output_words,
)

__all__ = ["Explanation", "explain", "explanation_text", "plain"]


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Everything `explain` says, as data.

    Parameters
    ----------
    words
        Words of each tensor, by name; empty where no accelerator can be built.
    pieces
        How blocks are cut, by the name of the tensor, where not into equal pieces.
    accumulators
        Entries behind each exit; 0 where sums are complete when they leave.
    sum_bits
        Bits of a complete sum.
    post_lanes, post_phases
        Requantizers, and the cycles that they take for the sums that leave together; 0 where no
        accelerator can be built.
    reaches
        How many PEs in a line the longest wire of each tensor, and of control, spans.
    link_bits, border_bits
        Bits of the registers that delays take between PEs, and around the array.
    refused
        Why no accelerator can be built around the array; None if it can.
    """

    design: Design
    reuse: Reuse
    operands: tuple[OperandFacts, ...]
    output: OutputFacts
    words: dict[str, StreamWords | HeldWords]
    pieces: dict[str, BlockPieces]
    buffers: tuple[BufferFacts, ...]
    accumulators: int
    sum_bits: int
    post_lanes: int
    post_phases: int
    reaches: dict[str, int]
    link_bits: int
    border_bits: int
    refused: SpecError | None

    @property
    def completion_cycles(self) -> Fraction:
        """Cycles that outputs take which are complete together: post-processing, words written."""
        return max(Fraction(self.post_phases), self.words[self.output.name].per_step)

    @property
    def steps_per_cycle(self) -> Fraction:
        """The rate that the words of all streamed operands allow."""
        rates = [
            self.words[operand.name].steps_per_cycle
            for operand in self.operands
            if operand.how == "streamed" and self.words
        ]
        return min(rates, default=Fraction(1))


def explain(design: Design) -> Explanation:
    """Gather the facts of a design.

    Raises
    ------
    SpecError
        If the dataflow asks for what does not exist; without a file, see `parse.place`.
    """
    machine, refused = None, None
    try:
        machine = Machine(design)
        reuse = machine.reuse
    except SpecError as error:
        refused = error
        reuse = analyse(Placement(design.dataflow, design.shape), design.formats)
    operation = design.dataflow.operation
    roles = {operation.activation.name: "input"}
    operands = tuple(
        operand_facts(reuse, operand, roles.get(operand.name, "weights"))
        for operand in reuse.operands
    )
    formats = design.formats
    output = output_facts(reuse, formats.largest_product, formats.reduction)
    words, pieces = {}, {}
    if machine:
        words = {operand.name: operand_words(machine, operand.name) for operand in operands}
        words[output.name] = output_words(machine)
        cut = {x.name: block_pieces(machine, x) for x in (operation.activation, operation.output)}
        pieces = {name: found for name, found in cut.items() if found}
    return Explanation(
        design=design,
        reuse=reuse,
        operands=operands,
        output=output,
        words=words,
        pieces=pieces,
        buffers=buffer_facts(machine) if machine else (),
        accumulators=machine.accumulators if machine else 0,
        sum_bits=machine.sum_bits if machine else reuse.psum_bits,
        post_lanes=machine.post_lanes if machine else 0,
        post_phases=machine.post_phases if machine else 0,
        reaches=reaches(reuse),
        link_bits=link_bits(reuse),
        border_bits=border_bits(reuse),
        refused=refused,
    )


def explanation_text(facts: Explanation) -> str:
    """The explanation for people, at most 100 columns wide."""
    parts = [_head(facts), _nest(facts), _steps(facts)]
    parts += [_operand(facts, operand) for operand in facts.operands]
    parts += [_output(facts), _rate(facts), _buffers(facts)]
    return "\n\n".join(part for part in parts if part) + "\n"


def plain(facts: Explanation) -> dict:
    """The explanation for machines: dicts, lists, numbers and texts."""
    design, reuse = facts.design, facts.reuse
    tensors = [_plain_of(fact) for fact in (*facts.operands, facts.output)]
    for tensor in tensors:
        words = facts.words.get(tensor["name"])
        tensor["words"] = _plain_of(words) if words else None
        if isinstance(words, StreamWords):
            tensor["words"] |= {
                "per_step": float(words.per_step),
                "steps_per_cycle": float(words.steps_per_cycle),
            }
        tensor["pieces"] = _plain_pieces(facts.pieces.get(tensor["name"]))
    return {
        "design": design.name,
        "operation": design.dataflow.operation.name,
        "einsum": design.dataflow.operation.einsum,
        "array": {"rows": design.rows, "columns": design.columns},
        "used": dict(zip(AXES, reuse.placement.extent)),
        "skew": dict(zip(AXES, reuse.skew)),
        "groups": {axis: asdict(p) for axis, p in zip(AXES, reuse.paces) if p.group},
        "reach": facts.reaches,
        "flip_flops": {"between_pes": facts.link_bits, "border": facts.border_bits},
        "tensors": tensors,
        "accumulators": {
            "behind_each_exit": facts.accumulators,
            "bits": facts.sum_bits,
            "max_products": design.formats.reduction,
        },
        "steps_per_cycle": float(facts.steps_per_cycle) if facts.words else None,
        "post": {"lanes": facts.post_lanes, "cycles": facts.post_phases} if facts.words else None,
        "cycles_per_completion": float(facts.completion_cycles) if facts.words else None,
        "buffers": [_plain_of(buffer) for buffer in facts.buffers],
        "refused": str(facts.refused) if facts.refused else None,
    }


def _plain_pieces(pieces: BlockPieces | None) -> dict | None:
    if pieces is None:
        return None
    use = float(pieces.use)
    return _plain_of(pieces) | {"steps": pieces.steps, "last": pieces.last, "use": use}


def _plain_of(fact) -> dict:
    assert is_dataclass(fact)
    return asdict(fact)


# Sections


def _head(facts: Explanation) -> str:
    design, operation = facts.design, facts.design.dataflow.operation
    lines = [
        f"{design.name}: {operation.name} on {design.rows} x {design.columns} PEs (rows x columns)",
        f"  {operation.einsum}",
    ]
    if operation.symbols:
        lines += wrapped(
            f"{', '.join(operation.symbols)} are set at run time: a wire exists only for reuse "
            f"that holds whatever their values.",
            "  ",
        )
    return "\n".join(lines)


def _nest(facts: Explanation) -> str:
    dataflow = facts.design.dataflow
    rows = []
    if dataflow.temporal[:-1]:
        rows.append((f"for {' '.join(dataflow.temporal[:-1])}", "outside the array, any bounds"))
    rows.append((f"for {dataflow.inner}", "the inner loop of the array: a step each"))
    for loop in dataflow.pe:
        rows.append((f"for {loop.dimension}", f"in the PE: a step each, at most {loop.maximum}"))
    for loop, size in zip(dataflow.spatial, facts.reuse.placement.sizes):
        rows.append((f"spatial {loop.dimension}", f"{AXES[loop.axis]}: {size} PEs at once"))
    width = max(len(name) for name, _ in rows)
    return "\n".join(
        ["Loop nest, outermost first", *(f"  {name:{width}}  {what}" for name, what in rows)]
    )


def _steps(facts: Explanation) -> str:
    paces = list(zip(AXES, facts.reuse.paces))
    skewed = [(axis, pace.step) for axis, pace in paces if pace.step]
    text = "A step is one MAC in every PE."
    if facts.reuse.grid.at_once:
        text += " It reaches all PEs in one cycle: no skew (broadcast)."
    for axis, skew in skewed:
        which = axis.removesuffix("s")
        side = "before" if skew > 0 else "after"
        text += f" It reaches a {which} one cycle later than the {which} {side} it"
        text += f" (skew {skew}, systolic)."
    for axis, pace in paces:
        if pace.group:
            text += f" It reaches {pace.group} {axis} in one cycle and the {pace.group} "
            text += f"{'after' if pace.border > 0 else 'before'} them "
            text += f"{count_text(abs(pace.border), 'cycle')} later (skew 0, in groups)."
    still = [axis for axis, pace in paces if not pace.step and not pace.group]
    if not facts.reuse.grid.at_once and still:
        text += f" All {still[0]} see it in the same cycle (skew 0, broadcast)."
    return "\n".join(wrapped(f"{text} {_registers_text(facts)}", ""))


def _registers_text(facts: Explanation) -> str:
    """The longest wires, and what all delays cost."""
    far = {name: pes for name, pes in facts.reaches.items() if pes > 1}
    text = "No wire goes on from PE to PE."
    if far:
        each = ", ".join(f"{name} {pes}" for name, pes in far.items())
        text = f"The longest wires span, in PEs of a line: {each}."
    if facts.link_bits or facts.border_bits:
        text += f" So that all agree in each PE, delays take {facts.link_bits} bits of registers "
        text += f"between PEs and {facts.border_bits} at the border of the array."
    return text


def _operand(facts: Explanation, operand: OperandFacts) -> str:
    lines = [f"{operand.name}, the {operand.role}: {operand.how}, because {operand.because}"]
    lines += link_rows(operand.links, operand.declined)
    when = "step"
    bits = facts.design.formats.operand_bits
    if operand.how == "stationary":
        when = "load tick"
        plural = "s" * (operand.storage > 1)
        lines += row(
            "in the PE",
            f"{operand.storage} word{plural} of {bits} bits, and as many in a shadow that is "
            f"loaded while the PE works",
        )
    else:
        lines += row("in the PE", "nothing is stored but the registers of the links")
    lines += row("lanes", lane_text(operand.lanes, when))
    if operand.warm_up:
        lines += row(
            "warm-up",
            f"{count_text(operand.warm_up, 'tick')} without a step before each run of its ticks",
        )
    if operand.warm_up and facts.words:
        flow, operation = facts.design.dataflow, facts.design.dataflow.operation
        inner = flow.inner
        tick = facts.reuse.placement.tick(operation.tensor(operand.name))
        stride = "takes as many ticks a step"
        if tick in operation.summed:
            stride = f"is walked in as many phases, a run of {tick} each"
        lines += row(
            "ticks",
            f"the words of a run of {inner} follow those of the run before; outside {operand.name} "
            f"a bit for each tap makes PEs take the pad value. So padding takes no ticks, and "
            f"hides the warm-up as far as it reaches. A stride {stride}",
        )
    if operand.shift:
        text = f"shifted in along the {operand.shift}: {operand.load_ticks} load ticks fill all PEs"
        if operand.storage > 1:
            text += f" with one word, {operand.load_ticks * operand.storage} with all"
        lines += row("load", text)
    words = facts.words.get(operand.name)
    if isinstance(words, HeldWords):
        lines += row("words", held_text(words))
    elif words:
        lines += row("words", stream_text(words))
    lines += _pieces(facts, operand.name)
    return "\n".join(lines)


def _output(facts: Explanation) -> str:
    output, formats = facts.output, facts.design.formats
    lines = [f"{output.name}, the output: {output.how}, because {output.because}"]
    lines += link_rows(output.links, output.declined)
    if output.storage:
        plural = "s" * (output.storage > 1)
        lines += row(
            "in the PE", f"{output.storage} accumulator{plural} of {output.psum_bits} bits"
        )
    lines += row("psum", f"{output.psum_bits} bits: {output.psum_because}")
    what = "drain tick" if output.drain else "step"
    lines += row("exits", lane_text(output.exits, what, inward=False))
    if output.drain:
        lines += row(
            "drain",
            f"complete sums are shifted out along the {output.drain}: {output.idle_steps} drain "
            f"ticks a tile of the array, in which no step goes (idle steps)",
        )
    if facts.accumulators:
        lines += row(
            "at the edge",
            f"{facts.accumulators} accumulators of {facts.sum_bits} bits behind each exit add up "
            f"what the array gives in pieces: up to {formats.reduction} "
            f"products whatever their values",
        )
    words = facts.words.get(output.name)
    if words:
        lines += row("post", _post_text(facts, what))
        lines += row("words", written_text(words, what))
    lines += _pieces(facts, output.name)
    return "\n".join(lines)


def _post_text(facts: Explanation, what: str) -> str:
    sums = facts.output.exits.elements
    text = (
        f"{count_text(facts.post_lanes, 'requantizer')}: the {count_text(sums, 'sum')} of a {what}"
    )
    takes = "takes" if sums == 1 else "take"
    return f"{text}, once complete, {takes} {count_text(facts.post_phases, 'cycle')}"


def _pieces(facts: Explanation, name: str) -> list[str]:
    """The row that says how blocks are cut; none where they are cut into equal pieces."""
    cut = facts.pieces.get(name)
    if cut is None:
        return []
    which = "second" if cut.steps == 2 else "last"
    text = f"a block of {cut.block} along {cut.dimension} takes {cut.steps} steps, the {which} with"
    text += f" {cut.last} of {cut.at_once} {cut.on}: whole blocks keep"
    return row("pieces", f"{text} {float(100 * cut.use):.0f} % of the {cut.on} at work")


def _rate(facts: Explanation) -> str:
    if facts.refused:
        return "\n".join(wrapped(_refused_text(facts.refused), ""))
    rate = facts.steps_per_cycle
    text = f"Step rate: at most {ratio_text(rate)} a cycle"
    streamed = [operand.name for operand in facts.operands if operand.how == "streamed"]
    bound = [n for n in streamed if facts.words[n].steps_per_cycle == rate]
    if rate == 1:
        text += f": the words of {' and '.join(streamed)} come in time."
    else:
        text += f": the words of {' and '.join(bound)} are the bound."
    return "\n".join(wrapped(text + _completion_text(facts), ""))


def _refused_text(refused: SpecError) -> str:
    if refused.key.partition(".")[0] in ("buffers", "bus", "block", "post"):
        return f"No accelerator can be built with this size: {refused}"
    return f"Only the array can be built, no accelerator around it: {refused}"


def _completion_text(facts: Explanation) -> str:
    """What complete outputs cost besides; nothing where they go on as fast as steps come."""
    cycles = facts.completion_cycles
    written = facts.words[facts.output.name].per_step
    bound = f"the words of {facts.output.name} are" if cycles == written else "post-processing is"
    if facts.output.idle_steps:
        idle = facts.output.idle_steps * max(cycles, Fraction(1))
        text = f" After each tile of sums the array idles for {ratio_text(idle, 'cycle')}"
        return text + (f": {bound} the bound." if cycles > 1 else ".")
    if cycles * facts.steps_per_cycle <= 1:
        return ""
    text = f" Of steps that complete outputs at most {ratio_text(1 / cycles)} a cycle"
    return f"{text}: {bound} the bound."


def _buffers(facts: Explanation) -> str:
    if not facts.buffers:
        return ""
    rows = [
        (
            b.name,
            f"{b.words:>6} words of {b.bits} bits ({size_text(b.words * b.bits // 8)})",
            b.holds + f"; {b.banks} banks" * (b.banks > 1),
        )
        for b in facts.buffers
    ]
    wide = [max(len(row[n]) for row in rows) for n in range(2)]
    lines = [f"  {a:{wide[0]}}  {b:{wide[1]}}  {c}" for a, b, c in rows]
    banked = any(b.banks > 1 for b in facts.buffers)
    title = "Buffers, one word read and one written a cycle"
    if banked:
        title += " by each bank (the lowest bits of its address)"
    return "\n".join([title, *lines])
