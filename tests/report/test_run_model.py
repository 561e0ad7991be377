"""`rtl-gen run`: a network's file in, checked results out."""

import json
import re
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from rtl_gen import cli
from rtl_gen.api import load
from rtl_gen.nn.golden_run import run_graph
from rtl_gen.nn.graph import ModelError
from rtl_gen.nn.model_file import read_model
from rtl_gen.report.run_model import network_run_table, plain_run, run_model

PROJECT = Path(__file__).resolve().parents[2]
TINY = PROJECT / "tests" / "designs" / "tiny.yaml"
DIGITS = PROJECT / "examples" / "digits" / "digits.onnx"


def images(count: int) -> np.ndarray:
    """Digits in the model's order, (n, channels, rows, columns)."""
    with np.load(DIGITS.with_name("digits.npz")) as file:
        return file["images"][:count].transpose(0, 3, 1, 2)


def command(monkeypatch, capsys, *words) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["rtl-gen", "run", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    printed = capsys.readouterr()
    return end.value.code or 0, printed.out, printed.err


def test_digits_from_their_file(tmp_path, monkeypatch, capsys):
    """Two images through the whole network: what comes out is what numpy says."""
    given, made = tmp_path / "x.npz", tmp_path / "made" / "y.npz"
    np.savez(given, images(2))  # one array: its name does not count
    page = tmp_path / "pages" / "run.html"
    words = (TINY, DIGITS, "--input", given, "--output", made, "--report", page, "--json")
    code, out, _ = command(monkeypatch, capsys, *words)
    run = json.loads(out)
    assert code == 0 and run["exact"] and not run["problems"]
    assert [layer["name"] for layer in run["layers"]] == ["conv0", "conv1", "conv2", "dense"]
    assert 0 <= run["cycles"] - sum(layer["cycles"] for layer in run["layers"]) < 20
    graph = read_model(DIGITS, batch=2)
    golden = run_graph(graph, {graph.inputs[0].tensor: graph.inputs[0].convert(images(2))})
    (port,) = graph.outputs
    with np.load(made) as file:
        np.testing.assert_array_equal(file[port.name], port.convert(golden[port.tensor]))
    macs = sum(node.layer.macs for node in graph.nodes)
    assert run["mac_use"] == pytest.approx(macs / (16 * run["cycles"]))
    check_page(page, run)


def check_page(page: Path, run: dict) -> None:
    """The page needs nothing beside it, and has the numbers of the run."""
    text = page.read_text()
    assert [path.name for path in page.parent.iterdir()] == [page.name]
    assert "every tensor is bit-exact" in text and f"{run['cycles']:,} from start" in text
    assert text.count("<svg") == 2 and not re.search(r"(src|href)=\"(?!#)", text)
    for layer in run["layers"]:
        row = re.search(rf"<tr><td>{layer['name']}</td>.*?</tr>", text, re.S)[0]
        cells = [re.sub("<[^>]*>", "", cell) for cell in re.findall(r"<td.*?</td>", row, re.S)]
        numbers = [int(cell.replace(",", "")) for cell in (*cells[2:5], *cells[8:12])]
        assert numbers[:3] == [layer["macs"], layer["cycles"], layer["estimated_cycles"]]
        assert cells[5] == f"{layer['estimated_cycles'] / layer['cycles'] - 1:+.1%}"
        no_data, no_room, idle = numbers[4:]
        steps = layer["macs"] / 16  # at least: a step has at most a MAC a PE
        assert 0 < steps <= layer["cycles"] - no_data - no_room - idle
    assert "<td>load_weights</td>" in text and ">the network</tspan>" not in text


def test_table_and_part_of_a_network():
    run = run_model(
        load(TINY), DIGITS, inputs=None, until="conv1", seed=3, console=Console(quiet=True)
    )
    assert run.exact and list(run.outputs) == ["relu1"]
    printed = StringIO()
    Console(width=200, file=printed).print(network_run_table(run))
    for layer in plain_run(run)["layers"]:
        lines = printed.getvalue().splitlines()
        (line,) = (line for line in lines if line.startswith(layer["name"]))
        assert f"{layer['cycles']:,}" in line and "bit-exact" in line
        assert f"{layer['estimated_cycles'] / layer['cycles'] - 1:+.1%}" in line


@pytest.mark.parametrize(
    "words, message",
    [
        (("nothing.tflite",), "nothing.tflite: No such file or directory"),
        (("model.pb",), "model.pb: must be a .tflite or .onnx file, not .pb"),
        (("{digits}", "--until", "conv9"), "has no node conv9, but conv0, conv1, conv2, dense"),
        (("{digits}", "--input", "gone.npz"), "gone.npz: No such file or directory"),
        (("{digits}", "--input", "{digits}"), "digits.onnx: not an .npz file of plain arrays"),
        (("{digits}", "--input", "{floats}"), "image must be int8 of 1 images, not float64 of 1"),
        (("{digits}", "--input", "{small}"), "an image must have 64 values"),
        (("{digits}", "--input", "{two}"), "the array image is missing; it has a, b"),
    ],
)
def test_what_cannot_run(words, message, tmp_path, monkeypatch, capsys):
    """One line that says what is wrong; nothing is built or written."""
    monkeypatch.setattr("rtl_gen.api.build_machine", lambda *a, **k: pytest.fail("built"))
    arrays = {
        "floats": {"image": np.zeros((1, 1, 8, 8))},
        "small": {"image": np.zeros((1, 1, 7, 8), np.int8)},
        "two": dict.fromkeys("ab", images(1)),
    }
    for name, content in arrays.items():
        np.savez(tmp_path / f"{name}.npz", **content)
    paths = {"digits": DIGITS} | {name: tmp_path / f"{name}.npz" for name in arrays}
    made = tmp_path / "made.npz"
    given = [word.format(**paths) for word in words]
    code, out, err = command(monkeypatch, capsys, TINY, *given, "--output", made)
    assert code == 2 and not out and not made.exists()
    assert message in err and len(err.strip().splitlines()) == 1


def test_a_file_without_an_ending_is_refused():
    with pytest.raises(ModelError, match="not without"):
        read_model("model")
