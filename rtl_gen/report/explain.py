"""Explains a dataflow: how each tensor moves, what is stored where, and what bounds the rate."""

import textwrap
from dataclasses import asdict, dataclass, is_dataclass
from fractions import Fraction

from ..reuse import Placement, Reuse, analyse
from ..reuse.machine import Machine
from ..spec.dataflow import AXES
from ..spec.design import Design
from ..spec.operation import SpecError
from .reuse_facts import LinkFacts, OperandFacts, OutputFacts, operand_facts, output_facts
from .word_facts import (
    BufferFacts,
    HeldWords,
    StreamWords,
    buffer_facts,
    operand_words,
    output_words,
)

__all__ = ["Explanation", "explain", "explanation_text", "plain"]

WIDTH = 100


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Everything `explain` says, as data.

    Parameters
    ----------
    words
        Words of each tensor, by name; empty where no accelerator can be built.
    accumulators
        Entries behind each exit; 0 where sums are complete when they leave.
    sum_bits
        Bits of a complete sum.
    post_lanes, post_phases
        Requantizers, and the cycles that they take for the sums that leave together; 0 where no
        accelerator can be built.
    refused
        Why no accelerator can be built around the array; empty if it can.
    """

    design: Design
    reuse: Reuse
    operands: tuple[OperandFacts, ...]
    output: OutputFacts
    words: dict[str, StreamWords | HeldWords]
    buffers: tuple[BufferFacts, ...]
    accumulators: int
    sum_bits: int
    post_lanes: int
    post_phases: int
    refused: str

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
    machine, refused = None, ""
    try:
        machine = Machine(design)
        reuse = machine.reuse
    except SpecError as error:
        refused = str(error)
        reuse = analyse(Placement(design.dataflow, design.shape), design.formats)
    operation = design.dataflow.operation
    roles = {operation.weights: "weights"}
    operands = tuple(
        operand_facts(reuse, operand, roles.get(operand.name, "input"))
        for operand in reuse.operands
    )
    output = output_facts(reuse, design.formats.largest_product, design.formats.reduction)
    words = {}
    if machine:
        words = {operand.name: operand_words(machine, operand.name) for operand in operands}
        words[output.name] = output_words(machine)
    return Explanation(
        design=design,
        reuse=reuse,
        operands=operands,
        output=output,
        words=words,
        buffers=buffer_facts(machine) if machine else (),
        accumulators=machine.accumulators if machine else 0,
        sum_bits=machine.sum_bits if machine else reuse.psum_bits,
        post_lanes=machine.post_lanes if machine else 0,
        post_phases=machine.post_phases if machine else 0,
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
    return {
        "design": design.name,
        "operation": design.dataflow.operation.name,
        "einsum": design.dataflow.operation.einsum,
        "array": {"rows": design.rows, "columns": design.columns},
        "used": dict(zip(AXES, reuse.placement.extent)),
        "skew": dict(zip(AXES, reuse.skew)),
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
        "refused": facts.refused or None,
    }


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
        lines += _wrapped(
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
    skewed = [(axis, s) for axis, s in zip(AXES, facts.reuse.skew) if s]
    text = "A step is one MAC in every PE."
    if not skewed:
        text += " It reaches all PEs in one cycle: no skew (broadcast)."
    for axis, skew in skewed:
        which = axis.removesuffix("s")
        side = "before" if skew > 0 else "after"
        text += f" It reaches a {which} one cycle later than the {which} {side} it"
        text += f" (skew {skew}, systolic)."
    still = [axis for axis, s in zip(AXES, facts.reuse.skew) if not s]
    if skewed and still:
        text += f" All {still[0]} see it in the same cycle (skew 0, broadcast)."
    return "\n".join(_wrapped(text, ""))


def _operand(facts: Explanation, operand: OperandFacts) -> str:
    lines = [f"{operand.name}, the {operand.role}: {operand.how}, because {operand.because}"]
    lines += _links(operand.links, operand.declined)
    when = "step"
    bits = facts.design.formats.operand_bits
    if operand.how == "stationary":
        when = "load tick"
        plural = "s" * (operand.storage > 1)
        lines += _row(
            "in the PE",
            f"{operand.storage} word{plural} of {bits} bits, and as many in a shadow that is "
            f"loaded while the PE works",
        )
    else:
        lines += _row("in the PE", "nothing is stored but the registers of the links")
    lines += _row("lanes", _lane_text(operand.lanes, when))
    if operand.warm_up:
        lines += _row(
            "warm-up",
            f"{_count(operand.warm_up, 'tick')} without a step before each run of its ticks",
        )
    if operand.shift:
        lines += _row(
            "load",
            f"shifted in along the {operand.shift}: {operand.load_ticks} load ticks fill all PEs",
        )
    words = facts.words.get(operand.name)
    if isinstance(words, HeldWords):
        lines += _row("words", _held_text(words))
    elif words:
        lines += _row("words", _stream_text(words))
    return "\n".join(lines)


def _output(facts: Explanation) -> str:
    output, formats = facts.output, facts.design.formats
    lines = [f"{output.name}, the output: {output.how}, because {output.because}"]
    lines += _links(output.links, output.declined)
    if output.storage:
        plural = "s" * (output.storage > 1)
        lines += _row(
            "in the PE", f"{output.storage} accumulator{plural} of {output.psum_bits} bits"
        )
    lines += _row("psum", f"{output.psum_bits} bits: {output.psum_because}")
    what = "drain tick" if output.drain else "step"
    lines += _row("exits", _lane_text(output.exits, what, inward=False))
    if output.drain:
        lines += _row(
            "drain",
            f"complete sums are shifted out along the {output.drain}: {output.idle_steps} drain "
            f"ticks a tile of the array, in which no step goes (idle steps)",
        )
    if facts.accumulators:
        lines += _row(
            "at the edge",
            f"{facts.accumulators} accumulators of {facts.sum_bits} bits behind each exit add up "
            f"what the array gives in pieces: up to {formats.reduction} products whatever their "
            f"values",
        )
    words = facts.words.get(output.name)
    if words:
        lines += _row("post", _post_text(facts, what))
        lines += _row("words", _written_text(words, what))
    return "\n".join(lines)


def _rate(facts: Explanation) -> str:
    if facts.refused:
        return "\n".join(_wrapped(_refused_text(facts.refused), ""))
    rate = facts.steps_per_cycle
    text = f"Step rate: at most {_ratio(rate)} a cycle"
    streamed = [operand.name for operand in facts.operands if operand.how == "streamed"]
    bound = [n for n in streamed if facts.words[n].steps_per_cycle == rate]
    if rate == 1:
        text += f": the words of {' and '.join(streamed)} come in time."
    else:
        text += f": the words of {' and '.join(bound)} are the bound."
    return "\n".join(_wrapped(text + _completion_text(facts), ""))


def _refused_text(refused: str) -> str:
    if refused.startswith(("buffers.", "bus.", "block:", "post.")):
        return f"No accelerator can be built with this size: {refused}"
    return f"Only the array can be built, no accelerator around it: {refused}"


def _completion_text(facts: Explanation) -> str:
    """What complete outputs cost besides; nothing where they go on as fast as steps come."""
    cycles = facts.completion_cycles
    written = facts.words[facts.output.name].per_step
    bound = f"the words of {facts.output.name} are" if cycles == written else "post-processing is"
    if facts.output.idle_steps:
        idle = facts.output.idle_steps * max(cycles, Fraction(1))
        text = f" After each tile of sums the array idles for {_ratio(idle, 'cycle')}"
        return text + (f": {bound} the bound." if cycles > 1 else ".")
    if cycles * facts.steps_per_cycle <= 1:
        return ""
    return (
        f" Of steps that complete outputs at most {_ratio(1 / cycles)} a cycle: {bound} the bound."
    )


def _buffers(facts: Explanation) -> str:
    if not facts.buffers:
        return ""
    rows = [
        (b.name, f"{b.words:>6} words of {b.bits} bits ({_size(b.words * b.bits // 8)})", b.holds)
        for b in facts.buffers
    ]
    wide = [max(len(row[n]) for row in rows) for n in range(2)]
    lines = [f"  {a:{wide[0]}}  {b:{wide[1]}}  {c}" for a, b, c in rows]
    return "\n".join(["Buffers, one word read and one written a cycle", *lines])


# Sentences


def _links(links: tuple[LinkFacts, ...], declined: tuple[str, ...]) -> list[str]:
    lines = [line for link in links for line in _row("link", _link_text(link))]
    return lines + [line for text in declined for line in _row("not taken", text)]


def _link_text(link: LinkFacts) -> str:
    if link.kind == "unicast":
        return f"unicast: {link.because}"
    ways = {(0, 1): "to the next column, ", (1, 0): "to the next row, "}
    registers = _count(link.delay, "register") if link.delay else "a wire"
    if link.kind == "shift":
        registers = "once a tick" + (f" and {registers}" if link.delay else "")
    if link.ticks:
        held = f"{_count(link.ticks, 'register')} that advance{'s' * (link.ticks == 1)} on ticks"
        registers = held + (f" and {registers}" if link.delay else "")
    text = f"{link.kind} along {link.vector}, delay {link.delay}: {ways.get(link.vector, '')}"
    return f"{text}{registers}, because {link.because}"


def _lane_text(lanes, when: str, inward: bool = True) -> str:
    verb = "enter" if inward else "leave"
    elements = f"{lanes.elements} element{'s' * (lanes.elements > 1)}"
    if lanes.elements == 1:
        verb += "s"
    along = f", along {' and '.join(lanes.dimensions)}" if lanes.dimensions else ""
    return f"{lanes.count}, {lanes.where}; {elements} {verb} in a {when}{along}"


def _stream_text(words: StreamWords) -> str:
    text = f"a step's elements lie in {_count(words.words, 'word')}"
    if words.along:
        serve = "it serves" if words.words == 1 else "each serves"
        text += f"; {serve} up to {words.steps} steps of {words.along}"
        text += " (all in turn)" if words.words > 1 else ""
    text += f". {_ratio(words.per_step, 'word')} changed a step over 1 word read a cycle: "
    return text + f"at most {_ratio(words.steps_per_cycle)} a cycle"


def _held_text(words: HeldWords) -> str:
    text = f"{_count(words.words, 'word')} a load of all PEs, {_count(words.cycles, 'cycle')}"
    if words.hidden_by:
        loops = " and ".join(words.hidden_by)
        return f"{text}; hidden where the loops over {loops} give as many steps or more"
    return text


def _post_text(facts: Explanation, what: str) -> str:
    sums = facts.output.exits.elements
    text = f"{_count(facts.post_lanes, 'requantizer')}: the {_count(sums, 'sum')} of a {what}"
    takes = "takes" if sums == 1 else "take"
    return f"{text}, once complete, {takes} {_count(facts.post_phases, 'cycle')}"


def _written_text(words: StreamWords, when: str) -> str:
    text = f"the outputs of a {when} lie in {_count(words.words, 'word')}"
    if words.along:
        whose = "it is" if words.words == 1 else "each is"
        text += f"; {whose} complete after up to {words.steps} steps of {words.along}"
    return text + ". 1 word is written a cycle"


def _size(count: int) -> str:
    return f"{count // 1024} KiB" if count >= 1024 else f"{count} bytes"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _ratio(ratio: Fraction, noun: str = "step") -> str:
    plural = "s" * (ratio > 1)
    return f"{ratio.numerator if ratio.denominator == 1 else ratio} {noun}{plural}"


def _row(label: str, text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=f"  {label:<12}", subsequent_indent=" " * 14)


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent)
