"""Colours and lines of all pictures: a colour for each tensor, a kind of line for each link."""

from ...spec.operation import Operation

__all__ = ["GREY", "INK", "LINE", "PALE", "colours", "tints"]

INK, GREY, PALE = "#1a1a1a", "#666666", "#c8c8c8"

# After Okabe and Ito's, which people with any colour vision tell apart; dark enough for text.
OPERANDS = ("#0067A5", "#C24E00", "#A03C78", "#7A6A00", "#2B8FC0")
OUTPUT = "#00704E"
TINTS = {
    "#0067A5": "#DCEBF7",
    "#C24E00": "#FCE5D6",
    "#A03C78": "#F6E0EE",
    "#7A6A00": "#F4EFCB",
    "#2B8FC0": "#DDF1FA",
    OUTPUT: "#D8EFE6",
}

LINE = {
    "multicast": None,
    "forward": None,
    "diagonal": None,
    "moving": "7 3",
    "reduce_tree": None,
    "reduce_forward": None,
    "shift": "1.5 3",
}
"""Dashes of each kind of link; None: a full line."""


def colours(operation: Operation) -> dict[str, str]:
    """The colour of each tensor."""
    names = [tensor.name for tensor in operation.operands]
    found = {name: OPERANDS[n % len(OPERANDS)] for n, name in enumerate(names)}
    return found | {operation.output.name: OUTPUT}


def tints(operation: Operation) -> dict[str, str]:
    """A pale shade of each tensor's colour, on which text can be read."""
    return {name: TINTS[colour] for name, colour in colours(operation).items()}
