"""The buffers around a computing engine, whatever lies between them."""

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property

from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from ..isa.descriptors import POST
from ..reuse.machine import Machine
from .buffer.buffet import BuffetParams
from .buffer.region import RegionParams
from .layouts import layout_of

__all__ = ["PAD_BITS", "ComputeBuffers"]

PAD_BITS = 8
"""Of the value that stands in for a byte outside the tensor; lowest in the tag of a word."""


@dataclass(frozen=True, eq=False)
class ComputeBuffers:
    """What computing engines of all kinds have in common: the words they take and give."""

    machine: Machine

    @property
    @abstractmethod
    def input_tag_bits(self) -> int:
        """Bits that come with a word of the input."""

    @property
    @abstractmethod
    def weight_tag_bits(self) -> int:
        """Bits that come with a word of the weights."""

    def forms(self, engine: str) -> tuple[tuple[str, int], ...]:
        """(name, bits) of the linear forms of an engine's nest."""
        fields = self.machine.records[engine].fields
        return tuple((f.name[:-5], f.bits) for f in fields if f.name.endswith("_base"))

    def region(self, name: str) -> RegionParams:
        """The region of the input, the output or the residual in the activation memories."""
        machine = self.machine
        depths = tuple(machine.buffer_words(memory) for memory in ("input", "output"))
        tag_bits = self.input_tag_bits if name == "input" else 0
        lanes = machine.block if name == "output" else 1
        reads = machine.input_reads if name == "input" else 1
        block, banks = machine.block, machine.banks
        return RegionParams(8 * block, depths, block, tag_bits, lanes, reads, banks)

    @cached_property
    def input_buffet(self) -> BuffetParams:
        return self.region("input").buffet

    @cached_property
    def residual_buffet(self) -> BuffetParams:
        return self.region("residual").buffet

    @cached_property
    def output_buffet(self) -> BuffetParams:
        return self.region("output").buffet

    @cached_property
    def weight_buffet(self) -> BuffetParams:
        return self._buffet("weights", self.weight_tag_bits)

    @cached_property
    def parameter_buffet(self) -> BuffetParams:
        return self._buffet("parameters", sum(field.bits for field in POST))

    def _buffet(self, name, tag_bits) -> BuffetParams:
        words = self.machine.buffer_words(name)
        return BuffetParams(8 * self.machine.block, words, tag_bits)

    @property
    def ports(self) -> dict:
        """The members that every computing engine has, see :class:`~rtl_gen.hw.compute.Compute`."""
        return {
            "config": In(layout_of(self.machine.records["compute"].fields)),
            "start": In(1),
            "busy": Out(1),
            "working": Out(1),
            "input": In(stream.Signature(self.input_buffet.response)),
            "weights": In(stream.Signature(self.weight_buffet.response)),
            "parameters": In(stream.Signature(self.parameter_buffet.response)),
            "write": Out(stream.Signature(self.output_buffet.write)),
            "commit": Out(stream.Signature(self.output_buffet.commit)),
            "space": In(self.output_buffet.amount),
            "step": Out(1),
            "moved": Out(1),
            "waits_room": Out(1),
            "overflow": Out(1),
        }
