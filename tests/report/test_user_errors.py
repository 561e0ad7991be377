"""What a user reads of an error, and the exit code; what is no fault of the user's."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rtl_gen.report.user_errors import BAD_INPUT, FAILED, explain_error
from rtl_gen.sim.compiler import BuildError
from rtl_gen.sim.run import SimulationError
from rtl_gen.sim.system import MissingPartError
from rtl_gen.spec.operation import SpecError

PROJECT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "error, code",
    [
        (SpecError("too small", key="array.rows"), BAD_INPUT),
        (MissingPartError("g++ is missing"), BAD_INPUT),
        (BuildError("tiny does not build"), FAILED),
        (SimulationError("the simulator ended"), FAILED),
    ],
)
def test_errors_with_a_class_of_their_own(error, code):
    assert explain_error(error) == (str(error), code)


@pytest.mark.parametrize(
    "error", [ValueError("x"), RuntimeError("generator raised StopIteration"), RecursionError("x")]
)
def test_a_bug_keeps_its_traceback(error):
    assert explain_error(error) is None


@pytest.mark.parametrize(
    "number, code",
    [
        (errno.ENOENT, BAD_INPUT),
        (errno.EEXIST, BAD_INPUT),
        (errno.EISDIR, BAD_INPUT),
        (errno.ENOTDIR, BAD_INPUT),
        (errno.EACCES, BAD_INPUT),
        (errno.EROFS, BAD_INPUT),
        (errno.ENOSPC, FAILED),
        (errno.EIO, FAILED),
        (errno.ENOMEM, FAILED),
    ],
)
def test_only_a_path_that_does_not_serve_is_bad_input(number, code):
    reason = os.strerror(number)
    assert explain_error(OSError(number, reason, "here/x")) == (f"here/x: {reason}", code)
    assert explain_error(OSError(number, reason)) == (f"a file: {reason}", code)


def test_output_that_nobody_reads_ends_quietly():
    assert explain_error(BrokenPipeError(errno.EPIPE, "Broken pipe")) is None
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "rtl_gen", "schema"]
    done = subprocess.run(
        command, cwd=PROJECT, stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")
