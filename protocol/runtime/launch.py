"""Runs a module in a process that limits itself first.

Usage: `python -m protocol.runtime.launch PARENT LIMIT MEMORY NICE MODULE [ARGUMENT...]`.
The limits are set here, after exec, rather than between fork and exec of a program with many threads.
MEMORY is bytes, 0 for no limit; LIMIT says of what, "space" of addresses or written "data". The process dies
with the one whose id is PARENT.
"""

import ctypes
import os
import resource
import runpy
import signal
import sys

_PR_SET_PDEATHSIG = 1
_LIMITS = {"space": resource.RLIMIT_AS, "data": resource.RLIMIT_DATA}


def _limit(parent: int, limit: str, memory: int, niceness: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    # The parent may have died before the call above; then nobody would ever send the signal.
    if os.getppid() != parent:
        sys.exit(0)
    if memory:
        resource.setrlimit(_LIMITS[limit], (memory, memory))
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
    parent, limit, memory, niceness, module = sys.argv[1:6]
    _limit(int(parent), limit, int(memory), int(niceness))
    sys.argv = [module, *sys.argv[6:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
