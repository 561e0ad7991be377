"""Builds: cached by content, complete or absent, and errors that say what is wrong."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from copier_jobs import NOTHING

from rtl_gen.sim import compiler, system
from rtl_gen.sim.compiler import BenchRunner, find_toolchain
from rtl_gen.sim.verilator import build


@pytest.fixture
def fresh_toolchain():
    """Forget the toolchain that was found, before and after."""
    find_toolchain.cache_clear()
    yield
    find_toolchain.cache_clear()


def test_a_second_build_is_immediate(nothing, nothing_text):
    began = time.perf_counter()
    second = build("nothing", nothing_text)
    assert time.perf_counter() - began < 0.5
    assert not second.new and second.executable.is_file()
    assert second.directory == nothing.build.directory


def test_what_is_built_anew(nothing, nothing_text, monkeypatch):
    monkeypatch.setattr(BenchRunner, "build", lambda *_, **__: pytest.fail("was built"))
    same = {"top": "nothing", "verilog": nothing_text}
    assert not build(**same).new
    for change in (
        {"verilog": nothing_text + "\n"},
        {"data_width": 64},
        {"waves": True},
        {"bench": "protocol"},
    ):
        with pytest.raises(pytest.fail.Exception):
            build(**same | change)


def test_an_interrupted_build_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(self, *, build_dir, **_):
        (build_dir / "objects").mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(BenchRunner, "build", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build("nothing", NOTHING, root=tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


@pytest.mark.parametrize(
    "text, message",
    [
        (NOTHING.replace("assign m_axi_arid = 0;", "assign m_axi_arid = ;"), r"%Error: .*syntax"),
        (
            re.sub(r"    output wire +m_axi_bready,\n", "", NOTHING).replace(
                "  assign m_axi_bready = 0;\n", ""
            ),
            r"%Error-PINNOTFOUND: .*m_axi_bready",
        ),
        (
            NOTHING.replace("assign m_axi_arid = 0;", "assign m_axi_arid = m_axi_arid + 1;"),
            r"%Warning-UNOPTFLAT: ",
        ),
        (NOTHING.replace("module nothing", "module other"), r"%Error.*'nothing'"),
    ],
)
def test_what_verilator_refuses(tmp_path, text, message):
    with pytest.raises(RuntimeError, match=rf"^nothing does not build: {message}") as caught:
        build("nothing", text, root=tmp_path)
    assert "\n" not in str(caught.value)
    log = Path(re.search(r"\(all of it: (.*)\)$", str(caught.value))[1])
    assert log.read_text()


def test_waived_are_only_named_lints_of_generated_files():
    """What Yosys writes passes; the same in any other file does not."""
    waivers = (Path(compiler.__file__).parents[2] / "testbench" / "generated.vlt").read_text()
    rules = re.findall(r"^lint_off -rule (\w+) -file \"\*/accelerator.v\"$", waivers, re.M)
    assert len(rules) == waivers.count("lint_off")
    assert not {"PINMISSING", "UNOPTFLAT", "LATCH", "MULTIDRIVEN", "UNDRIVEN"} & set(rules)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"data_width": 32}, r"^data_width must be 64, 128 or 256 bits, not 32$"),
        ({"bench": "fast"}, r"^bench must be one of memory, protocol, not 'fast'$"),
        ({"root": Path("/a b")}, r"^make cannot build in a folder with spaces in its name, as"),
    ],
)
def test_what_a_build_may_not_be(options, message):
    with pytest.raises(ValueError, match=message):
        build("nothing", NOTHING, **options)


def executable(path, text):
    path.write_text(f"#!/bin/sh\necho '{text}'\n")
    path.chmod(0o755)
    return str(path)


def test_a_verilator_of_ones_own(tmp_path, monkeypatch, fresh_toolchain):
    new = executable(tmp_path / "new", "Verilator 5.040 2025-08-30 rev v5.040")
    monkeypatch.setenv("VERILATOR", new)
    tools = find_toolchain()
    assert (str(tools.verilator), tools.version, tools.root) == (new, "5.040", None)
    assert "VERILATOR_ROOT" not in tools.environment()


@pytest.mark.parametrize(
    "answer, message",
    [
        ("Verilator 5.006 2023-01-22", r"old is version 5.006; cocotb needs 5.036 or later$"),
        ("hello", r"--version names no version: 'hello'$"),
        (None, r"^VERILATOR=/nowhere is not an executable$"),
    ],
)
def test_a_verilator_that_does_not_serve(tmp_path, monkeypatch, fresh_toolchain, answer, message):
    path = executable(tmp_path / "old", answer) if answer else "/nowhere"
    monkeypatch.setenv("VERILATOR", path)
    with pytest.raises(RuntimeError, match=message):
        find_toolchain()


def test_missing_parts_are_named_with_the_command_that_installs_them(monkeypatch):
    version = system.PYTHON
    monkeypatch.setattr(system.shutil, "which", lambda name: None)
    monkeypatch.setattr(system, "find_libpython", lambda: None)
    monkeypatch.setattr(system.sys, "base_prefix", system.sys.prefix)
    monkeypatch.setattr(
        system.importlib.util, "find_spec", lambda name: None if name == "ensurepip" else True
    )
    lines = [str(part) for part in system.missing_parts()]
    assert lines == [
        "g++ is missing (compiles the simulation): sudo apt install g++",
        "make is missing (compiles the simulation): sudo apt install make",
        "perl is missing (starts Verilator): sudo apt install perl",
        f"python3-venv is missing (holds the Python packages): "
        f"sudo apt install python{version}-venv",
        f"a shared libpython{version} is missing (cocotb runs Python inside the simulator): "
        f"sudo apt install libpython{version}",
    ]
    with pytest.raises(RuntimeError, match=r"(?m)^g\+\+ is missing"):
        system.require()


def test_the_check_runs_before_anything_is_installed():
    """With no package in sight, and as a module."""
    alone = subprocess.run(
        [sys.executable, "-I", "-S", system.__file__], capture_output=True, text=True, check=False
    )
    assert (alone.returncode, alone.stderr) == (0, "")
    module = [sys.executable, "-m", "rtl_gen.sim.system"]
    assert subprocess.run(module, check=False).returncode == 0
