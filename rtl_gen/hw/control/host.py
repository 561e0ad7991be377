"""The host's side of an accelerator: registers, interrupt, descriptor queues."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...isa import errors
from ...isa.capabilities import Capabilities, identification
from ...isa.counters import COUNTERS
from ...isa.fields import WORD_BITS
from ...isa.registers import (
    BY_NAME,
    COUNTER_BASE,
    DESCRIPTOR_BITS,
    PAGE_BITS,
    PROGRAM_WORDS_BITS,
    REGISTERS,
    WINDOWS,
    engine_register,
)
from ..memory.program import PROGRAM
from ..memory.windows import OPEN_WINDOWS
from ..place import place
from .axi_lite import AXI_LITE_PORTS, AxiLiteSlave
from .counters import Counters, EventCounter
from .run import RunControl
from .watchdog import Watchdog

__all__ = ["HostPort"]

PROGRAM_REGISTERS = ("PROGRAM_LOW", "PROGRAM_HIGH", "PROGRAM_WORDS")


class HostPort(wiring.Component):
    """The registers of :mod:`rtl_gen.isa.registers` behind AXI4-Lite.

    A run begins when the host sets CONTROL.start. It ends when a layer is complete whose descriptor
    asks for an interrupt and nothing is left to do, at the first error, or with CONTROL.abort.
    After an error nothing may be started until a reset: that of the port, or CONTROL.reset, which
    lets bursts under way end and clears all engines, whatever they are at.

    Counters are read as of the last snapshot, of which a run's end takes one; a read of a counter,
    and a start, wait until it is made.

    A word pushed into a full queue waits while a run is on, which the watchdog bounds. While none
    is on, after an error, and while a program is fetched (a push that waited for that would keep
    the host from aborting) it is dropped and answered SLVERR. So is every write that has no effect.
    A read of what is not there gives 0.

    A run that begins while PROGRAM_WORDS is not 0 fetches that program; it goes on at least until
    the last word of it is in a queue.

    Parameters
    ----------
    capabilities
        What the identification registers say; the engines behind the queues.

    Members
    -------
    s_axi_*
        :data:`~rtl_gen.hw.control.axi_lite.AXI_LITE_PORTS`.
    interrupt : ``Out(1)``
        High while an enabled event of INTERRUPT is set.
    running : ``Out(1)``
        A run is on: engines may take descriptors.
    failed : ``Out(1)``
        There was an error, or a reset goes on: nothing more may be asked of memory, or written.
    clear : ``Out(1)``
        For one cycle: engines, queues and buffers are reset. The memory port is at rest.
    windows : ``Out(OPEN_WINDOWS)``
        Where memory may be read and written.
    refused : ``In(engines + 1)``
        Per engine, then of the fetch: a burst of its lies outside the windows; stays until it is
        cleared.
    program : ``Out(PROGRAM)``
        Where the program lies. Stays for a cycle behind ``fetch``, as a write takes two.
    fetch : ``Out(1)``
        For one cycle: it is to be fetched.
    fetching, fetched : ``In(1)``
        It is not all in the queues; something of it moved.
    completed : ``Out(16)``
        Layers complete since the run began.
    queues : ``Out(stream.Signature(32)).array(engines)``
        Descriptor words, to each engine present in the order of its number. A word that waits is
        withdrawn when the run ends.
    room : ``In(range(queue_words + 1)).array(engines)``
        Of each queue.
    layer_done, layer_interrupt : ``In(1)``
        The next layer is complete in memory; it asks for an interrupt.
    overflow : ``In(1)``
        An accumulator overflowed.
    busy, progress, pending : ``In(engines)``
        Per engine: it has work; something of it moved; descriptors wait for it.
    waits_room, waits_bus, transfers : ``In(engines)``
        Per engine, for its counters: see :class:`~rtl_gen.hw.control.counters.Counters`.
    in_flight : ``In(1)``
        The memory port is not at rest.
    step, read_beat, write_beat : ``In(1)``
        A step was issued to the array; a beat was read from memory, or written.
    errors : ``In(ERROR_BITS).array(engines + 1)``
        Per engine, then of the fetch: the code of its error, 0 if none.
    descriptors : ``In(16).array(engines + 1)``
        Of each the number of the descriptor, or packet, that an error would belong to.
    """

    module_name = "host_port"

    def __init__(self, capabilities: Capabilities):
        self._capabilities = capabilities
        engines, reads = len(capabilities.engines), capabilities.widths.input_reads
        super().__init__(
            {
                **AXI_LITE_PORTS,
                "interrupt": Out(1),
                "running": Out(1),
                "failed": Out(1),
                "clear": Out(1),
                "windows": Out(OPEN_WINDOWS),
                "refused": In(engines + 1),
                "program": Out(PROGRAM),
                "fetch": Out(1),
                "fetching": In(1),
                "fetched": In(1),
                "completed": Out(BY_NAME["COMPLETED"].fields[0].bits),
                "queues": Out(stream.Signature(WORD_BITS)).array(engines),
                "room": In(range(capabilities.queue_words + 1)).array(engines),
                "layer_done": In(1),
                "layer_interrupt": In(1),
                "overflow": In(1),
                "busy": In(engines),
                "progress": In(engines),
                "pending": In(engines),
                "waits_room": In(engines),
                "waits_bus": In(engines),
                "transfers": In(engines),
                **({"input_words": In(range(reads + 1))} if reads > 1 else {}),
                "in_flight": In(1),
                "step": In(1),
                "read_beat": In(1),
                "write_beat": In(1),
                "errors": In(errors.ERROR_BITS).array(engines + 1),
                "descriptors": In(DESCRIPTOR_BITS).array(engines + 1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        bus = place(m, platform, "bus", AxiLiteSlave)
        run = place(m, platform, "run", RunControl, self._capabilities.engines)
        counters = self._elaborate_counters(m, platform, run)
        watchdog = place(m, platform, "watchdog", Watchdog)
        enable = Signal.like(run.events)
        limit = Signal(WORD_BITS, init=BY_NAME["WATCHDOG"].reset)
        pushed = Signal()  # the write is to a queue
        waiting = Signal()  # the queue is full
        accepted = Signal()  # the queue takes the word

        for name, member in AXI_LITE_PORTS.items():
            outer, inner = getattr(self, name), getattr(bus, name)
            m.d.comb += inner.eq(outer) if member.flow == In else outer.eq(inner)
        self._elaborate_queues(m, bus, run, pushed, waiting)
        m.d.comb += [
            self.running.eq(run.running),
            self.failed.eq(run.failed | run.resetting),
            self.clear.eq(run.clear),
            self.completed.eq(run.completed),
            run.layer_done.eq(self.layer_done),
            run.layer_interrupt.eq(self.layer_interrupt),
            run.overflow.eq(self.overflow),
            run.expired.eq(watchdog.expired),
            run.remaining.eq((self.busy | self.pending).any() | self.fetching),
            run.in_flight.eq(self.in_flight),
            accepted.eq(pushed & ~waiting & ~self.failed),
            watchdog.limit.eq(limit),
            watchdog.running.eq(run.running),
            watchdog.progress.eq(
                Cat(
                    self.progress,
                    self.layer_done,
                    self.step,
                    self.read_beat,
                    self.write_beat,
                    self.fetched,
                    accepted,
                ).any()
            ),
        ]
        for name in ("errors", "descriptors"):
            for inner, outer in zip(getattr(run, name), getattr(self, name), strict=True):
                m.d.comb += inner.eq(outer)
        m.d.sync += self.interrupt.eq((run.events & enable).any())

        held, refused = self._elaborate_writes(m, bus, run, counters, enable, limit, pushed)
        m.d.comb += [
            bus.write_ready.eq(~(waiting & run.running & ~self.fetching) & ~held),
            bus.write_error.eq(refused | (pushed & ~accepted)),
        ]
        values = identification(self._capabilities) | {
            "CONTROL": Cat(run.running, Const(0, 1), run.resetting, counters.making),
            "STATUS": run.status,
            "INTERRUPT": run.events,
            "INTERRUPT_ENABLE": enable,
            "COMPLETED": run.completed,
            "WATCHDOG": limit,
            **self._elaborate_windows(m, platform, bus),
            **self._elaborate_program(m, bus, run),
        }
        for n, engine in enumerate(self._capabilities.engines):
            values[engine_register("ROOM", engine).name] = self.room[n]
        count = self._elaborate_count(m, bus, counters)
        m.d.comb += bus.read_data.eq(_read(bus.read_word, values) | count)
        return m

    def _elaborate_queues(self, m, bus, run, pushed, waiting):
        """Offer a written word to its queue; ``waiting`` while that is full."""
        hits = Signal(len(self._capabilities.engines))
        full = Signal.like(hits)
        for n, engine in enumerate(self._capabilities.engines):
            queue = self.queues[n]
            m.d.comb += [
                hits[n].eq(_at(bus.write_word, engine_register("QUEUE", engine))),
                queue.payload.eq(bus.write_data),
                queue.valid.eq(bus.write_valid & hits[n] & ~self.failed),
                full[n].eq(queue.valid & ~queue.ready),
            ]
        m.d.comb += [pushed.eq(bus.write_valid & hits.any()), waiting.eq(full.any())]

    def _elaborate_writes(self, m, bus, run, counters, enable, limit, pushed):
        """Do the writes to all registers but the queues.

        Returns whether this one waits, and whether it does nothing.
        """
        written = {}
        for name in ("CONTROL", "INTERRUPT", "INTERRUPT_ENABLE", "WATCHDOG"):
            written[name] = Signal(name=f"{name.lower()}_written")
            m.d.comb += written[name].eq(bus.write_valid & _at(bus.write_word, BY_NAME[name]))
        # A start clears the counters of which the snapshot is made.
        held = Signal()
        m.d.comb += held.eq(written["CONTROL"] & bus.write_data[0] & counters.making)
        asked = (run.start, run.abort, run.reset, counters.snapshot)
        for bit, pin in enumerate(asked):
            m.d.comb += pin.eq(written["CONTROL"] & ~held & bus.write_data[bit])
        with m.If(written["INTERRUPT"]):
            m.d.comb += run.cleared.eq(bus.write_data)
        with m.If(written["INTERRUPT_ENABLE"]):
            m.d.sync += enable.eq(bus.write_data)
        with m.If(written["WATCHDOG"]):
            m.d.sync += limit.eq(bus.write_data)
        windows = Cat(
            _at(bus.write_word, BY_NAME[name]) for n in range(WINDOWS) for name in _window(n)
        )
        program = Cat(_at(bus.write_word, BY_NAME[name]) for name in PROGRAM_REGISTERS)
        nothing = ~(Cat(written.values()).any() | pushed | windows.any() | program.any())
        # A length that is cut off would be another program.
        nothing |= program[-1] & bus.write_data[PROGRAM_WORDS_BITS:].any()
        return held, nothing | (run.start & ~run.started) | (run.abort & ~run.running)

    def _elaborate_windows(self, m, platform, bus):
        """The registers of the windows, and how often one was in the way."""
        values = {}
        for n in range(WINDOWS):
            window = self.windows[n]
            low = 32 - PAGE_BITS
            access = Cat(window.read, window.write)
            for name, part in zip(
                _window(n),
                (
                    window.first[:low],
                    window.first[low:],
                    window.last[:low],
                    window.last[low:],
                    access,
                ),
                strict=True,
            ):
                shift = PAGE_BITS if name.endswith("_LOW") else 0
                register = Signal(len(part), name=name.lower())
                m.d.comb += part.eq(register)
                values[name] = register << shift
                with m.If(bus.write_valid & _at(bus.write_word, BY_NAME[name])):
                    m.d.sync += register.eq(bus.write_data >> shift)
        counter = place(m, platform, "refused_counter", EventCounter, WORD_BITS)
        seen = Signal()
        m.d.sync += seen.eq(self.refused.any())
        m.d.comb += counter.counted.eq(self.refused.any() & ~seen)
        return values | {"REFUSED": counter.count}

    def _elaborate_program(self, m, bus, run):
        """The registers of the program in memory, and when it is fetched."""
        values, program = {}, self.program
        m.d.comb += self.fetch.eq(run.started & (program.words != 0))
        parts = (program.address[:WORD_BITS], program.address[WORD_BITS:], program.words)
        for name, part in zip(PROGRAM_REGISTERS, parts, strict=True):
            register = Signal(len(part), name=name.lower())
            m.d.comb += part.eq(register)
            values[name] = register
            fits = ~bus.write_data[len(part) :].any()
            with m.If(bus.write_valid & _at(bus.write_word, BY_NAME[name]) & fits):
                m.d.sync += register.eq(bus.write_data)
        return values

    def _elaborate_counters(self, m, platform, run):
        """Count what the run does."""
        capabilities = self._capabilities
        counters = place(
            m,
            platform,
            "counters",
            Counters,
            capabilities.engines,
            capabilities.bus_bits // 8,
            capabilities.widths.block,
            capabilities.widths.input_reads,
        )
        if capabilities.widths.input_reads > 1:
            m.d.comb += counters.input_words.eq(self.input_words)
        m.d.comb += [counters.clear.eq(run.started), counters.running.eq(run.running)]
        for name in ("busy", "progress", "waits_room", "waits_bus", "transfers"):
            m.d.comb += getattr(counters, name).eq(getattr(self, name))
        for name in ("step", "read_beat", "write_beat"):
            m.d.comb += getattr(counters, name).eq(getattr(self, name))
        return counters

    def _elaborate_count(self, m, bus, counters):
        """The counter that is read, 0 where another register is; it comes from a memory."""
        first = COUNTER_BASE // 4
        hit = Signal()
        fetches = Signal()
        fetched = Signal()  # in the cycle before this one
        m.d.comb += [
            hit.eq((bus.read_word >= first) & (bus.read_word < first + len(COUNTERS))),
            fetches.eq(bus.read_valid & hit & ~counters.making & ~fetched),
            counters.read_enable.eq(fetches),
            counters.read_index.eq(bus.read_word - first),
            bus.read_ready.eq(~hit | fetched),
        ]
        m.d.sync += fetched.eq(fetches)
        return Mux(hit, counters.count, 0)


def _at(word, register):
    """Whether a word index is that of a register."""
    return word == register.offset // 4


def _window(number):
    """Names of a window's registers."""
    parts = ("FIRST_LOW", "FIRST_HIGH", "LAST_LOW", "LAST_HIGH", "ACCESS")
    return tuple(f"WINDOW{number}_{part}" for part in parts)


def _read(word, values):
    """The register at a word index: an OR of all, each 0 where another is meant."""
    known = [register for register in REGISTERS if register.name in values]
    return reduce(or_, (Mux(_at(word, r), values[r.name], 0) for r in known))
