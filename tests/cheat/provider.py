"""`gavel` with the lying worker: `CHEAT_FLIP=node:byte:bit python -m tests.cheat.provider provider run`.

Wherever this process would start the execution worker, it starts the lying one. It stakes, bids, posts
and answers games like any other provider, out of its own false trace.
"""

from collections.abc import Sequence
from typing import Any

from protocol.runtime import child
from protocol.runtime.child_process import ChildOptions, ChildProcess
from protocol.runtime.cli import main

_WORKER, _LIAR = "protocol.engines.worker", "tests.cheat.worker"


class LyingProcess(ChildProcess):
    """A child process that is the lying worker where the true one is asked for."""

    @classmethod
    def start(cls, module: str, args: Sequence[str], options: ChildOptions) -> Any:
        """Start it."""
        return ChildProcess.start(_LIAR if module == _WORKER else module, args, options)


if __name__ == "__main__":
    child.ChildProcess = LyingProcess  # type: ignore[misc]
    main()
