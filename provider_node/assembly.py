"""Builds the parts of a daemon from its configuration, its keys and what the chain says."""

from dataclasses import dataclass
from functools import partial

from protocol.auction.bidding import Capability, DeviceSpeed, House
from protocol.auction.defence import Means
from protocol.auction.money import Unit
from protocol.chain.client import Chain
from protocol.net import Node
from protocol.runtime.hardware import Hardware
from protocol.runtime.loop import Loop
from protocol.runtime.retry import backoff
from protocol.types import Verification
from provider_node import policy
from provider_node.config import ProviderConfig
from provider_node.executors.tape import TapeOptions, default_threads
from provider_node.jobs import Jobs
from provider_node.ledger import Ledger
from provider_node.market import Market, Rules
from provider_node.memory import divided
from provider_node.metering import Metering, carbon_grams_per_kwh, milliwatts
from provider_node.orphans import Orphans
from provider_node.parts import Base, Parts
from provider_node.patience import patiently
from provider_node.rooms import rooms
from provider_node.sending import Sending
from provider_node.slots import Slots
from provider_node.watcher import Watcher
from provider_node.workers import Workers

_LONGEST_PAUSE_S = 5.0


@dataclass(frozen=True)
class Machinery:
    """What runs jobs here: the host, its executors, and how fast they were measured to be."""

    host: Hardware
    workers: Workers
    devices: tuple[DeviceSpeed, ...]


def tape_options(config: ProviderConfig, host: Hardware) -> TapeOptions:
    """Return how each slot's executor is to be opened."""
    threads = config.machine.threads or default_threads(config.lease.slots)
    return TapeOptions(
        threads=threads,
        memory=_memory_of_slot(config, host),
        milliwatts=milliwatts(config, host, threads),
        gpus=config.machine.cuda and bool(host.gpus),
        devices=config.machine.devices,
        trace_device=config.defence.device,
        trace_threads=config.defence.threads or default_threads(1),
    )


async def assemble(base: Base, node: Node, machinery: Machinery) -> Parts:
    """Build every part and wire the rooms; nothing runs yet."""
    config, chain = base.config, base.chain
    network, workers = chain.blocking.network, machinery.workers
    metering = Metering(config, machinery.host)
    means = await _means(base, machinery)
    rules = await _rules(base, machinery, metering, means)
    # A client that comes back within its start deadline must still find us asking for its artifacts.
    loop = Loop(base.journal, partial(backoff, most=_LONGEST_PAUSE_S))
    poll_s = min(max(network.seconds_per_block / 2, 0.25), 3.0)
    watcher = Watcher(chain, loop, network.confirmations, poll_s)
    sending = Sending(chain, watcher.nudge)
    running = policy.running(config, machinery.host)
    running.relieve = workers.make_room
    of_jobs = workers, metering, base.store.work, means, config.lease.slots, running
    jobs = Jobs(loop, node, base.store, *of_jobs)
    ledger = Ledger(chain, loop, watcher, jobs, sending)
    slots = Slots(chain, loop, base.journal, sending, base.identity.owner, config.lease.slots)
    market = Market(chain, node, loop, watcher, rules, slots, base.store)
    market.draining = base.superseded
    orphans = Orphans(chain, loop, watcher, sending, base.identity.owner)
    parts = Parts(base, machinery.host, node, workers, loop, watcher, sending, jobs, ledger, market, orphans)
    parts.running = running
    parts.rooms = rooms(parts)
    for room in parts.rooms:
        room.wire()
    return parts


async def _means(base: Base, machinery: Machinery) -> Means | None:
    chain = base.chain.blocking
    if chain.deployment.disputes is None:
        return None
    terms = await patiently(partial(base.chain.run, lambda chain: chain.game_terms))
    judging = await patiently(partial(base.chain.run, Chain.judging))
    return policy.means(base.config, machinery.host, chain.network, terms, judging)


async def _rules(base: Base, machinery: Machinery, metering: Metering, means: Means | None) -> Rules:
    config, chain = base.config, base.chain
    deployment = chain.blocking.deployment
    prices = policy.price_policy(config.price, deployment)
    limits = await patiently(partial(chain.run, Chain.limits))
    capability = Capability(
        machinery.devices,
        config.machine.bandwidth,
        carbon_grams_per_kwh=carbon_grams_per_kwh(config),
        verifications=await _verifications(base, machinery.workers),
    )
    grace = max(prices.grace, limits.min_grace)
    memory = _memory_of_slot(config, machinery.host)
    return Rules(
        identity=base.identity,
        house=House(base.identity.owner, capability, prices, means),
        conduct=policy.conduct(config.lease, chain.blocking.network, grace, memory),
        block_ms=policy.block_ms(chain.blocking.network),
        units=tuple(Unit(token.symbol, token.decimals) for token in deployment.tokens),
        listings=await patiently(partial(chain.run, Chain.listings)),
        limits=limits,
        judging=await patiently(partial(chain.run, Chain.judging)),
        grid_zone=config.grid_zone,
        energy_grade=int(metering.grade),
        open_bids=config.lease.open_bids,
        open_bids_per_client=config.lease.open_bids_per_client,
    )


async def _verifications(base: Base, workers: Workers) -> frozenset[int]:
    """Return the kinds that bids may have: none, and those with an executor here and a judge on chain."""
    found = {int(Verification.NONE)}
    for kind in workers.verifications:
        if await patiently(partial(base.chain.run, Chain.is_judged, kind)):
            found.add(kind)
    return frozenset(found)


def _memory_of_slot(config: ProviderConfig, host: Hardware) -> int:
    return divided(config, host).jobs // config.lease.slots
