"""Amaranth layouts of what rtl_gen.isa describes as plain data."""

from functools import cache

from amaranth.hdl import Format, Value, signed, unsigned
from amaranth.lib import data

__all__ = ["Packed", "layout_of"]


class Packed(data.StructLayout):
    """A struct that stays one wire in Verilog.

    Amaranth adds a wire for each field of a struct to every module that the struct passes. A
    descriptor has a hundred fields and passes five modules, which made half of all Verilog and of
    the time to write it.
    """

    def format(self, value, format_spec):
        return Format("{}", Value.cast(value))


@cache
def layout_of(fields) -> Packed:
    """The struct with one member per field."""
    return Packed({f.name: signed(f.bits) if f.signed else unsigned(f.bits) for f in fields})
