"""The child process that makes answers out of output files; it is started when first needed."""

import msgspec
import trio

from protocol.chain.delivery_reads import SeenDemand
from protocol.engines.worker.delivery_records import DeliverArgs, DeliverResult
from protocol.engines.worker.interface import from_wire, to_wire
from protocol.runtime.child import Child, ChildOptions, open_child
from protocol.types import InputError
from provider_node.executors.tape import WORKER


class Bench:
    """Calls to the child while `run` runs. Its own, so that no trace of a game keeps an answer waiting."""

    def __init__(self, options: ChildOptions) -> None:
        self._options = options
        self._child: Child | None = None
        self._ready = trio.Event()

    async def run(self) -> None:
        """Serve until cancelled."""
        async with open_child(WORKER, options=self._options) as child:
            self._child = child
            self._ready.set()
            await trio.sleep_forever()

    async def answer(self, outputs: str, demand: SeenDemand, noted: str = "") -> bytes:
        """Return what answers a demand. `InputError` if the file is not what was posted.

        `noted`: where the run left the items' roots.
        """
        wanted, spot = demand.wanted, demand.spot
        args = DeliverArgs(
            outputs,
            int(wanted.kind),
            wanted.node,
            wanted.size,
            spot.item,
            spot.output,
            spot.index,
            spot.levels,
            noted,
        )
        await self._ready.wait()
        assert self._child is not None
        plain = await self._child.call(args.OP, to_wire(args))
        try:
            return from_wire(plain, DeliverResult).data
        except msgspec.ValidationError as error:
            raise InputError(f"the worker's answer is none: {error}") from error
