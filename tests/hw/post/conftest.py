"""Drivers and checkers are those of the control tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "control"))
