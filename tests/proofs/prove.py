"""Runs SymbiYosys on a harness: a module of assumptions and assertions around a component."""

import os
import re
import subprocess
import sys
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Elaboratable, Signal

__all__ = ["Harness", "prove", "refute"]

SCRIPT = """[options]
mode {mode}
depth {depth}
timeout {timeout}
[engines]
smtbmc z3
[script]
read_rtlil harness.il
hierarchy -top top
prep -top top
chformal -lower
[files]
harness.il
"""


class Harness(Elaboratable):
    """A component whose inputs are free, with what is assumed of them and asserted of it."""

    def __init__(self):
        self.free: list[Signal] = []

    def any(self, shape, name: str) -> Signal:
        """A signal that the solver chooses anew in every cycle."""
        self.free.append(Signal(shape, name=name))
        return self.free[-1]

    def drive(self, m, dut, *names: str) -> None:
        """Let the solver offer what it likes on streams of a component, and take what it gives."""
        for name in names:
            port = getattr(dut, name)
            bits = self.any(len(port.payload.as_value()), f"{name}_payload")
            m.d.comb += [
                port.valid.eq(self.any(1, f"{name}_valid")),
                port.payload.as_value().eq(bits),
            ]
        m.d.comb += dut.response.ready.eq(self.any(1, "response_ready"))


def prove(harness: Harness, folder: Path, *, depth: int, induction: bool = False) -> None:
    """Prove all assertions of a harness, for ``depth`` cycles from reset or, by induction, for all.

    Raises
    ------
    AssertionError
        With the failing assertion and where its trace lies, or if no proof was found.
    """
    done = _run(harness, folder, "prove" if induction else "bmc", depth)
    assert done.returncode == 0, _reason(done, folder)


def refute(harness: Harness, folder: Path, *, depth: int) -> str:
    """The assertion that some input breaks within ``depth`` cycles.

    Raises
    ------
    AssertionError
        If none does.
    """
    done = _run(harness, folder, "bmc", depth)
    assert done.returncode == 2, _reason(done, folder)
    return _reason(done, folder)


def _run(harness, folder, mode, depth):
    tools = Path(sys.executable).parent
    text = rtlil.convert(harness, ports=harness.free)
    (folder / "harness.il").write_text(text, encoding="utf-8")
    (folder / "proof.sby").write_text(
        SCRIPT.format(mode=mode, depth=depth, timeout=1200), encoding="utf-8"
    )
    command = [tools / "yowasp-sby", "-f", "proof.sby"]
    for tool in ("yosys", "yosys-smtbmc", "yosys-witness"):
        command += [f"--{tool.removeprefix('yosys-')}", tools / f"yowasp-{tool}"]
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True
    )


def _reason(done, folder) -> str:
    failed = re.findall(r"(?:Assert failed|failed assertion).*", done.stdout)
    return f"{failed[:1] or done.stdout[-800:]}; the trace is in {folder / 'proof'}"
