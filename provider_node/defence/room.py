"""The room of games: one machine each, and everything that acts for it."""

from functools import partial
from typing import Any

from protocol.dispute import defence as machine
from protocol.dispute import defence_types as game
from protocol.runtime.child import ChildOptions
from protocol.runtime.machine import Machine
from provider_node import policy
from provider_node.defence.answering import Answering
from provider_node.defence.gauges import game_metrics
from provider_node.defence.items import Items
from provider_node.defence.purse import Purse
from provider_node.defence.rows import games_of
from provider_node.defence.scout import KIND, Scout
from provider_node.defence.tracer import Tracer
from provider_node.executors.tape import default_threads
from provider_node.parts import Parts
from provider_node.room import Room

_IDLE_S = 86_400.0
"""A child that ended would have to execute the item again for the next answer, and a challenger may take its
time: clocks are hours long where a chain can stall."""
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
    tracer = Tracer(
        ChildOptions(
            memory=policy.trace_memory(parts.config, parts.host) or None,
            gpu=parts.config.machine.cuda and bool(parts.host.gpus),
            idle_s=_IDLE_S,
        )
    )
    network = parts.chain.blocking.network
    threads = config.threads or default_threads(1)
    items = Items(parts.loop, parts.store, threads, config.device, policy.block_ms(network))
    answering = Answering(
        parts.chain,
        parts.loop,
        parts.watcher,
        parts.sending,
        parts.market,
        tracer,
        parts.identity.operator,
        items,
    )
    scout = Scout(parts.chain, parts.loop, parts.watcher, items, tracer, network.confirmations)
    purse = Purse(parts.chain, parts.loop, parts.sending, parts.identity.operator, parts.identity.owner)
    states = partial(parts.loop.states, KIND)
    return Room(
        wire=partial(_wire, parts, answering),
        tasks=(tracer.run, scout.run, purse.run) if parts.chain.blocking.deployment.disputes else (),
        status=partial(_status, parts, scout, purse),
        metrics=partial(game_metrics, states, answering, purse),
        living=lambda: sum(not machine.ended(state) for state in states().values()),
    )


def _wire(parts: Parts, answering: Answering) -> None:
    loop = parts.loop
    loop.machine(MACHINE)
    loop.handle(game.Answer, answering.answer)
    loop.handle(game.ExpireGame, answering.expire)
    loop.handle(game.Alarm, answering.alarm)
    loop.handle(game.Rejected, answering.note)


def _status(parts: Parts, scout: Scout, purse: Purse) -> dict[str, Any]:
    rows = games_of(parts.loop.states(KIND), parts.watcher.height)
    return {
        "games": rows,
        "games_trouble": scout.trouble,
        "coin_low": purse.low,
        "coin_needed_wei": purse.needed,
        "coin_won_wei": purse.won,
        "suspended": parts.market.suspended,
    }
