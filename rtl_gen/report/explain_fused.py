"""What an array of several dataflows chooses by the mode, and each dataflow on its own."""

from dataclasses import dataclass, replace

from ..hw.array.array import ArrayParams
from ..reuse import Fusion, HeldOperand, derive
from ..reuse.fused_machine import FusedMachine
from ..spec.dataflow import AXES
from ..spec.design import Design
from ..spec.operation import SpecError
from .explain import Explanation, explain, explanation_text, plain
from .sentences import count_text, row, wrapped

__all__ = [
    "ChoiceFacts",
    "FusedExplanation",
    "choice_sentences",
    "common_sentence",
    "explain_fused",
    "fused_plain",
    "fused_text",
]


SAME_WIRES = "all take everything along the same wires"
"""Where no PE chooses."""


@dataclass(frozen=True)
class ChoiceFacts:
    """How many PEs have a multiplexer in front of something.

    Parameters
    ----------
    what
        An operand's role, or what is added to the product.
    pes
        PEs that have one.
    sources
        Inputs of the widest.
    """

    what: str
    pes: int
    sources: int


@dataclass(frozen=True)
class FusedExplanation:
    """The facts of a design of several dataflows.

    Parameters
    ----------
    parts
        Each dataflow as if it were alone, with the skew that all have.
    choices
        Where PEs choose by the mode.
    adders
        Of a PE with most.
    shared_register
        Whether the sum kept in a PE and the one handed on are one register.
    waits
        Pairs of dataflows: held operands of the second are loaded only when the first is done.
    refused
        Why there is no accelerator; None if there is one.
    """

    design: Design
    fusion: Fusion
    parts: tuple[Explanation, ...]
    choices: tuple[ChoiceFacts, ...]
    adders: int
    shared_register: bool
    waits: tuple[tuple[str, str], ...]
    refused: SpecError | None


def explain_fused(design: Design) -> FusedExplanation:
    """Gather the facts of a design of several dataflows.

    Raises
    ------
    SpecError
        If they do not go together, or one asks for what does not exist.
    """
    fusion, refused = derive(design), None
    try:
        FusedMachine(design)
    except SpecError as error:
        refused = error
    flows = [mode.reuse.placement.dataflow for mode in fusion.modes]
    net = ArrayParams(fusion, design.multiplier_registers).net
    kinds = list(net.kinds.values())
    choices = []
    for n, tensor in enumerate(design.dataflow.operation.operands):
        sources = [1 + max(kind.operands[n].route) for kind in kinds]
        if max(sources) > 1:
            role = "weights" if tensor.name == design.dataflow.operation.weights else "input"
            choices.append(ChoiceFacts(role, sum(x > 1 for x in sources), max(sources)))
    added = [len(set(route)) for kind in kinds for route in kind.addends]
    if max(added, default=1) > 1:
        choices.append(ChoiceFacts("sum", sum(x > 1 for x in added), max(added)))
    return FusedExplanation(
        design=design,
        fusion=fusion,
        parts=tuple(explain(replace(design, dataflow=flow, others=())) for flow in flows),
        choices=tuple(choices),
        adders=max(len(kind.addends) for kind in kinds),
        shared_register=kinds[0].accumulators > 0 and kinds[0].shares_register,
        waits=_waits(fusion),
        refused=refused,
    )


def _waits(fusion: Fusion) -> tuple[tuple[str, str], ...]:
    found = []
    for before in fusion.modes:
        for after in fusion.modes:
            held = {n for n, x in zip(after.operands, after.reuse.operands) if _is_held(x)}
            streams = {n for n, x in zip(before.operands, before.reuse.operands) if not _is_held(x)}
            if held & streams:
                found.append((before.name, after.name))
    return tuple(found)


def _is_held(operand) -> bool:
    return isinstance(operand, HeldOperand)


def common_sentence(facts: FusedExplanation) -> str:
    """How the dataflows share the array."""
    fusion = facts.fusion
    names = ", ".join(mode.name for mode in fusion.modes)
    skew = ", ".join(
        f"{axis} {p.step}" + (f" in groups of {p.group}" if p.group else "")
        for axis, p in zip(AXES, fusion.grid.paces)
    )
    return (
        f"{names}: each layer is run by one of them, and the mode travels with every "
        f"step, so that layers of different ones follow each other. All have the skew {skew}, for "
        f"a step reaches a PE at one time. Without being told otherwise a mapping takes the one "
        f"with the fewest estimated cycles."
    )


def choice_sentences(facts: FusedExplanation) -> list[str]:
    """What PEs choose by the mode, a sentence each."""
    found = [f"{choice.what}: {_choice_text(facts, choice)}." for choice in facts.choices]
    return found or [f"{SAME_WIRES.capitalize()}."]


def _choice_text(facts: FusedExplanation, choice: ChoiceFacts) -> str:
    return (
        f"{count_text(choice.pes, 'PE')} of {len(facts.fusion.grid.pes)} choose among up to "
        f"{choice.sources}"
    )


def fused_text(facts: FusedExplanation) -> str:
    """The explanation for people, at most 100 columns wide."""
    design, fusion = facts.design, facts.fusion
    names = [mode.name for mode in fusion.modes]
    head = [
        f"{design.name}: {len(names)} dataflows on {design.rows} x {design.columns} PEs "
        f"(rows x columns)"
    ]
    head += wrapped(common_sentence(facts), "  ")
    lines = ["What a PE chooses by the mode"]
    for choice in facts.choices:
        lines += row(choice.what, _choice_text(facts, choice))
    if not facts.choices:
        lines += row("nothing", SAME_WIRES)
    lines += row("in the PE", f"one multiplier, {count_text(facts.adders, 'adder')}")
    if facts.shared_register:
        lines += row("register", "a sum that stays and one that is handed on share it")
    for before, after in facts.waits:
        lines += row(
            "waits", f"what {after} holds is loaded behind the last step of a layer of {before}"
        )
    parts = ["\n".join(head), "\n".join(lines)]
    if facts.refused:
        parts.append("\n".join(wrapped(f"Only the array can be built: {facts.refused}", "")))
    for n, (name, part) in enumerate(zip(names, facts.parts)):
        parts.append(f"---- Dataflow {n}: {name}\n\n{explanation_text(part).rstrip()}")
    return "\n\n".join(parts) + "\n"


def fused_plain(facts: FusedExplanation) -> dict:
    """The explanation for machines: dicts, lists, numbers and texts."""
    design, fusion = facts.design, facts.fusion
    return {
        "design": design.name,
        "array": {"rows": design.rows, "columns": design.columns},
        "skew": dict(zip(AXES, fusion.grid.skew)),
        "groups": {axis: vars(p) for axis, p in zip(AXES, fusion.grid.paces) if p.group},
        "choices": [vars(choice) for choice in facts.choices],
        "adders": facts.adders,
        "shared_register": facts.shared_register,
        "waits": [{"before": before, "after": after} for before, after in facts.waits],
        "refused": str(facts.refused) if facts.refused else None,
        "dataflows": [
            {"name": mode.name} | plain(part) for mode, part in zip(fusion.modes, facts.parts)
        ],
    }
