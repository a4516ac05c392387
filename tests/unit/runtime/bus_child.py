"""A child for tests that ends at every call as one does that reads what its disk cannot: by SIGBUS."""

import os
import signal
import sys

sys.stdin.buffer.read(4)
os.kill(os.getpid(), signal.SIGBUS)
