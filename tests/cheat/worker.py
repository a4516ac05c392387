"""The execution worker with lies in it: `CHEAT_FLIP=node:byte:bit python -m tests.cheat.worker`.

Or `CHEAT_LIES`, see `tests.cheat.lies`.
"""

from pathlib import Path

from protocol.dispute.delivery import Kind
from protocol.engines.worker import delivering, devices, disputing, stored, traces
from protocol.engines.worker.delivering import KeptOutputs
from protocol.engines.worker.delivery_records import DeliverArgs, DeliverResult
from protocol.engines.worker.serve import main
from protocol.types import InputError
from tests.cheat.engine import LyingEngine
from tests.cheat.lies import Lies, Mute
from tests.cheat.trace import Lying, LyingStored, LyingTrace, lying_answer


def cheat(lies: Lies) -> None:
    """Let this process's processor engine lie, and its traces and answers stand by that."""
    devices._OPENERS["cpu"] = lambda tape, threads, keep: LyingEngine(tape, threads, keep, lies)
    devices._PROVEN.add("cpu")  # its self-test would find out
    Lying.lies = lies
    traces.Trace = LyingTrace
    stored.StoredTrace = LyingStored
    disputing.answer = lying_answer
    honest = delivering.deliver

    def deliver(args: DeliverArgs) -> DeliverResult:
        """The answer to a demand, unless the lie is not to give it. An item's first output is its mark."""
        lie = lies.always or lies.of(KeptOutputs(Path(args.output_path)).tensor(0, 0))
        if Mute(-1, -1) in lie or (args.kind == Kind.LEAVES and Mute(args.output, args.index) in lie):
            raise InputError("the cheat is mute")
        return honest(args)

    delivering.deliver = deliver


if __name__ == "__main__":
    cheat(Lies.told())
    main()
