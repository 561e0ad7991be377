"""The accelerator: engines around buffets, one AXI4 port, one control port."""

from dataclasses import astuple

from amaranth.hdl import ClockDomain, ClockSignal, Const, Module, Mux, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..isa.descriptors import ADDITION, ENGINES, region_fields
from .accelerator_params import AcceleratorParams
from .activations import Activations
from .buffer.buffet import Buffet
from .buffer.fifo import Fifo
from .buffer.idioms import HELD_TILES, tie_idiom
from .compute import Compute
from .control.axi_lite import AXI_LITE_PORTS
from .control.configure import fields_of
from .control.engine import EngineControl
from .control.fence import Fence
from .control.host import HostPort
from .control.queue_inputs import QueueInputs
from .engine_errors import tie_errors, tie_fetch_error
from .fused_compute import FusedCompute
from .layouts import layout_of
from .memory.axi import connect_flat, flat_ports
from .memory.descriptor_fetch import DescriptorFetch
from .memory.load import LoadEngine
from .memory.read_arbiter import ReadArbiter
from .memory.store import StoreEngine
from .memory.streams import join
from .noc.feeder import Feeder
from .place import place
from .tagged_compute import TaggedCompute
from .unfold.packed_input import PackedInput

__all__ = ["Accelerator"]


