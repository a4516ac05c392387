"""The provider daemon: opens every part, wires them together, and ends them in order."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import trio

from protocol.auction.bidding import Capability, DeviceSpeed, House
from protocol.chain.async_chain import AsyncChain
from protocol.chain.client import Chain
from protocol.chain.networks_file import load_network
from protocol.lease import provider as machine
from protocol.lease import provider_types as lease
from protocol.lease.provider import ENDED
from protocol.lease.provider_types import Phase, ProviderLease
from protocol.net import NetSettings, Node, open_node
from protocol.runtime.hardware import Hardware, detect
from protocol.runtime.loop import Loop
from protocol.runtime.machine import Machine, MachineId
from protocol.runtime.metrics import Health, Metrics
from protocol.runtime.performer import Context
from protocol.runtime.retry import backoff
from protocol.store.artifacts import Artifacts
from protocol.store.journal import Journal
from protocol.types import ZERO_ADDRESS, BlockNo, BrokenInvariant, TransientError, Verification, to_hex
from provider_node import policy, registration
from provider_node.addresses import told
from provider_node.capacity import Capacity
from provider_node.config import ProviderConfig
from provider_node.control import serve_control
from provider_node.deployments import choose_deployment
from provider_node.executors.tape import TapeOptions, default_threads
from provider_node.gauges import Gauges
from provider_node.identity import Identity, connect, data_dir, load_identity
from provider_node.jobs import Jobs
from provider_node.ledger import Ledger
from provider_node.market import Market, Rules, capacity_note
from provider_node.metering import Metering, carbon_grams_per_kwh, milliwatts
from provider_node.orphans import Orphans
from provider_node.peers import follow_registrations
from provider_node.registration import SOFTWARE
from provider_node.serving import Serving
from provider_node.status import lease_rows, status
from provider_node.watcher import KIND, Watcher
from provider_node.workers import Workers, open_workers

log = logging.getLogger(__name__)

T = TypeVar("T")

_LONGEST_PAUSE_S = 5.0
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
)


@dataclass(frozen=True)
class Base:
    """What is opened before anything runs."""

    config: ProviderConfig
    identity: Identity
    chain: AsyncChain
    journal: Journal
    store: Artifacts

    @property
    def superseded(self) -> bool:
        """Whether there are newer contracts, and this run only ends leases on old ones."""
        return self.chain.blocking.deployment != self.chain.blocking.network.deployments[0]


@dataclass
class Parts:
    """Everything that runs, for whoever has to look at it."""

    base: Base
    host: Hardware
    node: Node
    loop: Loop
    watcher: Watcher
    jobs: Jobs
    ledger: Ledger
    market: Market
    orphans: Orphans
    metrics_port: int = 0
    drained_by_owner: bool = False
    stop: trio.Event = field(default_factory=trio.Event)

    @property
    def config(self) -> ProviderConfig:
        """The effective configuration."""
        return self.base.config

    @property
    def identity(self) -> Identity:
        """Keys and addresses."""
        return self.base.identity

    @property
    def chain(self) -> AsyncChain:
        """The chain, sending as the operator."""
        return self.base.chain

    @property
    def store(self) -> Artifacts:
        """The artifacts."""
        return self.base.store


async def run_provider(config: ProviderConfig, started: Callable[[Parts], object] = lambda _: None) -> None:
    """Run a provider until cancelled, or until it is drained. `started` is told once it listens to offers.

    Raises `InputError` for what the owner has to mend; waits as long as it takes for a chain that is down.
    """
    folder = data_dir(config)
    identity = await trio.to_thread.run_sync(load_identity, config)
    journal = await trio.to_thread.run_sync(Journal, folder / "journal.db")
    try:
        store = await trio.to_thread.run_sync(Artifacts, folder / "artifacts", config.quota)
        try:
            moved = True
            while moved:
                deployment = choose_deployment(load_network(config.network), journal)
                chain = AsyncChain(connect(config, identity.operator_key, deployment))
                moved = await _run(Base(config, identity, chain, journal, store), started)
        finally:
            store.close()
    finally:
        journal.close()


async def _run(base: Base, started: Callable[[Parts], object]) -> bool:
    """Serve one deployment; return whether it was an older one and the newest is next."""
    config, chain = base.config, base.chain
    folder, moved = data_dir(config), False
    health = _Starting()
    metrics = Metrics()
    async with trio.open_nursery() as nursery:
        port = await nursery.start(metrics.serve, "127.0.0.1", config.metrics_port, health)
        health.part = "waiting for the chain"
        await patiently(partial(chain.run, Chain.check), "the chain")
        host = await trio.to_thread.run_sync(detect, folder)
        settings = NetSettings(
            listen=config.net.listen,
            announce=config.net.announce,
            bootstrap=(*chain.blocking.network.bootstrap, *config.net.bootstrap),
        )
        options = _tape_options(config, host)
        async with (
            open_node(base.identity.operator_key, settings) as node,
            open_workers(config.lease.slots, options) as workers,
        ):
            health.part = "measuring this machine"
            key = f"{SOFTWARE}|{host.cpu}|{host.gpus}|{options.threads}"
            devices = await workers.calibrate(folder / "calibration.json", key)
            health.part = "registering"
            await patiently(partial(_register, base, host, node), "the chain")
            parts = await _assemble(base, node, workers, host, devices)
            parts.metrics_port = port
            health.parts = partial(_health, parts)
            Gauges(metrics, parts)
            await _serve(parts, folder, started)
            moved = base.superseded and not parts.drained_by_owner
            nursery.cancel_scope.cancel()
    return moved


async def _assemble(
    base: Base, node: Node, workers: Workers, host: Hardware, devices: tuple[DeviceSpeed, ...]
) -> Parts:
    """Build every part that the lease machines need, and register their handlers."""
    config, identity, chain = base.config, base.identity, base.chain
    blocking = chain.blocking
    network, folder = blocking.network, data_dir(config)
    prices = policy.price_policy(config.price, blocking.deployment)
    limits = await patiently(partial(chain.run, Chain.limits), "the chain")
    offered = tuple(each for each in devices if config.machine.cuda or not each.name.startswith("cuda"))
    grace = max(prices.grace, limits.min_grace)
    memory = _memory(config, host) // config.lease.slots
    metering = Metering(config, host)
    rules = Rules(
        identity=identity,
        house=House(
            identity.owner,
            Capability(
                offered,
                config.machine.bandwidth,
                carbon_grams_per_kwh=carbon_grams_per_kwh(config),
                verifications=await _verifications(base, workers),
            ),
            prices,
        ),
        conduct=policy.conduct(config.lease, network, grace, memory),
        block_ms=policy.block_ms(network),
        symbols=tuple(token.symbol for token in blocking.deployment.tokens),
        listings=await patiently(partial(chain.run, Chain.listings), "the chain"),
        limits=limits,
        grid_zone=config.grid_zone,
        energy_grade=int(metering.grade),
        open_bids=config.lease.open_bids,
        open_bids_per_client=config.lease.open_bids_per_client,
    )
    # A client that comes back within its start deadline must still find us asking for its artifacts.
    loop = Loop(base.journal, partial(backoff, most=_LONGEST_PAUSE_S))
    poll_s = min(max(network.seconds_per_block / 2, 0.25), 3.0)
    watcher = Watcher(chain, loop, network.confirmations, poll_s)
    jobs = Jobs(loop, node, base.store, workers, metering, folder / "work")
    ledger = Ledger(chain, loop, watcher, jobs)
    capacity = await _capacity(base)
    market = Market(chain, node, loop, base.journal, watcher, rules, capacity)
    market.draining = base.superseded
    orphans = Orphans(chain, loop, watcher, ledger.sending, identity.owner)
    parts = Parts(base, host, node, loop, watcher, jobs, ledger, market, orphans)
    watcher.on_height = partial(_on_height, parts)
    _handle(parts)
    return parts


def _handle(parts: Parts) -> None:
    loop, jobs, ledger, market = parts.loop, parts.jobs, parts.ledger, parts.market
    loop.machine(MACHINE)
    loop.handle(lease.SendQuote, market.send_quote)
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


async def _serve(parts: Parts, folder: Path, started: Callable[[Parts], object]) -> None:
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
    async with trio.open_nursery() as nursery:
        await nursery.start(parts.ledger.run)
        await nursery.start(parts.loop.run)
        serving.serve()
        nursery.start_soon(parts.watcher.run)
        nursery.start_soon(parts.market.run)
        nursery.start_soon(follow_registrations, parts.chain, parts.node)
        nursery.start_soon(parts.orphans.run)
        nursery.start_soon(_tidy, parts)
        await nursery.start(serve_control, folder, _operations(parts))
        log.info("provider %s listens on %s", to_hex(parts.identity.owner), ", ".join(told(parts.node.addrs)))
        started(parts)
        await parts.stop.wait()
        nursery.cancel_scope.cancel()


def _operations(parts: Parts) -> dict[str, Callable[[dict[str, Any]], Awaitable[Any]]]:
    async def tell_status(_: dict[str, Any]) -> Any:
        return status(parts)

    async def tell_leases(_: dict[str, Any]) -> Any:
        return lease_rows(parts)

    async def drain(arguments: dict[str, Any]) -> Any:
        parts.drained_by_owner = not arguments.get("cancel", False)
        parts.market.draining = parts.drained_by_owner or parts.base.superseded
        return {"draining": parts.market.draining, "leases": _living(parts)}

    async def abandon(arguments: dict[str, Any]) -> Any:
        wanted = MachineId(KIND, bytes.fromhex(str(arguments["lease"]).removeprefix("0x")))
        await parts.loop.give(wanted, lease.AskedAbandon())
        found: ProviderLease = parts.loop.state(wanted)
        return {"phase": found.phase.name.lower()}

    return {"status": tell_status, "leases": tell_leases, "drain": drain, "abandon": abandon}


def _on_height(parts: Parts, _: BlockNo) -> None:
    """Leave once drained."""
    if parts.market.draining and not _living(parts):
        log.info("drained: every lease is over")
        parts.stop.set()


async def _tidy(parts: Parts) -> None:
    """Now and then let pins run out, and forget bids that nobody took."""
    await parts.watcher.ready()
    while True:
        height = parts.watcher.height
        await trio.to_thread.run_sync(parts.store.expire, height)
        for id, state in list(parts.loop.states(KIND).items()):
            # By then its effects are done: letting go of nothing takes no time.
            if state.phase == Phase.LAPSED and height > state.height + _FORGET_AFTER:
                with suppress(BrokenInvariant):
                    await parts.loop.forget(MachineId(KIND, id))
        await trio.sleep(_TIDY_S)


async def _note_rejection(effect: lease.Rejected, context: Context) -> None:
    log.warning("%s: %s in phase %s: %s", context.machine, effect.input, effect.phase.name, effect.reason)


async def _capacity(base: Base) -> Capacity:
    """Return the nonces of the slots: as journaled, else the first ones that the chain has not seen."""
    journal, slots = base.journal, base.config.lease.slots
    note = capacity_note(base.chain.blocking.deployment.escrow)
    noted = await trio.to_thread.run_sync(journal.recall, note)
    if noted is None:
        asked = partial(base.chain.run, Chain.unused_nonce, base.identity.owner)
        capacity = Capacity.fresh(slots, await patiently(asked, "the chain"))
    else:
        capacity = Capacity.decode(noted).resized(slots)
    await trio.to_thread.run_sync(journal.remember, note, capacity.encode())
    return capacity


async def _verifications(base: Base, workers: Workers) -> frozenset[int]:
    """Return the kinds that bids may have: none, and those with an executor here and a judge on chain."""
    found = {int(Verification.NONE)}
    for kind in workers.verifications:
        judge = await patiently(partial(base.chain.run, Chain.judge, kind), "the chain")
        if judge != ZERO_ADDRESS:
            found.add(kind)
    return frozenset(found)


async def _register(base: Base, host: Hardware, node: Node) -> None:
    config, identity, chain = base.config, base.identity, base.chain
    blocking = chain.blocking
    token = policy.token_index(config.price, blocking.deployment)
    purse = registration.Purse(token, policy.unit_of(blocking.deployment, token))
    hand = None
    if identity.owner_key is not None:
        same = identity.owner == identity.operator
        hand_chain = blocking if same else connect(config, identity.owner_key, blocking.deployment)
        hand = registration.Owner(hand_chain, identity.owner_key, identity.owner)
    message = registration.registration_of(config, identity.owner, identity.operator, host, told(node.addrs))
    owner, operator = identity.owner, identity.operator
    sums = policy.stake_sums(config.stake, purse.unit)

    def settle(each: Chain) -> None:
        registration.ensure_registered(each, owner, operator, message, hand)
        said = registration.ensure_staked(each, owner, purse, sums, hand)
        log.info("owner %s is registered, %s", to_hex(owner), said)

    await chain.run(settle)


def _tape_options(config: ProviderConfig, host: Hardware) -> TapeOptions:
    threads = config.machine.threads or default_threads(config.lease.slots)
    return TapeOptions(
        threads=threads,
        memory=_memory(config, host) // config.lease.slots,
        milliwatts=milliwatts(config, host, threads),
    )


def _memory(config: ProviderConfig, host: Hardware) -> int:
    return config.machine.memory or host.memory * 3 // 4


def _living(parts: Parts) -> int:
    return sum(state.phase not in ENDED for state in parts.loop.states(KIND).values())


def _health(parts: Parts) -> Health:
    trouble = parts.watcher.trouble
    return Health(
        ok=not trouble,
        parts={
            "chain": trouble or f"at {parts.watcher.height}",
            "net": f"{len(parts.node.peers())} peers",
            "leases": str(_living(parts)),
            "draining": str(parts.market.draining).lower(),
        },
    )


@dataclass
class _Starting:
    """Health while the daemon starts, then that of its parts."""

    part: str = "starting"
    parts: Callable[[], Health] | None = None

    def __call__(self) -> Health:
        return self.parts() if self.parts else Health(False, {"start": self.part})


async def patiently(ask: Callable[[], Awaitable[T]], what: str) -> T:
    """Return what `ask` gives, trying for as long as it raises `TransientError`."""
    attempt = 0
    while True:
        try:
            return await ask()
        except TransientError as error:
            log.warning("waiting for %s: %s", what, error)
        await trio.sleep(backoff(attempt, 0.5, 10.0))
        attempt += 1
