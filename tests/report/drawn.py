"""Reads pictures back: elements with where they stand, and the elements of tensors in labels."""

import re
from collections.abc import Iterator
from xml.etree import ElementTree

__all__ = ["marked", "pair", "read_label", "text_boxes"]

SVG = "{http://www.w3.org/2000/svg}"


def marked(root: ElementTree.Element, kind: str) -> list[ElementTree.Element]:
    """All elements of a class."""
    return [element for element in root.iter() if element.get("class") == kind]


def pair(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def read_label(label: str, symbols: dict[str, int]) -> tuple[str, dict[str, set[int]]]:
    """``W[c=2,s=0..2]``: the tensor and the values of each rank, with symbols given numbers."""
    name, _, inside = label.partition("[")
    found: dict[str, set[int]] = {}
    for rank, form in re.findall(r"(\w+)=(.*?)(?=,\w+=|\]$)", inside):
        found[rank] = _form(form, symbols)
    return name, found


def _form(text: str, symbols: dict[str, int]) -> set[int]:
    """All values of ``2u-d``, ``(0..2)v+1`` or ``0,2,4``."""
    if re.fullmatch(r"[-0-9.,]+", text):
        return _values(text)
    values, left = {0}, text
    while left:
        match = re.match(r"([+-]?)(?:\(([-0-9.,]+)\)|([0-9]*))((?:[a-z]\*?)*)", left)
        assert match and match[0], text
        factor = -1 if match[1] == "-" else 1
        for symbol in match[4].replace("*", ""):
            factor *= symbols[symbol]
        numbers = _values(match[2] or match[3] or "1")
        values = {a + factor * b for a in values for b in numbers}
        left = left[len(match[0]) :]
    return values


def _values(numbers: str) -> set[int]:
    if ".." not in numbers:
        return {int(n) for n in numbers.split(",")}
    first, last = numbers.split("..")
    begin = [int(n) for n in first.split(",")]
    step = begin[1] - begin[0] if len(begin) > 1 else 1
    return set(range(begin[0], int(last) + 1, step))


def text_boxes(root: ElementTree.Element) -> list[tuple[str, tuple[float, float, float, float]]]:
    """Every text with the box that it covers, about."""
    found = []
    for element, (x, y) in _placed(root, (0.0, 0.0)):
        if element.tag != SVG + "text":
            continue
        size, text = float(element.get("font-size")), element.text or ""
        mono = "Mono" in element.get("font-family", "")
        wide = (0.602 if mono else 0.54) * size * len(text)
        left = x + float(element.get("x"))
        left -= {"middle": wide / 2, "end": wide}.get(element.get("text-anchor"), 0)
        base = y + float(element.get("y"))
        found.append((text, (left, base - 0.75 * size, left + wide, base + 0.1 * size)))
    return found


def _placed(element, offset) -> Iterator:
    """Elements with what groups around them move them by."""
    move = re.fullmatch(r"translate\((\S+) (\S+)\)", element.get("transform", ""))
    if move:
        offset = (offset[0] + float(move[1]), offset[1] + float(move[2]))
    yield element, offset
    for child in element:
        yield from _placed(child, offset)
