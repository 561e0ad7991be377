"""A run: from the host's start to the interrupt, and why it ended."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...isa import errors
from ...isa.descriptors import ENGINES
from ...isa.fields import WORD_BITS
from ...isa.registers import BY_NAME, NO_ENGINE

__all__ = ["RunControl"]


class RunControl(wiring.Component):
    """Knows whether a run is on, how many layers are complete, and what went wrong.

    A run ends when a layer is complete whose descriptor asks for an interrupt, or at the first
    error; after an error there is no other until reset.

    Parameters
    ----------
    engines
        Names of the engines that report errors.

    Members
    -------
    start : ``In(1)``
        The host asks for a run.
    started : ``Out(1)``
        ``start`` is followed: none is on and there was no error.
    layer_done, layer_interrupt : ``In(1)``
        The next layer is complete in memory; it asks for an interrupt.
    overflow : ``In(1)``
        An accumulator overflowed.
    errors : ``In(ERROR_BITS).array(engines)``
        Per engine: the code of its error, 0 if none.
    waiting : ``In(engines)``
        Per engine: a word waits for its full queue, which only a run empties.
    expired : ``In(1)``
        The watchdog saw no progress.
    cleared : ``In(2)``
        Events that the host clears; one that happens in the same cycle stays.
    go : ``Out(1)``
        A run is on.
    failed : ``Out(1)``
        There was an error.
    completed : ``Out(16)``
        Layers complete since the run began.
    events : ``Out(2)``
        INTERRUPT.
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
                "layer_done": In(1),
                "layer_interrupt": In(1),
                "overflow": In(1),
                "errors": In(errors.ERROR_BITS).array(len(engines)),
                "waiting": In(len(engines)),
                "expired": In(1),
                "cleared": In(len(BY_NAME["INTERRUPT"].fields)),
                "go": Out(1),
                "failed": Out(1),
                "completed": Out(BY_NAME["COMPLETED"].fields[0].bits),
                "events": Out(len(BY_NAME["INTERRUPT"].fields)),
                "status": Out(WORD_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        ended = Signal()  # the run's last layer is complete
        failing = Signal()  # the first error
        overflowed = Signal()

        m.d.comb += [
            self.started.eq(self.start & ~self.go & ~self.failed),
            ended.eq(self.go & self.layer_done & self.layer_interrupt),
        ]
        with m.If(failing | ended):
            m.d.sync += self.go.eq(0)
        with m.Elif(self.started):
            m.d.sync += self.go.eq(1)
        m.d.sync += [
            self.completed.eq(Mux(self.started, 0, self.completed + self.layer_done)),
            overflowed.eq(Mux(self.started, 0, overflowed | self.overflow)),
            self.events.eq((self.events & ~self.cleared) | Cat(ended, failing)),
        ]

        code, engine = self._elaborate_errors(m, failing)
        status = {
            "running": self.go,
            "error": self.failed,
            "overflow": overflowed,
            "error_code": code,
            "error_engine": engine,
        }
        m.d.comb += self.status.eq(_packed("STATUS", status))
        return m

    def _elaborate_errors(self, m, failing):
        """Keep the code and the engine of the first error; an engine's goes before others."""
        kept_code = Signal(errors.ERROR_BITS)
        kept_engine = Signal(8, init=NO_ENGINE)
        code = Signal(errors.ERROR_BITS)
        engine = Signal(8)
        with m.If(self.expired):
            m.d.comb += [code.eq(errors.WATCHDOG), engine.eq(NO_ENGINE)]
        for n, name in enumerate(self._engines):
            with m.If(self.waiting[n] & ~self.go):
                m.d.comb += [code.eq(errors.QUEUE_OVERFLOW), engine.eq(ENGINES.index(name))]
        for n, name in enumerate(self._engines):
            with m.If(self.errors[n] != errors.NONE):
                m.d.comb += [code.eq(self.errors[n]), engine.eq(ENGINES.index(name))]
        m.d.comb += failing.eq((code != errors.NONE) & ~self.failed)
        with m.If(failing):
            m.d.sync += [self.failed.eq(1), kept_code.eq(code), kept_engine.eq(engine)]
        return kept_code, kept_engine


def _packed(name, values):
    """The word of a register whose fields have these values."""
    word = Const(0, WORD_BITS)
    for field in BY_NAME[name].fields:
        word = word | (values[field.name] << field.low)
    return word
