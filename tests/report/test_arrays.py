"""Arrays in files: any names, and nothing half-written."""

import numpy as np
import pytest

from rtl_gen.nn.graph import ModelError
from rtl_gen.report.arrays import named_array, read_arrays, write_arrays
from rtl_gen.report.whole_file import write_whole


def test_any_name_comes_back(tmp_path):
    """Names that numpy's savez has itself among them."""
    given = {name: np.arange(6, dtype=np.int8) + n for n, name in enumerate(("file", "a/b", "y:0"))}
    write_arrays(given, tmp_path / "new" / "y.npz")
    found = read_arrays(tmp_path / "new" / "y.npz")
    assert list(found) == list(given)
    for name, array in given.items():
        np.testing.assert_array_equal(found[name], array)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["y.npz"]


def test_a_file_that_cannot_be_written_stays_what_it_was(tmp_path):
    path = tmp_path / "kept"
    write_whole(path, "whole")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "\ud800")
    with pytest.raises(TypeError):
        write_whole(path, 5)
    assert path.read_text() == "whole" and list(tmp_path.iterdir()) == [path]


def test_which_array_is_meant(tmp_path):
    one, two = np.zeros(1), np.ones(1)
    assert named_array({"x": one}, "image", 1, tmp_path) is one
    assert named_array({"x": one, "image": two}, "image", 1, tmp_path) is two
    with pytest.raises(ModelError, match="the array image is missing; it has x"):
        named_array({"x": one}, "image", 2, tmp_path)
