"""A worker that ends without a word, as one that the kernel kills."""

import os
import signal

os.kill(os.getpid(), signal.SIGKILL)
