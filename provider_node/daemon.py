"""The provider daemon: opens every part, starts them in order, and ends them in order."""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import trio

from protocol.chain.async_chain import AsyncChain
from protocol.chain.client import Chain
from protocol.chain.networks_file import load_network
from protocol.chain.node import Node
from protocol.net import NetSettings, open_node
from protocol.runtime.hardware import detect
from protocol.runtime.metrics import Metrics
from protocol.store.journal import Journal
from protocol.types import BlockNo, TransientError, to_hex
from provider_node.addresses import told
from provider_node.assembly import Machinery, assemble, tape_options
from provider_node.config import ProviderConfig
from provider_node.control_server import Operations, serve_control
from provider_node.deployments import choose_deployment
from provider_node.disk import open_store, trace_room
from provider_node.folder import data_dir
from provider_node.gauges import Gauges
from provider_node.health import Starting, health_of
from provider_node.identity import Identity, connect, load_identity, note_owner
from provider_node.parts import Base, Parts
from provider_node.patience import patiently
from provider_node.registration import SOFTWARE, enter
from provider_node.restarted import (
    ChainRestartedError,
    genesis_of,
    leave_if_restarted,
    require_same,
    set_aside,
)
from provider_node.status import money_of, status
from provider_node.workers import open_workers

log = logging.getLogger(__name__)

Started = Callable[[Parts], object]


async def run_provider(config: ProviderConfig, started: Started = lambda _: None) -> None:
    """Run a provider until cancelled, or until it is drained. `started` is told once it listens to offers.

    Raises `InputError` for what the owner has to mend; waits as long as it takes for a chain that is down.
    """
    folder = data_dir(config)
    identity = await trio.to_thread.run_sync(load_identity, config)
    await trio.to_thread.run_sync(note_owner, config, identity.owner)
    while True:
        journal = await trio.to_thread.run_sync(Journal, folder / "journal.db")
        try:
            await _work(config, identity, journal, started)
            return
        except ChainRestartedError:
            log.info("beginning with an empty journal")
        finally:
            journal.close()
        await trio.to_thread.run_sync(set_aside, folder / "journal.db")


async def _work(config: ProviderConfig, identity: Identity, journal: Journal, started: Started) -> None:
    """Serve one deployment after the other. `ChainRestartedError`: the journal is of a chain that is gone."""
    network = load_network(config.network)
    if network.may_restart:
        with suppress(TransientError):  # else it is asked again once the chain answers
            genesis = await trio.to_thread.run_sync(Node.of(network).genesis)
            require_same(journal, network, genesis)
    folder = data_dir(config)
    room = await trio.to_thread.run_sync(trace_room, folder, config.defence.disk)
    config = replace(config, defence=replace(config.defence, disk=room))
    store = await trio.to_thread.run_sync(open_store, folder, config.quota, room)
    try:
        moved = True
        while moved:
            choose = partial(choose_deployment, load_network(config.network), journal)
            deployment = await patiently(partial(trio.to_thread.run_sync, choose), "the journal")
            chain = AsyncChain(connect(config, identity.operator_key, deployment))
            moved = await _run(Base(config, identity, chain, journal, store), started)
    finally:
        store.close()


async def _run(base: Base, started: Started) -> bool:
    """Serve one deployment; return whether it was an older one and the newest is next."""
    config, chain = base.config, base.chain
    folder, moved = data_dir(config), False
    other: ChainRestartedError | None = None
    health = Starting()
    metrics = Metrics()
    async with trio.open_nursery() as nursery:
        port = await nursery.start(metrics.serve, "127.0.0.1", config.metrics_port, health)
        health.part = "waiting for the chain"
        await patiently(partial(chain.run, Chain.check))
        try:
            if chain.blocking.network.may_restart:
                genesis = await patiently(partial(chain.run, genesis_of))
                require = partial(require_same, base.journal, chain.blocking.network, genesis)
                await patiently(partial(trio.to_thread.run_sync, require), "the journal")
        except ChainRestartedError as error:
            other = error
            nursery.cancel_scope.cancel()
            await trio.lowlevel.checkpoint()
        host = await trio.to_thread.run_sync(detect, folder)
        settings = NetSettings(
            listen=config.net.listen,
            announce=config.net.announce,
            bootstrap=(*chain.blocking.network.bootstrap, *config.net.bootstrap),
        )
        options = tape_options(config, host)
        async with (
            open_node(base.identity.operator_key, settings) as node,
            open_workers(config.lease.slots, options) as workers,
        ):
            health.part = "measuring this machine"
            key = f"{SOFTWARE}|{host.cpu}|{host.gpus}|{options.threads}|{options.gpus}|{options.devices}"
            devices = await workers.calibrate(folder / "calibration.json", key)
            # Before anything is sent: what is wrong with the settings is said here.
            parts = await assemble(base, node, Machinery(host, workers, devices))
            health.part = "registering"
            addrs = told(node.addrs)
            await patiently(partial(chain.run, partial(enter, config, base.identity, host, addrs)))
            parts.metrics_port = port
            parts.watcher.on_height.append(partial(_leave_once_drained, parts))
            health.parts = partial(health_of, parts)
            Gauges(metrics, parts)
            await _serve(parts, started)
            moved = parts.restarted or (base.superseded and not parts.drained_by_owner)
            nursery.cancel_scope.cancel()
    if other is not None:
        raise other  # out of the nursery, which would wrap it
    return moved


async def _serve(parts: Parts, started: Started) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(parts.sending.run)
        await nursery.start(parts.loop.run)
        for room in parts.rooms:
            room.serve()
        nursery.start_soon(parts.watcher.run)
        nursery.start_soon(leave_if_restarted, parts)
        for room in parts.rooms:
            for task in room.tasks:
                nursery.start_soon(task)
        await nursery.start(serve_control, data_dir(parts.config), _operations(parts))
        owner = to_hex(parts.identity.owner)
        log.info("provider %s listens on %s", owner, ", ".join(told(parts.node.addrs)))
        started(parts)
        await parts.stop.wait()
        nursery.cancel_scope.cancel()


def _operations(parts: Parts) -> Operations:
    async def tell_status(arguments: dict[str, Any]) -> Any:
        return {**status(parts), "money": await money_of(parts, str(arguments.get("token", "")))}

    async def drain(arguments: dict[str, Any]) -> Any:
        parts.drained_by_owner = not arguments.get("cancel", False)
        parts.market.draining = parts.drained_by_owner or parts.base.superseded
        return {"draining": parts.market.draining, "leases": parts.living}

    found: Operations = {"status": tell_status, "drain": drain}
    for room in parts.rooms:
        found |= room.operations
    return found


def _leave_once_drained(parts: Parts, _: BlockNo) -> None:
    if parts.market.draining and not parts.living:
        log.info("drained: everything is over")
        parts.stop.set()
