"""A run: from the host's start to the interrupt, and why it ended."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...isa import errors
from ...isa.descriptors import ENGINES
from ...isa.fields import WORD_BITS
from ...isa.registers import BY_NAME, DESCRIPTOR_BITS, FETCH, NO_ENGINE

__all__ = ["RunControl"]


class RunControl(wiring.Component):
    """Knows whether a run is on, how many layers are complete, and what went wrong.

    Each layer whose descriptor asks for an interrupt is reported when it is complete. The run ends
    when one was and nothing is left to do, or at the first error; then no layer counts as complete
    any more, and there is no other run until reset.

    Parameters
    ----------
    engines
        Names of the engines that report errors; the fetch of programs does besides.

    Members
    -------
    start : ``In(1)``
        The host asks for a run.
    started : ``Out(1)``
        ``start`` is followed: none is on and there was no error.
    abort : ``In(1)``
        The host ends the run with an error; while none is on it does nothing.
    reset : ``In(1)``
        The host ends whatever goes on. ``clear`` follows once the memory port is at rest.
    resetting : ``Out(1)``, clear : ``Out(1)``
        From ``reset`` until everything is cleared; for one cycle, engines are cleared.
    layer_done, layer_interrupt : ``In(1)``
        The next layer is complete in memory; it asks for an interrupt.
    overflow : ``In(1)``
        An accumulator overflowed.
    errors : ``In(ERROR_BITS).array(engines + 1)``
        Per engine, then of the fetch: the code of its error, 0 if none.
    descriptors : ``In(16).array(engines + 1)``
        Of each the number of the descriptor, or packet, that an error would belong to.
    remaining : ``In(1)``
        An engine has work, or descriptors wait.
    expired : ``In(1)``
        The watchdog saw no progress.
    cleared : ``In(2)``
        Events that the host clears; one that happens in the same cycle stays.
    running : ``Out(1)``
        A run is on.
    failed : ``Out(1)``
        There was an error.
    completed : ``Out(16)``
        Layers complete since the run began.
    events : ``Out(2)``
        INTERRUPT.
    in_flight : ``In(1)``
        The memory port is not at rest.
    status : ``Out(32)``
        STATUS.
    """

    def __init__(self, engines: tuple[str, ...]):
        self._engines = engines
        self.module_name = "run_control"
        super().__init__(
            {
                "start": In(1),
                "started": Out(1),
                "abort": In(1),
                "reset": In(1),
                "resetting": Out(1),
                "clear": Out(1),
                "layer_done": In(1),
                "layer_interrupt": In(1),
                "overflow": In(1),
                "errors": In(errors.ERROR_BITS).array(len(engines) + 1),
                "descriptors": In(DESCRIPTOR_BITS).array(len(engines) + 1),
                "remaining": In(1),
                "expired": In(1),
                "cleared": In(len(BY_NAME["INTERRUPT"].fields)),
                "running": Out(1),
                "failed": Out(1),
                "completed": Out(BY_NAME["COMPLETED"].fields[0].bits),
                "events": Out(len(BY_NAME["INTERRUPT"].fields)),
                "in_flight": In(1),
                "status": Out(WORD_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        failing = Signal()  # the first error
        finished = Signal()  # a layer of the run is complete
        reported = Signal()  # it asks for an interrupt
        may_end = Signal()  # one did before, and the run goes on
        overflowed = Signal()

        m.d.comb += [
            self.started.eq(
                self.start & ~self.running & ~self.failed & ~self.reset & ~self.resetting
            ),
            # A layer whose last write was answered with an error is not complete.
            finished.eq(self.layer_done & self.running & ~failing),
            reported.eq(finished & self.layer_interrupt),
        ]
        with m.If(failing | ((reported | may_end) & ~self.remaining)):
            m.d.sync += [self.running.eq(0), may_end.eq(0)]
        with m.Elif(self.started):
            m.d.sync += self.running.eq(1)
        with m.Elif(reported):
            m.d.sync += may_end.eq(1)
        self._elaborate_reset(m, may_end)
        m.d.sync += [
            self.completed.eq(Mux(self.started, 0, self.completed + finished)),
            overflowed.eq(Mux(self.started | self.clear, 0, overflowed | self.overflow)),
            self.events.eq((self.events & ~self.cleared) | Cat(reported, failing)),
        ]

        code, engine, descriptor = self._elaborate_errors(m, failing)
        status = {
            "running": self.running,
            "error": self.failed,
            "overflow": overflowed,
            "in_flight": self.in_flight,
            "error_code": code,
            "error_engine": engine,
            "error_descriptor": descriptor,
        }
        m.d.comb += self.status.eq(_packed("STATUS", status))
        return m

    def _elaborate_reset(self, m, may_end):
        """End the run; clear everything when no burst is under way any more."""
        at_rest = Signal()  # in the cycle before this one
        m.d.comb += self.clear.eq(self.resetting & at_rest & ~self.in_flight)
        m.d.sync += at_rest.eq(self.resetting & ~self.in_flight)
        with m.If(self.clear):
            m.d.sync += self.resetting.eq(0)
        with m.Elif(self.reset):
            m.d.sync += [self.resetting.eq(1), self.running.eq(0), may_end.eq(0)]

    def _elaborate_errors(self, m, failing):
        """Keep code, engine and descriptor of the first error; an engine's goes before others."""
        kept_code = Signal(errors.ERROR_BITS)
        kept_engine = Signal(4, init=NO_ENGINE)
        kept_descriptor = Signal(DESCRIPTOR_BITS)
        code = Signal(errors.ERROR_BITS)
        engine = Signal(4, init=NO_ENGINE)
        descriptor = Signal(DESCRIPTOR_BITS)
        with m.If(self.expired):
            m.d.comb += code.eq(errors.WATCHDOG)
        with m.If(self.abort & self.running):
            m.d.comb += code.eq(errors.ABORTED)
        numbers = [*(ENGINES.index(name) for name in self._engines), FETCH]
        for n, number in enumerate(numbers):
            with m.If(self.errors[n] != errors.NONE):
                m.d.comb += [
                    code.eq(self.errors[n]),
                    engine.eq(number),
                    descriptor.eq(self.descriptors[n]),
                ]
        # Engines are cleared with this: nothing that they said before counts any more.
        ending = self.reset | self.resetting
        m.d.comb += failing.eq((code != errors.NONE) & ~self.failed & ~ending)
        with m.If(self.clear):
            m.d.sync += [
                self.failed.eq(0),
                kept_code.eq(errors.NONE),
                kept_engine.eq(NO_ENGINE),
                kept_descriptor.eq(0),
            ]
        with m.Elif(failing):
            m.d.sync += [
                self.failed.eq(1),
                kept_code.eq(code),
                kept_engine.eq(engine),
                kept_descriptor.eq(descriptor),
            ]
        return kept_code, kept_engine, kept_descriptor


def _packed(name, values):
    """The word of a register whose fields have these values."""
    word = Const(0, WORD_BITS)
    for field in BY_NAME[name].fields:
        word = word | (values[field.name] << field.low)
    return word
