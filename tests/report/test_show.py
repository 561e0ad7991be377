"""The show of `make run`, on two digits and a tiny design."""

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import rtl_gen
from rtl_gen.networks import map_graph, run_network
from rtl_gen.nn.golden_run import run_graph
from rtl_gen.report import show
from rtl_gen.report.digits import Show, read_digits
from rtl_gen.report.page import write_page
from rtl_gen.report.verilog_files import VerilogFiles
from rtl_gen.sim import explain_mismatch
from rtl_gen.sim.compiler import BuildError
from rtl_gen.sim.layers import golden_output
from rtl_gen.sim.run import Simulation, SimulationError
from rtl_gen.spec.operation import SpecError

TINY = Path(__file__).parents[1] / "designs" / "tiny.yaml"


@pytest.fixture(scope="module")
def tiny():
    return rtl_gen.load(TINY)


@pytest.fixture(scope="module")
def network(tiny):
    digits = read_digits(count=2)
    return map_graph(tiny.machine, digits.graph, digits.inputs)


def printed(act) -> str:
    """What ``act`` prints on a console that is a file."""
    file = io.StringIO()
    act(Console(file=file, width=200))
    return file.getvalue()


def test_every_tensor_is_what_numpy_gives(tiny, network):
    run = run_network(network, Simulation(tiny.build(), seed=1))
    golden = run_graph(network.graph, network.inputs)
    assert run.exact and not run.explain()
    assert [layer.name for layer in run.layers] == ["conv0", "conv1", "conv2", "dense"]
    for n, (name, output) in enumerate(zip(network.lowered.gives, run.checked.outputs)):
        np.testing.assert_array_equal(network.lowered.result(n, output), golden[name])


def test_a_wrong_tensor_is_found_and_taken_apart(tiny, network, monkeypatch):
    """Numpy's network is bent, not the hardware's: the layer and its output are named."""
    from rtl_gen import networks as module

    def bent(graph, inputs):
        tensors = run_graph(graph, inputs)
        output = graph.nodes[1].output
        return tensors | {output: tensors[output] ^ 1}

    monkeypatch.setattr(module, "run_graph", bent)
    run = run_network(network, Simulation(tiny.build(), seed=1))
    assert [bool(layer.wrong) for layer in run.layers] == [False, True, False, False]
    assert not run.exact and "conv1: all outputs are right" in run.explain()
    monkeypatch.setattr(module, "golden_output", lambda *given: golden_output(*given) ^ 1)
    monkeypatch.setattr(explain_mismatch, "golden_output", lambda *given: golden_output(*given) ^ 1)
    assert "conv1: 3072 of 3072 outputs are wrong, the first at O[n=0" in run.explain()


def test_the_whole_show(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    digits = read_digits(count=2)
    monkeypatch.setattr("rtl_gen.report.digits.SHOWN", 2)
    seen = []

    def act(console):
        seen.append(show.run_show(console, tiny, digits, waves=True))
        show.print_show(console, seen[0])

    text = printed(act)
    assert seen[0].waves.exact and Path("build/show/tiny.vcd").stat().st_size > 10_000
    assert "build/verilog/tiny.v" in text and "4 layers on 2 digits as one program" in text
    assert "all tensors are bit-exact; 2 of 2 digits right" in text
    assert text.count("bit-exact") == 5
    page = write_page(tmp_path / "report.md", seen[0])
    assert "| conv1 | 442,368 | " in page.read_text()
    facts = json.loads(page.with_suffix(".json").read_text())
    assert facts["bit_exact"] and facts["right"] == 2 and facts["read"] == facts["labels"]


@pytest.mark.long
def test_a_wrong_run_with_a_waveform_is_no_bit_exact_show(tiny, network, tmp_path, monkeypatch):
    """All layers are right, and then the one that is run again for its waveform is not."""
    monkeypatch.setattr("rtl_gen.report.digits.SHOWN", 2)
    digits = read_digits(count=2)
    run = run_network(network, Simulation(tiny.build(), seed=1))
    files = VerilogFiles(Path("a.v"), Path("a.json"), {})
    read = run.outputs[digits.graph.outputs[0].name].argmax(1)
    monkeypatch.chdir(tmp_path)
    right = show._trace(Console(quiet=True), tiny, tiny.build(waves=True))
    first = (0, 0, 2, 1, 3)
    bent = dataclasses.replace(
        right, check=dataclasses.replace(right.check, wrong=1, first=first), waves=Path("a.vcd")
    )
    for traced, exact in ((right, True), (bent, False)):
        seen = Show(tiny, digits, files, run, read, read, traced)
        assert seen.exact == exact
        text = printed(lambda console, seen=seen: show.print_show(console, seen))
        assert ("NOT all tensors are bit-exact" in text) == (not exact)
        assert ("outputs are right" in text or "outputs are wrong" in text) == (not exact)
        assert ("the waveform's run of conv0: 1 wrong, first at n=0 g=0 p=2" in text) == (not exact)


@pytest.mark.parametrize(
    ("error", "message", "code"),
    [
        (BuildError("tiny does not build"), "tiny does not build", 1),
        (SimulationError("it did not end"), "it did not end", 1),
        (PermissionError(13, "Permission denied", "build"), "build: Permission denied", 2),
        (SpecError("wrong", key="block"), "block: wrong", 2),
    ],
)
def test_a_show_that_cannot_run_says_why_in_a_line(monkeypatch, capsys, error, message, code):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(show, "run_show", refuse)
    monkeypatch.setattr("sys.argv", ["show"])
    assert show.main() == code
    assert capsys.readouterr().err == f"make run: {message}\n"


def test_a_wrong_tensor_ends_the_show_badly(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    digits = read_digits(count=2)
    monkeypatch.setattr("rtl_gen.report.digits.SHOWN", 2)
    from rtl_gen import networks

    monkeypatch.setattr(
        networks, "run_graph", lambda *given: {n: t ^ 1 for n, t in run_graph(*given).items()}
    )
    monkeypatch.setattr(show, "load", lambda _: tiny)
    monkeypatch.setattr(show, "read_digits", lambda *_, **__: digits)
    monkeypatch.setattr("sys.argv", ["show", "--no-waves"])
    monkeypatch.setattr(show, "wide_console", lambda: Console(file=io.StringIO(), width=200))
    assert show.main() == 1
    assert not json.loads(Path("build/show/report.json").read_text())["bit_exact"]
    assert "NOT every tensor is bit-exact" in Path("build/show/network.html").read_text()
