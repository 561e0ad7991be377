"""Sentences of an explanation: links, lanes, words and numbers, at most 100 columns wide."""

import textwrap
from fractions import Fraction

from .reuse_facts import LaneFacts, LinkFacts
from .word_facts import HeldWords, StreamWords

__all__ = [
    "count_text",
    "held_text",
    "lane_text",
    "link_rows",
    "link_text",
    "ratio_text",
    "row",
    "size_text",
    "stream_text",
    "wrapped",
    "written_text",
]

WIDTH = 100


def link_rows(links: tuple[LinkFacts, ...], declined: tuple[str, ...]) -> list[str]:
    """A row for each link, and for each that is not taken."""
    lines = [line for link in links for line in row("link", link_text(link))]
    return lines + [line for text in declined for line in row("not taken", text)]


def link_text(link: LinkFacts) -> str:
    """A link: its kind, where it leads, its registers, and why it may be there."""
    if link.kind == "unicast":
        return f"unicast: {link.because}"
    ways = {(0, 1): "to the next column, ", (1, 0): "to the next row, "}
    registers = count_text(link.delay, "register") if link.delay else "a wire"
    if link.kind == "shift":
        registers = "once a tick" + (f" and {registers}" if link.delay else "")
    if link.ticks:
        one = link.ticks == 1
        held = f"{count_text(link.ticks, 'register')} that advance{'s' * one} on ticks"
        always = f", then {link.delay} that always run{'s' * (link.delay == 1)}"
        registers = held + (always if link.delay else "")
    where = ways.get(link.vector, "")
    if link.kind == "reduce_tree":
        where, registers = "", "PEs in a line add up as a tree"
    delay = f"{link.delay}"
    if link.crossing:
        delay += f" or {link.delay + link.crossing}"
        more = "register" if link.kind == "reduce_tree" else "more"
        registers += f", and up to {link.crossing} {more} to another group"
    text = f"{link.kind} along {link.vector}, delay {delay}: {where}"
    return f"{text}{registers}, because {link.because}"


def lane_text(lanes: LaneFacts, when: str, inward: bool = True) -> str:
    """How many lanes (or exits) there are, where, and what crosses them."""
    verb = "enter" if inward else "leave"
    elements = f"{lanes.elements} element{'s' * (lanes.elements > 1)}"
    if lanes.elements == 1:
        verb += "s"
    along = f", along {' and '.join(lanes.dimensions)}" if lanes.dimensions else ""
    return f"{lanes.count}, {lanes.where}; {elements} {verb} in a {when}{along}"


def stream_text(words: StreamWords) -> str:
    """The words of a streamed operand and the rate they allow."""
    text = f"a step's elements lie in {count_text(words.words, 'word')}"
    if words.along:
        serve = "it serves" if words.words == 1 else "each serves"
        text += f"; {serve} up to {words.steps} steps of {words.along}"
        text += " (all in turn)" if words.words > 1 else ""
    changed, read = ratio_text(words.per_step, "word"), count_text(words.at_once, "word")
    text += f". {changed} changed a step over {read} read a cycle: "
    return text + f"at most {ratio_text(words.steps_per_cycle)} a cycle"


def held_text(words: HeldWords) -> str:
    """The words of a load, its cycles, and what hides them."""
    most = "at most " if words.several else ""
    read = count_text(words.words, "word")
    text = f"{most}{read} a load of all PEs, {count_text(words.cycles, 'cycle')}"
    if words.hidden_by:
        loops = " and ".join(words.hidden_by)
        return f"{text}; hidden where the loops over {loops} give as many steps or more"
    return text


def written_text(words: StreamWords, when: str) -> str:
    """The words that outputs lie in."""
    text = f"the outputs of a {when} lie in {count_text(words.words, 'word')}"
    if words.along:
        whose = "it is" if words.words == 1 else "each is"
        what = "drains, along" if when == "drain tick" else "steps of"
        text += f"; {whose} complete after up to {words.steps} {what} {words.along}"
    return text + ". 1 word is written a cycle"


def size_text(count: int) -> str:
    """A number of bytes."""
    return f"{count // 1024} KiB" if count >= 1024 else f"{count} bytes"


def count_text(number: int, noun: str) -> str:
    """A number of something."""
    return f"{number} {noun}{'s' * (number != 1)}"


def ratio_text(ratio: Fraction, noun: str = "step") -> str:
    """A whole number or a fraction of something."""
    plural = "s" * (ratio > 1)
    return f"{ratio.numerator if ratio.denominator == 1 else ratio} {noun}{plural}"


def row(label: str, text: str) -> list[str]:
    """The lines of a text with its label before it."""
    return textwrap.wrap(text, WIDTH, initial_indent=f"  {label:<12}", subsequent_indent=" " * 14)


def wrapped(text: str, indent: str) -> list[str]:
    """The lines of a text."""
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent)
