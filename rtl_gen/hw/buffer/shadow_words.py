"""Words gathered one by one in a shadow and handed over whole."""

from itertools import accumulate

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..rtlil_text import cell_text

__all__ = ["ShadowWords"]


class ShadowWords(wiring.Component):
    """Registers twice: a shadow that is written word by word, and what it was when last taken.

    Parameters
    ----------
    used
        How many bits of each word, from the lowest, are kept.
    clears
        Whether the shadow is 0 after it was taken, and after reset.
    name
        Of the module.

    Members
    -------
    word : ``In(max(used))``
    write : ``In(len(used))``
        Which word of the shadow it becomes, if any.
    take : ``In(1)``
    words : ``Out(sum(used))``
        The words taken, without gaps. Not reset.
    """

    def __init__(self, used: tuple[int, ...], clears: bool, name: str):
        self._used, self._clears = used, clears
        self.module_name = name
        super().__init__(
            {
                "word": In(max(used)),
                "write": In(len(used)),
                "take": In(1),
                "words": Out(sum(used)),
            }
        )

    def elaborate(self, platform):
        """The registers in Amaranth's simulator; Verilog comes from :meth:`rtlil`."""
        m = Module()
        shadow = Signal(sum(self._used), reset_less=not self._clears)
        words = Signal(sum(self._used), reset_less=True)
        m.d.comb += self.words.eq(words)
        for n, (bits, end) in enumerate(zip(self._used, accumulate(self._used))):
            with m.If(self.write[n]):
                m.d.sync += shadow[end - bits : end].eq(self.word)
        with m.If(self.take):
            m.d.sync += words.eq(shadow)
            if self._clears:
                m.d.sync += shadow.eq(0)
        return m

    def rtlil(self, name: str, _library) -> str:
        """The module as RTLIL.

        As registers with enable, which Amaranth does not know: it would have them copied in every
        cycle of a simulation, and take an eighth of the time of generation.
        """
        used, total = self._used, sum(self._used)
        lines = [
            f"module \\{name}",
            "  wire input 1 \\clk",
            *(["  wire input 2 \\rst"] if self._clears else []),
            f"  wire width {max(used)} input 3 \\word",
            f"  wire width {len(used)} input 4 \\write",
            "  wire input 5 \\take",
            f"  attribute \\init {total}'{'0' * total}",
            f"  wire width {total} output 6 \\words",
        ]
        for n, bits in enumerate(used):
            lines += [f"  attribute \\init {bits}'{'0' * bits}", f"  wire width {bits} \\shadow{n}"]
        if self._clears:
            lines += ["  wire \\clear", *_gate("$or $clear", "\\take", "\\rst", "\\clear")]
        for n, bits in enumerate(used):
            clear = {"SRST": "\\clear"} if self._clears else {}
            ports = {"EN": f"\\write [{n}]", "D": f"\\word [{bits - 1}:0]", "Q": f"\\shadow{n}"}
            lines += _register(f"$shadow{n}", bits, ports | clear)
        shadows = " ".join(f"\\shadow{n}" for n in reversed(range(len(used))))
        lines += _register(
            "$words", total, {"EN": "\\take", "D": f"{{ {shadows} }}", "Q": "\\words"}
        )
        return "\n".join([*lines, "end"]) + "\n"


def _register(name: str, bits: int, ports: dict) -> list[str]:
    """A register with enable; with the port SRST it clears, whether enabled or not."""
    parameters = {"WIDTH": bits, "CLK_POLARITY": 1, "EN_POLARITY": 1}
    if "SRST" in ports:
        parameters |= {"SRST_POLARITY": 1, "SRST_VALUE": f"{bits}'{'0' * bits}"}
    kind = "$sdffe" if "SRST" in ports else "$dffe"
    return cell_text(f"{kind} {name}", parameters, {"CLK": "\\clk"} | ports)


def _gate(head: str, a: str, b: str, y: str) -> list[str]:
    """A gate of two inputs of one bit."""
    sizes = {"A_SIGNED": 0, "B_SIGNED": 0, "A_WIDTH": 1, "B_WIDTH": 1, "Y_WIDTH": 1}
    return cell_text(head, sizes, {"A": a, "B": b, "Y": y})
