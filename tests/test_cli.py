"""The rtl-gen command: messages on one line, exit codes, JSON."""

import errno
import json
import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rtl_gen import api
from rtl_gen.cli import app
from rtl_gen.sim.compiler import BuildError
from rtl_gen.sim.system import MissingPartError

PROJECT = Path(__file__).parents[1]
FLOWS = PROJECT / "dataflows"
WEIGHTS = str(FLOWS / "weight_stationary.yaml")
BAD = Path(__file__).parent / "spec" / "bad"
TINY = str(Path(__file__).parent / "designs" / "tiny.yaml")
LAYER = "conv2d:k=4,c=3,h=4,w=4,r=3,s=3,pad=1"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The command in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str):
        result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "100"})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


COMMANDS = (
    *("check", "explain", "draw", "verilog", "sim", "traffic", "sweep", "schema", "registers"),
    *("compile", "execute", "driver"),
)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_names_what_there_is(run, command):
    result = run(*command.split(), "--help")
    assert result.exit_code == 0 and "Usage: " in result.stdout
    if not command:
        for name in COMMANDS:
            assert re.search(rf"^│ {name} +[A-Z]", result.stdout, re.M)
    elif command != "schema":
        assert "--json" in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_help_loses_no_word(run, command):
    """Markdown takes <design> for a tag; what help says is what its source says."""
    found = {one.name or one.callback.__name__: one.callback for one in app.registered_commands}
    source = found[command].__doc__.replace("`", "").split()
    shown = run(command, "--help").stdout.split()
    assert [word for word in source if word not in shown] == []


@pytest.mark.parametrize("name", ["[red]x.yaml", "a[/d]/w.yaml", ":x:.yaml"])
def test_what_the_user_wrote_is_printed_as_it_is(run, tmp_path, name):
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"name: mine\ndataflow: {WEIGHTS}\n")
    result = run("check", name)
    assert (result.exit_code, result.stdout) == (0, f"{name}: mine, 16 x 16 PEs, can be built\n")
    result = run("check", name, "[red]")
    assert result.exit_code == 2 and "the layer '[red]' is unknown;" in result.stderr


def test_no_command_prints_help(run):
    result = run()
    assert result.exit_code == 2 and "Usage: " in result.output


def test_a_good_file_passes(run):
    result = run("check", WEIGHTS)
    assert result.exit_code == 0
    assert result.stdout == f"{WEIGHTS}: weight_stationary, 16 x 16 PEs, can be built\n"


def test_layers_that_run_and_one_that_does_not(run):
    result = run("check", WEIGHTS, "digits_conv0", "conv1d:q=4,s=2", "--json")
    assert result.exit_code == 1
    good, bad = json.loads(result.stdout)["layers"]
    assert good["fits"] and good["cycles"] > 0
    assert bad == {
        "layer": "conv1d:q=4,s=2",
        "fits": False,
        "cycles": None,
        "reason": "a design that computes conv2d does not run conv1d",
    }


@pytest.mark.parametrize("command", ["check", "explain", "verilog", "sim"])
@pytest.mark.parametrize("name", ["unknown_key", "dimension_unknown", "not_yaml", "width_overflow"])
def test_bad_files_are_one_line_with_their_place(run, command, name):
    result = run(command, str(BAD / f"{name}.yaml"))
    expected = (BAD / f"{name}.txt").read_text().rstrip("\n")
    assert result.exit_code == 2 and result.stdout == ""
    assert result.stderr == f"rtl-gen: {BAD}/{expected}\n"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["check", "none.yaml"], "none.yaml: no such file; check the path"),
        (["sim", WEIGHTS, "digit_conv0"], "the layer 'digit_conv0' is unknown; did you mean"),
        (["sim", WEIGHTS, "conv2d:k=4"], "layer 'conv2d:k=4': c is missing; conv2d needs k, c,"),
        (
            ["sim", WEIGHTS, "conv1d:q=4,s=2"],
            "conv1d:q=4,s=2: a design that computes conv2d does not run conv1d",
        ),
        (["sim", WEIGHTS, LAYER, "--data", "none.npz"], "none.npz: No such file or directory"),
        (["sim", TINY, "resnet50_fc", "--data", "/"], "/: Is a directory"),
        (
            ["sim", WEIGHTS, "matmul:m=1,k=100000,n=100000"],
            "matmul:m=1,k=100000,n=100000: input, weights and output have 10,000,200,000 elements;",
        ),
        (["sweep", "none.yaml"], "none.yaml: no such file; check the path"),
    ],
)
def test_mistakes_are_one_line(run, arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2 and result.stdout == ""
    assert result.stderr.startswith(f"rtl-gen: {message}")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [["sim", WEIGHTS, "--seed", "-1"], ["check"], ["nix"]])
