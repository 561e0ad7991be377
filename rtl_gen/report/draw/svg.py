"""A few SVG elements, written as text: the same picture gives the same bytes."""

from collections.abc import Iterator
from contextlib import contextmanager
from xml.sax.saxutils import escape, quoteattr

__all__ = ["MONO", "SANS", "Point", "Svg", "text_width"]

MONO = "DejaVu Sans Mono, monospace"
SANS = "DejaVu Sans, Helvetica, Arial, sans-serif"

Point = tuple[float, float]


def text_width(text: str, size: float) -> float:
    """About how wide a text in `MONO` is, in pixels."""
    return 0.602 * size * len(text)


class Svg:
    """Elements in the order in which they are drawn.

    Attributes are given as keywords; underscores stand for hyphens.
    """

    def __init__(self):
        self._parts: list[str] = []
        self._depth = 1

    def _add(self, text: str) -> None:
        self._parts.append("  " * self._depth + text)

    def element(self, name: str, **attributes) -> None:
        """An element without children."""
        self._add(f"<{name}{_attributes(attributes)}/>")

    @contextmanager
    def group(self, **attributes) -> Iterator[None]:
        """What is drawn within the block."""
        self._add(f"<g{_attributes(attributes)}>")
        self._depth += 1
        yield
        self._depth -= 1
        self._add("</g>")

    def text(self, at: Point, text: str, *, size: float = 11, font: str = SANS, **attributes):
        """A line of text whose base line begins at a point (or as ``text_anchor`` says)."""
        place = {"x": at[0], "y": at[1], "font_size": size}
        if font != SANS:  # which is that of the whole
            place["font_family"] = font
        self._add(f"<text{_attributes(place | attributes)}>{escape(text)}</text>")

    def line(self, points: list[Point], **attributes) -> None:
        """A line through points."""
        path = " ".join(
            f"{'L' if n else 'M'}{_number(x)} {_number(y)}" for n, (x, y) in enumerate(points)
        )
        self.element("path", d=path, fill="none", **attributes)

    def rect(self, at: Point, size: Point, **attributes) -> None:
        x, y = at
        self.element("rect", x=x, y=y, width=size[0], height=size[1], **attributes)

    def body(self) -> str:
        """The elements alone."""
        return "\n".join(self._parts)

    def document(self, size: Point, title: str) -> str:
        """A whole file, on white."""
        width, height = map(_number, size)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="{SANS}" role="img">\n'
            f"  <title>{escape(title)}</title>\n"
            f'  <rect width="100%" height="100%" fill="#ffffff"/>\n'
            f"{self.body()}\n</svg>\n"
        )


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _attributes(attributes: dict) -> str:
    written = []
    for name, value in attributes.items():
        if value is None:
            continue
        text = _number(value) if isinstance(value, float) else str(value)
        written.append(f" {name.rstrip('_').replace('_', '-')}={quoteattr(text)}")
    return "".join(written)
