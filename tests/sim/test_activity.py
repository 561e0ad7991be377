"""What the bench noted of the engines, as the report reads it."""

import numpy as np

from rtl_gen.isa.descriptors import ENGINES
from rtl_gen.sim.activity import KINDS, read_notes
from rtl_gen.sim.files import NOTE_WORDS, HostFile


def note(cycle: int, counts: np.ndarray) -> np.ndarray:
    """As storage.cpp writes it: the cycle, then two counts a word, the first one lower."""
    low, high = counts.reshape(-1, 2).astype(np.uint64).T
    return np.array([cycle, *(low | high << np.uint64(32))], np.uint64)


def test_counts_that_wrap_go_on():
    first = np.arange(len(ENGINES) * len(KINDS), dtype=np.int64) + (1 << 32) - 20
    second = first + 100
    activity = read_notes(np.array([note(64, first % (1 << 32)), note(128, second % (1 << 32))]))
    assert activity.cycles.tolist() == [0, 64, 128]
    gone = activity.counts[2] - activity.counts[1]
    assert (gone == 100).all()
    np.testing.assert_allclose(activity.at(96) - activity.counts[1], 50)
    store = activity.counts[1][ENGINES.index("store")]
    assert store[KINDS.index("data")] == (first[7 * len(KINDS) + 1]) % (1 << 32)


def test_no_notes():
    assert read_notes(np.zeros((0, NOTE_WORDS), np.uint64)) is None


def test_the_files_third_part(tmp_path):
    host = HostFile.create(tmp_path / "host.bin", 100)
    assert host.capacity >= 100 and len(host.words) % 3 == 0
    assert host.activity().shape == (0, NOTE_WORDS) and host.results() == []