def test_a_wrong_command_line_is_bad_input(run, arguments):
    assert run(*arguments).exit_code == 2


def test_check_asks_for_no_memory(run):
    """A layer that nobody could simulate is mapped all the same."""
    result = run("check", WEIGHTS, "conv2d:k=10000,c=100000,h=1,w=1,r=1,s=1", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["layers"][0]["cycles"] > 10000 * 100000 / 256


def test_an_array_without_an_accelerator_is_written(run, tmp_path):
    """A loop in the PE: only the array can be built."""
    file = tmp_path / "in_pe.yaml"
    file.write_text(
        "operation: conv1d\n"
        "nest: [{for: q}, {for: s, in: pe, max: 3}, {spatial: q, on: columns}]\n"
        "array: {rows: 1, columns: 4}\n"
    )
    assert run("check", str(file)).exit_code == 2
    result = run("verilog", str(file), "--array")
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "build/verilog/in_pe_array.v").read_text().count("endmodule") >= 2
    facts = json.loads((tmp_path / "build/verilog/in_pe_array.json").read_text())
    assert facts["design"] == "in_pe" and facts["ports"]


def test_a_bare_array_of_128_rows_and_columns_is_written(run, tmp_path):
    """More columns than a memory word has channels: no accelerator, but an array."""
    file = tmp_path / "large.yaml"
    file.write_text(f"dataflow: {WEIGHTS}\narray: {{rows: 128, columns: 128}}\n")
    assert run("check", str(file)).exit_code == 2
    result = run("verilog", str(file), "--array", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["array"] == {"rows": 128, "columns": 128}


def test_a_layer_that_does_not_fit_the_buffers_is_named(run):
    result = run("sim", TINY, "conv2d:k=4,c=2048,h=2,w=300,r=1,s=300")
    assert result.exit_code == 2
    assert re.fullmatch(r"rtl-gen: conv2d:k=4,c=2048\S+: .+\n", result.stderr)


def test_explain_for_people_and_for_machines(run):
    text = run("explain", WEIGHTS).stdout
    golden = Path(__file__).parent / "report" / "golden" / "weight_stationary.txt"
    assert text == golden.read_text()
    data = json.loads(run("explain", WEIGHTS, "--json").stdout)
    assert [tensor["name"] for tensor in data["tensors"]] == ["I", "W", "O"]


def test_verilog_goes_where_it_is_asked_to(run, tmp_path):
    result = run("verilog", TINY)
    assert result.exit_code == 0
    assert result.stdout.startswith("build/verilog/tiny.v: module tiny_accelerator, ")
    assert (tmp_path / "build" / "verilog" / "tiny.json").is_file()
    result = run("verilog", TINY, "--array", "--out", "mine", "--json")
    assert json.loads(result.stdout)["file"] == "mine/tiny_array.v"


def test_verilog_into_a_file_is_one_line(run, tmp_path):
    (tmp_path / "taken").write_text("")
    result = run("verilog", TINY, "--out", "taken/below")
    assert result.exit_code == 2
    assert result.stderr == "rtl-gen: taken/below: Not a directory\n"


def test_sim_without_a_layer_lists_the_names(run):
    result = run("sim", WEIGHTS)
    assert result.exit_code == 0
    assert re.search(r"^digits_conv0 +conv2d +9,216", result.stdout, re.M)
    assert "resnet50_fc" in json.loads(run("sim", WEIGHTS, "--json").stdout)


def test_missing_system_parts_are_named(run, monkeypatch):
    def refuse(*_, **__):
        raise MissingPartError("g++ is missing (compiles the simulation): sudo apt install g++")

    monkeypatch.setattr(api, "build_machine", refuse)
    result = run("sim", TINY, LAYER)
    assert result.exit_code == 2
    assert result.stderr.endswith(
        "rtl-gen: g++ is missing (compiles the simulation): sudo apt install g++\n"
    )


def test_a_build_that_fails_is_one_line_and_no_bad_input(run, monkeypatch):
    def refuse(*_, **__):
        raise BuildError("tiny does not build: %Error: x")

    monkeypatch.setattr(api, "build_machine", refuse)
    result = run("sim", TINY, LAYER)
    assert result.exit_code == 1
    assert result.stderr.endswith("rtl-gen: tiny does not build: %Error: x\n")


@pytest.mark.parametrize("error", [RuntimeError("generator raised StopIteration"), ValueError("x")])
def test_a_bug_keeps_its_traceback(run, monkeypatch, error):
    def broken(*_, **__):
        raise error

    monkeypatch.setattr(api, "build_machine", broken)
    with pytest.raises(type(error), match=f"^{error}$"):
        run("sim", TINY, LAYER)


@pytest.mark.parametrize("number, code", [(errno.EACCES, 2), (errno.ENOSPC, 1)])
def test_a_full_disk_is_no_bad_input(run, monkeypatch, number, code):
    def write(*_, **__):
        raise OSError(number, os.strerror(number), "build/verilog/tiny.v")

    monkeypatch.setattr(api, "write_verilog", write)
    result = run("verilog", TINY)
    assert result.exit_code == code
    assert result.stderr == f"rtl-gen: build/verilog/tiny.v: {os.strerror(number)}\n"


def test_a_sweep_takes_a_seed(run, tmp_path, monkeypatch):
    from rtl_gen.explore import sweep

    def record(file, *, seed, **_):
        raise OSError(0, f"seed {seed}", str(file))

    monkeypatch.setattr(sweep, "run_sweep", record)
    assert run("sweep", "a.yaml").stderr == "rtl-gen: a.yaml: seed 1\n"
    assert run("sweep", "a.yaml", "--seed", "7").stderr == "rtl-gen: a.yaml: seed 7\n"


def test_schemas_are_json(run):
    assert json.loads(run("schema").stdout)["title"] == "rtl-gen dataflow or design"
    assert json.loads(run("schema", "--sweep").stdout)["title"] == "rtl-gen sweep"


# In RTL


def test_sim_from_end_to_end(run):
    """A convolution, and a matmul that runs as a convolution; for people and for machines."""
    result = run("sim", TINY, LAYER, "matmul:m=3,k=10,n=6", "--seed", "3")
    assert result.exit_code == 0
    assert result.stdout.startswith("tiny, 4 x 4 PEs, seed 3\n")
    assert len(re.findall(r"MACs|bit-exact", result.stdout)) == 3
    assert "matmul:m=3,k=10,n=6 ran as a 1x1 convolution" in result.stdout
    again = run("sim", TINY, LAYER, "matmul:m=3,k=10,n=6", "--seed", "3", "--json")
    conv, matmul = json.loads(again.stdout)["layers"]
    assert conv["bit_exact"] and conv["macs"] == 1728 and conv["seed"] == 3
    assert matmul["bit_exact"] and (matmul["operation"], matmul["runs_as"]) == ("matmul", "conv2d")
    assert f"{conv['cycles']:,}" in result.stdout
    assert "waits for data" not in result.stdout, "of one layer only"
    one = run("sim", TINY, LAYER, "--seed", "3").stdout
    assert "waits for data" in one
    for engine, values in conv["engines"].items():
        waits = [n for kind, n in values.items() if kind.startswith("wait")]
        assert values["busy"] == values["moved"] + sum(waits) > 0
        row = next(line for line in one.splitlines() if line.startswith(f"{engine} "))
        assert row.split()[1:] == [f"{n:,}" for n in values.values()]


def test_a_wrong_layer_fails_with_its_first_difference(run, monkeypatch):
    from rtl_gen.sim import layers

    right = layers.golden_output
    monkeypatch.setattr(layers, "golden_output", lambda *given: right(*given) ^ 1)
    result = run("sim", TINY, LAYER, "--seed", "3")
    assert result.exit_code == 1
    assert "64 wrong, first at n=0 g=0 p=0 q=0 k=0 (step " in result.stdout
    assert "64 of 64 outputs are wrong, the first at O[n=0, g=0, p=0, q=0, k=0]" in result.stdout


def test_the_register_map_is_printed_for_people_and_machines(run):
    text = run("registers").stdout
    assert "| 0x040 | CONTROL | read/write |" in text
    found = {one["name"]: one for one in json.loads(run("registers", "--json").stdout)}
    assert found["WINDOW3_ACCESS"]["offset"] == 0xF0
    assert [field["name"] for field in found["CONTROL"]["fields"]] == [
        "start",
        "abort",
        "reset",
        "snapshot",
    ]
    assert text.count("\n| 0x") == len(found)


def test_draw_writes_an_array_and_its_steps(run, tmp_path):
    assert run("draw", WEIGHTS).stdout == "build/draw/weight_stationary.svg\n"
    assert Path("build/draw/weight_stationary.svg").read_text().startswith("<svg ")
    assert run("draw", WEIGHTS, "--steps").stdout == "build/draw/weight_stationary_steps.html\n"
    page = Path("build/draw/weight_stationary_steps.html").read_text()
    assert page.startswith("<!DOCTYPE html>") and "on 4 x 4 PEs" in page
    result = run("draw", WEIGHTS, "--steps", "--array", "2x3", "-o", "x/y.svg", "--json")
    assert json.loads(result.stdout) == {"file": "x/y.svg"}
    assert "on 2 x 3 PEs" in Path("x/y.svg").read_text()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["none.yaml"], "none.yaml: no such file; check the path"),
        ([WEIGHTS, "-o", "x.png"], "x.png: a file that ends with .svg is written"),
        (
            [WEIGHTS, "--steps", "-o", "x.png"],
            "x.png: a file that ends with .html or .svg is written",
        ),
        ([WEIGHTS, "--array", "3"], "--array: an array is rows x columns, such as 3x4, not '3'"),
        ([WEIGHTS, "--array", "3x999"], "array.columns: must be 1..256 PEs, not 999"),
        ([WEIGHTS, "--layer", LAYER], "a layer is followed step by step; add --steps"),
        (
            [WEIGHTS, "--steps", "--array", "9x9"],
            "9 x 9 PEs are too many to follow step by step; at most 64 are drawn",
        ),
        (
            [WEIGHTS, "--steps", "--layer", "conv2d:k=64,c=64,p=9,q=9,r=3,s=3"],
            "conv2d:k=64,c=64,p=9,q=9,r=3,s=3: more than 256 cycles are too many to follow; "
            "give smaller sizes",
        ),
        ([WEIGHTS, "--steps", "--layer", "conv1d:q=4,s=2"], "conv1d:q=4,s=2: a design that"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(run, arguments, message):
    result = run("draw", *arguments)
    assert result.exit_code == 2 and result.stdout == ""
    assert result.stderr.startswith(f"rtl-gen: {message}") and result.stderr.count("\n") == 1


def test_traffic_is_predicted(run):
    found = json.loads(run("traffic", TINY, LAYER, "--json").stdout)["traffic"]
    rows = {row["name"]: row for row in found}
    assert rows["output stored (beats)"]["predicted"] > 0
    assert all(row["counted"] is None for row in found)
    text = run("traffic", TINY, LAYER).stdout
    assert all(name in text for name in rows) and "counted" not in text
    result = run("traffic", TINY, "matmul:m=1")
    assert result.exit_code == 2 and result.stderr.count("\n") == 1


@pytest.mark.long
def test_traffic_is_counted(run):
    result = run("traffic", TINY, LAYER, "--sim", "--json")
    assert result.exit_code == 0
    rows = json.loads(result.stdout)["traffic"]
    assert all(row["counted"] == row["predicted"] for row in rows)
