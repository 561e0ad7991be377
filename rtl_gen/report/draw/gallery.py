"""The gallery of shipped dataflows, docs/dataflows.md, with its pictures: from the files alone.

Run as ``python -m rtl_gen.report.draw.gallery`` in the project's folder. A dataflow's paragraph is
the comment that its file begins with; its table is what `explain` finds.
"""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from ...reuse.tagged_machine import TaggedMachine
from ...spec.design import Design
from ...spec.parse import load_design
from ..explain import Explanation, explain
from ..explain_fused import explain_fused
from ..explain_tagged import tagged_text
from ..sentences import count_text, ratio_text
from ..word_facts import HeldWords
from .array_picture import array_picture
from .fused_picture import fused_picture
from .steps_page import follow, follow_tagged, steps_chart
from .tagged_picture import tagged_picture

__all__ = ["gallery", "write_gallery"]

PAGE, PICTURES = Path("docs/dataflows.md"), Path("docs/dataflows")
FOLLOWED = ("row_stationary",)
"""Of which the steps are drawn too."""
TAGGED_SHAPE = (3, 4)
"""PEs on which steps on tagged buses are followed."""

HEAD = """# Dataflows

What ships, each with its array as `rtl-gen draw` gives it. Colours tell tensors, lines the kinds of
links; what is tinted stays in the PE. `make gallery` writes this page from the files.
"""
ACCELERATORS = """
## As whole accelerators

Files of `dataflows/`: Verilog, simulation and mapping work for all of them.
"""
ARRAYS = """
## As arrays

Files of `examples/arrays/`: links, lanes and storage are derived, `rtl-gen verilog --array` writes
the array, and the array's tests run it bit by bit; a whole accelerator refuses them, and why stands
with each.
"""


def gallery(project: Path) -> dict[Path, str]:
    """Every file of the gallery with its text."""
    found: dict[Path, str] = {}
    page = [HEAD]
    for head, folder in ((ACCELERATORS, "dataflows"), (ARRAYS, "examples/arrays")):
        page.append(head)
        for file in sorted((project / folder).glob("*.yaml")):
            design = load_design(file)
            if design.others:
                found[PICTURES / f"{file.stem}.svg"] = fused_picture(explain_fused(design))
                page.append(_fused_section(design, file))
                continue
            if design.dataflow.tagged:
                found[PICTURES / f"{file.stem}_tagged.svg"] = tagged_picture(design)
                small = replace(design, rows=TAGGED_SHAPE[0], columns=TAGGED_SHAPE[1])
                steps = steps_chart(follow_tagged(TaggedMachine(small)))
                found[PICTURES / f"{file.stem}_tagged_steps.svg"] = steps
                page.append(_tagged_section(design, file))
                continue
            facts = explain(design)
            name = facts.design.name
            found[PICTURES / f"{name}.svg"] = array_picture(facts)
            twice = folder != "dataflows" and (project / "dataflows" / file.name).exists()
            heading = f"{name}, its nest alone" if twice else name
            page.append(_section(facts, file, project, heading))
            if name in FOLLOWED:
                found[PICTURES / f"{name}_steps.svg"] = steps_chart(follow(facts))
                page.append(f"![{name}, step by step](dataflows/{name}_steps.svg)\n")
    return {PAGE: "\n".join(page)} | found


def write_gallery(project: Path) -> None:
    """Write all files, and remove pictures of what ships no more."""
    files = gallery(project)
    for old in (project / PICTURES).glob("*.svg"):
        if old.relative_to(project) not in files:
            old.unlink()
    for path, text in files.items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text)


def _section(facts: Explanation, file: Path, project: Path, heading: str) -> str:
    name = facts.design.name
    where = file.relative_to(project)
    lines = [f"### {heading}", "", *_comment(file), "", f"`rtl-gen explain {where}`:", ""]
    lines += ["| tensor | how | lanes or exits | words |", "|---|---|---|---|"]
    for tensor in (*facts.operands, facts.output):
        ends = tensor.exits if tensor is facts.output else tensor.lanes
        crossing = f"{ends.count}, {ends.where}; {count_text(ends.elements, 'element')}"
        lines.append(f"| {tensor.name} | {tensor.how} | {crossing} | {_words(facts, tensor)} |")
    lines += ["", _rate(facts), "", f"![{name}](dataflows/{name}.svg)", ""]
    return "\n".join(lines)


def _fused_section(design: Design, file: Path) -> str:
    """Of several dataflows: which, each of which has a section of its own; and what they share."""
    names = " and ".join(f"[{flow.name}](#{flow.name})" for flow in design.dataflows)
    where = f"`rtl-gen explain {file.parent.name}/{file.name}` says what each takes of the array."
    picture = f"![{design.name}, a panel for each dataflow](dataflows/{file.stem}.svg)"
    lines = [f"### {design.name}", "", *_comment(file), "", f"{names}. {where}", "", picture]
    return "\n".join([*lines, ""])


def _tagged_section(design: Design, file: Path) -> str:
    """Of tagged buses: what each tensor does in words; no wire says where an element goes."""
    lines = [
        f"### {design.name}",
        "",
        *_comment(file),
        "",
        "```",
        tagged_text(design).rstrip(),
        "```",
        "",
        f"![{design.name}, its PEs with the tags of a layer](dataflows/{file.stem}_tagged.svg)",
        "",
        f"![{design.name}, step by step](dataflows/{file.stem}_tagged_steps.svg)",
    ]
    return "\n".join([*lines, ""])


def _comment(file: Path) -> list[str]:
    """The comment at the beginning of a file."""
    lines = []
    for line in file.read_text().splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return lines


def _words(facts: Explanation, tensor) -> str:
    words = facts.words.get(tensor.name)
    if words is None:
        return "-"
    if isinstance(words, HeldWords):
        return f"{count_text(words.words, 'word')} a load, {count_text(words.cycles, 'cycle')}"
    when = "drain tick" if tensor is facts.output and tensor.drain else "step"
    return f"{ratio_text(words.per_step, 'word')} a {when}"


def _rate(facts: Explanation) -> str:
    if facts.refused:
        return f"Only the array: {facts.refused}."
    rate = facts.steps_per_cycle
    if rate == Fraction(1):
        return "The words of all operands come in time for a step a cycle."
    streamed = [operand.name for operand in facts.operands if operand.how == "streamed"]
    bound = [name for name in streamed if facts.words[name].steps_per_cycle == rate]
    return f"At most {ratio_text(rate)} a cycle: the words of {' and '.join(bound)} are the bound."


if __name__ == "__main__":
    write_gallery(Path())
