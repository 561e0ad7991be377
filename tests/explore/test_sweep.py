"""Sweeps end to end: results, table, plot, resuming, failing points."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console
from sweep_files import DATAFLOWS, write_tiny

from rtl_gen.explore import sweep as sweeps
from rtl_gen.explore.sweep import run_sweep
from rtl_gen.spec.yaml_lines import SpecFileError

PROJECT = DATAFLOWS.parent
GOOD = ["weight_stationary_2x2_buffers_input_2048", "weight_stationary_3x2_buffers_input_2048"]
LAYER = "conv2d:k=5,c=6,p=4,q=4,r=5,s=5,pad=2"


def _console() -> Console:
    return Console(file=io.StringIO(), width=300)


def _table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Two points that run and two that do not fit the layer, run once."""
    folder = tmp_path_factory.mktemp("sweep")
    path = write_tiny(folder, inputs="2 KiB, 256 B")
    console = _console()
    report = run_sweep(path, out=folder / "out", jobs=2, console=console)
    return folder, path, report, console.file.getvalue()


def test_a_point_that_fails_is_named_on_one_line_and_stops_no_other(tiny):
    _, _, report, printed = tiny
    failed = {point.name: str(point) for point in report.failed}
    assert sorted(failed) == [
        "weight_stationary_2x2_buffers_input_256",
        "weight_stationary_3x2_buffers_input_256",
    ]
    for line in failed.values():
        assert line.endswith(f"{LAYER}: an input tile of 25 words does not fit the buffer of 16")
        assert f"failed {line}\n" in printed
    assert "seed 1" in printed
    assert [row.point for row in report.rows] == GOOD
    assert report.kept == 0


def test_every_row_says_what_was_run_and_measured(tiny):
    _, _, report, _ = tiny
    table = _table(report.csv)
    assert [row["point"] for row in table] == GOOD
    assert [row["array"] for row in table] == ["2x2", "3x2"]
    for row in table:
        assert (row["layer"], row["exact"], row["seed"]) == (LAYER, "1", "1")
        rows, columns = map(int, row["array"].split("x"))
        macs = 5 * 6 * 4 * 4 * 5 * 5
        use = macs / (rows * columns * int(row["cycles"]))
        assert float(row["mac_use"]) == pytest.approx(use, abs=1e-6)
        assert 0.3 < use < 1
        assert 0 < int(row["flip_flops"]) < int(row["cells"])
        # buffers of 2, 2, 2 and 1 KiB, accumulators and eight queues, besides small ones
        assert int(row["memory_bits"]) > 8 * 7 * 1024
    small, large = table
    assert int(small["cells"]) < int(large["cells"])
    assert int(small["cycles"]) > int(large["cycles"])
    assert [row["pareto"] for row in table] == ["1", "1"]
    assert "2x2, buffers.input" not in report.svg.read_text(), "the first parameter is the colour"
    assert report.svg.read_text().count("<svg") == 1


def test_a_second_run_takes_what_is_there_and_tries_failed_points_again(tiny, monkeypatch):
    folder, path, first, _ = tiny
    text, seen = first.csv.read_text(), []
    whole = sweeps.run_points

    def watched(points, **options):
        seen.extend(point.name for point in points)
        whole(points, **options)

    monkeypatch.setattr(sweeps, "run_points", watched)
    again = run_sweep(path, out=folder / "out", console=_console())
    assert again.kept == 2
    assert seen == [point.name for point in first.failed], "the points without a result"
    assert again.csv.read_text() == text
    assert again.rows == first.rows
    assert [str(x) for x in again.failed] == [str(x) for x in first.failed]


def test_points_that_are_no_design_are_reported(tmp_path):
    path = tmp_path / "lanes.yaml"
    path.write_text(
        f"""
fixed: {{dataflow: {DATAFLOWS}/weight_stationary.yaml, block: 4, bus: {{width: 64}}}}
parameters:
  post.lanes: [8, 4]
layers:
  - conv2d:k=5
"""
    )
    with pytest.raises(SpecFileError, match=r"lanes\.yaml:6: layers\[0\]"):
        run_sweep(path, out=tmp_path / "out", console=_console())
    path.write_text(path.read_text().replace("k=5", "k=5,c=4,p=4,q=4,r=1,s=1"))
    console = _console()
    report = run_sweep(path, out=tmp_path / "out", console=console)
    assert [point.name for point in report.failed] == [
        "weight_stationary_post_lanes_8",
        "weight_stationary_post_lanes_4",
    ]
    refused, unbuilt = report.failed
    assert "lanes.yaml:4: post.lanes: must be at most the block of 4 channels" in refused.message
    assert "64 bits are more than a block of 4 bytes" in unbuilt.message
    assert report.rows == ()
    assert report.svg is None
    assert len(_table(report.csv)) == 0


def test_the_number_of_jobs_is_checked(tmp_path):
    with pytest.raises(ValueError, match=r"^jobs must be at least 1 point side by side, not 0$"):
        run_sweep(write_tiny(tmp_path), out=tmp_path, jobs=0)


def _start(out: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "rtl_gen", "sweep", "dataflows/sweeps/small.yaml", "-o", str(out)],
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(PROJECT), *sys.path])},
    )


def _kept(out: Path) -> dict[str, dict]:
    return {file.name: json.loads(file.read_text()) for file in (out / "points").glob("*.json")}


@pytest.mark.long
def test_twelve_points_killed_half_way_and_resumed(tmp_path):
    """The shipped sweep: three dataflows, two shapes, two buses; every layer bit-exact."""
    sweep = _start(tmp_path)
    while len(_kept(tmp_path)) < 5:
        assert sweep.poll() is None, sweep.stderr.read()
        time.sleep(0.2)
    sweep.send_signal(signal.SIGKILL)
    sweep.communicate()
    kept = _kept(tmp_path)
    assert 5 <= len(kept) < 12

    sweep = _start(tmp_path)
    _, printed = sweep.communicate()
    assert sweep.returncode == 0, printed
    assert f"{len(kept)} of the points are there from before" in printed
    assert printed.count("bit-exact") == 12 - len(kept)
    after = _kept(tmp_path)
    assert len(after) == 12
    assert {name: after[name] for name in kept} == kept

    table = _table(tmp_path / "small.csv")
    assert len(table) == 24
    assert all(row["exact"] == "1" for row in table)
    assert {(row["dataflow"], row["array"], row["bus.width"]) for row in table} == {
        (f"{kind}_stationary", array, bus)
        for kind in ("weight", "output", "input")
        for array in ("4x4", "8x8")
        for bus in ("64", "128")
    }
    assert 1 <= sum(row["pareto"] == "1" for row in table) // 2 < 12
    svg = (tmp_path / "small.svg").read_text()
    assert svg.count(">4x4, bus.width 64<") == 3
