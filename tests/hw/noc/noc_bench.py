"""What the tests of feeders and collectors share."""

from amaranth.hdl import ClockDomain, Module

__all__ = ["clocked"]


def clocked(dut) -> Module:
    """A component in a design that has a clock, though the component may have no state."""
    m = Module()
    m.domains.sync = ClockDomain()
    m.submodules.dut = dut
    return m
