"""A worker that starts a child of its own and never ends: what a point does while it compiles."""

import json
import pickle
import subprocess
import sys
import time

from rtl_gen.explore import worker

worker._watch(int(sys.argv[1]))
pickle.load(sys.stdin.buffer)
child = subprocess.Popen(["sleep", "600"])
print(json.dumps({"stage": str(child.pid)}), flush=True)
time.sleep(600)
