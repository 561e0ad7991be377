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
GOOD = [
    "weight_stationary_2x2_formats_max_reduction_200",
    "weight_stationary_3x2_formats_max_reduction_200",
]
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
    path = write_tiny(folder, products="200, 100")
    console = _console()
    report = run_sweep(path, out=folder / "out", jobs=2, console=console)
    return folder, path, report, console.file.getvalue()


def test_a_point_that_fails_is_named_on_one_line_and_stops_no_other(tiny):
    _, _, report, printed = tiny
    failed = {point.name: str(point) for point in report.failed}
    assert sorted(failed) == [
        "weight_stationary_2x2_formats_max_reduction_100",
        "weight_stationary_3x2_formats_max_reduction_100",
    ]
    for line in failed.values():
        assert f"{LAYER}: a sum of 150 products can overflow" in line
        assert f"failed {line}\n" in printed
    assert "seed 1" in printed
    assert [row.point for row in report.rows if row.exact] == GOOD
    assert report.kept == 0


def test_a_failed_point_has_a_row_with_its_reason(tiny):
    _, _, report, _ = tiny
    rows = [row for row in _table(report.csv) if row["exact"] == "0"]
    assert [(row["point"], row["reason"]) for row in rows] == [
        (point.name, point.message) for point in report.failed
    ]
    assert [row["formats.max_reduction"] for row in rows] == ["100", "100"]
    assert {(row["layer"], row["cycles"], row["cells"], row["pareto"]) for row in rows} == {
        ("", "", "", "0")
    }


def test_every_row_says_what_was_run_and_measured(tiny):
    _, _, report, _ = tiny
    table = [row for row in _table(report.csv) if not row["reason"]]
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
    assert "2x2, formats.max_reduction" not in report.svg.read_text(), (
        "the first parameter is the colour"
    )
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
fixed: {{dataflow: {DATAFLOWS}/weight_stationary.yaml, block: 8, bus: {{width: 128}}}}
parameters:
  post.lanes: [16, 8]
layers:
  - conv2d:k=5
"""
    )
    with pytest.raises(SpecFileError, match=r"lanes\.yaml:6: layers\[0\]"):
        run_sweep(path, out=tmp_path / "out", console=_console())
    path.write_text(path.read_text().replace("k=5", "k=5,c=4,p=4,q=4,r=1,s=1"))
    report = run_sweep(path, out=tmp_path / "out", console=_console())
    assert [point.name for point in report.failed] == [
        "weight_stationary_post_lanes_16",
        "weight_stationary_post_lanes_8",
    ]
    refused, unbuilt = report.failed
    assert refused.message.startswith(f"{path}:4: post.lanes: must be at most the block of 8")
    assert unbuilt.message.startswith(f"{path}:2: bus.width: 128 bits are more than a block of 8")
    assert not any(row.exact for row in report.rows)
    assert report.svg is None
    assert [row["reason"] for row in _table(report.csv)] == [refused.message, unbuilt.message]


@pytest.mark.long
def test_layers_run_as_the_design_runs_them(tmp_path):
    """A matrix product on a design for convolutions; what `rtl-gen sim` runs a sweep runs too."""
    path = write_tiny(tmp_path)
    text = path.read_text().replace("array: [[2, 2], [3, 2]]", "array: [[2, 2]]")
    path.write_text(text[: text.index("layers:")] + "layers: ['matmul:m=3,k=10,n=4']\n")
    report = run_sweep(path, out=tmp_path / "out", console=_console())
    assert report.failed == ()
    (row,) = report.rows
    assert (row.layer, row.exact, row.seed) == ("matmul:m=3,k=10,n=4", True, 1)
    assert row.cycles >= 3 * 10 * 4 / 4


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
