"""Runs a module in a process that limits itself first.

Usage: `python -m protocol.runtime.launch PARENT MEMORY NICE MODULE [ARGUMENT...]`.
The limits are set here, after exec, rather than between fork and exec of a program with many threads.
MEMORY is bytes, 0 for no limit, of private writable memory: what is mapped from files to be read, and
addresses that are only reserved, are none of it. The process dies with the one whose id is PARENT.
"""

import ctypes
import os
import resource
import runpy
import signal
import sys
import threading

from protocol.runtime.frugal import STACK_BYTES

_PR_SET_PDEATHSIG = 1


def _limit(parent: int, memory: int, niceness: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    # The parent may have died before the call above; then nobody would ever send the signal.
    if os.getppid() != parent:
        sys.exit(0)
    if memory:
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    threading.stack_size(STACK_BYTES)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(niceness)
    try:
        # If the machine runs out of memory, the kernel takes this process rather than the daemon.
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("800")
    except OSError:
        pass


def main() -> None:
    """Set the limits that the command line names, then become the module."""
    parent, memory, niceness, module = sys.argv[1:5]
    _limit(int(parent), int(memory), int(niceness))
    sys.argv = [module, *sys.argv[5:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
