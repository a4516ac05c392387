"""The room of leases: the machine from a bid to a settled lease, and everything that acts for it."""

import logging
from contextlib import suppress
from functools import partial
from typing import Any

import trio

from protocol.lease import provider as machine
from protocol.lease import provider_types as lease
from protocol.lease.provider import ENDED
from protocol.lease.provider_types import Phase, ProviderLease
from protocol.runtime.machine import Machine, MachineId
from protocol.runtime.performer import Context
from protocol.types import BrokenInvariant, DiskError
from provider_node.control_server import Operations
from provider_node.metering import carbon_grams_per_kwh
from provider_node.migrations import with_reading, with_times, with_traces
from provider_node.parts import Parts
from provider_node.room import Room
from provider_node.serving import Serving
from provider_node.status import lease_rows, lease_status
from provider_node.watcher import KIND

log = logging.getLogger(__name__)

_TIDY_S = 20.0
_FORGET_AFTER = 20
"""Blocks for which a bid that nobody took is still remembered."""
MACHINE: Machine[Any, Any, Any] = Machine(
    kind=KIND,
    states=lease.ProviderLease,
    inputs=lease.Input,
    effects=lease.Effect,
    step=machine.step,
    ended=machine.ended,
    wanted=machine.wanted,
    refused=machine.refused,
    version=4,
    migrations=((1, with_times), (2, with_reading), (3, with_traces)),
)


def leasing(parts: Parts) -> Room:
    """Return the room: it bids, runs what was won, and is paid for it."""
    serving = Serving(
        parts.node,
        parts.loop,
        parts.store,
        parts.jobs,
        parts.market,
        parts.watcher,
        parts.identity,
        parts.config.grid_zone,
        carbon_grams_per_kwh(parts.config),
    )
    return Room(
        wire=partial(_wire, parts),
        serve=serving.serve,
        tasks=(parts.ledger.run, parts.market.run, parts.orphans.run, partial(_tidy, parts)),
        operations=_operations(parts),
        status=partial(lease_status, parts),
        living=partial(_living, parts),
    )


def _wire(parts: Parts) -> None:
    loop, jobs, ledger = parts.loop, parts.jobs, parts.ledger
    loop.machine(MACHINE)
    loop.handle(lease.SendQuote, parts.market.send_quote)
    loop.handle(lease.FetchArtifacts, jobs.fetch)
    loop.handle(lease.CheckJob, jobs.check)
    loop.handle(lease.RunItems, jobs.run)
    loop.handle(lease.StopJob, jobs.stop)
    loop.handle(lease.ReleaseArtifacts, jobs.release)
    loop.handle(lease.SendStart, ledger.start)
    loop.handle(lease.SendHeartbeat, ledger.beat)
    loop.handle(lease.Withdraw, ledger.withdraw)
    loop.handle(lease.PostResult, ledger.post)
    loop.handle(lease.Finalize, ledger.finalize)
    loop.handle(lease.CloseLease, ledger.close)
    loop.handle(lease.Rejected, _note_rejection)


def _operations(parts: Parts) -> Operations:
    async def tell(_: dict[str, Any]) -> Any:
        return lease_rows(parts)

    async def abandon(arguments: dict[str, Any]) -> Any:
        wanted = MachineId(KIND, bytes.fromhex(str(arguments["lease"]).removeprefix("0x")))
        await parts.loop.give(wanted, lease.AskedAbandon())
        found: ProviderLease = parts.loop.state(wanted)
        return {"phase": found.phase.name.lower()}

    return {"leases": tell, "abandon": abandon}


def _living(parts: Parts) -> int:
    return sum(state.phase not in ENDED for state in parts.loop.states(KIND).values())


async def _tidy(parts: Parts) -> None:
    """Now and then let pins run out, and forget bids that nobody took."""
    await parts.watcher.ready()
    while True:
        height = parts.watcher.height
        try:
            await trio.to_thread.run_sync(parts.store.expire, height)
        except DiskError as error:
            log.info("artifacts cannot be let go now: %s", error)
        for id, state in list(parts.loop.states(KIND).items()):
            # By then its effects are done: letting go of nothing takes no time.
            if state.phase == Phase.LAPSED and height > state.height + _FORGET_AFTER:
                with suppress(BrokenInvariant):
                    await parts.loop.forget(MachineId(KIND, id))
        await trio.sleep(_TIDY_S)


async def _note_rejection(effect: lease.Rejected, context: Context) -> None:
    log.warning("%s: %s in phase %s: %s", context.machine, effect.input, effect.phase.name, effect.reason)
