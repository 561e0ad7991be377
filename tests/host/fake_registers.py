"""Registers of a design that is not there: enough for what a driver does before a run."""

from rtl_gen.api import load
from rtl_gen.hw.accelerator_params import AcceleratorParams
from rtl_gen.isa.capabilities import identification
from rtl_gen.isa.registers import BY_NAME

__all__ = ["FakeRegisters", "design_words"]


def design_words(design) -> dict[int, int]:
    """The identification registers of a design, by offset."""
    found = identification(AcceleratorParams(load(design).machine).capabilities)
    return {BY_NAME[name].offset: value for name, value in found.items()}


class FakeRegisters:
    """A back end whose registers hold what is written to them."""

    def __init__(self, design, address: int = 0x8000_0000):
        self.words = design_words(design)
        self.address = address

    def read32(self, offset: int) -> int:
        return self.words.get(offset, 0)

    def write32(self, offset: int, value: int) -> None:
        self.words[offset] = value

    def set(self, name: str, value: int) -> None:
        self.words[BY_NAME[name].offset] = value

    def get(self, name: str) -> int:
        return self.words.get(BY_NAME[name].offset, 0)
