"""Every bad file of ``bad/`` is refused with the one line that its ``.txt`` says.

Those of ``bad/unbuildable/`` are read, but no accelerator can be built from them.
"""

from pathlib import Path

import pytest

from rtl_gen.reuse.fused_machine import machine_of
from rtl_gen.spec.operation import SpecError
from rtl_gen.spec.parse import load_design, place
from rtl_gen.spec.yaml_lines import SpecFileError, parse_source

BAD = Path(__file__).parent / "bad"
FILES = sorted(path.name for path in BAD.glob("*.yaml"))
UNBUILDABLE = BAD / "unbuildable"
BUILDS = sorted(path.name for path in UNBUILDABLE.glob("*.yaml"))


def test_there_are_enough_and_each_has_its_message():
    assert len(FILES) >= 20
    assert sorted(path.stem for path in BAD.glob("*.txt")) == [Path(name).stem for name in FILES]
    messages = sorted(path.stem for path in UNBUILDABLE.glob("*.txt"))
    assert messages == [Path(name).stem for name in BUILDS] != []


@pytest.mark.parametrize("name", FILES)
def test_message(name, monkeypatch):
    monkeypatch.chdir(BAD)
    with pytest.raises(SpecFileError) as caught:
        load_design(name)
    expected = Path(name).with_suffix(".txt").read_text(encoding="utf-8")
    assert f"{caught.value}\n" == expected
    assert expected.count("\n") == 1
    assert caught.value.line > 0


@pytest.mark.parametrize("name", BUILDS)
def test_message_of_what_cannot_be_built(name, monkeypatch):
    monkeypatch.chdir(UNBUILDABLE)
    design = load_design(name)
    with pytest.raises(SpecError) as caught:
        machine_of(design)
    placed = place(caught.value, name)
    assert f"{placed}\n" == Path(name).with_suffix(".txt").read_text(encoding="utf-8")
    assert placed.line > 0


def test_the_same_message_with_a_path_as_the_user_wrote_it():
    path = BAD / "bus_width.yaml"
    with pytest.raises(SpecFileError) as caught:
        load_design(path)
    assert str(caught.value) == f"{path}:8: bus.width: must be 64, 128 or 256 bits, not 100"
    error = caught.value
    assert (error.file, error.line, error.key) == (str(path), 8, "bus.width")


def test_missing_file_folder_and_name_that_is_no_path(tmp_path):
    for path, message in (
        (tmp_path / "none.yaml", f"{tmp_path}/none.yaml: no such file; check the path"),
        (tmp_path, f"{tmp_path}: a folder; a file is expected"),
        ("a\0b", "a\0b: cannot be read: embedded null byte"),
        (
            BAD / "empty.yaml" / "x.yaml",
            f"{BAD}/empty.yaml/x.yaml: cannot be read: Not a directory",
        ),
    ):
        with pytest.raises(SpecFileError) as caught:
            load_design(path)
        assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: " + "[" * 5000, "f: nested too deeply; no key needs that"),
        ("a: *b\n", "f:1: not YAML: found undefined alias 'b'"),
        ("a: 'x\n", "f:2: not YAML: found unexpected end of stream "
         "(while scanning a quoted scalar that began in line 1)"),
        ("a: 1\n\tb: 2\n", "f:2: not YAML: a tab; indent with spaces"),
        ("!!set {a}\n", "f:1: must be a mapping: `key: value`, one a line"),
    ],
)  # fmt: skip
def test_text_that_is_not_yaml(text, message):
    with pytest.raises(SpecFileError) as caught:
        parse_source(text, "f")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "text",
    ['"a\\nb": 3\n', '? "x\\ty"\n: 3\n', 'operation: "con\\nv2d"\n', "nest: |\n  a\n  b\n"],
)
def test_one_line_whatever_is_quoted(text, tmp_path):
    path = tmp_path / "odd.yaml"
    path.write_text(text)
    with pytest.raises(SpecFileError) as caught:
        load_design(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_holds_itself_is_read_to_an_end(tmp_path):
    path = tmp_path / "loop.yaml"
    path.write_text("operation: &a\n  name: *a\n")
    with pytest.raises(SpecFileError, match=r"operation.name: must be a name .*, not a mapping$"):
        load_design(path)


def test_errors_survive_the_way_to_another_process():
    import pickle

    error = SpecFileError("is wrong", file="f.yaml", line=3, key="a.b")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == "f.yaml:3: a.b: is wrong"
    assert (again.file, again.line, again.key, again.message) == ("f.yaml", 3, "a.b", "is wrong")
    plain = pickle.loads(pickle.dumps(SpecError("is wrong", key="a.b")))
    assert (str(plain), plain.key) == ("a.b: is wrong", "a.b")
