"""The worker with a weight in place of what it is given beyond its needs: nothing hides in that."""

import mmap

from protocol.engines.worker.room import PROCESS_BYTES
from protocol.engines.worker.serve import main

TAKEN = 96 << 20
"""What interpreter and libraries take as measured, and a third as much again."""
WEIGHT = mmap.mmap(-1, PROCESS_BYTES - TAKEN, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)

main()
