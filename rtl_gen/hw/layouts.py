"""Amaranth layouts of what rtl_gen.isa describes as plain data."""

from amaranth.hdl import signed, unsigned
from amaranth.lib import data

__all__ = ["layout_of"]


def layout_of(fields) -> data.StructLayout:
    """The struct with one member per field."""
    return data.StructLayout(
        {f.name: signed(f.bits) if f.signed else unsigned(f.bits) for f in fields}
    )