class Accelerator(wiring.Component):
    """Everything between the memory port and the control port.

    Load engines fill buffets, feeders read them in the order of the steps, the computing engine
    turns what they read into output words, the store engine writes these to memory. Engines meet
    only in buffets; each has its own descriptors.

    Members
    -------
    aclk, aresetn
        Clock; reset, active low, synchronous.
    m_axi_*, s_axi_*
        Memory port (AXI4) and control port (AXI4-Lite).
    interrupt : ``Out(1)``
    """

    def __init__(self, params: AcceleratorParams, name: str):
        self._params = params
        self.module_name = name
        super().__init__(
            {
                "aclk": In(1),
                "aresetn": In(1),
                **flat_ports(params.machine.design.bus_bits),
                **AXI_LITE_PORTS,
                "interrupt": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self._params
        # The host's side outlives a reset that the host asks for.
        m.domains.sync = ClockDomain(local=True)
        m.domains.host = ClockDomain(local=True)
        host = place(m, platform, "host", HostPort, params.capabilities, domain="host")
        m.d.comb += [
            ClockSignal("host").eq(self.aclk),
            ResetSignal("host").eq(~self.aresetn),
            ClockSignal().eq(self.aclk),
            ResetSignal().eq(~self.aresetn | host.clear),
        ]
        for name, member in AXI_LITE_PORTS.items():
            outer, inner = getattr(self, name), getattr(host, name)
            m.d.comb += inner.eq(outer) if member.flow == In else outer.eq(inner)
        m.d.comb += self.interrupt.eq(host.interrupt)
        controls = {}
        inputs = place(
            m,
            platform,
            "queue_inputs",
            QueueInputs,
            tuple(ENGINES.index(engine) for engine in params.engines),
            tied={"host": host.queues},
        )
        for n, engine in enumerate(params.engines):
            record = params.machine.records[engine]
            control = place(
                m,
                platform,
                f"{engine}_control",
                EngineControl,
                record,
                params.machine.design.queue_words,
                tied={"words": inputs.queues[n]},
            )
            controls[engine] = control
            m.d.comb += [
                host.room[n].eq(control.room),
                host.pending[n].eq(control.pending),
                control.running.eq(host.running),
            ]
        compute = place(
            m,
            platform,
            "compute",
            self._compute_kind,
            params.compute,
            tied={"config": controls["compute"].config},
        )
        activations = self._elaborate_activations(m, platform, controls, compute)
        m.d.comb += [host.overflow.eq(compute.overflow), host.step.eq(compute.step)]
        # An engine may take its next descriptor while it still works on this one.
        work = {engine: control.busy for engine, control in controls.items()}
        work["compute"] |= compute.working
        progress = {"compute": compute.moved}
        self._count(m, host, "compute", compute.write.valid, compute.waits_room)
        parts = (m, platform, controls, host, compute, activations, progress)
        arbiter, loads = self._elaborate_loads(*parts)
        fetch = self._elaborate_fetch(m, platform, host, arbiter, inputs)
        store = self._elaborate_store(*parts)
        work |= {name: work[name] | load.working for name, load in loads.items()}
        work["store"] |= store.working
        connect_flat(
            m,
            self,
            bus_bits=params.machine.design.bus_bits,
            ar=arbiter.ar,
            r=arbiter.r,
            aw=store.aw,
            w=store.w,
            b=store.b,
        )
        m.d.comb += [
            host.read_beat.eq(self.m_axi_rvalid & self.m_axi_rready),
            host.write_beat.eq(self.m_axi_wvalid & self.m_axi_wready),
        ]
        for n, engine in enumerate(params.engines):
            m.d.comb += [host.busy[n].eq(work[engine]), host.progress[n].eq(progress[engine])]
        # After an error no burst is begun any more, whatever the engines do; what stands before
        # the port already goes out.
        m.d.comb += [
            arbiter.drain.eq(host.failed),
            arbiter.windows.eq(host.windows),
            store.windows.eq(host.windows),
            store.drain.eq(host.failed),
            host.in_flight.eq(~arbiter.idle | ~store.idle),
        ]
        tie_errors(m, params, host, controls, arbiter, loads, store, activations)
        tie_fetch_error(m, params, host, arbiter, fetch)
        return m

    @property
    def _compute_kind(self):
        """The component that computes."""
        if self._params.tagged:
            return TaggedCompute
        return FusedCompute if self._params.machine.widths.modes > 1 else Compute

    def _elaborate_activations(self, m, platform, controls, compute):
        """The activation memories around the computing engine, which starts as they allow."""
        params, control = self._params, controls["compute"]
        activations = place(m, platform, "activations", Activations, params.compute)
        held = layout_of(region_fields(params.machine.widths))
        if "load_residual" in params.engines:
            held = layout_of((*region_fields(params.machine.widths), *ADDITION))
            join(m, compute.residual_request, activations.residual_request)
            join(m, activations.residual_response, compute.residual_response)
            m.d.comb += [
                compute.addition.eq(activations.addition),
                compute.residual.eq(activations.residual_there),
            ]
        join(m, compute.write, activations.output_write)
        join(m, compute.commit, activations.output_commit)
        join(m, activations.input_response, compute.input)
        m.d.comb += [
            compute.space.eq(activations.output_space),
            activations.compute_working.eq(compute.working),
        ]
        self._start_placed(m, activations, "compute", compute, control, control.start, held)
        return activations

    def _elaborate_loads(self, m, platform, controls, host, compute, activations, progress):
        """The load engine of each operand, and what leads from it to the computing engine.

        Returns the port they read from, and the load engines by name.
        """
        params, loads = self._params, {}
        bus_bits = params.machine.design.bus_bits
        arbiter = place(m, platform, "read_arbiter", ReadArbiter, len(params.loads) + 1, bus_bits)
        for n, name in enumerate(params.loads):
            control = controls[f"load_{name}"]
            load = place(
                m,
                platform,
                f"load_{name}",
                LoadEngine,
                params.load(name),
                tied={
                    "config": control.config,
                    "request": arbiter.request[n],
                    "beats": arbiter.beats[n],
                },
            )
            m.d.comb += arbiter.urgent[n].eq(load.urgent)
            loads[f"load_{name}"] = load
            progress[f"load_{name}"] = load.moved
            self._count(m, host, f"load_{name}", load.moved, load.waits_room, load.waits_bus)
            if name == "residual":
                ties = {"write": load.write, "commit": load.commit, "space": load.space}
                self._elaborate_region(m, platform, name, load, control, host, activations, ties)
                continue
            feeding = controls[f"feed_{name}"]
            feed = place(
                m,
                platform,
                f"feed_{name}",
                Feeder,
                params.feed(name),
                tied={"config": feeding.config},
            )
            asked, answer = feed.request.valid & feed.request.ready, getattr(compute, name)
            progress[f"feed_{name}"] = asked
            reads, held = feed.request.payload.read, answer.valid & ~answer.ready
            several = len(reads) > 1
            self._count(m, host, f"feed_{name}", asked & (reads.any() if several else reads), held)
            if several:
                m.d.comb += host.input_words.eq(Mux(asked, sum(reads), 0))
            idiom, buffet = params.machine.idiom(name), params.buffet(name)
            parts = (load, control.config, feed.request)
            ties = tie_idiom(m, platform, name, idiom, buffet, *parts)
            # A load that hands over whole tiles begins when all of the one before has come.
            unfinished = load.working if idiom in HELD_TILES else Const(0)
            if name == "input":
                join(m, ties.pop("request"), activations.input_request)
                packed = None
                if params.machine.image_words:
                    parts = (controls, host, load, ties, progress)
                    packed = self._elaborate_unfold(m, platform, *parts)
                parts = (load, control, host, activations, ties, unfinished, packed)
                self._elaborate_region(m, platform, name, *parts)
                self._elaborate_resident(m, platform, feed, feeding, host, activations)
                continue
            place(
                m,
                platform,
                f"{name}_buffet",
                Buffet,
                *astuple(buffet),
                tied=ties | {"response": getattr(compute, name)},
            )
            if name == "weights":  # which may be what a layer before stored
                fence = self._fence(m, platform, "weights_fence", control, host)
                m.d.comb += [
                    load.start.eq(fence.pass_on),
                    control.idle.eq(~load.busy & ~fence.waiting & ~unfinished),
                ]
            else:
                self._start(m, load, control, ~unfinished)
            self._start(m, feed, feeding)
        return arbiter, loads

    def _elaborate_region(
        self, m, platform, name, load, control, host, activations, ties, unfinished=0, packed=None
    ):
        """A load engine that fills a region of the activation memories, behind its fence.

        ``packed`` stands between the two where images are unfolded.
        """
        join(m, ties["write"], getattr(activations, f"{name}_write"))
        join(m, ties["commit"], getattr(activations, f"{name}_commit"))
        for port in ("space", "filled"):
            if port in ties:
                m.d.comb += ties[port].eq(getattr(activations, f"{name}_{port}"))
        held = layout_of(region_fields(self._params.machine.widths))
        fence = self._fence(m, platform, f"{name}_fence", control, host)
        start, working, waits = fence.pass_on, load.working, fence.waiting | unfinished
        if packed:
            m.d.comb += packed.load_start.eq(start)
            m.d.comb += packed.load_started.eq(getattr(activations, f"{name}_pass_on"))
            start, waits = packed.load_pass_on, waits | packed.load_waiting
            working |= packed.unfolding
        m.d.comb += getattr(activations, f"{name}_working").eq(working)
        self._start_placed(m, activations, name, load, control, start, held, waits)

    def _elaborate_unfold(self, m, platform, controls, host, load, ties, progress):
        """The unfold engine between the input's load engine and its region."""
        params, control = self._params, controls["unfold_input"]
        packed = place(
            m,
            platform,
            "packed_input",
            PackedInput,
            params.unfold,
            params.load("input"),
            tied={"config": control.config, "fill": load.write, "fill_commit": load.commit},
        )
        m.d.comb += [
            packed.packed.eq(controls["load_input"].config.packed),
            packed.load_working.eq(load.working),
            packed.start.eq(control.start),
            control.idle.eq(~packed.busy & ~packed.waiting),
            load.space.eq(packed.fill_space),
        ]
        ties |= {"write": packed.write, "commit": packed.commit, "space": packed.space}
        progress["unfold_input"] = packed.moved
        self._count(m, host, "unfold_input", packed.moved, packed.waits_room)
        return packed

    def _elaborate_resident(self, m, platform, feed, control, host, activations):
        """The feeder of the input, which waits where its input is another layer's output."""
        fence = self._fence(m, platform, "feed_fence", control, host)
        m.d.comb += [
            feed.start.eq(fence.pass_on),
            control.idle.eq(~feed.busy & ~fence.waiting),
            activations.resident.eq(control.config.resident),
            activations.resident_memory.eq(control.config.resident_memory),
        ]

    def _elaborate_fetch(self, m, platform, host, arbiter, inputs):
        """The fetch of programs, the last on the read channel; it fills queues as the host does."""
        port = len(self._params.loads)
        fetch = place(
            m,
            platform,
            "fetch",
            DescriptorFetch,
            self._params.fetch,
            tied={
                "start": host.fetch,
                "program": host.program,
                "request": arbiter.request[port],
                "beats": arbiter.beats[port],
                "o": inputs.packets,
            },
        )
        m.d.comb += [
            # A beat in four cycles or so, and engines wait for what it brings.
            arbiter.urgent[port].eq(1),
            inputs.fetching.eq(fetch.busy),
            host.fetching.eq(fetch.busy),
            host.fetched.eq(fetch.moved),
        ]
        return fetch

    def _elaborate_store(self, m, platform, controls, host, compute, activations, progress):
        """The store engine of the output."""
        params = self._params
        control = controls["store"]
        store = place(
            m, platform, "store", StoreEngine, params.store, tied={"config": control.config}
        )
        join(m, store.request, activations.output_request)
        join(m, activations.output_response, store.response)
        # A descriptor begins before the responses of the one before it have come.
        interrupts = place(m, platform, "interrupts", Fifo, 1, params.store.bursts)
        self._start(m, store, control, may_start=interrupts.i.ready)
        progress["store"] = store.moved
        beat = store.w.valid & store.w.ready
        self._count(m, host, "store", beat, bus=store.waits_bus)
        m.d.comb += [
            host.layer_done.eq(store.completed),
            host.layer_interrupt.eq(interrupts.o.payload),
            interrupts.o.ready.eq(store.completed),
            interrupts.i.valid.eq(control.start),
            interrupts.i.payload.eq(control.config.interrupt),
        ]
        return store

    def _fence(self, m, platform, name, control, host):
        """The fence of a descriptor, in front of its engine's start."""
        fence = place(m, platform, name, Fence)
        m.d.comb += [
            fence.start.eq(control.start),
            fence.fenced.eq(control.config.fenced),
            fence.after.eq(control.config.fence),
            fence.completed.eq(host.completed),
        ]
        return fence

    def _start_placed(self, m, activations, name, part, control, start, held, held_back=0):
        """Start an engine once its region lies where its descriptor wants it."""
        waits = getattr(activations, f"{name}_waiting") | held_back
        m.d.comb += [
            getattr(activations, f"{name}_start").eq(start),
            getattr(activations, f"{name}_place").eq(fields_of(control.config, held)),
            part.start.eq(getattr(activations, f"{name}_pass_on")),
            control.idle.eq(~part.busy & ~waits),
        ]

    def _start(self, m, part, control, may_start=1):
        """Start an engine that has its configuration."""
        m.d.comb += [
            part.start.eq(control.start),
            control.idle.eq(~part.busy & may_start),
        ]

    def _count(self, m, host, engine, transfers, room=0, bus=0):
        """Tell the host port what an engine's counters need: what it moves, and why it waits."""
        n = self._params.engines.index(engine)
        m.d.comb += [
            host.transfers[n].eq(transfers),
            host.waits_room[n].eq(room),
            host.waits_bus[n].eq(bus),
        ]
