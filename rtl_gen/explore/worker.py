"""The process of one point: ``python -m rtl_gen.explore.worker LIFELINE < point``.

Messages go to standard output, one JSON object a line: ``{"stage": ...}`` any number of times, then
``{"result": ...}`` or ``{"error": ...}``. All other output, tracebacks too, goes to standard error.
When nobody holds the other end of the pipe LIFELINE any more, the process ends with all that it
started, whatever it does: a sweep that is killed leaves nothing running.
"""

import json
import os
import pickle
import signal
import sys
import threading
import traceback

from ..spec.operation import SpecError
from .point import evaluate

__all__ = ["main"]


def main() -> int:
    """Evaluate the point that standard input describes; 1 if that fails."""
    _watch(int(sys.argv[1]))
    messages = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # tools that print must not write between the messages

    def send(**message) -> None:
        messages.write(json.dumps(message) + "\n")

    point, seed = pickle.load(sys.stdin.buffer)
    try:
        result = evaluate(point, seed, on_stage=lambda stage: send(stage=stage))
    except Exception as error:
        traceback.print_exc()
        send(error=_one_line(point.placed(error) if isinstance(error, SpecError) else error))
        return 1
    send(result=result.as_plain())
    return 0


def _one_line(error: Exception) -> str:
    """What went wrong; our own messages say so alone, others need the name of their class."""
    text = str(error).strip().partition("\n")[0] or "no message"
    own = isinstance(error, (ValueError, RuntimeError))
    return text if own else f"{type(error).__name__}: {text}"


def _watch(lifeline: int) -> None:
    """End this process' group once the other end of ``lifeline`` is closed."""

    def wait() -> None:
        os.read(lifeline, 1)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
