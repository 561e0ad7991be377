"""The register map in SystemRDL 2.0, for tools that make headers, pages and IP-XACT of it."""

from collections.abc import Mapping

from .registers import REGISTERS, BitField, Register

__all__ = ["ADDRESS_MAP", "system_rdl"]

ADDRESS_MAP = "rtl_gen"
"""Name of the address map."""

_ACCESS = {
    "read": "sw = r; hw = w;",
    "write": "sw = w; hw = r;",
    "read/write": "sw = rw; hw = rw;",
    "read/clear": "sw = rw; hw = rw; onwrite = woclr;",
}
_KEYWORDS = {"reset", "error", "read", "write", "abort"}
"""Names of fields that SystemRDL, or a tool, would take for something else."""


def system_rdl(values: Mapping[str, int] | None = None) -> str:
    """The map as SystemRDL text.

    Parameters
    ----------
    values
        What the identification registers of a design say, as
        :func:`rtl_gen.isa.registers.identification` gives it; by default they have no reset value.
    """
    known = values or {}
    lines = [
        f"addrmap {ADDRESS_MAP} {{",
        '    name = "Control port of an accelerator";',
        "    default regwidth = 32;",
        "    default accesswidth = 32;",
        "    littleendian;",
    ]
    for register in REGISTERS:
        reset = known.get(register.name, register.reset)
        lines += ["", *(f"    {line}" for line in _register(register, reset))]
    return "\n".join([*lines, "};", ""])


def _register(register: Register, reset: int | None) -> list[str]:
    lines = ["reg {", f"    desc = {_text(register.doc)};"]
    for field in register.fields:
        lines.append(f"    field {{ {_ACCESS[register.access]} desc = {_text(field.doc)}; }}")
        lines.append(f"        {_placed(field, reset)}")
    return [*lines, f"}} {register.name} @ {register.offset:#05x};"]


def _placed(field: BitField, reset: int | None) -> str:
    name = f"\\{field.name}" if field.name in _KEYWORDS else field.name
    place = f"{name}[{field.low + field.bits - 1}:{field.low}]"
    if reset is None:
        return f"{place};"
    return f"{place} = {field.bits}'h{(reset & field.mask) >> field.low:x};"


def _text(doc: str) -> str:
    escaped = doc.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
