"""`gavel` with a worker that takes `SLOW_S` seconds longer for each run of an item whose values it keeps.

`python -m tests.cheat.slow watchtower run`. What it has kept, and other runs, are as fast as ever.
"""

from collections.abc import Sequence
from typing import Any

from protocol.runtime import child
from protocol.runtime.child_process import ChildOptions, ChildProcess
from protocol.runtime.cli import main

_WORKER, _SLOW = "protocol.engines.worker", "tests.cheat.slow_worker"


class SlowProcess(ChildProcess):
    """A child process that is the slow worker where the true one is asked for."""

    @classmethod
    def start(cls, module: str, args: Sequence[str], options: ChildOptions) -> Any:
        """Start it."""
        return ChildProcess.start(_SLOW if module == _WORKER else module, args, options)


if __name__ == "__main__":
    child.ChildProcess = SlowProcess  # type: ignore[misc]
    main()
