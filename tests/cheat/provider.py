"""`gavel` with the lying worker: `CHEAT_FLIP=node:byte:bit python -m tests.cheat.provider provider run`.

Wherever this process would start the execution worker, it starts the lying one. It stakes, bids, posts
and answers games like any other provider, out of its own false trace. A job whose title is a lie that says
`withheld` has its outputs served to nobody, one that says `hidden` its inputs.
"""

from collections.abc import Sequence
from typing import Any

from protocol.runtime import child
from protocol.runtime.child_process import ChildOptions, ChildProcess
from protocol.runtime.cli import main
from protocol.types import Address, ArtifactId
from tests.cheat.lies import Hidden, Withheld, parse

_WORKER, _LIAR = "protocol.engines.worker", "tests.cheat.worker"
TITLE = "lie: "
"""What a job's title begins with, if the rest is the lie about it."""


class LyingProcess(ChildProcess):
    """A child process that is the lying worker where the true one is asked for."""

    @classmethod
    def start(cls, module: str, args: Sequence[str], options: ChildOptions) -> Any:
        """Start it."""
        return ChildProcess.start(_LIAR if module == _WORKER else module, args, options)


def withhold() -> None:
    """Serve no outputs, or inputs, of jobs whose lie says so."""
    from provider_node.serving import KIND, Serving

    honest = Serving.may_fetch

    def may_fetch(self: Serving, peer: Address, artifact: ArtifactId) -> bool:
        for state in self.loop.states(KIND).values():
            if state.result is None or state.spec is None:
                continue
            _, told, lie = state.spec.title.partition(TITLE)
            kept = {Withheld(): state.result.outputs, Hidden(): state.spec.inputs}
            if told and artifact in {kept.get(part) for part in parse(lie)}:
                return False
        return honest(self, peer, artifact)

    Serving.may_fetch = may_fetch  # type: ignore[method-assign]


if __name__ == "__main__":
    child.ChildProcess = LyingProcess  # type: ignore[misc]
    withhold()
    main()
