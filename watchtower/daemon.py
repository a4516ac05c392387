"""The watchtower daemon: scan, judge, respond, for as long as it runs."""

import logging
import os
from contextlib import AsyncExitStack

import trio

from protocol.chain.async_chain import AsyncChain
from protocol.chain.client import Chain
from protocol.chain.networks import Network
from protocol.chain.sent import FileJournal
from protocol.crypto import address_of
from protocol.games.player import Challenger
from protocol.net import NetSettings, open_node
from protocol.runtime.metrics import Metrics
from protocol.runtime.retry import backoff
from protocol.store.artifacts import Artifacts
from protocol.store.owning import own
from protocol.types import TransientError
from watchtower.auditing.opening import budget_of, open_auditing
from watchtower.config import WatchtowerConfig
from watchtower.folders import data_dir
from watchtower.games import Games
from watchtower.keeping import Keeping
from watchtower.limits import demand_budget, idle_gas, limits, policy
from watchtower.obtaining import Rig
from watchtower.rerun import prove
from watchtower.scan import Scan
from watchtower.standings import Standings
from watchtower.tower import Tower
from watchtower.verdicts import Verdicts

log = logging.getLogger(__name__)


async def watch(config: WatchtowerConfig, network: Network, key: bytes, metrics: Metrics) -> None:
    """Run until cancelled. `InputError` if configuration, network and chain do not fit together."""
    rules, folder, who = policy(config), data_dir(config), Challenger.of(key, limits(config))
    gas = idle_gas(config)
    budget_of(config)  # said now, and not once an audit comes
    async with AsyncExitStack() as stack:
        stack.callback(os.close, own(folder / "lock", str(folder), "stop it, or use another data_dir"))
        if config.device != "cpu":
            await prove(config)
        sent = folder / f"sent-{network.chain_id}-0x{address_of(key).hex()}.json"
        journal = FileJournal(sent, before=folder / "sent.json")
        chain = AsyncChain(Chain.connect(network, key, journal=journal))
        await _reach(chain)
        scan = await chain.run(Scan)
        settings = NetSettings(listen=config.listen, bootstrap=(*network.bootstrap, *config.bootstrap))
        node = await stack.enter_async_context(open_node(key, settings))
        store = Artifacts(folder / "artifacts", config.quota)
        stack.callback(store.close)
        nursery = await stack.enter_async_context(trio.open_nursery())
        stack.callback(nursery.cancel_scope.cancel)
        rig = Rig(chain, chain.blocking.domain, node, store, config, folder / "receipts")
        games = keeping = None
        if can_challenge(config, network, chain.blocking):
            games = Games(rig, who, Standings(folder / "games"), nursery, metrics)
            if config.end_idle:
                keeping = Keeping(chain, rules.secret, gas, nursery, metrics)
        tower = Tower(
            rig,
            scan,
            rules,
            Verdicts(folder / "verdicts"),
            nursery,
            metrics,
            games,
            keeping,
            demand_budget(config),
        )
        if chain.blocking.deployment.audits is not None:
            desk = open_auditing(rig, key, metrics, tower.court() if games else None)
            nursery.start_soon(desk.run)
        port = await nursery.start(metrics.serve, "127.0.0.1", config.metrics_port, tower.health)
        log.info("watching %s as 0x%s, metrics on port %d", network.name, node.address.hex(), port)
        await tower.run()


def can_challenge(config: WatchtowerConfig, network: Network, chain: Chain) -> bool:
    """Say whether wrong results can be proven, and why not."""
    if not config.challenge:
        log.info("wrong results are reported only: challenge is off")
    elif chain.deployment.disputes is None:
        log.warning("wrong results are reported only: %s has no Disputes", network.name)
    else:
        return True
    return False


async def _reach(chain: AsyncChain) -> None:
    """Wait for a node that answers: a daemon started before its node is no mistake."""
    for attempt in range(1 << 30):
        try:
            await chain.run(Chain.check)
        except TransientError as error:
            log.warning("no chain node answers, trying again: %s", error)
            await trio.sleep(backoff(attempt))
        else:
            return
