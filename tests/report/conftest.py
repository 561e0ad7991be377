"""The nests that are drawn are also those that the array's own tests run."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "hw" / "array"))
