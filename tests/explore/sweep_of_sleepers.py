"""Run two points on workers that never end: ``python sweep_of_sleepers.py FOLDER``.

Prints the process number of each worker's child.
"""

import sys
from pathlib import Path

from sweep_files import write_tiny

from rtl_gen.explore import processes
from rtl_gen.spec.sweep import load_sweep

processes.WORKER = "sleeping_worker"
folder = Path(sys.argv[1])
processes.run_points(
    load_sweep(write_tiny(folder)).points,
    seed=1,
    jobs=2,
    logs=folder,
    on_stage=lambda name, stage: print(stage, flush=True),
    on_end=print,
)
