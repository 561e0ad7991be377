"""Which function a vector layer has."""

from amaranth.hdl import Const

from ...isa.vector import VECTOR_FUNCTIONS

__all__ = ["function_is"]


def function_is(config, *names: str):
    """Whether the function of a configuration is one of some."""
    found = Const(0)
    for name in names:
        found = found | (config.function == VECTOR_FUNCTIONS.index(name))
    return found
