"""The room of games: one machine each, and everything that acts for it."""

import logging
from dataclasses import replace
from functools import partial
from typing import Any

from protocol.auction.clocks import Load, load
from protocol.dispute import defence as machine
from protocol.dispute import defence_types as game
from protocol.runtime.child import ChildOptions
from protocol.runtime.machine import Machine
from protocol.types import Blocks, LeaseId
from provider_node import policy
from provider_node.defence.answering import Answering
from provider_node.defence.gauges import game_metrics
from provider_node.defence.items import Items
from provider_node.defence.purse import Purse
from provider_node.defence.rows import games_of
from provider_node.defence.runs import Runs
from provider_node.defence.scout import KIND, Scout
from provider_node.defence.shelf import Shelf
from provider_node.defence.suspension import Suspension
from provider_node.defence.tracer import Tracer
from provider_node.executors.tape import default_threads
from provider_node.folder import data_dir
from provider_node.memory import divided
from provider_node.parts import Parts
from provider_node.promises import possible
from provider_node.room import Room
from provider_node.watcher import KIND as LEASE

log = logging.getLogger(__name__)

_IDLE_S = 60.0
"""Children keep nothing that cannot be read again: traces are files."""
MACHINE: Machine[Any, Any, Any] = Machine(
    kind=KIND,
    states=game.Defence,
    inputs=game.Input,
    effects=game.Effect,
    step=machine.step,
    ended=machine.ended,
    wanted=machine.wanted,
    refused=machine.refused,
)


def defending(parts: Parts) -> Room:
    """Return the room. Where the deployment has no Disputes it only knows what the journal may hold."""
    config = parts.config.defence
    memory = divided(parts.config, parts.host)
    children = ChildOptions(memory=memory.traces, most=parts.host.memory, idle_s=_IDLE_S)
    executing, tracer = Tracer(children), Tracer(replace(children, memory=memory.answers))
    network, means = parts.chain.blocking.network, parts.jobs.means
    threads = config.threads or default_threads(1)
    items = Items(parts.loop, parts.jobs.files, threads, config.device, policy.block_ms(network))
    suspension = Suspension(parts.base.journal, parts.market)
    suspension.restore()
    shelf = Shelf(data_dir(parts.config) / "traces", config.disk)
    runs = Runs(executing, items, shelf, lambda: parts.watcher.height, parts.workers, line=parts.running)
    answering = Answering(
        parts.chain,
        parts.loop,
        parts.watcher,
        parts.sending,
        suspension,
        tracer,
        runs,
        parts.identity.operator,
        items,
        means.move_clock if means else Blocks(0),
    )
    scout = Scout(
        parts.chain, parts.loop, parts.watcher, items, tracer, runs, network.confirmations, answering.desk
    )
    purse = Purse(parts.chain, parts.loop, parts.sending, parts.identity.operator, parts.identity.owner)
    parts.market.unable = lambda: purse.unable
    games = (executing.run, tracer.run, runs.run, scout.errands.run, scout.run)
    states = partial(parts.loop.states, KIND)
    return Room(
        wire=partial(_wire, parts, answering),
        tasks=(purse.run, *(games if parts.chain.blocking.deployment.disputes else ())),
        operations={"resume": partial(_resume, suspension)},
        status=partial(_status, parts, scout, purse, executing),
        metrics=partial(game_metrics, states, answering, purse, partial(load_of, parts)),
        trouble=lambda: purse.key_trouble,
        living=lambda: sum(not machine.ended(state) for state in states().values()),
    )


def load_of(parts: Parts) -> Load:
    """Return how full the clocks would be, were all that is promised challenged at once."""
    means = parts.jobs.means
    if means is None:
        return Load()
    leases = {LeaseId(id): state for id, state in parts.loop.states(LEASE).items()}
    promised = possible(leases, means.audit_clock is not None)
    return load(promised, means.shortest_ms, means.at_once, means.jobs, means.memory_bytes)


def _wire(parts: Parts, answering: Answering) -> None:
    loop = parts.loop
    loop.machine(MACHINE)
    loop.handle(game.Answer, answering.answer)
    loop.handle(game.ExpireGame, answering.expire)
    loop.handle(game.Alarm, answering.alarm)
    loop.handle(game.Rejected, answering.note)


async def _resume(suspension: Suspension, _: dict[str, Any]) -> Any:
    reason = await suspension.lift()
    if reason:
        log.warning("new jobs are taken again, by the operator's word; before: %s", reason)
    return {"was": reason}


def _status(parts: Parts, scout: Scout, purse: Purse, executing: Tracer) -> dict[str, Any]:
    rows = games_of(parts.loop.states(KIND), parts.watcher.height)
    return {
        "games": rows,
        "games_trouble": scout.trouble,
        "games_workers": executing.alive + scout.tracer.alive,
        "games_traces": len(scout.runs.shelf.names()),
        "clocks_percent": load_of(parts).percent,
        "unable": purse.unable,
        "coin_low": purse.low,
        "coin_needed_wei": purse.needed,
        "coin_won_wei": purse.won,
        "suspended": parts.market.suspended,
    }
