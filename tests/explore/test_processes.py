"""Points' processes: a crash is one failed point, and no way of ending a sweep leaves any alive."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sweep_files import write_tiny

from rtl_gen.explore import processes
from rtl_gen.spec.sweep import load_sweep

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]


def _start_sleepers(folder: Path) -> tuple[subprocess.Popen, list[int]]:
    """A sweep whose points never end, and the process numbers of what they started."""
    path = os.pathsep.join([str(HERE), str(PROJECT), *sys.path])
    sweep = subprocess.Popen(
        [sys.executable, str(HERE / "sweep_of_sleepers.py"), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
        # A shell's background jobs ignore it, and so would all that they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    return sweep, [int(sweep.stdout.readline()) for _ in range(2)]


def _lives(pid: int) -> bool:
    """Whether a process runs; one that ended and was not yet waited for does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def _wait_for_end(pids: list[int]) -> None:
    end = time.monotonic() + 20
    while any(map(_lives, pids)):
        assert time.monotonic() < end, f"still alive: {[pid for pid in pids if _lives(pid)]}"
        time.sleep(0.05)


def _all_of(children: list[int]) -> list[int]:
    """The children and the workers that started them."""
    parents = [
        Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1] for pid in children
    ]
    return children + [int(pid) for pid in parents]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_sweep_that_is_ended_leaves_no_process(how, tmp_path):
    sweep, children = _start_sleepers(tmp_path)
    pids = _all_of(children)
    assert all(map(_lives, pids))
    sweep.send_signal(how)
    _, complaint = sweep.communicate(timeout=20)
    assert sweep.returncode != 0
    assert ("KeyboardInterrupt" in complaint) == (how == signal.SIGINT)
    _wait_for_end(pids)


def test_a_process_that_dies_is_a_failed_point_with_its_log(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "WORKER", "dying_worker")
    ends = []
    processes.run_points(
        load_sweep(write_tiny(tmp_path)).points,
        seed=1,
        jobs=1,
        logs=tmp_path,
        on_stage=lambda name, stage: None,
        on_end=ends.append,
    )
    name = "weight_stationary_2x2_formats_max_reduction_200"
    log = tmp_path / f"{name}.log"
    assert str(ends[0]) == f"{name}: its process ended with exit code -9; see {log}"
    assert len(ends) == 2
    assert log.exists()
