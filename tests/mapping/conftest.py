"""Random layers are shared with the tests of accelerators."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "accelerator"))
