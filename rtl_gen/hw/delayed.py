"""Registers in a row."""

from amaranth.hdl import Module, Signal

__all__ = ["delayed"]


def delayed(m: Module, value, cycles: int, *, name: str):
    """``value`` as it was ``cycles`` ago."""
    for n in range(cycles):
        register = Signal(value.shape(), name=f"{name}{n}")
        m.d.sync += register.eq(value)
        value = register
    return value
