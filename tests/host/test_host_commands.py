"""`rtl-gen compile`, `execute`, `driver`: what they write, one clear line for what cannot be."""

import json
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from small_networks import DIGITS, PROJECT, TINY, digits, images

from rtl_gen import cli
from rtl_gen.isa.program_file import ProgramFile
from rtl_gen.nn.golden_run import run_graph
from tests.nn.tflite_models import File


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """The command in a folder of its own: exit code, output, messages."""
    monkeypatch.chdir(tmp_path)

    def invoke(*words) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["rtl-gen", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        printed = capsys.readouterr()
        return end.value.code or 0, printed.out, printed.err

    return invoke


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The digits for two images, compiled."""
    from rtl_gen.api import load
    from rtl_gen.report.compile_model import compile_model

    path = tmp_path_factory.mktemp("compiled") / "net.bin"
    compile_model(load(TINY), DIGITS, path, batch=2)
    return path


def test_compile_and_execute(command, tmp_path):
    """From a model's file to its outputs, by files alone."""
    code, out, err = command("compile", TINY, DIGITS, "--batch", 2, "--json")
    facts = json.loads(out)
    assert code == 0 and not err and facts["file"] == "build/programs/digits.bin"
    assert facts["inputs"] == {"image": [2, 1, 8, 8]} and facts["outputs"] == {"scores": [2, 10]}
    file = ProgramFile.from_bytes((tmp_path / facts["file"]).read_bytes())
    assert f"{file.design_hash:016x}" == facts["design_hash"] and file.layers == 4
    assert "layer 3: dense" in (tmp_path / facts["listing"]).read_text()
    np.savez("x.npz", image=images(2))
    code, out, _ = command(
        "execute", TINY, facts["file"], "--input", "x.npz", "--output", "y.npz", "--json"
    )
    done = json.loads(out)
    assert code == 0 and done["outputs"] == {"scores": [2, 10]}
    assert done["counters"]["CYCLES_LOW"] == done["cycles"] > 40_000
    graph = digits(2)
    golden = run_graph(graph, {graph.inputs[0].tensor: graph.inputs[0].convert(images(2))})
    (port,) = graph.outputs
    with np.load("y.npz") as found:
        np.testing.assert_array_equal(found["scores"], port.convert(golden[port.tensor]))


def test_part_of_a_network(command, tmp_path):
    code, out, _ = command("compile", TINY, DIGITS, "--until", "conv1", "-o", "part.prog")
    assert code == 0 and out.startswith("part.prog: 2 layers, ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["part.prog", "part.txt"]


def unsupported() -> bytes:
    """Two operators for which the design has no hardware."""
    file = File()
    x = file.tensor((1, 4, 1, 16), name="x")
    file.inputs = [x]
    y = file.tensor((1, 3, 1, 16))
    window = {"Padding": 1, "StrideH": 1, "StrideW": 1, "FilterHeight": 2, "FilterWidth": 1}
    file.operator("MAX_POOL_2D", [x], [y], "Pool2DOptions", **window)
    z = file.tensor((1, 3, 1, 16), scale=1 / 256, zero=-128)
    file.operator("SOFTMAX", [y], [z], "SoftmaxOptions", Beta=1.0)
    file.outputs = [z]
    return file.bytes()


@pytest.mark.parametrize(
    "words, message",
    [
        (("compile", TINY, "{unsupported}"), "tiny cannot run it because of"),
        (("compile", TINY, "{cut}"), "cut.onnx"),
        (("compile", TINY, "gone.onnx"), "gone.onnx: No such file or directory"),
        (("compile", TINY, DIGITS, "-o", "net.txt"), "the listing would take this name"),
        (("execute", TINY, "{short}"), "short.bin: truncated: it has 1000 bytes of"),
        (("execute", TINY, "{damaged}"), "damaged.bin: its checksum is wrong: it is damaged"),
        (("execute", TINY, DIGITS), "digits.onnx: not a program file: it does not begin with RTLP"),
        (("execute", TINY, "{other}"), "other.bin: was made for the design 0000000000000009, not"),
        (
            ("execute", PROJECT / "dataflows" / "weight_stationary.yaml", "{good}"),
            "good.bin: was made for the design ",
        ),
        (
            ("execute", TINY, "{good}", "--input", "{three}"),
            "image must be int8 of shape (2, 1, 8, 8), not int8 of (3, 1, 8, 8)",
        ),
        (("execute", TINY, "{good}", "--input", "{small}"), "not int8 of (2, 1, 7, 8)"),
        (("execute", TINY, "{good}", "--input", "{floats}"), "not float64 of (2, 1, 8, 8)"),
        (
            ("execute", TINY, "{good}", "--input", "{two}"),
            "the array image is missing; it has a, b",
        ),
        (("execute", TINY, "gone.bin"), "gone.bin: No such file or directory"),
    ],
)
def test_what_cannot_be(words, message, command, program, tmp_path, monkeypatch):
    """One message, nothing written, nothing built."""
    monkeypatch.setattr("rtl_gen.api.build_machine", lambda *a, **k: pytest.fail("built"))
    good = program.read_bytes()
    files = {
        "unsupported.tflite": unsupported(),
        "cut.onnx": DIGITS.read_bytes()[:-500],
        "good.bin": good,
        "short.bin": good[:1000],
        "damaged.bin": good[:-5] + b"x" + good[-4:],
        "other.bin": replace(ProgramFile.from_bytes(good), design_hash=9).to_bytes(),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    np.savez(tmp_path / "three.npz", image=images(3))
    np.savez(tmp_path / "small.npz", image=images(2)[:, :, 1:])
    np.savez(tmp_path / "floats.npz", image=images(2) * 1.0)
    np.savez(tmp_path / "two.npz", a=images(2), b=images(2))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    given = {name.split(".")[0]: name for name in before}
    code, out, err = command(*(str(word).format(**given) for word in words))
    assert code == 2 and not out and message in err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    lines = err.strip().splitlines()
    if "unsupported" in str(words):  # a line for each node
        assert len(lines) == 3 and "maximum pool" in lines[1] and "softmax" in lines[2]
    else:
        assert len(lines) == 1


def test_nothing_half_written(command, tmp_path, monkeypatch):
    """A listing that fails leaves the file of before, and nothing else."""
    (tmp_path / "net.bin").write_bytes(b"before")

    def fail(_):
        raise OSError(28, "No space left on device", "net.txt")

    monkeypatch.setattr("rtl_gen.report.compile_model.listing", fail)
    code, _, err = command("compile", TINY, DIGITS, "-o", "net.bin")
    assert code == 1 and "No space left" in err
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"net.bin": b"before"}


def test_driver(command, tmp_path):
    """Headers, sources, map and pages; the headers go with the sources."""
    code, out, _ = command("driver", TINY, "-o", "driver", "--json")
    names = {path.split("/")[1] for path in json.loads(out)["files"]}
    headers = {"rtl_gen.h", "rtl_gen_program.h", "rtl_gen_registers.h"}
    assert code == 0 and names == headers | {"rtl_gen.c", "rtl_gen.rdl", "rtl_gen.xml", "registers"}
    assert {path.name for path in (tmp_path / "driver").iterdir()} == names
    assert (tmp_path / "driver" / "registers" / "index.html").is_file()
    for header in headers:  # each by itself, and from C++
        for compiler, language in (("gcc", "c"), ("g++", "c++")):
            tried = [compiler, "-x", language, "-Wall", "-Werror", "-fsyntax-only"]
            subprocess.run([*tried, tmp_path / "driver" / header], check=True)
    assert command("driver", TINY, "-o", "driver")[0] == 0  # over what is there


def test_driver_without_peakrdl(command, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "peakrdl_cheader.exporter", None)
    code, out, err = command("driver", TINY, "-o", "driver")
    assert code == 2 and not out and "pip install 'rtl-gen[driver]'" in err
    assert not list((tmp_path / "driver").iterdir())
