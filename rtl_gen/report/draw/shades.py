"""A colour for each element, light to dark, which people with any colour vision tell apart."""

__all__ = ["shades", "text_colour"]

# Viridis (van der Walt and Smith, 2015), at nine places.
ANCHORS = (
    *("440154", "472c7a", "3b518b", "2c718e", "21908d"),
    *("27ad81", "5cc863", "aadc32", "fde725"),
)


def shades(elements: list[tuple]) -> dict[tuple, str]:
    """A colour for each of some elements, in their order."""
    ordered = sorted(set(elements))
    last = max(1, len(ordered) - 1)
    return {element: _shade(n / last) for n, element in enumerate(ordered)}


def _shade(part: float) -> str:
    place = part * (len(ANCHORS) - 1)
    n = min(int(place), len(ANCHORS) - 2)
    low, high = (_channels(ANCHORS[k]) for k in (n, n + 1))
    mixed = (round(a + (place - n) * (b - a)) for a, b in zip(low, high))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def text_colour(shade: str) -> str:
    """Black or white, whichever reads better on a colour."""
    red, green, blue = _channels(shade[1:])
    return "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > 128 else "#ffffff"


def _channels(text: str) -> tuple[int, int, int]:
    return int(text[:2], 16), int(text[2:4], 16), int(text[4:], 16)
