"""What a layer did in RTL: bit-exact or where it first differs, cycles, MAC use."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..isa.counters import reasons
from ..operands import Operands
from ..sim.explain_mismatch import explain
from ..sim.issued_steps import issued_steps
from ..sim.layers import LayerCheck
from ..spec.layer import Layer

__all__ = ["LayerResult"]


@dataclass(frozen=True, eq=False)
class LayerResult:
    """A layer that was simulated and compared with the golden model.

    Parameters
    ----------
    layer
        As it was asked for.
    operands
        The layer as it ran, and its numbers.
    check
        What the simulation and the comparison gave.
    seed
        Of the random numbers; None where they are the user's own.
    waves
        The waveform, if one was written.
    """

    layer: Layer
    operands: Operands
    check: LayerCheck
    seed: int | None = None
    waves: Path | None = None

    @property
    def name(self) -> str:
        return self.layer.name

    @property
    def ran_as(self) -> str:
        """As what a matrix product ran on a design for convolutions; else empty."""
        if (self.layer.operation, self.operands.layer.operation) != ("matmul", "conv2d"):
            return ""
        return "a 1x1 convolution, a pixel for each row of its input"

    @property
    def exact(self) -> bool:
        """Whether every output is right, and nothing happened that must not."""
        return self.check.exact

    @property
    def macs(self) -> int:
        return self.operands.layer.macs

    @property
    def cycles(self) -> int | None:
        """From start to interrupt, memory included; None if it never came."""
        return self.check.done.cycles if self.check.done.counters else None

    @property
    def mac_use(self) -> float | None:
        """Useful MACs over PEs times cycles."""
        return self.check.done.mac_use if self.check.done.counters else None

    @property
    def counters(self) -> dict[str, int]:
        """The accelerator's counters at the end, by register name."""
        return self.check.done.counters

    @cached_property
    def engines(self) -> dict[str, dict[str, int]]:
        """Cycles of each engine: busy, moved, and its waits by reason; bytes. Empty if none came.

        What each means stands in :mod:`rtl_gen.isa.counters`.
        """
        found = {}
        engines = self.check.mapping.machine.engines
        for engine in engines if self.counters else ():
            name = engine.upper()
            waits = {why: self.counters[f"WAIT_{why.upper()}_{name}"] for why in reasons(engine)}
            busy = self.counters[f"BUSY_{name}"]
            found[engine] = {"busy": busy, "moved": busy - sum(waits.values())}
            found[engine] |= {f"wait_{why}": cycles for why, cycles in waits.items()}
            found[engine]["bytes"] = self.counters[f"BYTES_{name}"]
        return found

    @property
    def problems(self) -> tuple[str, ...]:
        """What must not happen: a time-out, a broken rule of the bus, a write outside."""
        return self.check.done.problems

    @property
    def output(self) -> np.ndarray | None:
        """int8, of the hardware: (n, p, q, k), (m, n), or as the einsum writes it."""
        outputs = self.check.done.outputs
        return self.operands.result(outputs[0]) if outputs else None

    @property
    def first_wrong(self) -> dict[str, int] | None:
        """Coordinates of the first output that differs, by the output's ranks; None if none."""
        if self.check.first is None:
            return None
        output = self.check.mapping.machine.operation.output
        return {rank.name: x for rank, x in zip(output.ranks, self.check.first)}

    @cached_property
    def first_wrong_step(self) -> int | None:
        """The step that completes that output, counted from the layer's first."""
        if self.check.first is None:
            return None
        operands = self.operands
        steps = issued_steps(self.check.mapping, operands.source, operands.data, self.check.first)
        return max(step.number for step in steps)

    @property
    def verdict(self) -> str:
        """``bit-exact``, or what is wrong, in a line."""
        if self.exact:
            return "bit-exact"
        if self.first_wrong is None:
            return self.problems[0]
        where = " ".join(f"{name}={x}" for name, x in self.first_wrong.items())
        return f"{self.check.wrong} wrong, first at {where} (step {self.first_wrong_step})"

    def explain(self) -> str:
        """Why it is wrong: the steps that make the first wrong output."""
        return explain(self.check, self.operands.source, self.operands.data)

    def plain(self) -> dict:
        """For machines: dicts, lists, numbers and texts."""
        return {
            "layer": self.name,
            "operation": self.layer.operation,
            "runs_as": self.operands.layer.operation,
            "macs": self.macs,
            "cycles": self.cycles,
            "mac_use": self.mac_use,
            "bit_exact": self.exact,
            "wrong": self.check.wrong,
            "first_wrong": self.first_wrong,
            "first_wrong_step": self.first_wrong_step,
            "problems": list(self.problems),
            "seed": self.seed,
            "counters": self.counters,
            "engines": self.engines,
            "waves": str(self.waves) if self.waves else None,
        }

    def __repr__(self) -> str:
        parts = [self.verdict, f"{self.macs:,} MACs"]
        if self.cycles is not None:
            parts += [f"{self.cycles:,} cycles", f"MAC use {self.mac_use:.1%}"]
        if self.seed is not None:
            parts.append(f"seed {self.seed}")
        return f"LayerResult({self.name}: {', '.join(parts)})"
