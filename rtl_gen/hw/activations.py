"""The activation memories, and the regions in which layers keep their tensors."""

from dataclasses import astuple

from amaranth.hdl import Array, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..isa.descriptors import ADDITION, region_fields
from .buffer.activation_memories import ActivationMemories
from .buffer.region import Region
from .compute_params import ComputeParams
from .control.claim import Claim
from .layouts import layout_of
from .memory.streams import join
from .place import place

__all__ = ["Activations"]

WRITERS, READERS = ("output", "residual", "input"), ("residual", "output", "input")
"""In the order in which they are served: outputs, and the residual that is added to them, come
when they come."""


class Activations(wiring.Component):
    """Input and output memory, which change roles from layer to layer.

    Three regions lie in them: the input's, from its load engine to its feeder; the output's, from
    the computing engine to the store engine; the residual's, from its load engine to where it is
    added. Where a region lies, its writer's descriptor says; an engine that wants it elsewhere
    starts when it is empty. Input and residual may also be read where an earlier layer left them.

    Members
    -------
    input_place, residual_place, compute_place
        Of the descriptors of load_input, load_residual, compute: bits of the fields that say where
        the region lies, of compute also how a residual is added.
    input_start, residual_start, compute_start : ``In(1)``
        The engine should start; ``*_pass_on``: ``Out(1)``, it starts; ``*_waiting``: ``Out(1)``;
        ``*_illegal``: ``Out(1)``, it never will, as the region would not lie in its memory.
    input_working, residual_working, compute_working : ``In(1)``
        Words are on their way to the region.
    input, output, residual
        The streams of a region each: ``write``, ``commit``, ``request``, ``response``, and
        ``space``, ``filled``.
    resident, resident_memory
        Of the input's feeder; see :class:`~rtl_gen.hw.buffer.region.Region`.
    addition : ``Out(layout_of(ADDITION))``
        Of the layer whose outputs are on their way.
    residual_there
        Words of the residual that may be added; all there can be, if it is resident or there is
        none.
    """

    def __init__(self, params: ComputeParams):
        self._params = params
        self._adds = bool(params.machine.residual_checks)
        self.module_name = "activations"
        region = layout_of(region_fields(params.machine.widths))
        members = self._region_members("input", region.size)
        members |= self._region_members("output", None)
        compute = region.size
        if self._adds:
            members |= self._region_members("residual", region.size)
            members |= {
                "addition": Out(layout_of(ADDITION)),
                "residual_there": Out(params.output_buffet.amount),
            }
            compute += layout_of(ADDITION).size
        members |= _claim_members("compute", compute)
        super().__init__(members | {"resident": In(1), "resident_memory": In(1)})

    def _region_members(self, name: str, bits: int | None) -> dict:
        buffet = self._params.region(name).buffet
        members = _claim_members(name, bits) if bits else {}
        return members | {
            f"{name}_write": In(stream.Signature(buffet.write)),
            f"{name}_commit": In(stream.Signature(buffet.commit)),
            f"{name}_request": In(stream.Signature(buffet.request)),
            f"{name}_response": Out(stream.Signature(buffet.response)),
            f"{name}_space": Out(buffet.amount),
            f"{name}_filled": Out(buffet.amount),
        }

    def elaborate(self, platform):
        m = Module()
        params = self._params
        writers = [name for name in WRITERS if name != "residual" or self._adds]
        readers = [name for name in READERS if name in writers]
        memories = place(
            m,
            platform,
            "memories",
            ActivationMemories,
            params.region("output"),
            len(writers),
            tuple(params.region(name).reads for name in readers),
        )
        regions = {}
        for n, name in enumerate(writers):
            region = place(m, platform, name, Region, *astuple(params.region(name)))
            join(m, region.store, memories.store[n])
            reads = params.region(name).reads
            first = sum(params.region(other).reads for other in readers[: readers.index(name)])
            loads, loaded = [region.load], [region.loaded]
            if reads > 1:
                loads, loaded = region.load, region.loaded
            for k, load in enumerate(loads, start=first):
                join(m, load, memories.load[k])
            join(m, getattr(self, f"{name}_write"), region.write)
            join(m, getattr(self, f"{name}_commit"), region.commit)
            join(m, getattr(self, f"{name}_request"), region.request)
            join(m, region.response, getattr(self, f"{name}_response"))
            m.d.comb += [
                *(word.eq(memories.loaded[k]) for k, word in enumerate(loaded, start=first)),
                getattr(self, f"{name}_space").eq(region.space),
                getattr(self, f"{name}_filled").eq(region.filled),
            ]
            regions[name] = region
        m.d.comb += [
            regions["input"].resident.eq(self.resident),
            regions["input"].resident_memory.eq(self.resident_memory),
        ]
        self._claim(m, platform, "input", regions["input"])
        held = self._claim(m, platform, "compute", regions["output"])
        if self._adds:
            self._claim(m, platform, "residual", regions["residual"])
            self._elaborate_addition(m, regions["residual"], held)
        return m

    def _claim(self, m, platform, name, region):
        """Let the writer of a region wait until the region is where it wants it; what it holds."""
        wanted = getattr(self, f"{name}_place")
        claim = place(m, platform, f"{name}_claim", Claim, len(wanted), tied={"wanted": wanted})
        bits, asked = region.place.shape().size, Signal(region.place.shape(), name=f"{name}_asked")
        depths = Array(self._params.region("output").depths)
        m.d.comb += [
            claim.start.eq(getattr(self, f"{name}_start")),
            claim.empty.eq((region.filled == 0) & ~getattr(self, f"{name}_working")),
            getattr(self, f"{name}_pass_on").eq(claim.pass_on),
            getattr(self, f"{name}_waiting").eq(claim.waiting),
            region.claim.eq(claim.changes),
            Value.cast(asked).eq(wanted[:bits]),
            Value.cast(region.place).eq(Value.cast(asked)),
            claim.anew.eq(wanted[bits]),
            claim.illegal.eq(asked.first + asked.size > depths[asked.memory]),
            getattr(self, f"{name}_illegal").eq((claim.start | claim.waiting) & claim.illegal),
        ]
        return claim.present

    def _elaborate_addition(self, m, region, held):
        """What is added to the outputs on their way, and how much of it is there."""
        addition, start = self.addition, len(held) - layout_of(ADDITION).size
        waits = Signal()
        m.d.comb += [
            Value.cast(addition).eq(held[start:]),
            region.resident.eq(addition.residual_resident),
            region.resident_memory.eq(addition.residual_memory),
            waits.eq(addition.residual & ~addition.residual_resident),
            self.residual_there.eq(Mux(waits, region.filled, ~0)),
        ]


def _claim_members(name: str, bits: int) -> dict:
    return {
        f"{name}_place": In(bits),
        f"{name}_start": In(1),
        f"{name}_pass_on": Out(1),
        f"{name}_waiting": Out(1),
        f"{name}_illegal": Out(1),
        f"{name}_working": In(1),
    }
